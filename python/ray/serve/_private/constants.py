# SPDX-License-Identifier: Apache-2.0
"""Constants."""

from model_service.constants import *  # noqa: F403
