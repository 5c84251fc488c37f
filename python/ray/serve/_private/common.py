# SPDX-License-Identifier: Apache-2.0
"""Ids and states."""

from model_service.context import REPLICA_ID_FULL_ID_STR_PREFIX, DeploymentID, ReplicaID
from model_service.private import DeploymentHandleSource, RequestProtocol
from model_service.status import DeploymentStatus, DeploymentStatusTrigger, ReplicaState

__all__ = [
    "REPLICA_ID_FULL_ID_STR_PREFIX",
    "DeploymentHandleSource",
    "DeploymentID",
    "DeploymentStatus",
    "DeploymentStatusTrigger",
    "ReplicaID",
    "ReplicaState",
    "RequestProtocol",
]
