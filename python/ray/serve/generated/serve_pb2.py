# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers."""

from model_service.private import UserDefinedMessage as AutoscalingConfig
from model_service.private import UserDefinedMessage as DeploymentConfig
from model_service.private import UserDefinedMessage as DeploymentLanguage
from model_service.private import UserDefinedMessage as DeploymentStatusInfo

__all__ = ["AutoscalingConfig", "DeploymentConfig", "DeploymentLanguage", "DeploymentStatusInfo"]
