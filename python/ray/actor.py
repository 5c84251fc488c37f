# SPDX-License-Identifier: Apache-2.0
"""Types of actors, for annotations."""

from model_service.actors import ActorClass, ActorHandle

__all__ = ["ActorClass", "ActorHandle"]
