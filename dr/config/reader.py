"""From a stack's configuration to its settings, with every problem reported at once. Needs no AWS account.

A value is checked by its type first. A rule about several keys runs where each of them is valid by itself, so that one
wrong value is reported once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from dr.config import air_gap, backups, buckets, image_references, workers
from dr.config.alert_addresses import NO_ONE
from dr.config.backups import BackupSettings
from dr.config.buckets import PairSettings
from dr.config.settings import NAMESPACE, SETTINGS, StackSettings
from dr.config.types import Settings
from dr.config.workers import WorkerSettings
from dr.errors import Invalid, Problem
from dr.spelling import did_you_mean
from dr.topology import capacity, network
from dr.topology.databases import DatabaseMode
from dr.topology.registry import IMAGE_KEY, RegistryMode
from dr.topology.serving import AuthenticationMode, ImageDigests
from dr.topology.supply import Supply
from dr.topology.topology import ApiAccess, AutomationMode, Role, VaultLocking

LISTS = frozenset(key for key, field in SETTINGS.items() if isinstance(field.default, (tuple, Mapping)))
"""Keys with a list or a map as their value, which the engine hands over as JSON."""
PROVIDER_REGION = "aws:region"
CREDENTIAL_KEYS = frozenset(
    f"aws:{name}"
    for name in (
        *("accessKey", "secretKey", "token", "profile"),
        *("assumeRole", "assumeRoles", "assumeRoleWithWebIdentity"),
    )
)
"""Keys of Pulumi's AWS provider that set credentials."""
STAND_INS: Mapping[str, object] = {
    "role": Role.PRIMARY,
    "apiAccess": ApiAccess.PRIVATE,
    "authentication": AuthenticationMode.NONE,
}
"""Values in place of invalid values of required keys, so that the other keys can be checked."""
ROLE_NAME_LENGTH = 64
"""Longest name of an IAM role (IAM user guide, "IAM and AWS STS quotas")."""
ENTRIES: Mapping[str, type[Settings]] = {
    "backups": BackupSettings,
    "buckets": PairSettings,
    "workers": WorkerSettings,
}
"""Settings of the entries of a list, by key."""
LIST_ERRORS = ("tuple_type", "list_type", "mapping_type", "dict_type", "model_type", "model_attributes_type")
"""Errors of pydantic for a value that has to be a list or a map."""


def read(raw: Mapping[str, str]) -> StackSettings:
    """Return the settings of a stack.

    Args:
        raw: The engine's configuration: `namespace:key` to text; lists and maps are JSON.

    Raises:
        Invalid: every problem of the configuration, each with its key, its value and the remedy.
    """
    values = {key: _decode(key, text) for key, text in raw.items() if key.partition(":")[0] == NAMESPACE}
    settings, problems, invalid = _validate({key.partition(":")[2]: value for key, value in values.items()})
    for rule in RULES:
        if not invalid & set(rule.keys):
            problems += rule.problems(settings)
    if not invalid & {"role", "primaryRegion", "recoveryRegion"}:
        problems += _provider_region(settings, raw.get(PROVIDER_REGION))
    problems += [_credentials(key) for key in raw if key in CREDENTIAL_KEYS]
    if problems:
        raise Invalid(*problems)
    return settings


def _decode(key: str, text: str) -> object:
    if key in LISTS:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _validate(values: Mapping[str, object]) -> tuple[StackSettings, list[Problem], set[str]]:
    """Validate each value by itself.

    Returns:
        The settings, with the default in place of each invalid value; the problems; and the invalid keys.
    """
    # The schema of Pulumi.yaml gives an empty default to a key without one, or the engine would stop at it.
    required = {str(field.alias) for field in SETTINGS.values() if field.is_required()}
    values = {key: value for key, value in values.items() if value != "" or key not in required}
    try:
        return StackSettings.model_validate(values), [], set()
    except ValidationError as error:
        details = error.errors()
    invalid = {str(detail["loc"][0]) for detail in details}
    rest = {**STAND_INS, **{key: value for key, value in values.items() if key not in invalid}}
    return StackSettings.model_validate(rest), [_problem(detail) for detail in details], invalid


