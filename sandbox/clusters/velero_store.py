"""The bucket of a backup location, with Velero's layout (velero-io/velero, pkg/persistence/object_store_layout.go)."""

from __future__ import annotations

import json
from typing import Any

from botocore.config import Config

from sandbox.aws.world import Clients
from sandbox.clusters.api import Thing

URL_SECONDS = 600
"""Validity of a signed URL (pkg/persistence, `DownloadURLTTL`)."""
AGENT = "velero"
"""How the record of calls names the caller: "app/velero"."""
ONCE = Config(retries={"total_max_attempts": 1}, user_agent_appid=AGENT, signature_version="s3v4")
"""No retries, which would delay the emulator's shutdown; the next step calls again."""


class Store:
    """The bucket of a location.

    Args:
        client: Creates boto3 clients for the emulator.
        location: The BackupStorageLocation.
        region: Region of the cluster.
    """

    def __init__(self, client: Clients, location: Thing, region: str) -> None:
        spec = location["spec"]
        self._s3: Any = client("s3", (spec.get("config") or {}).get("region", region), config=ONCE)
        self.bucket = spec["objectStorage"]["bucket"]
        prefix = spec["objectStorage"].get("prefix", "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def backups(self) -> list[str]:
        """Return the names of the backups. Raises botocore's errors, as all methods."""
        root = f"{self._prefix}backups/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=root, Delimiter="/")
        return [
            each["Prefix"].removeprefix(root).rstrip("/") for page in pages for each in page.get("CommonPrefixes", ())
        ]

    def metadata(self, backup: str) -> Thing:
        """Return the object of a backup."""
        found: Thing = json.loads(self.get(metadata_key(backup)))
        return found

    def get(self, key: str) -> bytes:
        """Read an object."""
        return bytes(self._s3.get_object(Bucket=self.bucket, Key=self._prefix + key)["Body"].read())

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._s3.put_object(Bucket=self.bucket, Key=self._prefix + key, Body=content)

    def delete(self, folder: str) -> None:
        """Delete the objects of a folder."""
        found = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{self._prefix}{folder}/").get("Contents", ())
        for each in found:
            self._s3.delete_object(Bucket=self.bucket, Key=each["Key"])

    def signed(self, key: str) -> str:
        """Return a URL with which anyone reads an object for ten minutes."""
        place = {"Bucket": self.bucket, "Key": self._prefix + key}
        return str(self._s3.generate_presigned_url("get_object", Params=place, ExpiresIn=URL_SECONDS))


def metadata_key(backup: str) -> str:
    """Return the key of the object of a backup."""
    return f"backups/{backup}/velero-backup.json"


def contents_key(backup: str) -> str:
    """Return the key of the archive of a backup."""
    return f"backups/{backup}/{backup}.tar.gz"


def restore_key(restore: str, what: str) -> str:
    """Return the key of a file of a restore: "logs" or "results"."""
    return f"restores/{restore}/restore-{restore}-{what}.gz"
