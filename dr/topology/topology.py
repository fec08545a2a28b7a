"""The topology: frozen values that define what exists in each region. Pure; made by `dr.config`, read by all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import cycle, islice

from dr.names import CONTROL, DATASETS, MODELS, REGISTRY, VELERO
from dr.topology.air_gap import AirGap
from dr.topology.backups import Backups, DataClass, every_class
from dr.topology.capacity import Capacity, Workload, capacity
from dr.topology.databases import Database
from dr.topology.registry import Registry
from dr.topology.serving import Serving
from dr.topology.supply import Supply
from dr.topology.tiers import PRIMARY_TIER, Nat, Tier, highest
from dr.topology.workers import Fleet, Sizes

EVERYWHERE = "0.0.0.0/0"
RECORD_TTL_SECONDS = 60
"""Records with health checks should live 60 s or less (Route 53 developer guide, values shared by all records)."""


class Role(StrEnum):
    """The role of a region and of the stack that deploys it."""

    PRIMARY = "primary"
    """Serves in normal operation."""
    RECOVERY = "recovery"
    """Takes over."""


class DnsFailover(StrEnum):
    """What opens the recovery record."""

    AUTOMATIC = "automatic"
    """Health: it answers when the primary is unhealthy and its own endpoint is healthy."""
    MANUAL = "manual"
    """An operator: it stays closed until it is admitted."""


class AutomationMode(StrEnum):
    """What automation does when the primary region is lost."""

    NOTIFY = "notify"
    """Nothing but the alarms; an operator decides."""
    PREPARE = "prepare"
    """It brings up the capacity of the recovery region; an operator moves traffic."""
    AUTOMATIC = "automatic"
    """It fails over."""


class VaultLocking(StrEnum):
    """Whether recovery points can be deleted before their retention ends (AWS Backup Vault Lock)."""

    NONE = "none"
    """By principals that the vault's access policy admits."""
    GOVERNANCE = "governance"
    """Only after a principal with backup:DeleteBackupVaultLockConfiguration removes the lock."""
    COMPLIANCE = "compliance"
    """Not at all: once the grace time is over, the lock cannot be removed, not even by the root user or AWS."""


class RestoreTests(StrEnum):
    """How often AWS Backup restores recovery points to test them."""

    NONE = "none"
    """Not at all."""
    WEEKLY = "weekly"
    """Each Sunday."""
    MONTHLY = "monthly"
    """On the second day of each month."""


class ApiAccess(StrEnum):
    """From where operators call the Kubernetes API."""

    PUBLIC = "public"
    """Over the internet, from listed CIDR blocks."""
    PRIVATE = "private"
    """From inside the VPC, over a VPN, peering or a runner."""


class LockMode(StrEnum):
    """Principals that may shorten an Object Lock retention."""

    GOVERNANCE = "GOVERNANCE"
    """Principals with s3:BypassGovernanceRetention."""
    COMPLIANCE = "COMPLIANCE"
    """No principal, not even the root user of the account."""


@dataclass(frozen=True)
class Site:
    """One of the two regions.

    Args:
        role: Its role.
        region: Its AWS name.
        endpoint: Host name of an existing endpoint there; None: the load balancer that the stack creates.
        cidr: The CIDR block of its VPC; those of the regions do not overlap.
        zones: Its availability zones, at least two.
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
        mode: Principals that may shorten it.
        days: Days for which a version cannot be deleted.
    """

    mode: LockMode
    days: int


@dataclass(frozen=True)
class BucketPair:
    """A bucket in the primary region and its replica, replicated in both directions.

    Args:
        name: Name of the pair, part of the names of both buckets: "datasets".
        replicate_deletes: Whether delete markers are replicated. Deletions of versions never are.
        noncurrent_days: Days for which noncurrent versions are kept.
        archive_days: Age in days at which objects move to S3 Glacier Instant Retrieval; None: they do not.
        lock: Default retention of new versions, or None.
        existing: Name of an existing bucket in the primary region to replicate from; None: the stack creates one.
        existing_key: ARN of the KMS key of the existing bucket; None: it has none.
    """

    name: str
    replicate_deletes: bool
    noncurrent_days: int = 90
    archive_days: int | None = None
    lock: Lock | None = None
    existing: str | None = None
    existing_key: str | None = None


