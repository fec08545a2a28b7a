"""Every key of the `dr` namespace, described once: name, type, unit, default, text, example and stack.

`make docs` writes the schema of Pulumi.yaml and the tables of docs/configuration.md from here. The engine reads the
defaults in that schema; a test holds both documents equal to this module. The schema has no types: the engine stops at
the first value of a wrong type, before the program starts, while `dr.config.reader` reports all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.fields import FieldInfo

from dr.config import air_gap, backups, buckets, workers
from dr.config.alert_addresses import NO_ONE
from dr.config.backups import BackupSettings
from dr.config.buckets import PairSettings
from dr.config.types import (
    AlertAddress,
    AnswerSeconds,
    AutoCount,
    BucketPart,
    CheckInterval,
    Cidr,
    Count,
    DatabaseClass,
    DatabaseDays,
    DatabaseInstances,
    DatabaseVersion,
    Days,
    EksName,
    GraceSeconds,
    HostName,
    ImageRef,
    InternetCidr,
    Mebibytes,
    ModelName,
    ModelSetName,
    NatName,
    OptionalHostName,
    OptionalImageRef,
    OptionalRoleArn,
    PolicyArn,
    Rate,
    RegionName,
    RoleArn,
    Settings,
    TierName,
    TokenKeys,
    VpcCidr,
    setting,
)
from dr.config.workers import WorkerSettings
from dr.names import automation_role_name, runner_role_name
from dr.topology.air_gap import LEAST_DAYS, MAX_DAYS, AirGap, AirGapMode
from dr.topology.backups import GRACE_DAYS, RETENTION_DAYS, DataClass
from dr.topology.capacity import Workload
from dr.topology.databases import Database, DatabaseMode
from dr.topology.registry import Registry, RegistryMode
from dr.topology.serving import Authentication, AuthenticationMode, ImageDigests, Serving
from dr.topology.supply import Supply
from dr.topology.tiers import DEFAULT_TIER
from dr.topology.topology import (
    EVERYWHERE,
    ApiAccess,
    AutomationMode,
    Dns,
    DnsFailover,
    RestoreTests,
    Role,
    Site,
    Topology,
    VaultLocking,
)

NAMESPACE = "dr"
MOST_CLIENT_BLOCKS = 60 - 25
"""Inbound rules of a security group (Amazon VPC user guide, "Amazon VPC quotas"), without the weight of the prefix list
of Route 53's health checkers ("AWS-managed prefix list weight")."""


class For(StrEnum):
    """The stacks that a key is set in."""

    BOTH = "both"
    """Both stacks, with the same value."""
    EACH = "each"
    """Each stack has its own value."""
    PRIMARY = "primary"
    """The primary stack; the recovery stack ignores it."""
    RECOVERY = "dr"
    """The recovery stack; the primary stack ignores it."""


