"""Preflight of the region's cluster before a stack's first resource: a warning at preview, a refusal at an update."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from dr.errors import Problem, Refused
from dr.preflight import cluster_reachability
from dr.preflight.cluster_reachability import Answer
from dr.topology.topology import Topology

UNSEEN = "so this preview shows neither what the API server would refuse nor what was changed in the cluster by hand"
UNCHANGED = "so the objects in the cluster could not be deployed; nothing was changed"


class ClusterPreflight:
    """A preflight that runs in the background while the program reads its other facts.

    Args:
        topology: What is to be deployed, before what was brought up by hand is known.
    """

    def __init__(self, topology: Topology) -> None:
        self._answer: Callable[[], Answer] | None = None
        if topology.tier_here.spec.cluster:
            self._answer = cluster_reachability.begin(topology)

    def require(self, topology: Topology) -> None:
        """Wait for the result. Call this before the first resource: resources declared earlier would be created.

        Args:
            topology: What is to be deployed.

        Raises:
            Refused: the cluster does not answer, or refuses the credentials, at an update.
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
        raise Refused(Problem(subject, f"{fact}, {UNCHANGED}", f"{remedy}; then the same command again"))
