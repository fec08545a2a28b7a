"""From a stack's configuration to a topology, with every problem reported at once.

The engine checks types of its own and stops at the first wrong one before the program starts, and it accepts keys
nobody reads. So the schema in Pulumi.yaml calls every scalar a string, and all rules are here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dr import network
from dr.errors import Invalid, Problem
from dr.objectives import Nat, Tier, parse_tier
from dr.topology import (
    CONTROL,
    STANDARD_PAIRS,
    BucketPair,
    Dns,
    DnsFailover,
    Lock,
    LockMode,
    Role,
    Site,
    Topology,
    bucket_name,
)

NAMESPACE = "dr"
LISTS = ("buckets", "tags", "primaryZones", "recoveryZones")
"""Keys whose values are lists or objects, not text."""
MAX_BUCKET_NAME = 63
"""S3 user guide, bucket naming rules."""
CREDENTIAL_KEYS = (
    *("accessKey", "secretKey", "token", "profile"),
    *("assumeRole", "assumeRoles", "assumeRoleWithWebIdentity"),
)

HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
BUCKET_PART = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@cache
def known_regions() -> tuple[str, ...]:
    """The regions of the `aws` partition that botocore knows.

    Partitions apart (China, GovCloud) have other ARNs and cannot replicate to or from this one.
    """
    import botocore.session  # not before it is needed: it reads a large data file

    return tuple(sorted(botocore.session.get_session().get_available_regions("ec2", partition_name="aws")))


def _fail(fact: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("config", "{fact}", {"fact": fact, "remedy": remedy})


def _nearest(value: str, names: Any, otherwise: str) -> str:
    near = difflib.get_close_matches(value, list(names), n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"?' if near else otherwise


def _region(value: object) -> object:
    if isinstance(value, str) and value not in known_regions():
        raise _fail(f'"{value}" is no AWS region', _nearest(value, known_regions(), "use a name such as us-west-2"))
    return value


def _host(value: object) -> object:
    if isinstance(value, str) and not HOST_NAME.fullmatch(value):
        raise _fail(f'"{value}" is no host name', "use a name such as ml.example.com, in lower case, without a scheme")
    return value


def _tier(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_tier(value)
    except Invalid as error:
        raise _fail(error.problems[0].fact, error.problems[0].remedy) from error


def _nat(value: object) -> object:
    """None leaves it to the tier."""
    if isinstance(value, str) and value not in ("auto", *Nat):
        raise _fail(f'"{value}" is no way to the internet', f"use auto, {', '.join(Nat)}")
    return None if value == "auto" else value


RegionName = Annotated[str, BeforeValidator(_region)]
HostName = Annotated[str, BeforeValidator(_host)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class LockSettings(_Model):
    """Object Lock of a pair."""

    mode: LockMode
    days: int = Field(ge=1, le=36_500)


class PairSettings(_Model):
    """One entry of `dr:buckets`: a pair of one's own, or changes to a standard one."""

    name: str
    replicate_deletes: bool | None = None
    noncurrent_days: int | None = Field(default=None, ge=1)
    archive_days: int | None = Field(default=None, ge=1)
    lock: LockSettings | None = None
    existing: str | None = None
    existing_key: str | None = Field(default=None, pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/.+$")

    @field_validator("name")
    @classmethod
    def _name_fits_into_a_bucket_name(cls, value: str) -> str:
        if not BUCKET_PART.fullmatch(value):
            raise _fail(f'"{value}" cannot be part of a bucket name', "use lower-case letters, digits and dashes")
        return value

    @model_validator(mode="after")
    def _lock_needs_a_bucket_of_its_own(self) -> PairSettings:
        if self.lock and self.existing:
            raise _fail(
                f'"{self.existing}" exists already; Object Lock is for pairs that are made with it',
                "drop `lock` or `existing`",
            )
        return self

    def apply(self, standard: BucketPair | None) -> BucketPair:
        """The pair this entry describes."""
        values: dict[str, Any] = self.model_dump(exclude_none=True, exclude={"lock"})
        if self.lock:
            values["lock"] = Lock(self.lock.mode, self.lock.days)
        base = standard or BucketPair(self.name, replicate_deletes=False)
        return BucketPair(**{**vars(base), **values})


class StackSettings(_Model):
    """Every key of the `dr` namespace."""

    role: Role
    tier: Annotated[Tier, BeforeValidator(_tier)] = Tier.PILOT
    primary_region: RegionName
    recovery_region: RegionName
    domain: HostName
    primary_endpoint: HostName
    recovery_endpoint: HostName
    bucket_prefix: str
    hosted_zone: str = Field(default="", pattern=r"^(Z[A-Z0-9]{1,31})?$")
    dns_failover: DnsFailover = DnsFailover.AUTOMATIC
    health_check_interval: int = 10
    buckets: tuple[PairSettings, ...] = ()
    primary_stack: str = Field(default="primary", min_length=1)
    protect_data: bool = True
    backup_retention_days: int = Field(default=35, ge=1, le=36_500)
    primary_cidr: str
    recovery_cidr: str
    primary_zones: tuple[str, ...]
    recovery_zones: tuple[str, ...]
    nat: Annotated[Nat | None, BeforeValidator(_nat)] = None
    private_endpoints: bool = False
    existing_vpc: str = Field(default="", pattern=r"^(vpc-[0-9a-f]{8,17})?$")
    tags: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("bucket_prefix")
    @classmethod
    def _prefix_fits_into_a_bucket_name(cls, value: str) -> str:
        if not BUCKET_PART.fullmatch(value):
            raise _fail(f'"{value}" cannot begin a bucket name', "use lower-case letters, digits and dashes")
        return value

    @field_validator("health_check_interval")
    @classmethod
    def _interval_is_one_that_route53_has(cls, value: int) -> int:
        if value not in (10, 30):
            raise _fail(f"{value} s is no interval of Route 53", "use 10 (about $1 a month more a check) or 30")
        return value


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
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors()]
    problems += _cross_checks(values, raw.get("aws:region"))
    problems += network.problems(values)
    problems += [
        Problem(
            key,
            "is set, so the program and `dr` could work in two accounts, or a key could be stored in a file",
            f"`pulumi config rm {key}`, and give both their credentials by AWS_PROFILE or a role of the environment",
        )
        for key in raw
        if key.partition(":")[0] == "aws" and key.partition(":")[2] in CREDENTIAL_KEYS
    ]
    pairs: tuple[BucketPair, ...] = ()
    if settings:
        pairs, pair_problems = _pairs(settings)
        problems += pair_problems
    regions = [str(values.get(key, "")) for key in ("primaryRegion", "recoveryRegion")]
    names = [pair.name for pair in pairs or STANDARD_PAIRS]
    problems += _long_bucket_names(str(values.get("bucketPrefix", "")), account, regions, names)
    if problems or not settings:
        raise Invalid(*problems)
    return Topology(
        role=settings.role,
        tier=settings.tier,
        primary=Site(
            Role.PRIMARY,
            settings.primary_region,
            settings.primary_endpoint,
            settings.primary_cidr,
            settings.primary_zones,
        ),
        recovery=Site(
            Role.RECOVERY,
            settings.recovery_region,
            settings.recovery_endpoint,
            settings.recovery_cidr,
            settings.recovery_zones,
        ),
        account=account,
        bucket_prefix=settings.bucket_prefix,
        pairs=pairs,
        dns=Dns(
            settings.domain.rstrip("."),
            settings.hosted_zone or None,
            settings.dns_failover,
            settings.health_check_interval,
        ),
        primary_stack=settings.primary_stack,
        protect_data=settings.protect_data,
        backup_retention_days=settings.backup_retention_days,
        tags=settings.tags,
        nat=settings.nat,
        private_endpoints=settings.private_endpoints,
        existing_vpc=settings.existing_vpc or None,
    )


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
            hint = _nearest(path[-1], names, f"known are {', '.join(names)}")
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


