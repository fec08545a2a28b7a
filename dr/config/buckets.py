"""Settings of bucket pairs (`dr:buckets`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from dr.config.types import BucketPart, Days, Settings, setting, wrong
from dr.errors import Problem
from dr.names import CONTROL
from dr.topology.topology import STANDARD_PAIRS, BucketPair, Lock, LockMode, bucket_name

MAX_BUCKET_NAME = 63
"""Maximum length of a bucket name (S3 user guide, bucket naming rules)."""


class LockSettings(Settings):
    """Default Object Lock retention of a pair."""

    mode: LockMode
    days: Days


class PairSettings(Settings):
    """An entry of `dr:buckets`: an additional pair, or changes to a standard pair."""

    name: BucketPart = setting(..., "Name of the pair, part of the names of both buckets")
    replicate_deletes: bool | None = setting(
        None,
        "Replicates delete markers. The deletion of a version is never replicated",
        shown="`false`; `true` in `control` and `velero`",
    )
    noncurrent_days: Annotated[int, Field(ge=1)] | None = setting(
        None, "How long noncurrent versions are kept", unit="days", shown="90; 30 in `registry`, `control` and `velero`"
    )
    archive_days: Annotated[int, Field(ge=1)] | None = setting(
        None, "Age at which objects move to S3 Glacier Instant Retrieval. Without it they stay", unit="days"
    )
    lock: LockSettings | None = setting(
        None, "Default Object Lock retention: `mode` is `GOVERNANCE` or `COMPLIANCE`, `days` is its length"
    )
    existing: str | None = setting(
        None,
        "Name of an existing bucket in the primary region to replicate from. The stack sets its versioning and "
        "replication only",
    )
    existing_key: str | None = setting(
        None,
        "ARN of the KMS key that the existing bucket is encrypted with",
        pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/.+$",
    )

    @model_validator(mode="after")
    def _lock_needs_a_bucket_of_its_own(self) -> PairSettings:
        if self.lock and self.existing:
            raise wrong(
                f'"{self.existing}" is an existing bucket; Object Lock is set when a bucket is created',
                "remove `lock` or `existing`",
            )
        return self

    def apply(self, standard: BucketPair | None) -> BucketPair:
        """Return the bucket pair that this entry describes.

        Args:
            standard: The standard pair with the same name; None for an additional pair.
        """
        values: dict[str, Any] = self.model_dump(exclude_none=True, exclude={"lock"})
        if self.lock:
            values["lock"] = Lock(self.lock.mode, self.lock.days)
        base = standard or BucketPair(self.name, replicate_deletes=False)
        return BucketPair(**{**vars(base), **values})


def pairs_of(settings: Sequence[PairSettings]) -> tuple[BucketPair, ...]:
    """Return the standard pairs with their changes, then the additional pairs."""
    entries = {entry.name: entry for entry in settings}
    standard = {pair.name: pair for pair in STANDARD_PAIRS}
    pairs = tuple(entries[name].apply(pair) if name in entries else pair for name, pair in standard.items())
    return pairs + tuple(entry.apply(None) for name, entry in entries.items() if name not in standard)


def pair_problems(settings: Sequence[PairSettings]) -> Iterator[Problem]:
    """Yield problems between entries that are valid separately."""
    entries = {entry.name: entry for entry in settings}
    if len(entries) < len(settings):
        yield Problem("dr:buckets", "two entries have the same name", "give each pair its own name")
    if CONTROL in entries and entries[CONTROL].existing:
        yield Problem(
            "dr:buckets.control.existing",
            f'"{entries[CONTROL].existing}" cannot be the control bucket: `dr` finds it by its standard name',
            "remove `existing` from this pair",
        )


def name_problems(prefix: str, regions: Iterable[str], pairs: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each pair with a bucket name longer than S3 allows.

    Args:
        prefix: Value of `dr:bucketPrefix`.
        regions: Names of the regions.
        pairs: Names of the pairs.
    """
    longest = max(regions, key=len)
    for pair in pairs:
        length = len(bucket_name(prefix, "0" * 12, longest, pair))
        if length > MAX_BUCKET_NAME:
            yield Problem(
                "dr:bucketPrefix",
                f'bucket name "{bucket_name(prefix, "<account>", longest, pair)}" has {length} characters; '
                f"S3 allows {MAX_BUCKET_NAME}",
                f'shorten "{prefix}" or the name of the pair "{pair}" by {length - MAX_BUCKET_NAME}',
            )
