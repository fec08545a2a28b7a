"""Publishing in one region of moto; tests/integration covers the command and replication."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from dr import clients
from dr.clients import Conflict
from dr.data import model_sets, publication
from dr.data.publication import Item
from dr.errors import Failed
from tests.support.published import BUCKETS, REGION, items, publish, versioned_buckets

__all__ = ["items", "versioned_buckets"]


def test_the_manifest_is_written_last(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    client = clients.client("s3", REGION)
    put_object = client.put_object

    def put(**request: Any) -> Any:
        written.append(request["Key"])
        return put_object(**request)

    monkeypatch.setattr(client, "put_object", put)
    publish(items)

    assert len(written) == 4
    assert written[-1].endswith("/manifest.json")


def test_unchanged_content_is_not_published_again(items: list[Item]) -> None:
    assert publish(items) == publish(items)


def test_different_content_is_published_as_a_new_version(items: list[Item]) -> None:
    first = publish(items)
    items[0].path.write_text("other digits")
    second = publish(items)

    assert second.digest != first.digest
    assert {first.set_id, second.set_id} == {key.split("/")[2] for key in _keys("registry") if "manifest" in key}


def _keys(bucket: str) -> list[str]:
    return [item["Key"] for item in boto3.client("s3", REGION).list_objects_v2(Bucket=bucket)["Contents"]]


def test_progress_of_publication_is_reported_per_object(items: list[Item]) -> None:
    progress: list[str] = []
    publication.publish(REGION, BUCKETS, "digits", items, lambda text, share: progress.append(text))

    assert progress == ["1 of 3 objects", "2 of 3 objects", "3 of 3 objects"]


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 1), (64 << 20, 1), (640_000 << 20, 1), ((640_000 << 20) + 1, 2), (5 << 40, 9)]
)
def test_parts_are_as_small_as_the_limit_of_their_number_allows(size: int, expected: int) -> None:
    assert publication.part_bytes(size) == expected * publication.PART_BYTES
    assert -(-size // publication.part_bytes(size)) <= publication.MAX_PARTS


def test_file_that_changes_while_it_is_published_is_refused(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "PART_BYTES", 4)
    before = publication.hashed

    def changed(path: Path) -> publication.Hashed:
        found = before(path)
        path.write_bytes(bytes(5 << 20))
        return found

    monkeypatch.setattr(publication, "hashed", changed)
    with pytest.raises(Failed, match="let no process change the file"):
        publish(items)

    assert model_sets.versions(REGION, BUCKETS, "digits") == []


def test_manifest_of_another_process_is_not_overwritten(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "new_id", lambda now, digest: "20261128T090310.112233Z-61832178")
    first = publish(items)
    items[0].path.write_text("other digits")
    with pytest.raises(Conflict):
        publish(items)

    assert model_sets.newest(REGION, BUCKETS, "digits") == first
