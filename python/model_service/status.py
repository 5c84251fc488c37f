# SPDX-License-Identifier: Apache-2.0
"""What ``serve.status()`` gives, read from the REST document (contracts, ray-serve §2.2). All values equal plain strings."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class ApplicationStatus(StrEnum):
    """An application's state."""

    NOT_STARTED = "NOT_STARTED"
    DEPLOYING = "DEPLOYING"
    DEPLOY_FAILED = "DEPLOY_FAILED"
    RUNNING = "RUNNING"
    UNHEALTHY = "UNHEALTHY"
    DELETING = "DELETING"


class DeploymentStatus(StrEnum):
    """A deployment's state."""

    UPDATING = "UPDATING"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    DEPLOY_FAILED = "DEPLOY_FAILED"
    UPSCALING = "UPSCALING"
    DOWNSCALING = "DOWNSCALING"


class DeploymentStatusTrigger(StrEnum):
    """Why a deployment is in its state."""

    UNSPECIFIED = "UNSPECIFIED"
    CONFIG_UPDATE_STARTED = "CONFIG_UPDATE_STARTED"
    CONFIG_UPDATE_COMPLETED = "CONFIG_UPDATE_COMPLETED"
    UPSCALE_COMPLETED = "UPSCALE_COMPLETED"
    DOWNSCALE_COMPLETED = "DOWNSCALE_COMPLETED"
    AUTOSCALING = "AUTOSCALING"
    REPLICA_STARTUP_FAILED = "REPLICA_STARTUP_FAILED"
    HEALTH_CHECK_FAILED = "HEALTH_CHECK_FAILED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    DELETING = "DELETING"


class ReplicaState(StrEnum):
    """A replica's state."""

    STARTING = "STARTING"
    UPDATING = "UPDATING"
    RECOVERING = "RECOVERING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    PENDING_MIGRATION = "PENDING_MIGRATION"


class ProxyStatus(StrEnum):
    """A proxy's state."""

    STARTING = "STARTING"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    DRAINING = "DRAINING"
    DRAINED = "DRAINED"


class APIType(StrEnum):
    """Who deployed an application."""

    UNKNOWN = "unknown"
    IMPERATIVE = "imperative"
    DECLARATIVE = "declarative"


@dataclass
class DeploymentStatusOverview:
    """One deployment."""

    status: DeploymentStatus
    status_trigger: DeploymentStatusTrigger
    replica_states: dict[ReplicaState, int]
    message: str


@dataclass
class ApplicationStatusOverview:
    """One application."""

    status: ApplicationStatus
    message: str
    last_deployed_time_s: float
    deployments: dict[str, DeploymentStatusOverview]


@dataclass
class ServeStatus:
    """The whole instance; empty when Serve does not run."""

    proxies: dict[str, ProxyStatus] = field(default_factory=dict)
    applications: dict[str, ApplicationStatusOverview] = field(default_factory=dict)
    target_capacity: float | None = None

    def dict(self, **_: Any) -> dict:  # noqa: A003
        return asdict(self)

    model_dump = dict


def status_from_details(details: dict) -> ServeStatus:
    """The overview of a GET /api/serve/applications/ document."""
    return ServeStatus(
        {
            node: ProxyStatus(proxy["status"])
            for node, proxy in (details.get("proxies") or {}).items()
        },
        {name: _application(app) for name, app in (details.get("applications") or {}).items()},
        details.get("target_capacity"),
    )


def _application(app: dict) -> ApplicationStatusOverview:
    return ApplicationStatusOverview(
        ApplicationStatus(app["status"]),
        app.get("message", ""),
        app.get("last_deployed_time_s") or 0.0,
        {name: _deployment(one) for name, one in (app.get("deployments") or {}).items()},
    )


def _deployment(one: dict) -> DeploymentStatusOverview:
    states = Counter(ReplicaState(replica["state"]) for replica in one.get("replicas") or ())
    return DeploymentStatusOverview(
        DeploymentStatus(one["status"]),
        DeploymentStatusTrigger(one.get("status_trigger") or "UNSPECIFIED"),
        dict(states),
        one.get("message", ""),
    )
