"""Preflight of images and charts: whether the region's own registry holds all that is deployed.

It reads the registry of this stack's region only. Archives of charts that this machine lacks are downloaded from it,
because Pulumi's Kubernetes plugin loads each chart at every preview.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dr.clusters.charts import Chart
from dr.errors import Problem, Problems, Refused
from dr.findings import Finding, Status
from dr.preflight.check import Subject
from dr.supply import lock as locks
from dr.supply.catalog import chart_key, needed
from dr.supply.chart_artifact import digest
from dr.supply.check import RegionSupply, of_region, reason
from dr.supply.items import items
from dr.supply.lock import SYNC
from dr.supply.mirror import Mirror
from dr.supply.region_registry import RegionRegistry
from dr.topology.supply import Supply
from dr.topology.topology import Topology

NAME = "images and charts"
KEY = "dr:supply"
SHOWN = 5


def look(subject: Subject) -> Iterator[Finding]:
    """Check whether a deployment needs anything from outside its region.

    Args:
        subject: The deployment to check.

    Raises:
        Invalid: The lock file is not valid.
        Failed: ECR refused a request.
    """
    topology = subject.topology
    if topology.supply is Supply.UPSTREAM:
        fact = (
            "upstream: new nodes and every preview need the publishers' registries, several of which depend on "
            "us-east-1"
        )
        hint = f"after the first deployment run {SYNC}, then `pulumi config set {KEY} mirror` in both stacks"
        yield Finding(NAME, Status.MISSED, fact, hint)
        return
    found = of_region(topology, topology.role, items(needed(topology), locks.read(subject.project)))
    problem = problem_of(found, topology.bucket_prefix)
    if problem is None:
        yield Finding(NAME, Status.MET, f"the registry of {found.region} holds all {found.held}")
        return
    yield Finding(NAME, Status.UNKNOWN if found.unknown else Status.MISSED, problem.fact, problem.remedy)


def find(topology: Topology, folder: Path, charts: Path) -> Mirror | None:
    """Return the region's registry for this deployment; None for `upstream`.

    Args:
        topology: The topology to deploy.
        folder: The folder of Pulumi.yaml.
        charts: The folder in which Pulumi's plugins run, for the archives.

    Raises:
        Refused: The registry lacks something, or a repository does not exist.
        Invalid: The lock file is not valid.
        Unreachable: The region does not answer.
    """
    if topology.supply is Supply.UPSTREAM:
        return None
    lock = locks.read(folder)
    needs = needed(topology)
    found = of_region(topology, topology.role, items(needs, lock))
    if problem := problem_of(found, topology.bucket_prefix):
        raise Refused(problem)
    mirror = Mirror(RegionRegistry(topology.account, topology.here.region, topology.bucket_prefix), lock)
    if topology.tier_here.spec.cluster:
        _download(mirror, needs.charts, charts)
    return mirror


def problem_of(found: RegionSupply, prefix: str) -> Problem | None:
    """Return what keeps a deployment from using a region's registry, with the fix; None if nothing does.

    Args:
        found: State of the registry.
        prefix: `dr:bucketPrefix`.
    """
    if found.unknown:
        return Problem(KEY, f"the registry of {found.region} could not be read: {found.unknown}", "try again")
    if found.absent:
        fact = f"repository {found.absent} does not exist in {found.region}; the primary stack creates it"
        return Problem(KEY, fact, f"deploy the primary stack with {KEY} upstream, then run {SYNC}")
    if not found.lacks:
        return None
    shown = "; ".join(reason(item, lack, prefix) for item, lack in found.lacks[:SHOWN])
    more = f"; and {len(found.lacks) - SHOWN} more" if len(found.lacks) > SHOWN else ""
    return Problem(KEY, f"mirror: the registry of {found.region} lacks {len(found.lacks)}: {shown}{more}", SYNC)


def _download(mirror: Mirror, charts: tuple[Chart, ...], folder: Path) -> None:
    """Download the archives that this machine lacks."""
    problems = Problems()

    def one(chart: Chart) -> None:
        with problems.collect():
            locked, path = mirror.lock.charts[chart_key(chart)], folder / mirror.archive(chart)
            if path.is_file() and digest(path.read_bytes()) == locked.archive:
                return
            archive = mirror.registry.chart(chart_key(chart), locked.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(archive)
            draft.replace(path)

    with ThreadPoolExecutor(max_workers=max(1, len(charts))) as pool:
        list(pool.map(one, charts))
    problems.raise_all()
