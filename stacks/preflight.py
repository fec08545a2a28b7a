"""Preflight of a stack before its first resource: configuration, lookups and guards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi

from dr import clients
from dr.config import image_references, reader
from dr.control.incident_state import IncidentState
from dr.errors import Problem, Problems, Refused
from dr.findings import Finding, Status
from dr.operations import adopt
from dr.operations.preflight import subject_of
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import checks, cluster_reachability, database_replica, deployment
from dr.preflight.check import Check
from dr.preflight.cluster_reachability import Answer
from dr.preflight.command import engine_path
from dr.preflight.deployment import Found
from dr.topology.backups import GRACE_DAYS
from dr.topology.topology import Role, Topology, VaultLocking

UNSEEN = "so this preview shows neither what the API server would refuse nor what was changed in the cluster by hand"
UNCHANGED = "so the objects in the cluster could not be deployed; nothing was changed"


@dataclass(frozen=True)
class Plan:
    """Deployment that passed the preflight.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        found: Facts of AWS that the deployment depends on.
        stops_serving: Whether the deployment stops all replicas of a region that serves.
        replicas_written: Whether applications may write to the recovery region's data.
        backs_up: Whether backups are written in this stack's region: in the recovery region while clients use it.
    """

    topology: Topology
    found: Found
    stops_serving: bool = False
    replicas_written: bool = False
    backs_up: bool = True


def run() -> Plan:
    """Read the configuration and run all checks of a deployment. No resource is declared before this returns.

    Raises:
        DrError: One or more checks failed; the error has all problems.
    """
    settings = reader.read(pulumi.runtime.get_config_env())
    stack = PulumiStack(Path.cwd(), pulumi.get_stack())
    root = Path(pulumi.get_root_directory() or Path.cwd())
    problems = Problems()
    with ThreadPoolExecutor(max_workers=2) as pool:
        unfinished = None if pulumi.runtime.is_dry_run() else pool.submit(adopt.refuse_unfinished, stack)
        topology = settings.topology(clients.account_id(settings.regions[settings.role]))
        reachability = ClusterPreflight(topology)
        deployed, day = None, IncidentState()
        with problems.collect():
            deployed, day = deployment.read_deployed(topology)
        topology, left_out = topology.with_activation(day.activation), None
        with problems.collect():
            left_out = database_replica.left_out(topology, deployed, day)
        if left_out:
            topology = topology.without_replica()
        subject = subject_of(topology, stack.project, stack.name, engine_path(os.environ))
        first = deployed is None
        wanted = checks.of_program(preview=pulumi.runtime.is_dry_run(), first=first)
        checked = pool.submit(checks.run, replace(subject, project=root, deployed=deployed), wanted)
        found = deployment.check(topology, deployed, day, problems, root)
        with problems.collect():
            reachability.require(topology)
        with problems.collect():
            if unfinished:
                unfinished.result()
        unmet = judge(checked.result(), problems)
    problems.raise_all()
    # `pulumi up` runs the program for the preview and for the update; the preview alone warns about unpinned images.
    # With a mirror, the lock file has the digests.
    warn_of_images = pulumi.runtime.is_dry_run() and not found.mirror
    unpinned = image_references.without_digest(topology.images) if warn_of_images else []
    images = ["\n".join(map(str, unpinned))] if unpinned else []
    local = [local_backups(topology)] if day.replicas_written and pulumi.runtime.is_dry_run() else []
    if pulumi.runtime.is_dry_run() and topology.role is Role.PRIMARY:
        local += permanent_lock(topology)
    if left_out:
        local.append(str(left_out))
    for warning in (*images, *local, *found.warnings, *(unmet if pulumi.runtime.is_dry_run() else ())):
        pulumi.warn(warning)
    served = deployed is not None and deployed.tier is not None and deployed.tier.spec.serves
    stops = served and not topology.tier_here.spec.serves
    return Plan(topology, found, stops, day.replicas_written, day.levers.engaged is (topology.role is Role.RECOVERY))


def local_backups(topology: Topology) -> str:
    """Return the warning that backups may have no copy while applications write to the recovery region."""
    primary, recovery = topology.primary.region, topology.recovery.region
    return str(
        Problem(
            f"backups of {recovery}",
            f"are kept in the vault {topology.local_vault(Role.RECOVERY)} and copied to {primary}. While {primary} "
            "does not answer, they have no copy, and AWS Backup does not repeat a failed one",
            f"once {primary} answers, the next backup is copied; `aws backup start-copy-job` copies an earlier one",
        )
    )


def permanent_lock(topology: Topology) -> list[str]:
    """Return the warning that vaults are locked permanently, if they are."""
    if topology.vault_lock is not VaultLocking.COMPLIANCE:
        return []
    return [
        str(
            Problem(
                "dr:vaultLock",
                f'is "compliance": {GRACE_DAYS} days after the deployment the locks of all backup vaults become '
                "permanent. No one can then delete a recovery point before its retention ends, not even AWS",
                "to keep the choice, `pulumi config set dr:vaultLock governance -s primary` before they do",
            )
        )
    ]


def judge(found: Mapping[Check, Sequence[Finding]], problems: Problems) -> list[str]:
    """Collect the missed findings of required checks as problems, and return warnings about the rest.

    Args:
        found: Findings of each check.
        problems: Collects the problems.
    """
    warnings = []
    for check, findings in found.items():
        for each in findings:
            problem = Problem(each.name, each.measured, each.hint or "run `dr preflight`")
            if each.status is Status.MISSED and check.required:
                with problems.collect():
                    raise Refused(problem)
            elif each.status in (Status.MISSED, Status.UNKNOWN):
                unknown = Problem(each.name, f"unknown, {each.measured}", problem.remedy)
                warnings.append(str(unknown if each.status is Status.UNKNOWN else problem))
    return warnings


class ClusterPreflight:
    """Preflight of the region's cluster, in the background while other lookups run.

    Args:
        topology: The topology to deploy, before the activation of an incident is known.
    """

    def __init__(self, topology: Topology) -> None:
        self._answer: Callable[[], Answer] | None = None
        if topology.tier_here.spec.cluster:
            self._answer = cluster_reachability.begin(topology)

    def require(self, topology: Topology) -> None:
        """Wait for the result. In a preview, a problem is a warning.

        Args:
            topology: The topology to deploy.

        Raises:
            Refused: In an update, the cluster does not answer or refuses the credentials.
        """
        if not topology.tier_here.spec.cluster:
            return
        answer = (self._answer or cluster_reachability.begin(topology))()
        if answer.problem is None:
            return
        subject, fact, remedy = answer.problem.subject, answer.problem.fact, answer.problem.remedy
        if pulumi.runtime.is_dry_run() or not answer.refused:
            consequence = f", {UNSEEN}" if pulumi.runtime.is_dry_run() else ""
            pulumi.warn(str(Problem(subject, f"{fact}{consequence}", remedy)))
            return
        raise Refused(Problem(subject, f"{fact}, {UNCHANGED}", f"{remedy}; then run the command again"))
