"""Types of settings: valid values, and the error with its fix for other values."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dr.clients import botocore_session
from dr.config import alert_addresses, image_references, token_keys
from dr.errors import Invalid
from dr.spelling import did_you_mean
from dr.topology import databases, network
from dr.topology.tiers import Nat, Tier, parse_tier

HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_PART = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+")
POLICY_ARN = re.compile(r"arn:aws:iam::(\d{12}|aws):policy/[\w+=,.@/-]+")
AUTO = "auto"
"""Value of a setting that is computed from the rest of the topology."""


class Settings(BaseModel):
    """Base class of settings in a stack file. Names are in camel case; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


def setting(
    default: Any,
    text: str,
    *,
    stack: str = "both",
    unit: str = "",
    example: Any = None,
    see: str = "",
    shown: str = "",
    choices: str = "",
    **constraints: Any,
) -> Any:
    """Declare a field of a `Settings` class with its documentation.

    Args:
        default: Default value; `...` for a required setting.
        text: Description, in Markdown.
        stack: Stacks that use the setting: a value of `dr.config.settings.For`.
        unit: Unit of the value.
        example: A valid value; for a list or a map, one entry.
        see: Link to further documentation, relative to docs/configuration.md.
        shown: Description of the default, if `default` does not show it.
        choices: For a required setting, the remedy that explains the values to choose from.
        **constraints: Constraints of pydantic's `Field`.
    """
    return Field(
        default,
        description=text,
        examples=None if example is None else [example],
        json_schema_extra={"stack": stack, "unit": unit, "see": see, "shown": shown, "choices": choices},
        **constraints,
    )


@cache
def known_regions() -> tuple[str, ...]:
    """Return botocore's regions of the `aws` partition.

    Other partitions (China, GovCloud) have other ARNs, and S3 does not replicate between partitions.
    """
    return tuple(sorted(botocore_session().get_available_regions("sts", partition_name="aws")))


def wrong(fact: str, remedy: str) -> PydanticCustomError:
    """Return the error for a validator to raise; `dr.config.reader` reports it as a problem."""
    return PydanticCustomError("config", "{fact}", {"fact": fact, "remedy": remedy})


def _text(problem: Callable[[str], tuple[str, str] | None]) -> BeforeValidator:
    """Return a validator of text; `problem` returns fact and remedy of invalid text. Pydantic rejects other types."""

    def check(value: object) -> object:
        if isinstance(value, str) and (found := problem(value)):
            raise wrong(*found)
        return value

    return BeforeValidator(check)


def _region(value: str) -> tuple[str, str] | None:
    if value in known_regions():
        return None
    return f'"{value}" is not a valid AWS region', did_you_mean(value, known_regions(), "use a name such as us-west-2")


def _host(value: str) -> tuple[str, str] | None:
    if HOST_NAME.fullmatch(value):
        return None
    return f'"{value}" is not a valid host name', "use a name such as ml.example.com, in lower case, without a scheme"


def _optional_host(value: str) -> tuple[str, str] | None:
    return _host(value) if value else None


def _optional_image(value: str) -> tuple[str, str] | None:
    return image_references.problem(value) if value else None


def _bucket_part(value: str) -> tuple[str, str] | None:
    if NAME_PART.fullmatch(value):
        return None
    return f'"{value}" cannot be part of a bucket name', "use lower-case letters, digits and dashes"


def _cidr(value: str) -> tuple[str, str] | None:
    try:
        block = IPv4Network(value, strict=False)
    except ValueError:
        return f'"{value}" is not a valid CIDR block', "use a block such as 203.0.113.0/24"
    return None if str(block) == value else (f'"{value}" is not a network address', f"use {block}")


