# SPDX-License-Identifier: Apache-2.0
"""The state API, as far as programs import it."""

from model_service.private import list_actors, list_nodes, list_tasks

__all__ = ["list_actors", "list_nodes", "list_tasks"]
