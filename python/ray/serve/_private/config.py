# SPDX-License-Identifier: Apache-2.0
"""Internal configuration."""

from model_service.private import ReplicaConfig
from model_service.private import not_here as _proto_to_dict
from model_service.private import not_here as prepare_imperative_http_options
from model_service.schema import DeploymentSchema as DeploymentConfig

__all__ = ["DeploymentConfig", "ReplicaConfig", "_proto_to_dict", "prepare_imperative_http_options"]
