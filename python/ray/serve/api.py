# SPDX-License-Identifier: Apache-2.0
"""The functions of ``ray.serve``."""

from model_service.api import *  # noqa: F403
from model_service.api import _run, _run_many  # noqa: F401
from model_service.asgi import ingress
from model_service.batch import batch
from model_service.build import call_builder as call_user_app_builder_with_args_if_necessary
from model_service.context import get_replica_context
from model_service.deployment import Application, Deployment, deployment
from model_service.multiplex import get_multiplexed_model_id, multiplexed

__all__ = [
    "Application",
    "Deployment",
    "batch",
    "call_user_app_builder_with_args_if_necessary",
    "deployment",
    "get_multiplexed_model_id",
    "get_replica_context",
    "ingress",
    "multiplexed",
]