def _label(role: Role) -> str:
    """Return the word for a role in DNS names."""
    return "dr" if role is Role.RECOVERY else "primary"


@dataclass(frozen=True)
class Dns:
    """Names and health checks.

    Args:
        domain: The zone's name, without a final dot.
        zone_id: ID of an existing hosted zone; None: the primary stack creates one.
        delegation_set: ID of a reusable delegation set with the name servers of a new zone; None: Route 53 chooses.
        failover: What opens the recovery record.
        check_interval: Route 53 health check interval in seconds, 10 or 30; immutable.
        check_failures: Consecutive failed checks after which an endpoint is unhealthy.
    """

    domain: str
    zone_id: str | None = None
    failover: DnsFailover = DnsFailover.AUTOMATIC
    check_interval: int = 10
    check_failures: int = 3
    delegation_set: str | None = None

    @property
    def public_name(self) -> str:
        """The name clients use."""
        return f"inference.{self.domain}"

    def regional_name(self, role: Role) -> str:
        """Return the name of one region's endpoint, independent of health; it is tested before traffic moves."""
        return f"inference-{_label(role)}.{self.domain}"

    def status_name(self, role: Role) -> str:
        """Return the name that publishes, by its address, what Route 53's health checkers find at one endpoint."""
        return f"status-{_label(role)}.{self.domain}"

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
"""The bucket pairs of a platform. Delete markers of data are not replicated: a mistaken or malicious
deletion must not remove the copy. In the control pair, a removed document is removed on both sides. Expired cluster
backups are removed on both sides; a backup deleted before it expires remains as a noncurrent version for 30 days."""


