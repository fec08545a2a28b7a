"""The record of when a restore began, in the emulator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from dr.data.restore_record import Record
from tests.support.sets import PRIMARY, Regions, bucket

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
RECORD = Record(PRIMARY, bucket(PRIMARY, "control"), bucket(PRIMARY, "datasets"), "train/", AT, None)


def test_beginning_is_recorded_once_and_is_after_every_earlier_write(regions: Regions) -> None:
    assert RECORD.began() is None
    s3 = regions.s3[PRIMARY]
    s3.put_object(Bucket=RECORD.bucket, Key="before", Body=b"1")
    began = RECORD.begin()
    s3.put_object(Bucket=RECORD.bucket, Key="after", Body=b"1")

    before, after = (s3.head_object(Bucket=RECORD.bucket, Key=key)["LastModified"] for key in ("before", "after"))
    assert before < began <= after
    assert (RECORD.begin(), RECORD.began()) == (began, began)
    RECORD.forget()
    assert RECORD.began() is None


def test_other_command_has_a_record_of_its_own() -> None:
    others = [
        replace(RECORD, bucket="other"),
        replace(RECORD, prefix="other/"),
        replace(RECORD, to="other/"),
        replace(RECORD, at=AT + timedelta(seconds=1)),
    ]

    assert len({each.key for each in (RECORD, *others)}) == 5
    assert replace(RECORD, at=AT.astimezone(timezone(timedelta(hours=2)))).key == RECORD.key
