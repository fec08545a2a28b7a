import pytest

from dr.data import registry_backup
from dr.data.registry_backup import Backup, Saved
from dr.errors import Invalid

BACKUP = Backup("2026-11-24T12:00:00.000001Z", (Saved("a", "v1", 1, "00", "backups/objects/v1/a", "v2"),))


def test_a_backup_is_equal_after_writing_and_reading() -> None:
    assert registry_backup.parse(BACKUP.to_json(), "test") == BACKUP


def test_manifests_sort_by_time() -> None:
    later = Backup("2026-11-24T12:00:00.000002Z", ())

    assert BACKUP.key == "backups/manifests/20261124T120000.000001Z.json" < later.key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a valid manifest of a registry backup"),
        ('{"version": 1}', "KeyError: 'objects'"),
        ('{"version": 1, "objects": [{}]}', "TypeError"),
        ('{"version": 2}', "has version 2, not 1"),
    ],
)
def test_an_invalid_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        registry_backup.parse(text, "test")


def test_copy_keys_differ_by_version_and_without_versioning_by_etag() -> None:
    assert registry_backup.copy_key("a/b", "v1", '"e"') == "backups/objects/v1/a/b"
    assert registry_backup.copy_key("a/b", "null", '"e"') == "backups/objects/null-e/a/b"


def test_key_with_a_copy_key_beyond_the_size_limit_is_refused() -> None:
    with pytest.raises(Invalid, match="the key of its copy would have 1039 bytes; S3 accepts at most 1024"):
        registry_backup.copy_key("k" * 1020, "v1", "")