def _problem(detail: Any) -> Problem:
    path = [to_camel(str(part)) if isinstance(part, str) else f"[{part}]" for part in detail["loc"]]
    key = f"{NAMESPACE}:{'.'.join(path).replace('.[', '[')}"
    setting = f"{NAMESPACE}:{path[0]}"
    context, shown = detail.get("ctx", {}), json.dumps(detail.get("input"), default=str)
    match detail["type"]:
        case "missing":
            extra = SETTINGS[setting].json_schema_extra if setting in SETTINGS else None
            choices = str(extra.get("choices") or "") if isinstance(extra, dict) else ""
            return Problem(key, "is not set", choices or f"`pulumi config set {key} <value>`")
        case "extra_forbidden":
            names = [str(field.alias) for field in SETTINGS.values()]
            if len(path) > 1:
                names = [to_camel(name) for name in ENTRIES[path[0]].model_fields]
            hint = did_you_mean(path[-1], names, f"Known keys: {', '.join(names)}.")
            return Problem(key, "unknown key", f"{hint} To remove it: `pulumi config rm {key}`")
        case "config":
            return Problem(key, context["fact"], context["remedy"])
        case "enum":
            return Problem(key, f"{shown} is not a valid value", f"use {context['expected'].replace(chr(39), '')}")
        case error if error in LIST_ERRORS and len(path) == 1:
            kind = "map" if isinstance(SETTINGS[setting].default, Mapping) else "list"
            return Problem(key, f"{shown} is not a {kind}", f"`{set_command(setting)}`")
        case _:
            return Problem(key, f"{shown} is not a valid value", detail["msg"])


def set_command(key: str) -> str:
    """Return the command that sets a key to its example, or to its default where it has none.

    Args:
        key: A key of `SETTINGS`.
    """
    field = SETTINGS[key]
    example = field.examples[0] if field.examples else field.default
    if key not in LISTS:
        return f"pulumi config set {key} {example}"
    path = f"{key}[0]" if isinstance(field.default, tuple) else key
    if isinstance(example, Mapping):
        name, example = next(iter(example.items()))
        path = f"{path}.{name}"
    return f"pulumi config set --path '{path}' {example}"


@dataclass(frozen=True)
class Rule:
    """A rule about several keys.

    Args:
        keys: The keys it is about, without the namespace. It is checked where each of them is valid.
        problems: Its check.
    """

    keys: tuple[str, ...]
    problems: Callable[[StackSettings], Iterator[Problem]]


def _regions(settings: StackSettings) -> Iterator[Problem]:
    if settings.primary_region == settings.recovery_region:
        yield Problem(
            "dr:recoveryRegion",
            f'"{settings.recovery_region}" is the primary region too; its loss would take the data and its copy',
            "`pulumi config set dr:recoveryRegion <another region>`",
        )


def _networks(settings: StackSettings) -> Iterator[Problem]:
    if found := network.overlap_problem(settings.primary_cidr, settings.recovery_cidr):
        yield Problem("dr:recoveryCidr", *found)


def _zones_of(role: Role) -> Callable[[StackSettings], Iterator[Problem]]:
    def problems(settings: StackSettings) -> Iterator[Problem]:
        for found in network.zone_problems(settings.zones[role], settings.regions[role]):
            yield Problem(f"dr:{role}Zones", *found)

    return problems


def _vpc(settings: StackSettings) -> Iterator[Problem]:
    values = {"nat": settings.nat, "privateEndpoints": settings.private_endpoints or None}
    for name, value in values.items():
        if settings.existing_vpc and value is not None:
            fact = f'"{str(value).lower()}" applies to a VPC that the stack creates, not to {settings.existing_vpc}'
            yield Problem(f"dr:{name}", fact, f"`pulumi config rm dr:{name}`, or set dr:existingVpc to an empty text")


def _cluster(settings: StackSettings) -> Iterator[Problem]:
    if settings.existing_cluster and not settings.existing_vpc:
        yield Problem(
            "dr:existingCluster",
            f'"{settings.existing_cluster}" needs its VPC in dr:existingVpc; otherwise nodes and the load balancer '
            "would be in a VPC that cannot reach the cluster",
            "`pulumi config set dr:existingVpc <the cluster's VPC>`",
        )


def _api(settings: StackSettings) -> Iterator[Problem]:
    if settings.api_access is ApiAccess.PUBLIC and not settings.api_cidrs:
        fact = "is empty and dr:apiAccess is public: EKS would admit the whole internet, 0.0.0.0/0"
        yield Problem("dr:apiCidrs", fact, "`pulumi config set --path 'dr:apiCidrs[0]' <your public address>/32`")
    if settings.api_access is ApiAccess.PRIVATE and settings.api_cidrs:
        fact = f"{', '.join(settings.api_cidrs)} is set, and dr:apiAccess is private: the API has no public endpoint"
        yield Problem("dr:apiCidrs", fact, "`pulumi config rm dr:apiCidrs`, or set dr:apiAccess to public")


