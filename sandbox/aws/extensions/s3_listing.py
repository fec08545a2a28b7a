"""S3: listings of object versions in S3's order, in time linear in the number of keys a page; and of common prefixes.

moto copies every version for every page, and orders versions by a time that two of them may share. S3 lists keys in the
order of their UTF-8 bytes, and versions of a key from the newest to the oldest (S3 API, ListObjectVersions).

moto lists the common prefix of keys that are all deleted. S3 lists those of existing objects (S3 API, ListObjectsV2,
"CommonPrefixes").
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

MAX_KEYS = 1000
"""Most versions of a page (S3 API, ListObjectVersions, "MaxKeys")."""
OWNER = {"ID": ACCOUNT}


@answers("s3", "ListObjectVersions")
def list_versions(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """List versions; moto lists those below common prefixes."""
    if call.bucket is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    asked = call.parameters
    if asked.get("Delimiter"):
        return moto()
    limit = min(int(asked.get("MaxKeys", MAX_KEYS)), MAX_KEYS)
    prefix, after = asked.get("Prefix") or "", asked.get("KeyMarker") or ""
    version = asked.get("VersionIdMarker") or ""
    url = asked.get("EncodingType") == "url"
    found = list(_from(call.bucket, prefix, after, version, limit))
    page, more = found[:limit], len(found) > limit
    # S3 decodes nothing that it encoded: clients do.
    text = quote if url else str
    answer: dict[str, Any] = {
        **{"Name": call.bucket.name, "Prefix": text(prefix), "KeyMarker": text(after), "MaxKeys": limit},
        **{"VersionIdMarker": version, "IsTruncated": more},
        "Versions": [_version(each, latest, text) for each, latest in page if isinstance(each, FakeKey)],
        "DeleteMarkers": [_marker(each, latest, text) for each, latest in page if isinstance(each, FakeDeleteMarker)],
    }
    if url:
        answer["EncodingType"] = "url"
    if more and page:
        last, _ = page[-1]
        answer |= {"NextKeyMarker": text(last.name), "NextVersionIdMarker": last.version_id}
    return answer


def _from(bucket: FakeBucket, prefix: str, after: str, version: str, limit: int) -> Iterator[tuple[Any, bool]]:
    """Yield one version more than the limit, from a marker on, each with whether it is its key's newest."""
    names = [name for name in list(bucket.keys) if name.startswith(prefix)]
    count = 0
    rest = (name for name in names if name > after or (version and name == after))
    # The key of the marker may have no further version.
    for name in heapq.nsmallest(limit + 2, rest):
        versions = list(reversed(bucket.keys.getlist(name, [])))
        ids = [str(each.version_id) for each in versions]
        start = ids.index(version) + 1 if name == after and version in ids else 0
        for number in range(start, len(versions)):
            yield versions[number], number == 0
            count += 1
            if count > limit:
                return


def _version(version: FakeKey, latest: bool, text: Any) -> dict[str, Any]:
    algorithm = {"ChecksumAlgorithm": [version.checksum_algorithm]} if version.checksum_algorithm else {}
    kind = {"ChecksumType": version.checksum_type or "FULL_OBJECT"} if algorithm else {}
    stored = {"ETag": version.etag, "Size": version.size, "StorageClass": version.storage_class}
    return {**_marker(version, latest, text), **stored, **algorithm, **kind}


def _marker(version: Any, latest: bool, text: Any) -> dict[str, Any]:
    return {
        "Key": text(version.name),
        "VersionId": str(version.version_id),
        "IsLatest": latest,
        # S3 stores times in seconds.
        "LastModified": version.last_modified.replace(microsecond=0),
        "Owner": OWNER,
    }


_list_objects = S3Backend.list_objects


def _of_existing_objects(backend: S3Backend, bucket: Any, prefix: Any, delimiter: Any, *more: Any, **named: Any) -> Any:
    """List objects as moto does, with the common prefixes of existing ones only."""
    if delimiter and isinstance(bucket, FakeBucket):
        keys = {name: key for name, key in bucket.keys.items() if not isinstance(key, FakeDeleteMarker)}
        bucket = SimpleNamespace(keys=keys)
    return _list_objects(backend, bucket, prefix, delimiter, *more, **named)


S3Backend.list_objects = _of_existing_objects  # type: ignore[assignment, method-assign]
