"""BackfillRole: the role with which S3 replicates versions that a bucket already has (`dr backfill`).

S3 Batch Operations assumes it. It may start the replication of the pairs' objects and write completion reports, and has
no access to the objects: the replication role of each pair copies them. One role serves all pairs. It costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam

from components.iam import EncryptedBucket, fill_replicas, trust_service
from dr.names import backfill_role_name


@dataclass(frozen=True)
class BackfillRoleArgs:
    """Arguments of `BackfillRole`.

    Args:
        prefix: Prefix of names of the deployment: "ml-dr".
        buckets: Names of the buckets that are replicated from, in both regions.
        reports: Buckets of completion reports: name, region and ARN of the key.
        tags: Tags of the role.
    """

    prefix: str
    buckets: Sequence[str]
    reports: Sequence[tuple[str, str, pulumi.Input[str]]]
    tags: Mapping[str, str] = field(default_factory=dict)


class BackfillRole(pulumi.ComponentResource):
    """The role of jobs of S3 Batch Replication.

    Attributes:
        arn: ARN of the role.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackfillRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:BackfillRole", name, None, opts)
        parent = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{name}-role",
            name=backfill_role_name(args.prefix),
            assume_role_policy=trust_service("batchoperations.s3.amazonaws.com"),
            description=f"{args.prefix}: S3 Batch Replication of versions that a bucket already has",
            tags=dict(args.tags),
            opts=parent,
        )
        iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(*(key for _, _, key in args.reports)).apply(
                lambda keys: fill_replicas(
                    args.buckets,
                    [
                        EncryptedBucket(bucket, region, key)
                        for (bucket, region, _), key in zip(args.reports, keys, strict=True)
                    ],
                )
            ),
            opts=parent,
        )
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})