def _runner(settings: StackSettings) -> Iterator[Problem]:
    if settings.runner and not settings.runner_image:
        fact = "is not set and dr:runner is true: an image has to have Pulumi, its plugins and the Python packages"
        yield Problem("dr:runnerImage", fact, "build one as docs/how-to/runner.md says, and set its name")
    for name in settings.build_roles if settings.runner else ():
        if len(name) > ROLE_NAME_LENGTH:
            fact = f'is true, and the role\'s name "{name}" has more than {ROLE_NAME_LENGTH} characters'
            yield Problem("dr:runner", fact, "use a shorter dr:bucketPrefix, or deploy without a runner")


def _automation(settings: StackSettings) -> Iterator[Problem]:
    if settings.automates and not settings.runner:
        yield Problem(
            "dr:automation",
            f"is {settings.automation}, and dr:runner is false: automation runs in CodeBuild, with the image and the "
            "network access of the runner",
            "`pulumi config set dr:runner true`, and dr:runnerImage as docs/how-to/runner.md says; or "
            "`pulumi config set dr:automation notify`",
        )
    automatic = settings.automates and settings.automation is AutomationMode.AUTOMATIC
    if automatic and settings.authentication is AuthenticationMode.JWT:
        yield Problem(
            "dr:automation",
            "is automatic, and dr:authentication is jwt: a failover validates the recovery region by requests, and a "
            "build has no client's token",
            "`pulumi config set dr:automation prepare`, and an operator runs `dr failover` with DR_CLIENT_TOKEN",
        )


def _mesh(settings: StackSettings) -> Iterator[Problem]:
    if settings.shared_mesh and not settings.mesh:
        yield Problem(
            "dr:sharedMesh",
            'is "true" and dr:mesh is "false": without a mesh there is nothing to share',
            "`pulumi config set dr:mesh true`, or set dr:sharedMesh to false",
        )


def _capacity(settings: StackSettings) -> Iterator[Problem]:
    yield from capacity.problems(
        settings.workload, settings.tier, {str(role): zones for role, zones in settings.zones.items()}
    )


def _alerts(settings: StackSettings) -> Iterator[Problem]:
    addresses, key = settings.alert_addresses, f"{NAMESPACE}:alertAddresses"
    path = f"pulumi config set --path '{key}[0]'"
    if not addresses:
        fact = "is not set: no one would be notified of an alarm, such as the loss of a region"
        yield Problem(key, fact, f"`{path} oncall@example.com`, or `{path} none` if you look at alarms by other means")
    elif NO_ONE in addresses and len(addresses) > 1:
        others = ", ".join(each for each in addresses if each != NO_ONE)
        yield Problem(key, f'has "{NO_ONE}" and {others}', f'remove "{NO_ONE}", or all other entries')


def _authentication(settings: StackSettings) -> Iterator[Problem]:
    """A client has a token, or an address that the operator named; the internet without tokens is said explicitly."""
    jwt = settings.authentication is AuthenticationMode.JWT
    parts = {
        "jwtIssuer": settings.jwt_issuer,
        "jwtAudiences": settings.jwt_audiences,
        "jwtKeys": settings.jwt_keys,
    }
    for name, value in parts.items():
        if jwt and not value:
            reason = "and dr:authentication is jwt: a token could not be checked"
            yield Problem(f"dr:{name}", f"is not set, {reason}", f"`{set_command(f'{NAMESPACE}:{name}')}`")
        elif value and not jwt:
            fact = "is set, and dr:authentication is none: no token is checked"
            yield Problem(
                f"dr:{name}", fact, f"`pulumi config set dr:authentication jwt`, or `pulumi config rm dr:{name}`"
            )
    if not jwt and not settings.client_cidrs:
        yield Problem(
            "dr:clientCidrs",
            "is not set, and dr:authentication is none: everybody on the internet could call the inference endpoint",
            f"`{set_command('dr:clientCidrs')}` with the addresses of your clients (0.0.0.0/0 admits everybody), or "
            "`pulumi config set dr:authentication jwt`",
        )


def _registry(settings: StackSettings) -> Iterator[Problem]:
    if settings.registry is RegistryMode.NONE:
        return
    if settings.database is DatabaseMode.NONE:
        fact = "is mlflow, and dr:database is none: MLflow would have no database for its rows"
        yield Problem("dr:registry", fact, "`pulumi config set dr:database aurora`, or `pulumi config rm dr:registry`")
    if not settings.registry_image:
        fact = (
            "is not set, and dr:registry is mlflow: an image has to have MLflow, psycopg2 and the certificates of RDS"
        )
        yield Problem(IMAGE_KEY, fact, "build one as docs/how-to/registry.md says, and set its name in both stacks")