@dataclass(frozen=True)
class Topology:
    """All that a stack deploys, decided.

    Args:
        role: The role of the stack.
        tier: The configured tier.
        primary: The region that serves in normal operation.
        recovery: The region that takes over.
        account: The AWS account's twelve digits.
        bucket_prefix: Prefix of bucket names, and name of other resources.
        pairs: The bucket pairs.
        dns: Names and health checks.
        primary_stack: Name of the primary stack, which the recovery stack refers to.
        protect_data: Whether replicas, keys, vaults and the zone are protected against deletion.
        tags: Additional tags for every resource.
        activation: The tier that an operator brought up in an incident; None: none.
        replica_possible: Whether the database's replica exists, or can be created from the primary region.
        nat: NAT gateways; None: those of the tier.
        private_endpoints: Whether a cluster calls AWS APIs through interface endpoints in its VPC.
        existing_vpc: ID of an existing VPC in this stack's region; None: the stack creates one.
        existing_cluster: Name of an existing EKS cluster in this stack's region; None: the stack creates one.
        backups: How each class of data is backed up.
        vault_lock: Lock of all backup vaults.
        vault_lock_days: Shortest retention that a locked vault accepts.
        air_gap: The logically air-gapped vault in the recovery region; None: there is none.
        restore_tests: How often the copies in the recovery region are restored to test them.
        database: The global database; None: the stacks create none.
        registry: The MLflow server of the model registry; None: the stacks deploy none.
        break_glass_role: ARN of the only role that may delete recovery points; None: no principal may.
        workload: The load: requests, replicas, GPUs.
        serving: Model set, images and mesh.
        reserved_gpu_nodes: GPU nodes with reserved EC2 capacity in this region.
        api_cidrs: CIDR blocks allowed to call the Kubernetes API over the internet; none: it is private to the VPC.
        client_cidrs: CIDR blocks allowed to call the inference endpoint.
        runner: Whether a CodeBuild project in the VPC runs `pulumi` and `dr`.
        runner_image: Image of the runner.
        runner_policies: ARNs of further IAM policies of the runner's role.
        operator_roles: ARNs of IAM roles that administer the clusters.
        alert_addresses: Alarm subscribers: e-mail addresses and HTTPS URLs.
        runbook_url: URL of the runbook that alerts link to; empty: none.
        karpenter: Whether Karpenter, instead of the Cluster Autoscaler, adds GPU nodes beyond the floor.
        supply: Where nodes pull images and the program reads charts.
        automation: What automation does when the primary region is lost.
        fleets: Fleets of instances outside the cluster.
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
    replica_possible: bool = True
    nat: Nat | None = None
    private_endpoints: bool = False
    existing_vpc: str | None = None
    existing_cluster: str | None = None
    backups: tuple[Backups, ...] = field(default_factory=every_class)
    vault_lock: VaultLocking = VaultLocking.GOVERNANCE
    vault_lock_days: int = 7
    air_gap: AirGap | None = None
    restore_tests: RestoreTests = RestoreTests.NONE
    database: Database | None = field(default_factory=Database)
    registry: Registry | None = None
    break_glass_role: str | None = None
    workload: Workload = field(default_factory=Workload)
    serving: Serving = field(default_factory=Serving)
    reserved_gpu_nodes: int = 0
    api_cidrs: tuple[str, ...] = ()
    client_cidrs: tuple[str, ...] = ()
    runner: bool = False
    runner_image: str = ""
    runner_policies: tuple[str, ...] = ()
    operator_roles: tuple[str, ...] = ()
    alert_addresses: tuple[str, ...] = ()
    runbook_url: str = ""
    karpenter: bool = False
    supply: Supply = Supply.UPSTREAM
    automation: AutomationMode = AutomationMode.NOTIFY
    fleets: tuple[Fleet, ...] = ()

    @property
    def automates(self) -> bool:
        """Whether this stack has a function that starts automation."""
        return self.role is Role.RECOVERY and self.automation is not AutomationMode.NOTIFY

    @property
    def open_to_all(self) -> bool:
        """Whether every address may call the inference endpoint, the prober's changing one too."""
        return EVERYWHERE in self.client_cidrs

    @property
    def here(self) -> Site:
        """The region of this stack."""
        return self.primary if self.role is Role.PRIMARY else self.recovery

    @property
    def running_tier(self) -> Tier:
        """The tier of the recovery region: the higher of the configured tier and the activation."""
        return highest(self.tier, self.activation)

    def local_vault(self, role: Role) -> str:
        """Return the name of the vault for a region's own backups.

        The primary region's backups and the recovery region's copies have the name that vaults had before there were
        two in each region, so that no recovery point moves.
        """
        return f"{self.bucket_prefix}-{'backups' if role is Role.PRIMARY else 'local'}"

    def copies_vault(self, role: Role) -> str:
        """Return the name of the vault in which copies from the other region arrive."""
        return f"{self.bucket_prefix}-{'backups' if role is Role.RECOVERY else 'copies'}"

    def copies_vault_arn(self, role: Role) -> str:
        """Return the ARN of the vault in which copies from the other region arrive."""
        return f"arn:aws:backup:{self.site(role).region}:{self.account}:backup-vault:{self.copies_vault(role)}"

    @property
    def air_gapped_vault(self) -> str:
        """Name of the logically air-gapped vault in the recovery region."""
        return f"{self.bucket_prefix}-air-gapped"

    @property
    def air_gapped_vault_arn(self) -> str:
        """ARN of the logically air-gapped vault."""
        return f"arn:aws:backup:{self.recovery.region}:{self.account}:backup-vault:{self.air_gapped_vault}"

    def backups_of(self, data: DataClass) -> Backups:
        """Return how a class of data is backed up."""
        return next(each for each in self.backups if each.data is data)

    @property
    def database_instances(self) -> int | None:
        """Instances of the database cluster of this stack's region; None if it has no cluster."""
        if self.database is None:
            return None
        if self.role is Role.PRIMARY:
            return self.database.instances
        return self.database.replicas(self.running_tier) if self.replica_possible else None

    def database_cluster(self, role: Role) -> str:
        """Return the identifier of a region's database cluster: no two of a global database may have the same."""
        return f"{self.bucket_prefix}-{role}"

    @property
    def images(self) -> Mapping[str, str]:
        """References of all images that settings name, by the key that sets them."""
        return {**self.serving.images, **(self.registry.images if self.registry else {})}

    @property
    def tier_here(self) -> Tier:
        """The tier of this stack's region."""
        return PRIMARY_TIER if self.role is Role.PRIMARY else self.running_tier

    @property
    def capacity_here(self) -> Capacity:
        """Replicas and GPU nodes of this stack's region."""
        return capacity(self.workload, self.tier_here, len(self.here.zones))

    def fleet_sizes(self, fleet: Fleet) -> Sizes:
        """Return the sizes of a fleet in this stack's region."""
        return fleet.sizes(self.tier_here, self.workload.warm_fraction)

    @property
    def reserved_zones(self) -> tuple[str, ...]:
        """The zone of each reserved GPU node."""
        return tuple(islice(cycle(self.here.zones), self.reserved_gpu_nodes))

    @property
    def system_zones(self) -> int:
        """Zones of the system node group that this stack creates; 0 if it creates none."""
        return len(self.here.zones) if self.tier_here.spec.cluster and not self.existing_cluster else 0

    @property
    def capacity_ready(self) -> Capacity:
        """Replicas and GPU nodes that this stack's region is prepared for: those it runs, else those of a failover.

        The disruption budget and the autoscaler exist before the first replica, so a failover only scales.
        """
        return capacity(self.workload, self.tier_here.serving_tier, len(self.here.zones))

    @property
    def alert_topic(self) -> str:
        """Name of the alert topic, the same in both regions."""
        return f"{self.bucket_prefix}-alerts"

    @property
    def watchdog_topic(self) -> str:
        """Name of the topic that receives Prometheus's alert `Watchdog`, the same in both regions."""
        return f"{self.bucket_prefix}-watchdog"

    @property
    def dead_letters(self) -> str:
        """Name of the queue for events that a function could not process, the same in both regions."""
        return f"{self.bucket_prefix}-dead-letters"

    @property
    def backup_notices(self) -> str:
        """Name of the rule that reports failed jobs of AWS Backup, the same in both regions."""
        return f"{self.bucket_prefix}-backup-jobs"

    def watchdog_topic_arn(self, role: Role) -> str:
        """Return the ARN of a region's topic for `Watchdog`."""
        return f"arn:aws:sns:{self.site(role).region}:{self.account}:{self.watchdog_topic}"

    @property
    def nat_here(self) -> Nat:
        """NAT gateways of this stack's region: as configured, else those of its tier."""
        return self.nat or self.tier_here.spec.nat

    @property
    def network_here(self) -> str:
        """The VPC of this stack's region: ID of an existing one, or CIDR block of one that the stack creates."""
        return self.existing_vpc or self.here.cidr

    @property
    def private_endpoints_here(self) -> bool:
        """Whether this stack makes interface endpoints: only a cluster uses them."""
        return self.private_endpoints and self.tier_here.spec.cluster

    def with_activation(self, activation: Tier | None) -> Topology:
        """Return the topology with the activation of an incident."""
        return replace(self, activation=activation)

    def without_replica(self) -> Topology:
        """Return the topology without the database's replica, which cannot be created now."""
        return replace(self, replica_possible=False)

    def alert_topic_arn(self, role: Role) -> str:
        """Return the ARN of a region's alert topic; an alarm may refer to it before the other stack creates it."""
        return f"arn:aws:sns:{self.site(role).region}:{self.account}:{self.alert_topic}"

    def bucket(self, pair: BucketPair | str, role: Role) -> str:
        """Return the bucket name of one side of a pair.

        Bucket names are global, so they contain the account. They follow from the configuration, so an operator finds
        the control bucket while no other service answers.
        """
        found = self.pair(pair) if isinstance(pair, str) else pair
        if role is Role.PRIMARY and found.existing:
            return found.existing
        return bucket_name(self.bucket_prefix, self.account, self.site(role).region, found.name)

    def pair(self, name: str) -> BucketPair:
        """Return the pair of that name."""
        return next(pair for pair in self.pairs if pair.name == name)

    def site(self, role: Role) -> Site:
        """Return the region of a role."""
        return self.primary if role is Role.PRIMARY else self.recovery


def bucket_name(prefix: str, account: str, region: str, pair: str) -> str:
    """Return a bucket's name from its parts."""
    return f"{prefix}-{account}-{region}-{pair}"
