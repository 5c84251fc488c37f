# SPDX-License-Identifier: Apache-2.0
"""Task queues."""

from model_service.private import not_here as instantiate_adapter_from_config
from model_service.private import task_consumer
from model_service.private import task_consumer as task_handler

__all__ = ["instantiate_adapter_from_config", "task_consumer", "task_handler"]