NOT_INTERNET = [
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
"""Blocks of the IANA registry of special-purpose addresses that no internet client has, without the documentation
blocks (RFC 5737), which the EKS user guide uses as examples."""


def _internet_cidr(value: str) -> tuple[str, str] | None:
    if found := _cidr(value):
        return found
    block = IPv4Network(value)
    if reserved := next((each for each in NOT_INTERNET if block.prefixlen and block.overlaps(each)), None):
        # EKS user guide, "Configure network access to cluster API server endpoint".
        where = f"is in {reserved}" if block.subnet_of(reserved) else f"includes {reserved}"
        fact = f'"{value}" {where}, which EKS refuses: the blocks cannot include reserved addresses'
        return (
            fact,
            "use the public address that your calls come from, such as 203.0.113.7/32; for calls from inside "
            "the VPC, set dr:apiAccess to private",
        )
    return None


def _role_arn(value: str) -> tuple[str, str] | None:
    if ROLE_ARN.fullmatch(value):
        return None
    return f'"{value}" is not a valid ARN of an IAM role', "use one such as arn:aws:iam::111122223333:role/platform"


def _optional_role_arn(value: str) -> tuple[str, str] | None:
    return _role_arn(value) if value else None


def _policy_arn(value: str) -> tuple[str, str] | None:
    if POLICY_ARN.fullmatch(value):
        return None
    return f'"{value}" is not a valid ARN of an IAM policy', "use one such as arn:aws:iam::111122223333:policy/state"


def _tier(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_tier(value)
    except Invalid as error:
        raise wrong(error.problems[0].fact, error.problems[0].remedy) from error


def _nat(value: object) -> object:
    if isinstance(value, str) and value not in (AUTO, *Nat):
        raise wrong(f'"{value}" is not a valid value', f"use {AUTO}, {', '.join(Nat)}")
    return None if value == AUTO else value


def _auto(value: object) -> object:
    return None if value == AUTO else value


def _interval(value: int) -> int:
    if value not in (10, 30):
        raise wrong(
            f"{value} s is not a valid Route 53 interval", "use 10 (about $1 a month more for each check) or 30"
        )
    return value


RegionName = Annotated[str, _text(_region)]
HostName = Annotated[str, _text(_host)]
OptionalHostName = Annotated[str, _text(_optional_host)]
BucketPart = Annotated[str, _text(_bucket_part)]
Cidr = Annotated[str, _text(_cidr)]
InternetCidr = Annotated[str, _text(_internet_cidr)]
VpcCidr = Annotated[str, _text(network.cidr_problem)]
PolicyArn = Annotated[str, _text(_policy_arn)]
RoleArn = Annotated[str, _text(_role_arn)]
OptionalRoleArn = Annotated[str, _text(_optional_role_arn)]
TokenKeys = Annotated[str, _text(token_keys.problem)]
OptionalImageRef = Annotated[str, _text(_optional_image)]
ImageRef = Annotated[str, _text(image_references.problem)]
ModelSetName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ModelName = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,127})?$")]
AlertAddress = Annotated[str, _text(alert_addresses.address_problem)]
TierName = Annotated[Tier, BeforeValidator(_tier)]
NatName = Annotated[Nat | None, BeforeValidator(_nat)]
CheckInterval = Annotated[int, AfterValidator(_interval)]
Days = Annotated[int, Field(ge=1, le=36_500)]
DatabaseClass = Annotated[str, _text(databases.class_problem)]
DatabaseVersion = Annotated[str, _text(databases.version_problem)]
DatabaseInstances = Annotated[int, Field(ge=1, le=databases.MOST_INSTANCES)]
DatabaseDays = Annotated[int, Field(ge=1, le=databases.MOST_RETENTION_DAYS)]
AutoCount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_auto)]
Count = Annotated[int, Field(ge=1)]
AnswerSeconds = Annotated[int, Field(ge=1, le=30)]
GraceSeconds = Annotated[int, Field(ge=5, le=3600)]
Mebibytes = Annotated[int, Field(ge=1, le=128)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
EksName = Annotated[str, Field(pattern=r"^([0-9A-Za-z][A-Za-z0-9_-]{0,99})?$")]
