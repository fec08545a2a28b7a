"""From a stack's configuration to a topology, with every problem reported at once.

The engine checks types of its own and stops at the first wrong one before the program starts, and it accepts keys
nobody reads. So the schema in Pulumi.yaml calls every scalar a string, and all rules are here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from dr.config import buckets, image_references
from dr.config.buckets import PairSettings
from dr.config.types import (
    AlertAddress,
    AutoCount,
    BucketPart,
    CheckInterval,
    Cidr,
    Count,
    Days,
    EksName,
    GraceSeconds,
    HostName,
    ImageRef,
    ModelSetName,
    NatName,
    OptionalHostName,
    Rate,
    RegionName,
    RoleArn,
    Settings,
    TierName,
)
from dr.errors import Invalid, Problem
from dr.spelling import did_you_mean
from dr.topology import capacity, network
from dr.topology.capacity import Workload
from dr.topology.serving import ImageDigests, Serving
from dr.topology.tiers import DEFAULT_TIER
from dr.topology.topology import STANDARD_PAIRS, BucketPair, Dns, DnsFailover, Role, Site, Topology

NAMESPACE = "dr"
LISTS = (
    *("buckets", "tags", "primaryZones", "recoveryZones", "gpuInstanceTypes"),
    *("apiCidrs", "clientCidrs", "operatorRoles", "alertAddresses"),
)
"""Keys whose values are lists or objects, not text."""
CREDENTIAL_KEYS = (
    *("accessKey", "secretKey", "token", "profile"),
    *("assumeRole", "assumeRoles", "assumeRoleWithWebIdentity"),
)


class StackSettings(Settings):
    """Every key of the `dr` namespace."""

    role: Role
    tier: TierName = DEFAULT_TIER
    primary_region: RegionName
    recovery_region: RegionName
    domain: HostName
    primary_endpoint: OptionalHostName = ""
    recovery_endpoint: OptionalHostName = ""
    bucket_prefix: BucketPart
    hosted_zone: str = Field(default="", pattern=r"^(Z[A-Z0-9]{1,31})?$")
    dns_failover: DnsFailover = DnsFailover.AUTOMATIC
    health_check_interval: CheckInterval = 10
    buckets: tuple[PairSettings, ...] = ()
    primary_stack: str = Field(default="primary", min_length=1)
    protect_data: bool = True
    backup_retention_days: Days = 35
    primary_cidr: str
    recovery_cidr: str
    primary_zones: tuple[str, ...]
    recovery_zones: tuple[str, ...]
    nat: NatName = None
    private_endpoints: bool = False
    existing_vpc: str = Field(default="", pattern=r"^(vpc-[0-9a-f]{8,17})?$")
    existing_cluster: EksName = ""
    peak_requests: Rate = 60.0
    requests_per_replica: Rate = 10.0
    max_replicas: Count = 10
    warm_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_available: AutoCount = None
    gpu_instance_types: Annotated[tuple[str, ...], Field(min_length=1)] = ("g5.2xlarge", "g6.2xlarge")
    gpus_per_replica: Count = 1
    model_memory_gib: Rate = 16.0
    model_set: ModelSetName = Serving.model_set
    inference_image: ImageRef = Serving.inference_image
    tools_image: ImageRef = Serving.tools_image
    image_digests: ImageDigests = ImageDigests.WARN
    mesh: bool = Serving.mesh
    shared_mesh: bool = Serving.shared_mesh
    rollout_grace_seconds: GraceSeconds = Serving.rollout_grace_seconds
    reserved_gpu_nodes: Annotated[int, Field(ge=0)] = 0
    api_cidrs: tuple[Cidr, ...] = ()
    client_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)] = ("0.0.0.0/0",)
    operator_roles: tuple[RoleArn, ...] = ()
    alert_addresses: tuple[AlertAddress, ...] = ()
    runbook_url: str = Field(default="", pattern=r"^(https://[^\s#]+)?$")
    karpenter: bool = False
    tags: Mapping[str, str] = Field(default_factory=dict)

    @property
    def workload(self) -> Workload:
        """What is served."""
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
        """What serves."""
        return Serving(
            model_set=self.model_set,
            inference_image=self.inference_image,
            tools_image=self.tools_image,
            mesh=self.mesh,
            shared_mesh=self.shared_mesh,
            rollout_grace_seconds=self.rollout_grace_seconds,
        )

    def topology(self, account: str) -> Topology:
        """The topology these settings describe."""
        return Topology(
            role=self.role,
            tier=self.tier,
            primary=Site(
                Role.PRIMARY, self.primary_region, self.primary_endpoint or None, self.primary_cidr, self.primary_zones
            ),
            recovery=Site(
                Role.RECOVERY,
                self.recovery_region,
                self.recovery_endpoint or None,
                self.recovery_cidr,
                self.recovery_zones,
            ),
            account=account,
            bucket_prefix=self.bucket_prefix,
            pairs=buckets.pairs_of(self.buckets),
            dns=Dns(self.domain.rstrip("."), self.hosted_zone or None, self.dns_failover, self.health_check_interval),
            workload=self.workload,
            serving=self.serving,
            reserved_gpu_nodes=self.reserved_gpu_nodes,
            api_cidrs=self.api_cidrs,
            client_cidrs=self.client_cidrs,
            operator_roles=self.operator_roles,
            alert_addresses=self.alert_addresses,
            runbook_url=self.runbook_url,
            karpenter=self.karpenter,
            primary_stack=self.primary_stack,
            protect_data=self.protect_data,
            backup_retention_days=self.backup_retention_days,
            tags=self.tags,
            nat=self.nat,
            private_endpoints=self.private_endpoints,
            existing_vpc=self.existing_vpc or None,
            existing_cluster=self.existing_cluster or None,
        )


def setting_keys() -> list[str]:
    """Every key of the namespace, as written in a stack file."""
    return [f"{NAMESPACE}:{to_camel(name)}" for name in StackSettings.model_fields]


def load(raw: Mapping[str, str], account: str) -> Topology:
    """The topology a stack's configuration describes.

    Args:
        raw: The engine's configuration: `namespace:key` to text; lists and objects are JSON.
        account: The AWS account that is deployed to, twelve digits.

    Raises:
        Invalid: every problem of the configuration, each with its key, its value and the way out.
    """
    values = {key.partition(":")[2]: _decode(key, text) for key, text in raw.items() if key.startswith(f"{NAMESPACE}:")}
    problems: list[Problem] = []
    settings: StackSettings | None = None
    pairs: tuple[BucketPair, ...] = STANDARD_PAIRS
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors()]
    problems += _cross_checks(values, raw.get("aws:region"))
    problems += network.problems(values)
    problems += _credential_problems(raw)
    if settings:
        pairs = buckets.pairs_of(settings.buckets)
        problems += buckets.pair_problems(settings.buckets)
        zones = {"primary": settings.primary_zones, "recovery": settings.recovery_zones}
        problems += capacity.problems(settings.workload, settings.tier, zones)
        if settings.image_digests is ImageDigests.REQUIRE:
            problems += image_references.without_digest(settings.serving.images)
    regions = [str(values.get(key, "")) for key in ("primaryRegion", "recoveryRegion")]
    prefix = str(values.get("bucketPrefix", ""))
    problems += buckets.name_problems(prefix, account, regions, [pair.name for pair in pairs])
    if problems or not settings:
        raise Invalid(*problems)
    return settings.topology(account)


def _credential_problems(raw: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(
            key,
            "is set, so the program and `dr` could work in two accounts, or a key could be stored in a file",
            f"`pulumi config rm {key}`, and give both their credentials by AWS_PROFILE or a role of the environment",
        )
        for key in raw
        if key.partition(":")[0] == "aws" and key.partition(":")[2] in CREDENTIAL_KEYS
    ]


def _decode(key: str, text: str) -> object:
    """Lists and objects come as JSON, all else as the text a person wrote."""
    if key.partition(":")[2] in LISTS and isinstance(text, str):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _problem(detail: Any) -> Problem:
    path = [to_camel(str(part)) if isinstance(part, str) else f"[{part}]" for part in detail["loc"]]
    key = f"{NAMESPACE}:{'.'.join(path).replace('.[', '[')}"
    context, value = detail.get("ctx", {}), detail.get("input")
    match detail["type"]:
        case "missing":
            return Problem(key, "is not set", f"`pulumi config set {key} <value>`, or a default in Pulumi.yaml")
        case "extra_forbidden":
            names = [name.partition(":")[2] for name in setting_keys()]
            if len(path) > 1:
                names = [to_camel(name) for name in PairSettings.model_fields]
            hint = did_you_mean(path[-1], names, f"known are {', '.join(names)}")
            return Problem(key, "no such key; nobody would read it", f"{hint} Otherwise `pulumi config rm {key}`")
        case "config":
            return Problem(key, context["fact"], context["remedy"])
        case "enum":
            expected = context["expected"].replace("'", "")
            return Problem(key, f'"{value}" is not understood', f"use {expected}")
        case _:
            return Problem(key, f"{json.dumps(value, default=str)} is not understood", detail["msg"])


def _cross_checks(values: Mapping[str, object], provider_region: str | None) -> list[Problem]:
    """Rules about several keys, checked even where other keys are wrong."""
    problems = []
    primary, recovery = values.get("primaryRegion"), values.get("recoveryRegion")
    if primary and primary == recovery:
        problems.append(
            Problem(
                "dr:recoveryRegion",
                f'"{recovery}" is the primary region too; a copy beside the original is lost with it',
                "`pulumi config set dr:recoveryRegion <another region>`",
            )
        )
    if values.get("existingCluster") and not values.get("existingVpc"):
        problems.append(
            Problem(
                "dr:existingCluster",
                f'"{values["existingCluster"]}" has a VPC, and dr:existingVpc does not name it: nodes and the load '
                "balancer would be in a network that does not reach the cluster",
                "`pulumi config set dr:existingVpc <the cluster's VPC>`",
            )
        )
    if values.get("sharedMesh") == "true" and values.get("mesh") == "false":
        problems.append(
            Problem(
                "dr:sharedMesh",
                'is "true", and dr:mesh is "false": there is no mesh that the regions could share',
                "`pulumi config set dr:mesh true`, or make dr:sharedMesh false",
            )
        )
    role = values.get("role")
    here = {"primary": primary, "recovery": recovery}.get(str(role))
    if here and provider_region != here:
        problems.append(
            Problem(
                "aws:region",
                f'{json.dumps(provider_region)} is set, but the {role} stack deploys "{here}"',
                f"`pulumi config set aws:region {here}`",
            )
        )
    return problems
