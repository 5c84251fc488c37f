# SPDX-License-Identifier: Apache-2.0
"""The models of ``ray.serve.schema``: the documents of the REST API (contracts, ray-serve §1 and §2).

The controller judges documents by its own table; these models are for programs that make or read such documents.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Union

from pydantic import ConfigDict, Field, NonNegativeFloat, field_validator, model_validator

from .config import LoggingConfig, ProxyLocation, _Model
from .imports import split_import_path
from .options import DEFAULT
from .status import (
    APIType,
    ApplicationStatus,
    DeploymentStatus,
    DeploymentStatusTrigger,
    ProxyStatus,
    ReplicaState,
)

_UNSET: Any = DEFAULT.VALUE


class RayActorOptionsSchema(_Model):
    """Resources and environment of a deployment's replicas."""

    runtime_env: dict = Field(default_factory=dict)
    num_cpus: NonNegativeFloat | None = None
    num_gpus: NonNegativeFloat | None = None
    memory: NonNegativeFloat | None = None
    resources: dict = Field(default_factory=dict)
    accelerator_type: str | None = None
    label_selector: dict | None = None


class DeploymentSchema(_Model):
    """What a config says of one deployment."""

    name: str
    num_replicas: Any = _UNSET
    max_ongoing_requests: Any = _UNSET
    max_queued_requests: Any = _UNSET
    user_config: Any = _UNSET
    autoscaling_config: Any = _UNSET
    graceful_shutdown_wait_loop_s: Any = _UNSET
    graceful_shutdown_timeout_s: Any = _UNSET
    health_check_period_s: Any = _UNSET
    health_check_timeout_s: Any = _UNSET
    ray_actor_options: Any = _UNSET
    placement_group_bundles: Any = _UNSET
    placement_group_strategy: Any = _UNSET
    max_replicas_per_node: Any = _UNSET
    logging_config: Any = _UNSET
    request_router_config: Any = _UNSET

    @model_validator(mode="after")
    def _replicas(self) -> DeploymentSchema:
        n = self.num_replicas
        if n is not _UNSET and n is not None and n != "auto" and (not isinstance(n, int) or n < 1):
            raise ValueError(f'`num_replicas` must be an int or "auto", but got: {n}')
        both = n not in (_UNSET, None, "auto") and self.autoscaling_config not in (_UNSET, None)
        if both:
            raise ValueError(
                "Manually setting num_replicas is not allowed when autoscaling_config is provided."
            )
        return self

    def _get_user_configured_option_names(self) -> set[str]:
        return {name for name in type(self).model_fields if getattr(self, name) is not _UNSET}

    def is_autoscaling(self) -> bool:
        return self.autoscaling_config not in (None, _UNSET)


class ServeApplicationSchema(_Model):
    """What a config says of one application."""

    name: str = "default"
    route_prefix: str | None = "/"
    import_path: str
    runtime_env: dict = Field(default_factory=dict)
    host: str = "0.0.0.0"
    port: int = 8000
    deployments: list[DeploymentSchema] = Field(default_factory=list)
    args: dict = Field(default_factory=dict)
    logging_config: LoggingConfig | None = None
    autoscaling_policy: dict | None = None
    external_scaler_enabled: bool = False

    @field_validator("import_path")
    @classmethod
    def _path(cls, value: str) -> str:
        split_import_path(value)
        return value

    @property
    def deployment_names(self) -> list[str]:
        return [deployment.name for deployment in self.deployments]


class HTTPOptionsSchema(_Model):
    """The HTTP ingress, as a config says it."""

    host: str = "0.0.0.0"
    port: int = 8000
    root_path: str = ""
    request_timeout_s: float | None = None
    keep_alive_timeout_s: int = 90
    ssl_keyfile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile_password: str | None = None
    ssl_ca_certs: str | None = None


class gRPCOptionsSchema(_Model):
    """The gRPC ingress, as a config says it."""

    port: int = 9000
    grpc_servicer_functions: list[str] = Field(default_factory=list)
    request_timeout_s: float | None = None


