"""`dr restore`: a prefix of a bucket as it was at a time, in place or at another prefix.

Every change is a new version or a delete marker, so that nothing is lost and a restore can be undone by another one.
The versions are listed as a stream and worked on in parallel; memory does not depend on their number. A key that
already has the content of that time is skipped, so a restore that was interrupted continues with what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from dr.clients import Conflict, Denied, Missing, Unreachable, calls, client, limited
from dr.data import parallel, versions
from dr.data.content import equal
from dr.data.key_access import explained, explained_copy
from dr.data.model_sets import Report
from dr.data.object_copy import LIMITS, Source, copy
from dr.data.restore_record import Record
from dr.data.restore_rules import COPIED, Item, Kind, Tally, elsewhere, in_place, joined
from dr.data.versions import Version
from dr.errors import Exit, Failed, Problem, Refused

WORKERS = 16
PROBLEMS = 20
"""Problems that are kept; the others are counted."""


@dataclass(frozen=True)
class Wanted:
    """What to restore.

    Args:
        region: Region of the bucket.
        bucket: The bucket.
        prefix: Prefix of the keys.
        at: The time.
        to: Prefix to restore to; None for in place.
        overwrite: Whether newer data may get an older version on top.
        delete_created: Whether objects that did not exist at that time get a delete marker.
        records: Bucket in the same region that records when the restore began.
    """

    region: str
    bucket: str
    prefix: str
    at: datetime
    to: str | None = None
    overwrite: bool = False
    delete_created: bool = False
    records: str = field(kw_only=True)

    @property
    def record(self) -> Record:
        """The record of this restore."""
        return Record(self.region, self.records, self.bucket, self.prefix, self.at, self.to)


@dataclass
class Outcome:
    """What a plan found, or what an execution did.

    Args:
        tally: Keys by kind: those to restore in a plan, those that were restored after an execution.
        problems: The first problems.
        failed: Number of keys that could not be restored.
    """

    tally: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)
    failed: int = 0

    def fail(self, problem: Problem) -> None:
        """Count a key that cannot be restored."""
        self.failed += 1
        if len(self.problems) < PROBLEMS:
            self.problems.append(problem)


@dataclass(frozen=True)
class Restore:
    """A plan, and what its execution did.

    Args:
        wanted: What to restore.
        plan: What is to be done.
        done: What was done; None if the plan was not executed.
        began: When this restore was executed for the first time; None if it never was.
    """

    wanted: Wanted
    plan: Outcome
    done: Outcome | None = None
    began: datetime | None = None

    @property
    def to_write(self) -> int:
        """Number of versions and delete markers to write."""
        created = self.plan.tally.objects[Kind.CREATED] if self.wanted.delete_created else 0
        return self.plan.tally.total(COPIED, self.plan.tally.objects) + created

    @property
    def refusal(self) -> Refused | None:
        """Why the plan cannot be executed; None if it can."""
        newer = self.plan.tally.objects[Kind.CHANGED]
        if not newer or self.wanted.overwrite:
            return None
        where = f"s3://{self.wanted.bucket}/{self.wanted.prefix if self.wanted.to is None else self.wanted.to}"
        example = self.plan.tally.examples[Kind.CHANGED][0]
        remedy = (
            "add --overwrite-newer, which puts the older version on top and keeps the newer one; or use --to PREFIX"
        )
        return Refused(Problem(where, f"{newer:,} objects have newer data, first {example}", remedy))

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        return Exit.FAILED if (self.done or self.plan).failed else Exit.OK


def plan(wanted: Wanted, report: Report) -> Restore:
    """Find out what is to be done; nothing is changed.

    Raises:
        Missing: The bucket does not exist.
        Refused: The bucket has no versioning, so that a restore would destroy objects.
        Unreachable: The region does not answer.
    """
    with calls(f"s3://{wanted.bucket}", wanted.region):
        status = client("s3", wanted.region).get_bucket_versioning(Bucket=wanted.bucket).get("Status")
    if status != "Enabled":
        fact = f"versioning is {str(status or 'not enabled').lower()}: a restore would replace objects for good"
        remedy = f"`aws s3api put-bucket-versioning --bucket {wanted.bucket} --versioning-configuration Status=Enabled`"
        raise Refused(Problem(f"s3://{wanted.bucket}", fact, remedy))
    outcome, began = Outcome(), wanted.record.began()
    judged = parallel.each(_items(wanted), lambda item: _judged(wanted, item, began), WORKERS)
    for seen, (item, kind, problem) in enumerate(judged, 1):
        report(f"{seen:,} keys compared", None)
        _count(outcome, item, kind, problem)
    return Restore(wanted, outcome, began=began)


def execute(found: Restore, report: Report) -> Restore:
    """Do what a plan found. Keys are compared again, so that what changed meanwhile is not overwritten.

    Raises:
        Refused: The plan cannot be executed.
        Unreachable: The region does not answer; the same command continues.
    """
    if refusal := found.refusal:
        raise refusal
    outcome, done, began = Outcome(), 0, found.wanted.record.begin()
    with limited(LIMITS):
        for item, kind, problem in parallel.each(
            _items(found.wanted), lambda item: _restored(found.wanted, item, began), WORKERS
        ):
            _count(outcome, item, kind, problem)
            done += kind in COPIED or kind is Kind.CREATED
            report(f"{done:,} of {found.to_write:,} restored", min(1.0, done / max(1, found.to_write)))
    return Restore(found.wanted, found.plan, outcome, began)


def _count(outcome: Outcome, item: Item, kind: Kind, problem: Problem | None) -> None:
    if problem:
        outcome.fail(problem)
    else:
        outcome.tally.add(kind, item)
    if kind is Kind.ARCHIVED:
        fact = f"version {item.source.version_id} is in an archive"
        remedy = f"`aws s3api restore-object` with version {item.source.version_id}, and repeat the command"
        outcome.fail(Problem(item.source.key, fact, remedy))


def _items(wanted: Wanted) -> Iterator[Item]:
    """Yield each key with what is to be done."""
    found = versions.states(versions.stream(wanted.region, wanted.bucket, wanted.prefix), wanted.at)
    certain = (
        versions.resolved(wanted.region, wanted.bucket, each, wanted.at) if each.uncertain else each for each in found
    )
    if wanted.to is None:
        yield from (item for state in certain if (item := in_place(state)))
        return
    to = wanted.to
    outside = (each for each in certain if not each.key.startswith(to))
    for state, held in joined(outside, wanted.prefix, _current(wanted, to), to):
        if item := elsewhere(state, wanted.prefix, to, held):
            yield item


def _current(wanted: Wanted, prefix: str) -> Iterator[Version]:
    listed = versions.stream(wanted.region, wanted.bucket, prefix)
    return (each for each in listed if each.latest and each.is_object)


def _judged(wanted: Wanted, item: Item, began: datetime | None) -> tuple[Item, Kind, Problem | None]:
    """Return a key's kind, after its current object was compared with the version of that time.

    A checksum that an attacker can forge counts only for what was written since the restore began.
    """
    if not item.comparable or item.replaces is None:
        return item, item.kind, None
    ours = began is not None and item.replaces.written >= began
    try:
        same = equal(wanted.region, wanted.bucket, item.source, item.replaces, forgeable=ours)
    except Missing:
        same = False  # it was deleted meanwhile; the copy says so
    except Denied as error:
        problem = explained(wanted.region, wanted.bucket, item.source.key, item.source.version_id, error)
        return item, item.kind, problem
    return item, Kind.RESTORED if same else item.kind, None


def _restored(wanted: Wanted, item: Item, began: datetime) -> tuple[Item, Kind, Problem | None]:
    """Write what a key needs, and return what was done."""
    _, kind, problem = _judged(wanted, item, began)
    if problem or kind not in COPIED:
        if kind is Kind.CREATED and wanted.delete_created:
            return item, kind, _delete(wanted, item)
        return item, kind, problem
    source = Source(wanted.region, wanted.bucket, item.source.key, item.source.version_id, item.source.size or 0)
    # Another version that was written after the listing is not covered.
    condition = {"IfMatch": item.replaces.etag} if item.replaces else {"IfNoneMatch": "*"}
    try:
        copy(source, wanted.region, wanted.bucket, item.target, condition)
    except Unreachable:
        raise
    except Conflict as error:
        fact = f"the object was written while the restore ran: {error.problems[0].fact}"
        remedy = "stop what writes to the prefix, or restore with --to; then repeat the command"
        return item, kind, Problem(f"s3://{wanted.bucket}/{item.target}", fact, remedy)
    except Denied as error:
        read = explained(wanted.region, wanted.bucket, source.key, source.version_id, error)
        return item, kind, explained_copy(wanted.region, read, wanted.bucket, error)
    except Failed as error:
        return item, kind, error.problems[0]
    return item, kind, None


def _delete(wanted: Wanted, item: Item) -> Problem | None:
    try:
        with calls(f"s3://{wanted.bucket}/{item.target}", wanted.region):
            client("s3", wanted.region).delete_object(Bucket=wanted.bucket, Key=item.target)
    except Unreachable:
        raise
    except Failed as error:
        return error.problems[0]
    return None
