"""Readiness of the recovery region: everything a failover needs, checked before it is needed.

All checks run at the same time, with one deadline. They call the recovery region; what is asked of the primary region
and of IAM is an addition while they answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dr.clients import Unreachable, account_id, limited
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.config.settings import StackSettings
from dr.control.control_bucket import KEYS, parse_control, read_document
from dr.errors import Exit
from dr.findings import Finding, exit_code
from dr.names import CONTROL
from dr.operations import (
    check_runner,
    database_readiness,
    prechecks,
    proven,
    readiness_access,
    readiness_automation,
    readiness_backups,
    readiness_capacity,
    readiness_equality,
    readiness_login,
    readiness_registry,
    readiness_workers,
)
from dr.operations.check_runner import Check
from dr.operations.inspected import Inspected
from dr.operations.lookups import Lookups
from dr.operations.operation import OPERATIONS
from dr.operations.prechecks import Named
from dr.operations.preflight import subject_of
from dr.operations.scene import Options, Scene, scene_of
from dr.operations.status import CLUSTER_CONNECT, CLUSTER_READ, LIMITS
from dr.operations.steps import Report
from dr.preflight import credentials, state, supply, zones
from dr.preflight.check import Subject
from dr.topology.tiers import Tier
from dr.topology.topology import Role

SECONDS = 3.5
"""Time until the deadline, so that the whole command ends within 5 seconds."""
OPERATION_SECONDS = 6.5
"""The same for the guards of an operation: a request to a primary region that hangs takes 5 seconds (signals.py)."""


def _guard(guard: Named) -> Check[Inspected]:
    """Return a check of an operation's guard."""
    return Check(guard.name, lambda inspected: [guard.look(inspected.scene)])


def _deployment(name: str, look: Callable[[Subject], Iterator[Finding]]) -> Check[Inspected]:
    """Return a check that `dr preflight` makes too."""
    return Check(name, lambda inspected: look(inspected.deployment))


def _credentials(inspected: Inspected) -> Iterator[Finding]:
    """Check the credentials; their account is compared with the contract by a check of its own."""
    yield from (each for each in credentials.look(inspected.deployment) if each.name != prechecks.ACCOUNT.name)


CHECKS: Sequence[Check[Inspected]] = (
    _guard(prechecks.ACCOUNT),
    Check("inference", readiness_capacity.inference),
    Check("cluster", readiness_capacity.cluster),
    Check("replicas", readiness_capacity.replicas),
    Check("GPU node groups", readiness_capacity.node_groups),
    Check("quotas", readiness_capacity.vcpus),
    _deployment("zones", zones.look),
    Check("reserved GPU capacity", readiness_capacity.reserved),
    _deployment(supply.NAME, supply.look),
    Check(readiness_workers.NAME, readiness_workers.look),
    _guard(Named("model-set", prechecks.model_set)),
    Check("data", readiness_capacity.data),
    Check("copies by class of data", readiness_backups.copies),
    Check("air-gapped copies", readiness_backups.isolated),
    Check("database", database_readiness.look),
    Check(readiness_login.NAME, readiness_login.look),
    Check(readiness_registry.NAME, readiness_registry.look),
    Check("volumes in backup plans", readiness_backups.volumes),
    Check("certificate", readiness_access.certificate),
    Check("credentials", _credentials),
    Check("permissions in AWS", readiness_access.permissions),
    Check("permissions in the cluster", readiness_access.cluster_permissions),
    Check("contract", readiness_equality.contract),
    Check("configuration", readiness_equality.configuration),
    Check("Kubernetes version", readiness_equality.kubernetes),
    Check("images of inference", readiness_equality.images),
    Check("journal and lease", readiness_access.writes),
    _guard(Named("no-incident", prechecks.no_incident)),
    Check(readiness_automation.NAME, readiness_automation.look),
    _deployment(state.BACKEND, state.backend),
    _deployment(state.SECRETS, state.secrets),
    Check(proven.NAME, lambda each: [proven.read(each.scene, each.proof_lasts, datetime.now(UTC))]),
)
"""Each check of readiness, once."""


@dataclass(frozen=True)
class ReadinessReport:
    """Result of `dr check`.

    Args:
        primary: The primary region.
        recovery: The recovery region.
        tier: The deployed tier; None if the recovery region does not answer.
        operation: The operation with the checked guards; "" for readiness.
        at: Time of the report.
        findings: Findings of all checks.
    """

    primary: str
    recovery: str
    tier: Tier | None
    operation: str
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> Exit:
        """FAILED if a check is missed, else UNKNOWN if a value is unknown or stale, else OK."""
        return exit_code(self.findings)


def run(
    settings: StackSettings,
    folder: Path,
    stack: str,
    operation: str = "",
    report: Report = lambda text, share: None,
) -> ReadinessReport:
    """Check the readiness of the recovery region, or the guards of one operation.

    Args:
        settings: Configuration of the recovery stack.
        folder: The project's folder.
        stack: Name of the recovery stack.
        operation: Operation, if only its guards are checked; "" for readiness.
        report: Called with a text and the completed share, 0 to 1.

    Raises:
        Refused: A stack is not deployed.
        Invalid: The contract is not valid.
        Failed: There are no credentials.
    """
    primary, recovery = settings.primary_region, settings.recovery_region
    checks = [_guard(guard) for guard in OPERATIONS[operation].guards] if operation else CHECKS
    seconds = OPERATION_SECONDS if operation else SECONDS
    with limited(LIMITS):
        lookups = Lookups(seconds)
        try:
            scene = _scene(settings, lookups)
        except Unreachable as error:
            findings = [finding for check in checks for finding in check_runner.of_error(check, error)]
            return ReadinessReport(primary, recovery, None, operation, datetime.now(UTC), tuple(findings))
        if cluster := scene.recovery.cluster:
            address = ClusterAddress(cluster.name, recovery, cluster.endpoint, cluster.ca_data)
            scene.cluster = ClusterApi(address, CLUSTER_CONNECT, CLUSTER_READ)
        deployment = subject_of(scene.topology, folder, stack, "")
        inspected = Inspected(scene, deployment, settings.proof_lasts, lookups)
        found = check_runner.run(checks, inspected, lookups.left(), report=report)
    return ReadinessReport(primary, recovery, scene.tier, operation, datetime.now(UTC), tuple(found))


def _scene(settings: StackSettings, lookups: Lookups) -> Scene:
    """Return the scene of the recovery region; the documents of its control bucket are read at the same time."""
    region = settings.recovery_region
    account = lookups.start("the AWS account", region, partial(account_id, region)).result()
    topology = settings.topology(account)
    bucket = topology.bucket(CONTROL, Role.RECOVERY)
    started = {
        key: lookups.start(f"s3://{bucket}/{key}", region, partial(read_document, region, bucket, key)) for key in KEYS
    }
    texts = {key: pending.result() for key, pending in started.items()}
    return scene_of(topology, parse_control(topology, Role.RECOVERY, texts), Options("check", ""))
