"""`dr:buckets`: from what a person writes to bucket pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import Field, model_validator

from dr.config.types import BucketPart, Days, Settings, wrong
from dr.errors import Problem
from dr.topology.topology import CONTROL, STANDARD_PAIRS, BucketPair, Lock, LockMode, bucket_name

MAX_BUCKET_NAME = 63
"""S3 user guide, bucket naming rules."""


class LockSettings(Settings):
    """Object Lock of a pair."""

    mode: LockMode
    days: Days


class PairSettings(Settings):
    """One entry of `dr:buckets`: a pair of one's own, or changes to a standard one."""

    name: BucketPart
    replicate_deletes: bool | None = None
    noncurrent_days: int | None = Field(default=None, ge=1)
    archive_days: int | None = Field(default=None, ge=1)
    lock: LockSettings | None = None
    existing: str | None = None
    existing_key: str | None = Field(default=None, pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/.+$")

    @model_validator(mode="after")
    def _lock_needs_a_bucket_of_its_own(self) -> PairSettings:
        if self.lock and self.existing:
            raise wrong(
                f'"{self.existing}" exists already; Object Lock is for pairs that are made with it',
                "drop `lock` or `existing`",
            )
        return self

    def apply(self, standard: BucketPair | None) -> BucketPair:
        """The pair this entry describes."""
        values: dict[str, Any] = self.model_dump(exclude_none=True, exclude={"lock"})
        if self.lock:
            values["lock"] = Lock(self.lock.mode, self.lock.days)
        base = standard or BucketPair(self.name, replicate_deletes=False)
        return BucketPair(**{**vars(base), **values})


def pairs_of(settings: Sequence[PairSettings]) -> tuple[BucketPair, ...]:
    """The standard pairs with what the configuration changes, and pairs of one's own after them."""
    entries = {entry.name: entry for entry in settings}
    standard = {pair.name: pair for pair in STANDARD_PAIRS}
    pairs = tuple(entries[name].apply(pair) if name in entries else pair for name, pair in standard.items())
    return pairs + tuple(entry.apply(None) for name, entry in entries.items() if name not in standard)


def pair_problems(settings: Sequence[PairSettings]) -> Iterator[Problem]:
    """What is wrong with entries that are each right."""
    entries = {entry.name: entry for entry in settings}
    if len(entries) < len(settings):
        yield Problem("dr:buckets", "two entries have the same name", "give each pair a name of its own")
    if CONTROL in entries and entries[CONTROL].existing:
        yield Problem(
            "dr:buckets.control.existing",
            f'"{entries[CONTROL].existing}" cannot be the control bucket: an operator finds it by its made name',
            "drop `existing` of this pair",
        )


def name_problems(prefix: str, account: str, regions: Iterable[str], pairs: Iterable[str]) -> list[Problem]:
    """Bucket names that are too long."""
    names = {pair: [bucket_name(prefix, account, region, pair) for region in regions] for pair in pairs}
    return [
        Problem(
            "dr:bucketPrefix",
            f'bucket name "{name}" has {len(name)} characters; S3 allows {MAX_BUCKET_NAME}',
            f'shorten "{prefix}" or the pair\'s name "{pair}" by {len(name) - MAX_BUCKET_NAME}',
        )
        for pair, sides in names.items()
        for name in sides
        if len(name) > MAX_BUCKET_NAME
    ]