class ServeDeploySchema(_Model):
    """A whole config."""

    proxy_location: ProxyLocation = ProxyLocation.EveryNode
    http_options: HTTPOptionsSchema = Field(default_factory=HTTPOptionsSchema)
    grpc_options: gRPCOptionsSchema = Field(default_factory=gRPCOptionsSchema)
    logging_config: LoggingConfig | None = None
    applications: list[ServeApplicationSchema]
    target_capacity: float | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _unique(self) -> ServeDeploySchema:
        for what, values in (
            ("names", [app.name for app in self.applications]),
            (
                "route_prefix",
                [app.route_prefix for app in self.applications if app.route_prefix is not None],
            ),
        ):
            twice = sorted(value for value, n in Counter(values).items() if n > 1)
            if twice:
                raise ValueError(
                    f"Found duplicate {'application ' if what == 'names' else ''}{what}: {', '.join(map(repr, twice))}. "
                    "Please ensure that they are unique among applications."
                )
        if any(app.name == "" for app in self.applications):
            raise ValueError("Application names must be nonempty.")
        return self

    @staticmethod
    def get_empty_schema_dict() -> dict:
        return {"applications": []}


class _Details(_Model):
    model_config = ConfigDict(extra="allow")


class ServeActorDetails(_Details):
    """Where a process runs."""

    node_id: str | None = None
    node_ip: str | None = None
    node_instance_id: str | None = None
    actor_id: str | None = None
    actor_name: str | None = None
    worker_id: str | None = None
    log_file_path: str | None = None


class ReplicaDetails(ServeActorDetails):
    """One replica."""

    replica_id: str
    state: ReplicaState
    pid: int | None = None
    start_time_s: float


class DeploymentDetails(_Details):
    """One deployment."""

    name: str
    status: DeploymentStatus
    status_trigger: DeploymentStatusTrigger
    message: str
    deployment_config: DeploymentSchema
    target_num_replicas: int
    required_resources: dict = Field(default_factory=dict)
    replicas: list[ReplicaDetails] = Field(default_factory=list)


class ApplicationDetails(_Details):
    """One application."""

    name: str
    route_prefix: str | None = None
    docs_path: str | None = None
    status: ApplicationStatus
    message: str
    last_deployed_time_s: float
    deployed_app_config: dict | None = None
    source: APIType = APIType.UNKNOWN
    deployments: dict[str, DeploymentDetails] = Field(default_factory=dict)
    external_scaler_enabled: bool = False
    deployment_topology: dict | None = None


class ProxyDetails(ServeActorDetails):
    """One proxy."""

    status: ProxyStatus


class Target(_Model):
    """Where HTTP requests can be sent."""

    ip: str
    port: int
    instance_id: str = ""
    name: str = ""


class TargetGroup(_Model):
    """Targets of one protocol."""

    targets: list[Target] = Field(default_factory=list)
    route_prefix: str = "/"
    protocol: str = "HTTP"


class ServeInstanceDetails(_Details):
    """The document of GET /api/serve/applications/."""

    controller_info: ServeActorDetails = Field(default_factory=ServeActorDetails)
    proxy_location: ProxyLocation | None = None
    http_options: HTTPOptionsSchema | None = None
    grpc_options: gRPCOptionsSchema | None = None
    proxies: dict[str, ProxyDetails] = Field(default_factory=dict)
    deploy_mode: str = "MULTI_APP"
    applications: dict[str, ApplicationDetails] = Field(default_factory=dict)
    target_capacity: float | None = None
    target_groups: list[TargetGroup] = Field(default_factory=list)


class ReplicaRank(_Model):
    """A replica's place among its deployment's."""

    rank: int
    node_rank: int = 0
    local_rank: int = 0


class ScaleDeploymentRequest(_Model):
    """Body of the scale call."""

    target_num_replicas: int = Field(ge=0)


class CeleryAdapterConfig(_Model):
    """Accepted for imports."""

    app_custom_config: dict | None = None
    task_custom_config: dict | None = None
    broker_url: str = ""
    backend_url: str = ""
    broker_transport_options: dict | None = None


class TaskProcessorConfig(_Model):
    """Accepted for imports."""

    queue_name: str
    adapter: Union[str, Any] = "ray.serve.task_processor.CeleryTaskProcessorAdapter"
    adapter_config: Any = None
    max_retries: int | None = 3
    failed_task_queue_name: str | None = None
    unprocessable_task_queue_name: str | None = None


class TaskResult(_Model):
    """Accepted for imports."""

    id: str
    status: str
    created_at: float | None = None
    result: Any = None
