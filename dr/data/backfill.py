"""`dr backfill`: object versions that a region's buckets lack, replicated by S3 Batch Replication.

Live replication copies what is written after its rule exists. What a bucket had before, what failed to replicate, and
what a lost replica had, is copied by a job only (S3 user guide, "Replicating existing objects with Batch Replication").
Both buckets of a pair are listed and compared by version ID before and after a job, because a job's own report does not
cover what S3 does not replicate again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from dr.clients import Missing, calls, client, limited
from dr.data import batch_jobs, parallel, versions
from dr.data.batch_jobs import Ended, Wanted
from dr.data.model_sets import Report
from dr.data.object_copy import LIMITS
from dr.data.regions import pair_of
from dr.data.versions import Version
from dr.errors import Exit, Invalid, Problem, Refused
from dr.names import CONTROL
from dr.spelling import did_you_mean
from dr.topology.cost import Line, backfill_cost
from dr.topology.topology import Topology

WORKERS = 16
NONE, PENDING = "NONE", "PENDING"
DELETED = "DELETED"
"""A version that was deleted after it was listed."""
REPLICATED = (NONE, "FAILED", "COMPLETED", "REPLICA")
"""Replication statuses by which a job selects versions (API reference, "JobManifestGeneratorFilter")."""
GB = 1e9


@dataclass
class Gap:
    """Object versions that a bucket lacks, and its pair has.

    Args:
        pair: Name of the pair.
        wanted: The job that would copy them.
        objects: Their number by replication status.
        bytes: Their size.
        archived: Number of versions in an archive, which S3 does not replicate.
    """

    pair: str
    wanted: Wanted
    objects: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    archived: int = 0

    @property
    def to_copy(self) -> int:
        """Number of versions that a job would copy."""
        return sum(self.objects[each] for each in REPLICATED)

    @property
    def cost(self) -> list[Line]:
        """What the job costs."""
        return backfill_cost(self.to_copy, self.bytes / GB) if self.to_copy else []


@dataclass(frozen=True)
class Filled:
    """A gap, its job and what is left.

    Args:
        gap: What was lacking.
        running: ID of a job that runs already; empty for none.
        job: The job that ended; None if none was started.
        left: What is lacking after it; None if no job was started.
    """

    gap: Gap
    running: str = ""
    job: Ended | None = None
    left: Gap | None = None

    @property
    def problems(self) -> list[Problem]:
        """What failed."""
        found = list(self.job.problems) if self.job else []
        if self.job and not found and self.left and self.left.to_copy:
            wanted = self.gap.wanted
            fact = f"{self.left.to_copy:,} object versions are not in s3://{wanted.target} after a job without failures"
            remedy = (
                "S3 does not replicate again what was deleted by its version ID there; copy these objects in place at "
                "the source, as docs/how-to/backfill.md shows"
            )
            found.append(Problem(f"s3://{wanted.bucket}", fact, remedy))
        return found


@dataclass(frozen=True)
class Backfill:
    """Result of the command.

    Args:
        region: The region that is filled.
        pairs: Each pair.
        executed: Whether jobs were run.
    """

    region: str
    pairs: tuple[Filled, ...]
    executed: bool = False

    @property
    def to_do(self) -> int:
        """Number of pairs with a job to start or to follow."""
        return sum(bool(each.gap.to_copy or each.running) for each in self.pairs)

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        return Exit.FAILED if any(each.problems for each in self.pairs) else Exit.OK


def plan(topology: Topology, region: str, pair: str, report: Report) -> Backfill:
    """Compare the buckets of pairs; nothing is changed.

    Args:
        topology: The topology.
        region: The region to fill.
        pair: Name of a pair; empty for every pair.
        report: Shows progress.

    Raises:
        Invalid: The region or the pair is not of this deployment.
        Refused: A bucket or its replication configuration does not exist.
        Unreachable: A region does not answer.
    """
    target, source = pair_of(topology, region)
    if pair and pair not in target.buckets:
        fix = did_you_mean(pair, target.buckets, f"use one of {', '.join(target.buckets)}")
        raise Invalid(Problem("--pair", f"{pair} is not a bucket pair of this deployment", fix))
    chosen = [pair] if pair else list(target.buckets)
    jobs = [
        Wanted(
            topology.account,
            topology.bucket_prefix,
            source.region,
            source.buckets[each],
            target.region,
            target.buckets[each],
            source.buckets[CONTROL],
        )
        for each in chosen
    ]
    _check(jobs)
    found = list[Filled]()
    with limited(LIMITS):
        for name, wanted in zip(chosen, jobs, strict=True):
            gap = _compare(name, wanted, report)
            found.append(Filled(gap, batch_jobs.running(gap.wanted)))
    return Backfill(target.region, tuple(found))


def execute(found: Backfill, report: Report) -> Backfill:
    """Run or follow the job of each pair, and compare its buckets again.

    Raises:
        Failed: A job could not be created.
        Unreachable: A region does not answer; jobs continue, and the same command follows them.
    """
    with limited(LIMITS):
        ran = tuple(_fill(each, report) if each.gap.to_copy or each.running else each for each in found.pairs)
    return replace(found, pairs=ran, executed=True)


def _fill(found: Filled, report: Report) -> Filled:
    wanted = found.gap.wanted
    statuses = [each for each in REPLICATED if found.gap.objects[each]]
    id = found.running or batch_jobs.start(wanted, statuses)
    job = batch_jobs.follow(wanted, id, lambda text, share: report(f"{found.gap.pair}: {text}", share))
    return Filled(found.gap, found.running, job, _compare(found.gap.pair, wanted, report))


def _check(jobs: Sequence[Wanted]) -> None:
    problems = list[Problem]()
    for each in jobs:
        for region, bucket in ((each.region, each.bucket), (each.target_region, each.target)):
            try:
                with calls(f"s3://{bucket}", region):
                    client("s3", region).head_bucket(Bucket=bucket)
            except Missing:
                remedy = "run `pulumi refresh -s primary` and `pulumi up -s primary`, which create it again"
                problems.append(Problem(f"s3://{bucket}", f"the bucket does not exist in {region}", remedy))
    if problems:
        raise Refused(*problems)


def _compare(pair: str, wanted: Wanted, report: Report) -> Gap:
    gap, seen = Gap(pair, wanted), 0

    def status(version: Version) -> tuple[Version, str]:
        if version.archived:
            return version, ""
        try:
            with calls(f"s3://{wanted.bucket}/{version.key}", wanted.region):
                head = client("s3", wanted.region).head_object(
                    Bucket=wanted.bucket, Key=version.key, VersionId=version.version_id
                )
        except Missing:
            return version, DELETED
        return version, str(head.get("ReplicationStatus", NONE))

    lacking = _lacking(
        versions.stream(wanted.region, wanted.bucket, ""), versions.stream(wanted.target_region, wanted.target, "")
    )
    for version, found in parallel.each(lacking, status, WORKERS):
        seen += 1
        report(f"{pair}: {seen:,} missing object versions", None)
        if not found:
            gap.archived += 1
            continue
        gap.objects[found] += 1
        gap.bytes += (version.size or 0) if found in REPLICATED else 0
    return gap


def _lacking(source: Iterator[Version], target: Iterator[Version]) -> Iterator[Version]:
    """Yield object versions of one listing that the other lacks. Both are in the order of keys. Pure."""
    others = groupby(target, key=lambda each: each.key)
    other: tuple[str, set[str]] | None = None
    for key, held in groupby(source, key=lambda each: each.key):
        while other is None or other[0] < key:
            found = next(others, None)
            if found is None:
                break
            other = found[0], {each.version_id for each in found[1]}
        there = other[1] if other and other[0] == key else set()
        yield from (each for each in held if each.is_object and each.version_id not in there)
