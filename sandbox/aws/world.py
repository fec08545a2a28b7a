"""What extensions and behaviours need of the emulator that they belong to.

Messages, functions and faults are classes with one implementation, so they appear here as they are. What runs behind
EKS is a protocol: sandbox/clusters implements it and imports this package, never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sandbox.aws.answer import Answer
from sandbox.aws.behaviours.addresses import Addresses
from sandbox.aws.behaviours.functions import Functions
from sandbox.aws.behaviours.messages import Messages
from sandbox.aws.faults import Faults


@dataclass
class Operator:
    """Where calls of API servers come from: all programs of this machine are one caller.

    Args:
        address: Its address on the internet.
        inside: Number of builds that run inside a VPC; while there is one, all calls come from inside.
    """

    address: str = "203.0.113.10"
    inside: int = 0


class ControlPlane(Protocol):
    """The API server of one cluster, as far as EKS describes it."""

    @property
    def endpoint(self) -> str:
        """URL of the API server."""

    @property
    def ca_data(self) -> str:
        """Certificate to trust: PEM, in base64."""


class Kubernetes(Protocol):
    """The clusters behind EKS."""

    targets_follow: bool
    """Whether the load balancers' health checks of targets follow the clock."""

    @property
    def on(self) -> bool:
        """Whether clusters have a control plane. If not, an endpoint is healthy while its region is reachable."""

    @property
    def speed(self) -> float:
        """Modelled seconds per real second."""

    @property
    def target_speed(self) -> float:
        """Modelled seconds per real second of the load balancers' health checks of targets."""

    def start(self, region: str, name: str) -> ControlPlane | None:
        """Start a cluster's control plane and wait until it is ready; None without Kubernetes. Raises Failed."""

    def end(self, region: str, name: str) -> None:
        """Stop a cluster's control plane and delete its data."""

    def install_addon(self, region: str, name: str, addon: str) -> None:
        """Install the custom resource definitions of an EKS add-on in a cluster."""

    def review_token(self, region: str, name: str, body: bytes) -> dict[str, Any]:
        """Answer a TokenReview of a cluster's API server. Raises ConnectionCutError, ValueError."""

    def answers(self, region: str, address: str, path: str) -> bool:
        """Whether a pod with this address answers a health check of a path with 200."""

    def ask(self, region: str, address: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer of the pod with this address. Raises ConnectionCutError."""

    def admits(self, pod: str, address: str, port: int) -> bool:
        """Whether a pod's egress policies admit a connection; not for an unknown UID. Raises ConnectionCutError."""

    def listed(self) -> list[dict[str, Any]]:
        """List all control planes, for the control API."""

    def faults_changed(self) -> None:
        """Pause and resume control planes as the faults in force demand. Raises Failed."""

    def access_changed(self, operator: Operator) -> None:
        """Admit or refuse callers of API servers, after a change of their endpoints or of where callers are."""

    def forget(self) -> None:
        """Stop and delete all control planes."""


class Databases(Protocol):
    """The database servers behind RDS."""

    def address_of(self, name: str) -> str | None:
        """The loopback address at which an endpoint answers; None for another name. Raises Failed."""

    def restored(self, cluster: Any, source: str, until: datetime | None) -> None:
        """Give a new cluster the data of another one (its resource ID) as of a time; None for the latest."""

    def changed(self) -> None:
        """Follow a change of the API or of faults soon; what a fault cuts is cut at once."""

    def settle(self) -> None:
        """Follow what the API says, and wait for it. Raises Failed."""

    def sql(self, region: str, identifier: str, text: str, database: str = "postgres") -> str:
        """Run SQL as the administrator on a cluster's server; one row a line. Raises Failed."""

    def forget(self) -> None:
        """Stop and delete all servers."""


class Clients(Protocol):
    """Makes boto3 clients of the emulator: one client for the same arguments, which are hashable."""

    def __call__(self, service: str, region: str, **options: Any) -> Any: ...


@dataclass(frozen=True)
class World:
    """The shared parts of one emulator.

    Args:
        faults: The faults in force.
        messages: Deliveries of SNS topics.
        functions: Processes of Lambda functions.
        kubernetes: The clusters behind EKS.
        databases: The database servers behind RDS.
        client: Makes boto3 clients of the emulator.
        endpoints: Health of inference endpoints as set by hand, by DNS name.
        operator: Where calls of API servers come from.
        addresses: IP addresses of load balancers.
    """

    faults: Faults
    messages: Messages
    functions: Functions
    kubernetes: Kubernetes
    databases: Databases
    client: Clients
    endpoints: dict[str, bool] = field(default_factory=dict)
    operator: Operator = field(default_factory=Operator)
    addresses: Addresses = field(default_factory=Addresses)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Count a caller inside a VPC until the block ends: a build of CodeBuild."""
        self.operator.inside += 1
        self.kubernetes.access_changed(self.operator)
        try:
            yield
        finally:
            self.operator.inside -= 1
            self.kubernetes.access_changed(self.operator)
