# SPDX-License-Identifier: Apache-2.0
"""Ids and states."""

from model_service.context import REPLICA_ID_FULL_ID_STR_PREFIX, DeploymentID, ReplicaID
from model_service.private import (
    DeploymentHandleSource,
    DeploymentStatusInfo,
    RequestProtocol,
    RunningReplicaInfo,
    TimeStampedValue,
)
from model_service.status import (
    ApplicationStatus,
    DeploymentStatus,
    DeploymentStatusTrigger,
    ReplicaState,
)

__all__ = [
    "REPLICA_ID_FULL_ID_STR_PREFIX",
    "ApplicationStatus",
    "DeploymentHandleSource",
    "DeploymentID",
    "DeploymentStatus",
    "DeploymentStatusInfo",
    "DeploymentStatusTrigger",
    "ReplicaID",
    "ReplicaState",
    "RequestProtocol",
    "RunningReplicaInfo",
    "TimeStampedValue",
]
