"""The topology: frozen values that say what is to exist where. Pure; made by `dr.config`, read by all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from dr.names import CONTROL, DATASETS, MODELS, REGISTRY, VELERO
from dr.topology.capacity import Capacity, Workload, capacity
from dr.topology.serving import Serving
from dr.topology.tiers import PRIMARY_TIER, Nat, Tier, highest

RECORD_TTL_SECONDS = 60
"""Records with health checks should live 60 s or less (Route 53 developer guide, values shared by all records)."""


class Role(StrEnum):
    """What a region, and the stack that deploys it, is for."""

    PRIMARY = "primary"
    """Serves while all is well."""
    RECOVERY = "recovery"
    """Takes over."""


class DnsFailover(StrEnum):
    """Who opens the recovery record."""

    AUTOMATIC = "automatic"
    """Its own health: it answers as soon as the primary is unhealthy and its endpoint is healthy."""
    MANUAL = "manual"
    """A person: it stays shut until it is admitted."""


class LockMode(StrEnum):
    """Who may shorten an Object Lock retention."""

    GOVERNANCE = "GOVERNANCE"
    """Whoever has s3:BypassGovernanceRetention."""
    COMPLIANCE = "COMPLIANCE"
    """Nobody, not even the account's root."""


@dataclass(frozen=True)
class Site:
    """One of the two regions.

    Args:
        role: What it is for.
        region: Its AWS name.
        endpoint: A host name of one's own that serves inference there; None is the load balancer that is made there.
        cidr: The block of its VPC; the regions' blocks do not overlap.
        zones: Its availability zones, two at least.
    """

    role: Role
    region: str
    endpoint: str | None
    cidr: str
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Lock:
    """Default retention of new object versions (S3 Object Lock).

    Args:
        mode: Who may shorten it.
        days: How long a version cannot be deleted.
    """

    mode: LockMode
    days: int


@dataclass(frozen=True)
class BucketPair:
    """A bucket in the primary region and its replica, replicated both ways.

    Args:
        name: What it holds: "datasets". Part of both buckets' names.
        replicate_deletes: Whether a delete marker made on one side appears on the other. Version deletes never do.
        noncurrent_days: How long versions that are no longer current are kept.
        archive_days: Age at which objects move to Glacier Instant Retrieval; None keeps them in S3 Standard.
        lock: Default retention of new versions, or None.
        existing: Name of a bucket in the primary region to replicate from, instead of making one.
        existing_key: ARN of the KMS key that bucket is encrypted with, if it has one.
    """

    name: str
    replicate_deletes: bool
    noncurrent_days: int = 90
    archive_days: int | None = None
    lock: Lock | None = None
    existing: str | None = None
    existing_key: str | None = None


@dataclass(frozen=True)
class Dns:
    """Names and health checks.

    Args:
        domain: The zone's name, without a final dot.
        zone_id: An existing hosted zone, or None to make one.
        failover: Who opens the recovery record.
        check_interval: Seconds between two looks of one health checker: 10 or 30, and fixed once a check exists.
        check_failures: Looks in a row that must fail before an endpoint counts as unhealthy.
    """

    domain: str
    zone_id: str | None = None
    failover: DnsFailover = DnsFailover.AUTOMATIC
    check_interval: int = 10
    check_failures: int = 3

    @property
    def public_name(self) -> str:
        """The name clients use."""
        return f"inference.{self.domain}"

    def regional_name(self, role: Role) -> str:
        """The name of one region's endpoint, whatever its health: what is tested before traffic moves."""
        return f"inference-{'dr' if role is Role.RECOVERY else 'primary'}.{self.domain}"

    @property
    def detection_seconds(self) -> int:
        """Modelled time until clients get the other record: interval x failures + TTL, by default 10 s x 3 + 60 s."""
        return self.check_interval * self.check_failures + RECORD_TTL_SECONDS


STANDARD_PAIRS = (
    BucketPair(DATASETS, replicate_deletes=False),
    BucketPair(MODELS, replicate_deletes=False),
    BucketPair(REGISTRY, replicate_deletes=False, noncurrent_days=30),
    BucketPair(CONTROL, replicate_deletes=True, noncurrent_days=30),
    BucketPair(VELERO, replicate_deletes=True, noncurrent_days=30),
)
"""The bucket pairs of a platform. Deletes stay on their side where data is held: a mistaken or malicious delete must
not take the copy with it. In the control pair a removed document is meant to be gone on both sides; of a cluster's
backups, what has expired: what is deleted before its time is still there for 30 days, as a version."""