def _pairs(settings: StackSettings) -> tuple[tuple[BucketPair, ...], list[Problem]]:
    """The standard pairs with what the configuration changes, and pairs of one's own after them."""
    entries = {entry.name: entry for entry in settings.buckets}
    problems = []
    if len(entries) < len(settings.buckets):
        problems.append(Problem("dr:buckets", "two entries have the same name", "give each pair a name of its own"))
    if CONTROL in entries and entries[CONTROL].existing:
        problems.append(
            Problem(
                "dr:buckets.control.existing",
                f'"{entries[CONTROL].existing}" cannot be the control bucket: an operator finds it by its made name',
                "drop `existing` of this pair",
            )
        )
    standard = {pair.name: pair for pair in STANDARD_PAIRS}
    pairs = tuple(entries[name].apply(pair) if name in entries else pair for name, pair in standard.items())
    return pairs + tuple(entry.apply(None) for name, entry in entries.items() if name not in standard), problems


def _long_bucket_names(prefix: str, account: str, regions: Iterable[str], pairs: Iterable[str]) -> list[Problem]:
    names = {pair: [bucket_name(prefix, account, region, pair) for region in regions] for pair in pairs}
    return [
        Problem(
            "dr:bucketPrefix",
            f'bucket name "{name}" has {len(name)} characters; S3 allows {MAX_BUCKET_NAME}',
            f'shorten "{prefix}" or the pair\'s name "{pair}" by {len(name) - MAX_BUCKET_NAME}',
        )
        for pair, sides in names.items()
        for name in sides
        if len(name) > MAX_BUCKET_NAME
    ]
