"""Preflight of a stack before its first resource: configuration, lookups and guards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pulumi

from dr import clients
from dr.config import image_references, reader
from dr.control.incident_state import IncidentState
from dr.errors import Problem, Problems, Refused
from dr.operations import adopt
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import cluster_reachability, deployment
from dr.preflight.cluster_reachability import Answer
from dr.preflight.deployment import Found
from dr.topology.topology import Topology

UNSEEN = "so this preview shows neither what the API server would refuse nor what was changed in the cluster by hand"
UNCHANGED = "so the objects in the cluster could not be deployed; nothing was changed"


@dataclass(frozen=True)
class Plan:
    """Deployment that passed the preflight.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        found: Facts of AWS that the deployment depends on.
    """

    topology: Topology
    found: Found


def run() -> Plan:
    """Read the configuration and run all checks of a deployment. No resource is declared before this returns.

    Raises:
        DrError: One or more checks failed; the error has all problems.
    """
    settings = reader.read(pulumi.runtime.get_config_env())
    stack = PulumiStack(Path.cwd(), pulumi.get_stack())
    problems = Problems()
    with ThreadPoolExecutor(max_workers=1) as pool:
        unfinished = None if pulumi.runtime.is_dry_run() else pool.submit(adopt.refuse_unfinished, stack)
        topology = settings.topology(clients.account_id(settings.regions[settings.role]))
        reachability = ClusterPreflight(topology)
        deployed, day = None, IncidentState()
        with problems.collect():
            deployed, day = deployment.read_deployed(topology)
        topology = topology.with_activation(day.activation)
        found = deployment.check(topology, deployed, day, problems)
        with problems.collect():
            reachability.require(topology)
        with problems.collect():
            if unfinished:
                unfinished.result()
    problems.raise_all()
    # `pulumi up` runs the program for the preview and for the update; the preview alone warns about unpinned images.
    unpinned = image_references.without_digest(topology.serving.images) if pulumi.runtime.is_dry_run() else []
    images = ["\n".join(map(str, unpinned))] if unpinned else []
    for warning in (*images, *found.warnings):
        pulumi.warn(warning)
    return Plan(topology, found)


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