@dataclass(frozen=True)
class Topology:
    """Everything a stack needs to know, decided.

    Args:
        role: The role of the stack that is being deployed.
        tier: The tier that is configured.
        primary: The region that serves.
        recovery: The region that takes over.
        account: The AWS account's twelve digits.
        bucket_prefix: How all bucket names begin.
        pairs: The bucket pairs.
        dns: Names and health checks.
        primary_stack: Name of the primary's stack: what the recovery stack refers to.
        protect_data: Whether the recovery half is guarded against deletion.
        tags: Tags for every resource, besides the project's own.
        activation: What was brought up by hand in an incident; None when nothing was.
        nat: How private subnets reach the internet; None leaves it to the tier.
        private_endpoints: Whether a cluster reaches AWS's APIs by endpoints in its VPC.
        existing_vpc: Id of a VPC in this stack's region to use; None makes one.
        existing_cluster: Name of an EKS cluster in this stack's region to serve from; None makes one.
        backup_retention_days: How long recovery points and their copies are kept.
        workload: How much is served: requests, replicas, GPUs.
        serving: What serves: model set, images, mesh.
        reserved_gpu_nodes: GPU nodes whose capacity is reserved in this region, and paid for whether they run or not.
        api_cidrs: Where a cluster's API may be called from over the internet; none keeps it inside the VPC.
        client_cidrs: Where inference may be asked from.
        operator_roles: ARNs of IAM roles that administer the clusters.
        alert_addresses: Who is told of alarms: e-mail addresses and HTTPS URLs.
        runbook_url: Page that alerts refer to, by the anchor that each names; empty: none.
        karpenter: Whether Karpenter makes GPU nodes beyond the floor, and not the autoscaler.
    """

    role: Role
    tier: Tier
    primary: Site
    recovery: Site
    account: str
    bucket_prefix: str
    dns: Dns
    pairs: tuple[BucketPair, ...] = STANDARD_PAIRS
    primary_stack: str = "primary"
    protect_data: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    activation: Tier | None = None
    nat: Nat | None = None
    private_endpoints: bool = False
    existing_vpc: str | None = None
    existing_cluster: str | None = None
    backup_retention_days: int = 35
    workload: Workload = field(default_factory=Workload)
    serving: Serving = field(default_factory=Serving)
    reserved_gpu_nodes: int = 0
    api_cidrs: tuple[str, ...] = ()
    client_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    operator_roles: tuple[str, ...] = ()
    alert_addresses: tuple[str, ...] = ()
    runbook_url: str = ""
    karpenter: bool = False

    @property
    def here(self) -> Site:
        """The region this stack deploys."""
        return self.primary if self.role is Role.PRIMARY else self.recovery

    @property
    def running_tier(self) -> Tier:
        """What is to run: what is configured, or more where an incident brought up more."""
        return highest(self.tier, self.activation)

    @property
    def backup_vault(self) -> str:
        """Name of the backup vault, the same in both regions."""
        return f"{self.bucket_prefix}-backups"

    @property
    def tier_here(self) -> Tier:
        """What runs in this stack's region: the primary is always active."""
        return PRIMARY_TIER if self.role is Role.PRIMARY else self.running_tier

    @property
    def capacity_here(self) -> Capacity:
        """Replicas and GPU nodes of this stack's region."""
        return capacity(self.workload, self.tier_here, len(self.here.zones))

    @property
    def capacity_ready(self) -> Capacity:
        """What this stack's region is ready for: what it runs, and where that is nothing, what a failover runs.

        A disruption budget and an autoscaler are there before the first replica is, so that a region can be brought up
        by scaling alone.
        """
        return capacity(self.workload, self.tier_here.serving_tier, len(self.here.zones))

    @property
    def alert_topic(self) -> str:
        """Name of the topic that alarms go to, the same in both regions."""
        return f"{self.bucket_prefix}-alerts"

    @property
    def nat_here(self) -> Nat:
        """How private subnets of this stack's region reach the internet: as configured, else as its tier has it."""
        return self.nat or self.tier_here.spec.nat

    @property
    def network_here(self) -> str:
        """The VPC of this stack's region: the id of the one that is named, or the block of the one that is made."""
        return self.existing_vpc or self.here.cidr

    @property
    def private_endpoints_here(self) -> bool:
        """Whether this stack makes interface endpoints: only a cluster uses them."""
        return self.private_endpoints and self.tier_here.spec.cluster

    def with_activation(self, activation: Tier | None) -> Topology:
        """The same topology on a day on which more was brought up."""
        return replace(self, activation=activation)

    def alert_topic_arn(self, role: Role) -> str:
        """The topic of a region, told without asking: an alarm may name it before the other stack has made it."""
        return f"arn:aws:sns:{self.site(role).region}:{self.account}:{self.alert_topic}"

    def bucket(self, pair: BucketPair | str, role: Role) -> str:
        """Name of one side of a pair.

        Bucket names are global, so they carry the account; they can be told without asking AWS, so that an operator
        finds the control bucket on a day on which nothing else answers.
        """
        found = self.pair(pair) if isinstance(pair, str) else pair
        if role is Role.PRIMARY and found.existing:
            return found.existing
        return bucket_name(self.bucket_prefix, self.account, self.site(role).region, found.name)

    def pair(self, name: str) -> BucketPair:
        """The pair of that name."""
        return next(pair for pair in self.pairs if pair.name == name)

    def site(self, role: Role) -> Site:
        """The region of that role."""
        return self.primary if role is Role.PRIMARY else self.recovery


def bucket_name(prefix: str, account: str, region: str, pair: str) -> str:
    """A bucket's name from its parts."""
    return f"{prefix}-{account}-{region}-{pair}"
