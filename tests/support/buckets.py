"""A pair of buckets in two regions, and replication rules between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.config import Config

PRIMARY, RECOVERY = "us-east-1", "us-west-2"


@dataclass
class Pair:
    """A versioned bucket and a client in each region."""

    source: Any
    replica: Any
    names: tuple[str, str] = ("data-primary", "data-recovery")

    def rule(self, **changes: Any) -> dict[str, Any]:
        """Return a rule that replicates all objects to the recovery region's bucket."""
        return {
            "ID": "everything",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{self.names[1]}"},
        } | changes

    def replicate(self, *rules: dict[str, Any]) -> None:
        self.source.put_bucket_replication(Bucket=self.names[0], ReplicationConfiguration=configuration(*rules))

    def replicate_back(self, *rules: dict[str, Any]) -> None:
        self.replica.put_bucket_replication(Bucket=self.names[1], ReplicationConfiguration=configuration(*rules))

    def back(self, **changes: Any) -> dict[str, Any]:
        """Return a rule that replicates all objects to the primary region's bucket."""
        return self.rule(Destination={"Bucket": f"arn:aws:s3:::{self.names[0]}"}, **changes)


def configuration(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"Role": "arn:aws:iam::123456789012:role/replication", "Rules": list(rules)}


def make_bucket(client: Any, name: str, **options: Any) -> None:
    """Create a versioned bucket in the client's region."""
    region = client.meta.region_name
    if region != "us-east-1":
        options["CreateBucketConfiguration"] = {"LocationConstraint": region}
    client.create_bucket(Bucket=name, **options)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def replicate_all(client: Any, source: str, replica: str) -> None:
    """Replicate all objects of a bucket; delete markers stay where they are, as deployed."""
    rule = {
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{replica}"},
    }
    client.put_bucket_replication(Bucket=source, ReplicationConfiguration=configuration(rule))


def once() -> Config:
    """Return a client configuration without retries, so that faults are visible."""
    return Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