def _images(settings: StackSettings) -> Iterator[Problem]:
    # With a mirror, the lock file has the digests.
    if settings.image_digests is ImageDigests.REQUIRE and settings.supply is Supply.UPSTREAM:
        yield from image_references.without_digest(settings.images)


def _backups(settings: StackSettings) -> Iterator[Problem]:
    yield from backups.backup_problems(settings.backups, settings.backup_retention_days)
    if settings.vault_lock is VaultLocking.NONE:
        return
    for each in backups.backups_of(settings.backups, settings.backup_retention_days):
        if each.retention_days < settings.vault_lock_days:
            yield Problem(
                "dr:vaultLockDays",
                f"is {settings.vault_lock_days}, and backups of {each.data} are kept for {each.retention_days} days: "
                "AWS Backup would fail each of them",
                f"keep them for {settings.vault_lock_days} days or longer, or set {each.retention_days} or less",
            )


def _air_gap(settings: StackSettings) -> Iterator[Problem]:
    kept = backups.backups_of(settings.backups, settings.backup_retention_days)
    yield from air_gap.air_gap_problems(settings.air_gap, kept, settings.recovery_region)


def _workers(settings: StackSettings) -> Iterator[Problem]:
    yield from workers.worker_problems(settings.workers)


def _pairs(settings: StackSettings) -> Iterator[Problem]:
    yield from buckets.pair_problems(settings.buckets)


def _bucket_names(settings: StackSettings) -> Iterator[Problem]:
    pairs = [pair.name for pair in buckets.pairs_of(settings.buckets)]
    yield from buckets.name_problems(settings.bucket_prefix, settings.regions.values(), pairs)


WORKLOAD = (
    *("peakRequests", "requestsPerReplica", "maxReplicas", "warmFraction", "minAvailable"),
    *("gpuInstanceTypes", "gpusPerReplica", "modelMemoryGib"),
)
IMAGES = ("inferenceImage", "toolsImage", "proxyImage", "registryImage")
RUNNER = ("runner", "runnerImage", "automation", "bucketPrefix", "role")
AIR_GAP = ("airGappedVault", "airGappedClasses", "airGappedMinDays", "airGappedMaxDays")
RULES = (
    Rule(("primaryRegion", "recoveryRegion"), _regions),
    Rule(("primaryCidr", "recoveryCidr"), _networks),
    *(Rule((f"{role}Zones", f"{role}Region"), _zones_of(role)) for role in Role),
    Rule(("existingVpc", "nat", "privateEndpoints"), _vpc),
    Rule(("existingVpc", "existingCluster"), _cluster),
    Rule(("apiAccess", "apiCidrs"), _api),
    Rule((*RUNNER, "primaryRegion", "recoveryRegion"), _runner),
    Rule(("runner", "automation", "authentication", "role"), _automation),
    Rule(("mesh", "sharedMesh"), _mesh),
    Rule((*WORKLOAD, "tier", "primaryZones", "recoveryZones"), _capacity),
    Rule(("alertAddresses",), _alerts),
    Rule(("authentication", "jwtIssuer", "jwtAudiences", "jwtKeys", "clientCidrs"), _authentication),
    Rule((*IMAGES, "imageDigests", "supply", "registry"), _images),
    Rule(("registry", "registryImage", "database"), _registry),
    Rule(("backups", "backupRetentionDays", "vaultLock", "vaultLockDays"), _backups),
    Rule((*AIR_GAP, "backups", "backupRetentionDays", "recoveryRegion"), _air_gap),
    Rule(("workers",), _workers),
    Rule(("buckets",), _pairs),
    Rule(("buckets", "bucketPrefix", "primaryRegion", "recoveryRegion"), _bucket_names),
)


def _provider_region(settings: StackSettings, region: str | None) -> Iterator[Problem]:
    here = settings.regions[settings.role]
    if region != here:
        fact = f'"{region}" is set' if region else "is not set"
        fact = f'{fact}, but the {settings.role} stack deploys to "{here}"'
        yield Problem(PROVIDER_REGION, fact, f"`pulumi config set {PROVIDER_REGION} {here}`")


def _credentials(key: str) -> Problem:
    return Problem(
        key,
        "must not be set: the program and `dr` could use two accounts, and a key could be stored in a file",
        f"`pulumi config rm {key}`, and set AWS_PROFILE or a role in the environment",
    )
