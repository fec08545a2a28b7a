"""ReplicatedBucket: a bucket, its replica in another region, and replication in both directions.

Both directions are created on the first deployment: creating one during a disaster would need an S3 control-plane call
that depends on us-east-1 (AWS Fault Isolation Boundaries, "Global services"). The rules are of schema version 2, with
Replication Time Control (designed to replicate 99.99 % of objects within 15 minutes) and its metrics.

Costs, us-east-1 list prices: storage twice ($0.023 a GB-month, S3 Standard); for every GB replicated $0.02 for its
transfer and $0.015 for Replication Time Control; two KMS requests an object, fewer with bucket keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, s3

from components.data.data_keys import DataKeys, DataKeysArgs
from components.iam import EncryptedBucket, replicate_both_ways, tls_only, trust_service
from components.tagging import BACKUP_TAG, REPLICA_TAG
from dr.topology.topology import BucketPair

ABORT_UPLOADS_DAYS = 7
"""Age in days at which incomplete multipart uploads are aborted; until then S3 charges for their parts."""

REPLICATION_MINUTES = 15
"""The only threshold that Replication Time Control accepts, in minutes."""


def rule_id(region: str) -> str:
    """Return the ID of the replication rule to a region, which is a dimension of the replication metrics."""
    return f"to-{region}"


@dataclass(frozen=True)
class BucketSide:
    """One bucket of the pair.

    Args:
        name: The bucket's name, which is global.
        region: Its region.
    """

    name: str
    region: str


@dataclass(frozen=True)
class ReplicatedBucketArgs:
    """Arguments of `ReplicatedBucket`.

    Args:
        pair: What the pair holds and its settings: delete replication, retention, archive, Object Lock, an existing
            source bucket.
        source: The bucket that applications write to in normal operation.
        replica: Its replica; must be in another region.
        keys: KMS keys of the two regions; None creates keys for this pair alone.
        protect: Protect the replica, the keys and the replication role from deletion by Pulumi, and retain them when
            they are removed from the program.
        tags: Tags of every resource that accepts tags.

    Raises:
        ValueError: Both buckets are in the same region.
    """

    pair: BucketPair
    source: BucketSide
    replica: BucketSide
    keys: DataKeys | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.source.region == self.replica.region:
            raise ValueError(
                f"bucket {self.source.name} and its replica would both be in {self.source.region}, "
                "so losing that region would lose both; name two different regions"
            )


class ReplicatedBucket(pulumi.ComponentResource):
    """Two buckets: private, versioned, encrypted, TLS only, with replication to each other and the role for it.

    Each bucket has versioning, default encryption, a public access block, ownership controls, a bucket policy, a
    lifecycle configuration and, on request, Object Lock. If the pair has an existing source bucket (`pair.existing`),
    only versioning and replication are set on it, because its policy, lifecycle and encryption belong to its owner.
    Removing the pair never deletes that bucket.

    Attributes:
        source_name: The source's name; resolves when replication is configured.
        replica_name: The replica's name; resolves when replication is configured.
        role_arn: ARN of the role that S3 assumes to replicate.
    """

    source_name: pulumi.Output[str]
    replica_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ReplicatedBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:ReplicatedBucket", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        self._protected = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        keys = args.keys or DataKeys(
            f"{name}-keys",
            DataKeysArgs(args.source.name, args.source.region, args.replica.region, args.protect, args.tags),
            self._opts,
        )
        source_key = pulumi.Output.from_input(args.pair.existing_key) if args.pair.existing_key else keys.source_arn
        source = (
            self._adopt(args.pair.existing)
            if args.pair.existing
            else self._bucket("source", args.source, source_key, self._opts)
        )
        replica = self._bucket("replica", args.replica, keys.replica_arn, self._protected)
        role = self._role(source_key, keys.replica_arn)
        # Each direction needs versioning on both buckets.
        both = [source, replica]
        forward = self._replicate("source", args.source, args.replica, role.arn, keys.replica_arn, both, self._opts)
        reverse = self._replicate("replica", args.replica, args.source, role.arn, source_key, both, self._protected)

        self.source_name = forward.bucket
        self.replica_name = reverse.bucket
        self.role_arn = role.arn
        self.register_outputs(
            {"source_name": self.source_name, "replica_name": self.replica_name, "role_arn": self.role_arn}
        )

    def _adopt(self, existing: str) -> s3.BucketVersioning:
        region = self._args.source.region
        bucket = s3.Bucket.get(f"{self._name}-source", existing, region=region, opts=self._opts)
        # Retained, so that removing the pair does not suspend versioning of a bucket that has another owner.
        opts = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        return self._versioning("source", bucket.bucket, region, opts)

    def _versioning(
        self, side: str, bucket: pulumi.Input[str], region: str, opts: pulumi.ResourceOptions
    ) -> s3.BucketVersioning:
        return s3.BucketVersioning(
            f"{self._name}-{side}-versioning",
            bucket=bucket,
            versioning_configuration={"status": "Enabled"},
            region=region,
            opts=opts,
        )

    def _bucket(
        self, side: str, spec: BucketSide, key_arn: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> s3.BucketVersioning:
        """Create one bucket with all its settings; return its versioning, which replication depends on."""
        name, pair, region = f"{self._name}-{side}", self._args.pair, spec.region
        bucket = s3.Bucket(
            name,
            bucket=spec.name,
            force_destroy=not self._args.protect,
            object_lock_enabled=pair.lock is not None,
            region=region,
            tags={**self._args.tags, **(BACKUP_TAG if side == "source" else REPLICA_TAG), "holds": pair.name},
            opts=opts,
        ).bucket
        versioning = self._versioning(side, bucket, region, opts)
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            region=region,
            opts=opts,
        )
        s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            region=region,
            opts=opts,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            region=region,
            opts=opts,
        )
        s3.BucketPolicy(f"{name}-policy", bucket=bucket, policy=tls_only(spec.name), region=region, opts=opts)
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle", bucket=versioning.bucket, rules=lifecycle_rules(pair), region=region, opts=opts
        )
        if pair.lock:
            s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                bucket=versioning.bucket,
                rule={"default_retention": {"mode": pair.lock.mode.value, "days": pair.lock.days}},
                region=region,
                opts=opts,
            )
        return versioning

    def _role(self, source_key: pulumi.Output[str], replica_key: pulumi.Output[str]) -> iam.Role:
        source, replica, pair = self._args.source, self._args.replica, self._args.pair
        role = iam.Role(
            f"{self._name}-replication",
            assume_role_policy=trust_service("s3.amazonaws.com"),
            description=f"S3 replicates {source.name} and {replica.name} to each other",
            tags=dict(self._args.tags),
            opts=self._protected,
        )
        iam.RolePolicy(
            f"{self._name}-replication-policy",
            role=role.name,
            policy=pulumi.Output.all(source_key, replica_key).apply(
                lambda keys: replicate_both_ways(
                    EncryptedBucket(source.name, source.region, keys[0]),
                    EncryptedBucket(replica.name, replica.region, keys[1]),
                    locked=pair.lock is not None,
                )
            ),
            opts=self._protected,
        )
        return role

    def _replicate(
        self,
        side: str,
        origin: BucketSide,
        destination: BucketSide,
        role_arn: pulumi.Output[str],
        destination_key: pulumi.Output[str],
        wait_for: list[s3.BucketVersioning],
        opts: pulumi.ResourceOptions,
    ) -> s3.BucketReplicationConfig:
        deletes = "Enabled" if self._args.pair.replicate_deletes else "Disabled"
        return s3.BucketReplicationConfig(
            f"{self._name}-{side}-replication",
            bucket=origin.name,
            role=role_arn,
            rules=[
                {
                    "id": rule_id(destination.region),
                    "priority": 1,
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "delete_marker_replication": {"status": deletes},
                    "source_selection_criteria": {
                        "sse_kms_encrypted_objects": {"status": "Enabled"},
                        "replica_modifications": {"status": "Enabled"},
                    },
                    "destination": {
                        "bucket": f"arn:aws:s3:::{destination.name}",
                        "encryption_configuration": {"replica_kms_key_id": destination_key},
                        "replication_time": {"status": "Enabled", "time": {"minutes": REPLICATION_MINUTES}},
                        "metrics": {"status": "Enabled", "event_threshold": {"minutes": REPLICATION_MINUTES}},
                    },
                }
            ],
            region=origin.region,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=wait_for)),
        )


def lifecycle_rules(pair: BucketPair) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    """Return the lifecycle rules of a bucket. S3 does not replicate lifecycle actions, so both buckets have rules."""
    rules: list[s3.BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": "noncurrent-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": pair.noncurrent_days},
            "expiration": {"expired_object_delete_marker": True},
        },
        {
            "id": "aborted-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": ABORT_UPLOADS_DAYS},
        },
    ]
    if pair.archive_days is not None:
        rules.append(
            {
                "id": "archive",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "transitions": [{"days": pair.archive_days, "storage_class": "GLACIER_IR"}],
            }
        )
    return rules