class StackSettings(Settings):
    """The configuration of a stack, each value valid by itself. Make one with `dr.config.reader.read`."""

    role: Role = setting(
        ...,
        "What the stack deploys: `primary` is the region that serves in normal operation, `recovery` the region that "
        "takes over",
        stack=For.EACH,
    )
    tier: TierName = setting(
        DEFAULT_TIER,
        "How much of the recovery region runs. Long names such as `warm-standby` are accepted. Changed in place",
        stack=For.RECOVERY,
    )
    primary_region: RegionName = setting("us-east-1", "AWS region that serves in normal operation")
    recovery_region: RegionName = setting("us-west-2", "AWS region that takes over; must differ from the primary")
    domain: HostName = setting(
        "ml.example.com", "DNS name of the hosted zone. Clients call `inference.<domain>`", example="ml.example.org"
    )
    hosted_zone: str = setting(
        "",
        "ID of an existing public hosted zone for the domain. Empty: the primary stack creates the zone",
        stack=For.PRIMARY,
        example="Z0123456789ABCDEFGHIJ",
        pattern=r"^(Z[A-Z0-9]{1,31})?$",
    )
    delegation_set: str = setting(
        "",
        "ID of a Route 53 reusable delegation set: the name servers of a zone that the primary stack creates. The "
        "parent zone can then delegate the domain before the first deployment. Only read when the zone is created",
        stack=For.PRIMARY,
        example="N0123456789ABCDEFGHIJ",
        pattern=r"^(N[A-Z0-9]{1,31})?$",
    )
    primary_endpoint: OptionalHostName = setting(
        "",
        "Host name of an existing endpoint that serves inference in the primary region and answers "
        "`/v2/models/<model>/ready` over HTTPS. Empty: the load balancer that the stack creates",
        example="serving.us-east-1.example.com",
    )
    recovery_endpoint: OptionalHostName = setting(
        "",
        "Host name of an existing endpoint that serves inference in the recovery region, as `dr:primaryEndpoint`",
        example="serving.us-west-2.example.com",
    )
    bucket_prefix: BucketPart = setting(
        "ml-dr",
        "Prefix of bucket names: `<prefix>-<account>-<region>-<pair>`, 63 characters at most. It also names other "
        "resources, so each deployment in an account needs its own",
        example="fraud-ml",
    )
    buckets: tuple[PairSettings, ...] = setting(
        (),
        "Additional bucket pairs, and changes to the standard pairs `datasets`, `models`, `registry`, `control` and "
        "`velero`",
        example={"name": "audit"},
        see="#an-entry-of-drbuckets",
    )
    dns_failover: DnsFailover = setting(
        Dns.failover,
        "`automatic`: Route 53 answers with the recovery region when the primary is unhealthy. `manual`: only after an "
        "operator admits the recovery region",
    )
    health_check_interval: CheckInterval = setting(
        Dns.check_interval,
        "Route 53 health check interval, 10 or 30. Immutable: a change replaces the health checks",
        unit="seconds",
    )
    primary_stack: str = setting(
        Topology.primary_stack,
        "Name of the primary stack that the recovery stack refers to. One account can hold several pairs of stacks",
        stack=For.RECOVERY,
        min_length=1,
    )
    protect_data: bool = setting(
        True,
        "Protects replicas, keys, vaults and a hosted zone created here against deletion. Set `false` only to destroy "
        "a deployment with its data",
    )
    backup_retention_days: Days = setting(
        RETENTION_DAYS,
        "How long recovery points, and their copies in the other region, are kept",
        unit="days",
    )
    backups: tuple[BackupSettings, ...] = setting(
        (),
        "How a class of data is backed up, where it differs from the defaults: `objects`, `volumes`, `files` or "
        "`databases`",
        example={"data": "volumes"},
        see="#an-entry-of-drbackups",
    )
    vault_lock: VaultLocking = setting(
        Topology.vault_lock,
        "Lock of all backup vaults. `governance`: recovery points cannot be deleted before their retention ends, "
        "unless a principal with `backup:DeleteBackupVaultLockConfiguration` removes the lock. `compliance`: the same, "
        f"and {GRACE_DAYS} days after the deployment the lock can never be changed or removed again, not even by the "
        "root user or AWS. **This cannot be undone**: recovery points are charged until their retention ends, and a "
        "vault cannot be deleted before. `none`: no new lock; a present one stays while `dr:protectData` is `true`",
        stack=For.PRIMARY,
        see="how-to/break-glass.md#delete-recovery-points",
    )
    vault_lock_days: Days = setting(
        Topology.vault_lock_days,
        "Shortest retention that a locked vault accepts; AWS Backup fails jobs with a shorter one. With `compliance` "
        "it can never be changed again",
        unit="days",
        stack=For.PRIMARY,
    )
    air_gapped_vault: AirGapMode = setting(
        AirGapMode.NONE,
        "Logically air-gapped vault. `recovery`: AWS Backup copies the primary region's backups to such a vault in the "
        "recovery region as well. AWS keeps it in an account of its own, under a compliance lock from the first day: "
        "no one can delete a copy before its retention ends. **This cannot be undone**, and the copies are charged. "
        "`none`: no vault; a present one stays while `dr:protectData` is `true`",
        see="how-to/vaults.md",
    )
    air_gapped_classes: tuple[DataClass, ...] = setting(
        (),
        "Classes of data that are copied to the logically air-gapped vault: `objects`, `volumes` or `files`. Volumes "
        "need a customer managed key",
        example="objects",
        shown="`objects`, `volumes`, `files`",
    )
    air_gapped_min_days: Days = setting(
        LEAST_DAYS,
        f"Shortest retention that the logically air-gapped vault accepts, at least {LEAST_DAYS}. It can never be "
        "changed",
        unit="days",
    )
    air_gapped_max_days: Days = setting(
        MAX_DAYS,
        "Longest retention that the logically air-gapped vault accepts. It can never be changed",
        unit="days",
    )
    restore_tests: RestoreTests = setting(
        Topology.restore_tests,
        "How often AWS Backup restores the newest copy of each bucket, EBS volume, Aurora cluster, EFS file system and "
        "DynamoDB table in the recovery region, to show that it can and how long it takes: `none`, `weekly` or "
        "`monthly`. Restored resources are charged for 4 hours, and each test of a recovery point by AWS Backup",
        stack=For.RECOVERY,
    )
    database: DatabaseMode = setting(
        DatabaseMode.AURORA,
        "Database of the model registry. `aurora`: an Aurora PostgreSQL global database, with a secondary cluster in "
        "the recovery region by tier: none, without instances, one reader, or as the primary. `none`: no database. A "
        "present one is only removed after `dr:protectData` is `false`",
    )
    database_instance_class: DatabaseClass = setting(
        Database.instance_class, "Class of the database instances; memory-optimized, as a global database requires"
    )
    database_instances: DatabaseInstances = setting(
        Database.instances, "Instances of the primary database cluster, the writer included, in different zones"
    )
    database_version: DatabaseVersion = setting(
        Database.version,
        "Version of Aurora PostgreSQL. The default has long-term support. A change upgrades both clusters in place",
    )
    database_retention_days: DatabaseDays = setting(
        Database.retention_days, "How long automated backups of the database are kept", unit="days"
    )
    registry: RegistryMode = setting(
        RegistryMode.NONE,
        "Server of the model registry. `mlflow`: an MLflow server in namespace `mlflow` of each cluster, over database "
        "and registry bucket, with replicas in the region that clients use. It needs `dr:database` and "
        "`dr:registryImage`. `none`: no server",
        see="how-to/registry.md",
    )
    registry_image: OptionalImageRef = setting(
        "",
        "Image of your own with MLflow, psycopg2, boto3, the certificates of RDS and, if you use it, a plugin of "
        "authentication. Required with `dr:registry` `mlflow`",
        see="how-to/registry.md#build-the-image",
        example="111122223333.dkr.ecr.us-east-1.amazonaws.com/mlflow:3.17.2",
    )
    break_glass_role: OptionalRoleArn = setting(
        "",
        "ARN of the only IAM role that may delete recovery points, shorten their retention, remove a vault's lock or "
        "change its access policy. From then on, an update that changes the policy, and `pulumi destroy`, need this "
        "role. Empty: no principal may delete recovery points or shorten their retention, and a principal that may "
        "change the access policy can change this",
        stack=For.PRIMARY,
        see="how-to/break-glass.md#delete-recovery-points",
        example="arn:aws:iam::111122223333:role/break-glass",
    )
    primary_cidr: VpcCidr = setting(
        "10.0.0.0/16",
        "CIDR block of the primary region's VPC, /16 to /22. Immutable: a change after the first deployment is refused",
    )
    recovery_cidr: VpcCidr = setting(
        "10.1.0.0/16",
        "CIDR block of the recovery region's VPC, /16 to /22; must not overlap the primary's. Immutable",
    )
    primary_zones: tuple[str, ...] = setting(
        ("us-east-1a", "us-east-1b", "us-east-1c"),
        "Availability zones of the primary region, at least two. Adding or removing a zone keeps the other subnets",
        example="us-east-1a",
    )
    recovery_zones: tuple[str, ...] = setting(
        ("us-west-2a", "us-west-2b", "us-west-2c"),
        "Availability zones of the recovery region, at least two. Adding or removing a zone keeps the other subnets",
        example="us-west-2a",
    )
    nat: NatName = setting(
        None,
        "NAT gateways: `none`, `one`, `zone` (one in each zone), or `auto`: decided by the tier; the primary region "
        "has one in each zone. Changed in place",
        stack=For.EACH,
    )
    private_endpoints: bool = setting(
        False,
        "Creates interface VPC endpoints for the AWS APIs that a cluster calls: about $7.30 a month for each endpoint "
        "and zone, $241 over three zones. The S3 gateway endpoint is free and always created",
        stack=For.EACH,
    )
    existing_vpc: str = setting(
        "",
        "ID of an existing VPC in the stack's region. Empty: the stack creates a VPC",
        stack=For.EACH,
        example="vpc-0123456789abcdef0",
        see="#a-vpc-you-have",
        pattern=r"^(vpc-[0-9a-f]{8,17})?$",
    )
    existing_cluster: EksName = setting(
        "",
        "Name of an existing EKS cluster in the stack's region, in the VPC of `dr:existingVpc`. Empty: the stack "
        "creates a cluster where its tier runs one",
        stack=For.EACH,
        example="serving",
        see="#a-cluster-you-have",
    )
    peak_requests: Rate = setting(
        Workload.peak_requests, "Requests per second at the peak, from all clients together", unit="requests/s"
    )
    requests_per_replica: Rate = setting(
        Workload.requests_per_replica,
        "Requests per second that one replica answers within its latency objective. Measure this value. The primary "
        "region and tier `active` run `peakRequests` / `requestsPerReplica` replicas, rounded up",
        unit="requests/s",
    )
    max_replicas: Count = setting(
        Workload.max_replicas,
        "Maximum replicas of one region. It serves the peak alone while the other region is lost",
        unit="replicas",
    )
    warm_fraction: Annotated[float, Field(gt=0, le=1)] = setting(
        Workload.warm_fraction,
        "Fraction of the peak that tier `warm` serves without scaling, above 0 and at most 1. At least one replica "
        "runs in each zone",
    )
    min_available: AutoCount = setting(
        None,
        "Replicas that must remain when a zone is lost. `auto`: what the zones allow, at most 4",
        unit="replicas",
        example="4",
    )
    gpu_instance_types: Annotated[tuple[str, ...], Field(min_length=1)] = setting(
        Workload.gpu_types,
        "Instance types of GPU nodes in order of preference; a later type is used where the first has no capacity. All "
        "must hold the same number of replicas",
        example="g5.2xlarge",
    )
    gpus_per_replica: Count = setting(Workload.gpus_per_replica, "GPUs of one replica", unit="GPUs")
    model_memory_gib: Rate = setting(
        Workload.model_memory_gib, "GPU memory that one replica needs for weights and cache", unit="GiB"
    )
    model_set: ModelSetName = setting(
        Serving.model_set, "Name of the served model set. A region serves the newest version that it holds completely"
    )
    inference_image: ImageRef = setting(
        Serving.inference_image, "Image of the inference server (MLServer), as `registry/name:tag@digest`"
    )
    tools_image: ImageRef = setting(
        Serving.tools_image, "Image with Python 3.11 or later and boto3, which runs this project's code in pods"
    )
    image_digests: ImageDigests = setting(
        ImageDigests.WARN, "`warn` warns about images without a digest at each preview; `require` refuses them"
    )
    proxy_image: ImageRef = setting(
        Serving.proxy_image, "Image of the proxy (Envoy) in front of the inference server in each replica"
    )
    model: ModelName = setting(
        Serving.model,
        "Name of the model in the set that decides on the health of a replica. Empty: the name of `dr:modelSet`",
        example="ranker",
    )
    authentication: AuthenticationMode = setting(
        ...,
        "How clients of the inference endpoint authenticate: `jwt` requires a JSON Web Token in the header "
        "`Authorization`; `none` admits every client in `dr:clientCidrs`. Health checks need no token",
        see="architecture.md#what-clients-can-call",
        example="none",
        choices="`pulumi config set dr:authentication jwt` (with dr:jwtIssuer, dr:jwtAudiences and dr:jwtKeys) checks "
        "a token of each client; `pulumi config set dr:authentication none` admits every client in dr:clientCidrs",
    )
    jwt_issuer: str = setting(
        Authentication.issuer, "Required claim `iss` of a token", example="https://login.example.com"
    )
    jwt_audiences: tuple[str, ...] = setting(
        Authentication.audiences, "Accepted values of the claim `aud` of a token; one is required", example="inference"
    )
    jwt_keys: TokenKeys = setting(
        Authentication.keys,
        "Public keys of the issuer, as the text of its JSON Web Key Set. Both regions hold them, so that tokens are "
        "checked while the issuer does not answer. Before the issuer signs with a new key, add it here and deploy",
        example='"$(curl -s https://login.example.com/.well-known/jwks.json)"',
    )
    max_request_mib: Mebibytes = setting(
        Serving.request_mib, "Largest body of an inference request, 1 to 128", unit="MiB"
    )
    answer_seconds: AnswerSeconds = setting(
        Serving.answer_seconds,
        "Time after which clients give up on a prediction, 1 to 30. A later one counts as failed in `dr status`, in "
        "the validation of a failover and in drills",
        unit="seconds",
    )
    supply: Supply = setting(
        Supply.UPSTREAM,
        "`mirror`: images and charts come from the region's own registry, by digest; `dr supply sync` copies them. "
        "`upstream`: they come from their publishers, several of which depend on us-east-1; for the first deployment, "
        "which creates the registries' repositories",
        see="how-to/images-and-charts.md",
    )
    mesh: bool = setting(
        Serving.mesh,
        "Creates Istio rules: callers in a cluster use replicas in their own zone first",
        see="architecture.md#inside-the-cluster",
    )
    shared_mesh: bool = setting(
        Serving.shared_mesh,
        "Set `true` where the clusters of both regions form one mesh: callers then fail over to the other region",
    )
    rollout_grace_seconds: GraceSeconds = setting(
        Serving.rollout_grace_seconds,
        "How long a replica may fail to start (image not pulled, container crashes) before `pulumi up` ends with the "
        "reason, 5 to 3600. Increase it for a slow registry",
        unit="seconds",
    )
    reserved_gpu_nodes: Annotated[int, Field(ge=0)] = setting(
        0,
        "GPU nodes with reserved EC2 capacity in the stack's region, spread over its zones. Reserved capacity is paid "
        "for whether it runs or not",
        stack=For.EACH,
        unit="nodes",
    )
    api_access: ApiAccess = setting(
        ...,
        "From where you call the Kubernetes API. `public`: over the internet, from `dr:apiCidrs`. `private`: from "
        "inside the VPC, over a VPN, peering or a runner; the API then has no public endpoint",
        stack=For.EACH,
        choices="choose where you run `pulumi up`: outside the VPC, `pulumi config set dr:apiAccess public` and "
        "`pulumi config set --path 'dr:apiCidrs[0]' <your public address>/32`; inside the VPC (VPN, peering, runner), "
        "`pulumi config set dr:apiAccess private`. From outside, an update that creates the VPC cannot reach a private "
        "API in it",
    )
    api_cidrs: tuple[InternetCidr, ...] = setting(
        (),
        "CIDR blocks allowed to call the Kubernetes API over the internet, with `dr:apiAccess` `public`",
        stack=For.EACH,
        example="203.0.113.0/24",
    )
    runner: bool = setting(
        Topology.runner,
        "Creates an AWS CodeBuild project in the VPC, in which `dr runner` runs `pulumi` and `dr` where a private API "
        "answers",
        stack=For.EACH,
        see="how-to/runner.md",
    )
    runner_image: str = setting(
        "",
        "Image of the runner, in a registry of the stack's region. Required with `dr:runner`",
        stack=For.EACH,
        see="how-to/runner.md",
        example="111122223333.dkr.ecr.us-west-2.amazonaws.com/ml-dr/runner:1",
    )
    runner_policies: tuple[PolicyArn, ...] = setting(
        (),
        "ARNs of IAM policies that the runner's role gets in addition: access to the state backend and to the secrets "
        "provider",
        stack=For.EACH,
        example="arn:aws:iam::111122223333:policy/pulumi-state",
    )
    client_cidrs: Annotated[tuple[Cidr, ...], Field(max_length=MOST_CLIENT_BLOCKS)] = setting(
        (),
        f"CIDR blocks allowed to call the inference endpoint, at most {MOST_CLIENT_BLOCKS}. Route 53's health checkers "
        "are always admitted",
        shown=f"`{EVERYWHERE}` with `jwt`; must be set with `none`",
        example="203.0.113.0/24",
    )
    operator_roles: tuple[RoleArn, ...] = setting(
        (),
        "ARNs of IAM roles that administer the clusters",
        stack=For.EACH,
        example="arn:aws:iam::111122223333:role/platform",
    )
    alert_addresses: tuple[AlertAddress, ...] = setting(
        (),
        "Alarm subscribers: e-mail addresses and `https://` URLs. AWS sends each e-mail address a link to confirm. The "
        "single entry `none` notifies no one",
        stack=For.EACH,
        shown="must be set",
        example="oncall@example.com",
    )
    runbook_url: str = setting(
        "",
        "HTTPS URL of the runbook that alerts in the clusters link to, each with its anchor, such as `#zone-failure`",
        example="https://wiki.example.com/ml-dr",
        pattern=r"^(https://[^\s#]+)?$",
    )
    karpenter: bool = setting(
        False,
        "`true`: Karpenter adds GPU nodes beyond the floor, reserved capacity first. `false`: the Cluster Autoscaler "
        "resizes the node groups",
        stack=For.EACH,
    )
    automation: AutomationMode = setting(
        Topology.automation,
        "What happens without an operator when the primary region is lost. `notify`: the alarm alone. `prepare`: "
        "capacity is brought up in the recovery region. `automatic`: the failover is executed. Needs `dr:runner`",
        stack=For.RECOVERY,
        see="how-to/automate.md",
    )
    drill_every: Days = setting(
        30,
        "Age at which the verdict of the last drill is stale. It is stale earlier once code, configuration, tier or "
        "model set change",
        unit="days",
        stack=For.RECOVERY,
        see="how-to/check.md",
    )
    workers: tuple[WorkerSettings, ...] = setting(
        (),
        "Fleets of EC2 instances outside the cluster, for work that does not run in pods: an Auto Scaling group in "
        "each region, from an image that is copied to the recovery region",
        example={"name": "batch"},
        see="#an-entry-of-drworkers",
    )
    tags: Mapping[str, str] = setting({}, "Additional tags for every resource", example={"team": "ml"})

    @property
    def workload(self) -> Workload:
        """The load, and what one replica needs."""
        return Workload(
            peak_requests=self.peak_requests,
            requests_per_replica=self.requests_per_replica,
            max_replicas=self.max_replicas,
            warm_fraction=self.warm_fraction,
            min_available=self.min_available,
            gpu_types=self.gpu_instance_types,
            gpus_per_replica=self.gpus_per_replica,
            model_memory_gib=self.model_memory_gib,
        )

    @property
    def serving(self) -> Serving:
        """The model set, the images and the mesh."""
        return Serving(
            model_set=self.model_set,
            inference_image=self.inference_image,
            tools_image=self.tools_image,
            proxy_image=self.proxy_image,
            model=self.model,
            authentication=Authentication(self.authentication, self.jwt_issuer, self.jwt_audiences, self.jwt_keys),
            request_mib=self.max_request_mib,
            answer_seconds=self.answer_seconds,
            mesh=self.mesh,
            shared_mesh=self.shared_mesh,
            rollout_grace_seconds=self.rollout_grace_seconds,
        )

    @property
    def proof_lasts(self) -> timedelta:
        """Age at which the verdict of a drill is stale."""
        return timedelta(days=self.drill_every)

    @property
    def regions(self) -> Mapping[Role, str]:
        """AWS region of each role."""
        return {Role.PRIMARY: self.primary_region, Role.RECOVERY: self.recovery_region}

    @property
    def zones(self) -> Mapping[Role, tuple[str, ...]]:
        """Availability zones of each role's region."""
        return {Role.PRIMARY: self.primary_zones, Role.RECOVERY: self.recovery_zones}

    @property
    def sites(self) -> Mapping[Role, Site]:
        """Both regions."""
        endpoints = {Role.PRIMARY: self.primary_endpoint, Role.RECOVERY: self.recovery_endpoint}
        cidrs = {Role.PRIMARY: self.primary_cidr, Role.RECOVERY: self.recovery_cidr}
        return {
            role: Site(role, region, endpoints[role] or None, cidrs[role], self.zones[role])
            for role, region in self.regions.items()
        }

    @property
    def automates(self) -> bool:
        """Whether this stack has a function that starts automation."""
        return self.role is Role.RECOVERY and self.automation is not AutomationMode.NOTIFY

    @property
    def build_roles(self) -> tuple[str, ...]:
        """Names of the roles of this stack's builds: the runner, and automation."""
        prefix, region = self.bucket_prefix, self.regions[self.role]
        runner = (runner_role_name(prefix, region),) if self.runner else ()
        return (*runner, *((automation_role_name(prefix, region),) if self.automates else ()))

    @property
    def air_gap(self) -> AirGap | None:
        """The logically air-gapped vault, if there is one."""
        return air_gap.air_gap_of(
            self.air_gapped_vault, self.air_gapped_classes, self.air_gapped_min_days, self.air_gapped_max_days
        )

    @property
    def global_database(self) -> Database | None:
        """The global database, if there is one."""
        if self.database is DatabaseMode.NONE:
            return None
        return Database(
            instance_class=self.database_instance_class,
            instances=self.database_instances,
            version=self.database_version,
            retention_days=self.database_retention_days,
        )

    @property
    def registry_server(self) -> Registry | None:
        """The MLflow server, if there is one."""
        return Registry(self.registry_image) if self.registry is RegistryMode.MLFLOW else None

    @property
    def images(self) -> Mapping[str, str]:
        """References of all images, by the key that sets them."""
        return {**self.serving.images, **(self.registry_server.images if self.registry_server else {})}

    def topology(self, account: str) -> Topology:
        """Return the topology that these settings describe in an account.

        Args:
            account: The AWS account that is deployed to, twelve digits.
        """
        return Topology(
            role=self.role,
            tier=self.tier,
            primary=self.sites[Role.PRIMARY],
            recovery=self.sites[Role.RECOVERY],
            account=account,
            bucket_prefix=self.bucket_prefix,
            pairs=buckets.pairs_of(self.buckets),
            dns=Dns(
                self.domain.rstrip("."),
                self.hosted_zone or None,
                self.dns_failover,
                self.health_check_interval,
                delegation_set=self.delegation_set or None,
            ),
            workload=self.workload,
            serving=self.serving,
            reserved_gpu_nodes=self.reserved_gpu_nodes,
            api_cidrs=self.api_cidrs,
            client_cidrs=self.client_cidrs or (EVERYWHERE,),
            runner=self.runner,
            runner_image=self.runner_image,
            runner_policies=self.runner_policies,
            # Builds administer the cluster like an operator.
            operator_roles=(
                *self.operator_roles,
                *(f"arn:aws:iam::{account}:role/{each}" for each in self.build_roles),
            ),
            alert_addresses=() if self.alert_addresses == (NO_ONE,) else self.alert_addresses,
            runbook_url=self.runbook_url,
            karpenter=self.karpenter,
            supply=self.supply,
            automation=self.automation,
            fleets=workers.fleets_of(self.workers),
            primary_stack=self.primary_stack,
            protect_data=self.protect_data,
            backups=backups.backups_of(self.backups, self.backup_retention_days),
            vault_lock=self.vault_lock,
            restore_tests=self.restore_tests,
            vault_lock_days=self.vault_lock_days,
            air_gap=self.air_gap,
            database=self.global_database,
            registry=self.registry_server,
            break_glass_role=self.break_glass_role or None,
            tags=self.tags,
            nat=self.nat,
            private_endpoints=self.private_endpoints,
            existing_vpc=self.existing_vpc or None,
            existing_cluster=self.existing_cluster or None,
        )


SETTINGS: Mapping[str, FieldInfo] = {
    f"{NAMESPACE}:{field.alias}": field for field in StackSettings.model_fields.values()
}
"""Each setting by its key, as written in a stack file."""
