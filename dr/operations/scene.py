"""Context of an operation: the recovery region, what is deployed there, and the incident state.

Everything is read from the recovery region. No call goes to the failed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from dr.clients import Unreachable
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.control.contract import Half
from dr.control.control_bucket import Control, read_control
from dr.control.incident_state import IncidentState
from dr.control.lease import HeldLease, holder
from dr.control.state_store import StateStore
from dr.data.model_sets import Probe
from dr.errors import Problem, Refused
from dr.names import CONTROL
from dr.operations import clients_dns
from dr.operations.clients_dns import Clients
from dr.operations.measurements import Alarms, read_alarms
from dr.topology.capacity import Capacity
from dr.topology.tiers import CLUSTER_CREATION, Tier, describe_duration
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Options:
    """What the operator decided.

    Args:
        reason: Why the operation runs, for the journal and the incident.
        accept: Names of guards whose finding is accepted.
        accept_data_loss: Longest accepted loss of writes; None accepts the objective.
        run: ID of the run.
        by: Author, and holder of the lease: user, machine and process.
    """

    reason: str
    run: str
    accept: frozenset[str] = frozenset()
    accept_data_loss: timedelta | None = None
    by: str = field(default_factory=holder)


@dataclass
class Scene:
    """The recovery region of a topology.

    Args:
        topology: The topology of the recovery stack.
        halves: Halves of the contract.
        store: The incident state.
        options: What the operator decided.
        lease: The lease, once the operation holds it; None while it is planned.
    """

    topology: Topology
    halves: Mapping[Role, Half]
    store: StateStore
    options: Options
    lease: HeldLease | None = None
    times: dict[str, datetime] = field(default_factory=dict)
    """Times that a step's action leaves for its confirmation, by the step's name."""
    probes: dict[Role, Probe] = field(default_factory=dict)
    """The request by which the region of a role is validated."""
    clock: Callable[[], float] = time.monotonic
    """Clock of the environment, in seconds: a drill's runs faster than the machine's."""
    _since: dict[str, float] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """The recovery region."""
        return self.topology.recovery.region

    @property
    def home(self) -> str:
        """The primary region."""
        return self.topology.primary.region

    @property
    def primary(self) -> Half:
        """What the primary stack deployed."""
        return self.halves[Role.PRIMARY]

    @property
    def recovery(self) -> Half:
        """What the recovery stack deployed."""
        return self.halves[Role.RECOVERY]

    @property
    def tier(self) -> Tier:
        """The deployed tier of the recovery region."""
        return self.recovery.tier or self.topology.tier

    @property
    def normal_tier(self) -> Tier:
        """The tier of normal operation: a deployment during an incident raises the region above it."""
        return self.recovery.configured or self.tier

    @property
    def serving_tier(self) -> Tier:
        """The tier that the recovery region is raised to."""
        return self.tier.serving_tier

    @property
    def needed(self) -> Capacity:
        """Replicas and nodes that the recovery region needs to serve."""
        return self.topology.with_activation(self.serving_tier).capacity_here

    @property
    def buckets(self) -> dict[str, str]:
        """Buckets of the recovery region by pair."""
        return {pair: sides.recovery for pair, sides in self.primary.buckets.items()}

    @cached_property
    def cluster(self) -> ClusterApi:
        """Client of the recovery region's cluster.

        Raises:
            Refused: The tier has no cluster.
        """
        cluster = self.recovery.cluster
        if cluster is None:
            raise Refused(
                Problem(
                    f"tier {self.tier}",
                    f"{self.region} has no cluster, and creating one takes {describe_duration(CLUSTER_CREATION)}",
                    "`pulumi config set dr:tier warm -s dr`, then `pulumi up -s dr`, then this command again",
                )
            )
        return ClusterApi(ClusterAddress(cluster.name, self.region, cluster.endpoint, cluster.ca_data))

    def cluster_of(self, role: Role) -> ClusterApi:
        """Return a client of a region's cluster.

        Raises:
            Refused: The region has no cluster.
        """
        if role is Role.RECOVERY:
            return self.cluster
        cluster = self.primary.cluster
        if cluster is None:
            raise Refused(Problem(self.home, "it has no cluster", f"`pulumi up -s {self.primary.stack}`"))
        return ClusterApi(ClusterAddress(cluster.name, self.home, cluster.endpoint, cluster.ca_data))

    @property
    def held(self) -> HeldLease:
        """The lease, which an operation holds before its first act."""
        if self.lease is None:
            raise RuntimeError("the operation holds no lease")
        return self.lease

    def lasts(self, name: str, holds: bool) -> float:
        """Return for how many seconds something has held at each call; 0 when it does not hold.

        Args:
            name: Name of what holds.
            holds: Whether it holds now.
        """
        if not holds:
            self._since.pop(name, None)
            return 0.0
        now = self.clock()
        return now - self._since.setdefault(name, now)

    def clients(self) -> Clients:
        """Return the region that clients reach, by DNS; unknown with the reason if DNS does not answer."""
        name = self.primary.dns.public_name
        try:
            answer = clients_dns.ask(name)
        except Unreachable as error:
            return Clients(name, reason=error.problems[0].fact)
        return clients_dns.region_of(answer, {half.region: half.dns.endpoint for half in self.halves.values()})

    def alarm_name(self, suffix: str) -> str:
        """Return the full name of an alarm."""
        return f"{self.topology.bucket_prefix}-{suffix}"

    def alarms(self) -> Alarms:
        """Return the alarms of the recovery region. Raises as `read_alarms`."""
        return read_alarms(self.region, self.topology.bucket_prefix)

    def state(self) -> IncidentState:
        """Return the incident state. Raises as `StateStore.read`."""
        return self.store.read().state


def read_scene(topology: Topology, options: Options) -> Scene:
    """Read the contract from the recovery region.

    Args:
        topology: The topology of the recovery stack.
        options: What the operator decided.

    Raises:
        Refused: A stack is not deployed.
        Invalid: The contract is not valid, or of another version.
        Unreachable: The recovery region does not answer.
    """
    return scene_of(topology, read_control(topology, Role.RECOVERY), options)


def scene_of(topology: Topology, control: Control, options: Options) -> Scene:
    """Return the scene of a control bucket that was read.

    Args:
        topology: The topology of the recovery stack.
        control: Content of the recovery region's control bucket.
        options: What the operator decided.

    Raises:
        Refused: A stack is not deployed.
    """
    if missing := [str(each) for each in Role if each not in control.halves]:
        raise Refused(
            Problem(
                f"contract of {' and '.join(missing)}",
                f"s3://{control.bucket} does not have it, so what is deployed is unknown",
                "`pulumi up` of that stack; if it is deployed, wait for replication",
            )
        )
    store = StateStore(topology.recovery.region, topology.bucket(CONTROL, Role.RECOVERY))
    return Scene(topology, control.halves, store, options)
