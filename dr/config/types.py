"""The types of single settings: what each may be, and the way out where it is something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dr.config import alert_addresses, image_references
from dr.errors import Invalid
from dr.spelling import did_you_mean
from dr.topology.tiers import Nat, Tier, parse_tier

HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_PART = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+")
AUTO = "auto"
"""Leaves a setting to what the rest of the topology asks for."""


class Settings(BaseModel):
    """Settings as a person writes them: names in camel case, and none that nobody reads."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


@cache
def known_regions() -> tuple[str, ...]:
    """The regions of the `aws` partition that botocore knows.

    Partitions apart (China, GovCloud) have other ARNs and cannot replicate to or from this one.
    """
    import botocore.session  # not before it is needed: it reads a large data file

    return tuple(sorted(botocore.session.get_session().get_available_regions("ec2", partition_name="aws")))


def wrong(fact: str, remedy: str) -> PydanticCustomError:
    """What a validator raises: `dr.config.reader` makes a problem of it."""
    return PydanticCustomError("config", "{fact}", {"fact": fact, "remedy": remedy})


def _text(problem: Callable[[str], tuple[str, str] | None]) -> BeforeValidator:
    """A validator from a function that says what is wrong with a text; other types are pydantic's to refuse."""

    def check(value: object) -> object:
        if isinstance(value, str) and (found := problem(value)):
            raise wrong(*found)
        return value

    return BeforeValidator(check)


def _region(value: str) -> tuple[str, str] | None:
    if value in known_regions():
        return None
    return f'"{value}" is no AWS region', did_you_mean(value, known_regions(), "use a name such as us-west-2")


def _host(value: str) -> tuple[str, str] | None:
    if HOST_NAME.fullmatch(value):
        return None
    return f'"{value}" is no host name', "use a name such as ml.example.com, in lower case, without a scheme"


def _optional_host(value: str) -> tuple[str, str] | None:
    return _host(value) if value else None


def _bucket_part(value: str) -> tuple[str, str] | None:
    if NAME_PART.fullmatch(value):
        return None
    return f'"{value}" cannot be part of a bucket name', "use lower-case letters, digits and dashes"


def _cidr(value: str) -> tuple[str, str] | None:
    try:
        block = IPv4Network(value, strict=False)
    except ValueError:
        return f'"{value}" is no IPv4 block', "use a block such as 203.0.113.0/24"
    return None if str(block) == value else (f'"{value}" is no network address', f"use {block}")


def _role_arn(value: str) -> tuple[str, str] | None:
    if ROLE_ARN.fullmatch(value):
        return None
    return f'"{value}" is no ARN of an IAM role', "use one such as arn:aws:iam::111122223333:role/platform"


def _tier(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_tier(value)
    except Invalid as error:
        raise wrong(error.problems[0].fact, error.problems[0].remedy) from error


def _nat(value: object) -> object:
    if isinstance(value, str) and value not in (AUTO, *Nat):
        raise wrong(f'"{value}" is no way to the internet', f"use {AUTO}, {', '.join(Nat)}")
    return None if value == AUTO else value


def _auto(value: object) -> object:
    return None if value == AUTO else value


def _interval(value: int) -> int:
    if value not in (10, 30):
        raise wrong(f"{value} s is no interval of Route 53", "use 10 (about $1 a month more a check) or 30")
    return value


RegionName = Annotated[str, _text(_region)]
HostName = Annotated[str, _text(_host)]
OptionalHostName = Annotated[str, _text(_optional_host)]
BucketPart = Annotated[str, _text(_bucket_part)]
Cidr = Annotated[str, _text(_cidr)]
RoleArn = Annotated[str, _text(_role_arn)]
ImageRef = Annotated[str, _text(image_references.problem)]
ModelSetName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
AlertAddress = Annotated[str, _text(alert_addresses.address_problem)]
TierName = Annotated[Tier, BeforeValidator(_tier)]
NatName = Annotated[Nat | None, BeforeValidator(_nat)]
CheckInterval = Annotated[int, AfterValidator(_interval)]
Days = Annotated[int, Field(ge=1, le=36_500)]
AutoCount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_auto)]
Count = Annotated[int, Field(ge=1)]
GraceSeconds = Annotated[int, Field(ge=5, le=3600)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
EksName = Annotated[str, Field(pattern=r"^([0-9A-Za-z][A-Za-z0-9_-]{0,99})?$")]
