"""GlobalDatabase: an Aurora PostgreSQL global database with its primary cluster.

RDS cannot manage the master password of a global database (Aurora user guide, "Password management with Amazon Aurora
and AWS Secrets Manager", limitations). So the password is a secret of ours: created here once, encrypted with the key
of each region, and replicated by Secrets Manager, so that a lost region takes no credentials with it. Pods can
authenticate with IAM instead.

After a switchover the other region's cluster is the primary one. AWS swaps the roles, and the program states none of
what it swaps (`database_spec.IGNORED`): `pulumi up` changes and detaches nothing.

`rds.global_db_rpo` is not set: with one secondary region, it would stop all commits while that region is slow or lost
(Aurora user guide, "Managing RPOs for Aurora PostgreSQL-based global databases"). `dr check` compares the lag with the
objective instead.

A cluster with two db.r6g.large instances costs $380 a month (dr/topology/prices.py), storage $0.10 a GB, and a secret
$0.40 in each region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import iam, rds, secretsmanager

from components.data import database_spec
from components.data.database_network import DatabaseNetwork, cluster_instances
from components.data.database_spec import IGNORED, MASTER_USER, InstanceSpec, password_of
from components.iam import EncryptedBucket, export_snapshots, trust_service
from components.tagging import BACKUP_TAG
from dr.names import EXPORTS, database_secret_name
from dr.topology.databases import ENGINE, NAME, Database

RECOVERY_DAYS = 30
"""Days for which a deleted secret can be restored."""


@dataclass(frozen=True)
class GlobalDatabaseArgs:
    """Arguments of `GlobalDatabase`.

    Args:
        name: Identifier of the global database, and name of its secret and its export role.
        cluster: Identifier of the primary cluster.
        database: Size, version and retention.
        region: Region of the primary cluster.
        replica_region: The other region.
        key_arn: ARN of the KMS key of the primary region.
        replica_key_arn: ARN of the KMS key of the other region.
        network: Subnets and security group.
        exports: Buckets that snapshots may be exported to: name and region, with the ARN of the key.
        protect: Protect the database against deletion, in AWS and by Pulumi.
        tags: Tags of all resources.

    Raises:
        ValueError: Both regions are the same.
    """

    name: str
    cluster: str
    database: Database
    region: str
    replica_region: str
    key_arn: pulumi.Input[str]
    replica_key_arn: pulumi.Input[str]
    network: DatabaseNetwork
    exports: list[tuple[str, str, pulumi.Input[str]]] = field(default_factory=list)
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.region == self.replica_region:
            raise ValueError(f"the database and its replica would be in {self.region}; name two different regions")


class GlobalDatabase(pulumi.ComponentResource):
    """The global cluster, its primary cluster with instances, the login, and the role of exports.

    Attributes:
        record: Fields of this region's `DatabaseRecord`.
    """

    record: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, args: GlobalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:GlobalDatabase", name, None, opts)
        self._name, self._args = name, args
        self._parent = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        secret, login = self._login()
        world = rds.GlobalCluster(
            f"{name}-global",
            global_cluster_identifier=args.name,
            engine=ENGINE,
            engine_version=args.database.version,
            database_name=NAME,
            storage_encrypted=True,
            deletion_protection=args.protect,
            region=args.region,
            tags=dict(args.tags),
            opts=self._kept,
        )
        cluster = self._cluster(world, login)
        spec = InstanceSpec(args.cluster, args.database.instance_class, args.database.instances)
        cluster_instances(name, spec.identifiers, cluster, spec.instance_class, args.region, args.tags, self)
        role = self._export_role()
        self.record = pulumi.Output.from_input(
            {
                "global_cluster": args.name,
                "cluster": cluster.cluster_identifier,
                "arn": cluster.arn,
                "engine_version": args.database.version,
                "instance_class": args.database.instance_class,
                "instances": spec.identifiers,
                "subnet_group": args.network.subnet_group,
                "security_groups": [args.network.security_group_id],
                "key": args.key_arn,
                "endpoint": cluster.endpoint,
                "reader_endpoint": cluster.reader_endpoint,
                "writer_endpoint": world.endpoint,
                "secret": secret.name,
                "secret_arn": secret.arn,
                "export_role": role.arn,
            }
        )
        self.register_outputs({"record": self.record})

    def _login(self) -> tuple[secretsmanager.Secret, pulumi.Output[str]]:
        """Create the secret with the master user's login, and its replica in the other region."""
        args = self._args
        secret = secretsmanager.Secret(
            f"{self._name}-login",
            name=database_secret_name(args.name),
            description=f"{args.name}: login of the database's master user",
            kms_key_id=args.key_arn,
            replicas=[{"region": args.replica_region, "kms_key_id": args.replica_key_arn}],
            recovery_window_in_days=RECOVERY_DAYS if args.protect else 0,
            region=args.region,
            tags=dict(args.tags),
            opts=self._kept,
        )
        version = secretsmanager.SecretVersion(
            f"{self._name}-login-value",
            secret_id=secret.id,
            # Each run makes another one; the first one stays.
            secret_string=pulumi.Output.secret(database_spec.new_login()),
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["secretString"]),
        )
        return secret, version.secret_string.apply(lambda text: pulumi.Output.secret(password_of(str(text))))

    def _cluster(self, world: rds.GlobalCluster, password: pulumi.Output[str]) -> rds.Cluster:
        args = self._args
        return rds.Cluster(
            f"{self._name}-cluster",
            cluster_identifier=args.cluster,
            global_cluster_identifier=world.id,
            engine=ENGINE,
            engine_version=args.database.version,
            database_name=NAME,
            master_username=MASTER_USER,
            master_password=password,
            iam_database_authentication_enabled=True,
            db_subnet_group_name=args.network.subnet_group,
            vpc_security_group_ids=[args.network.security_group_id],
            storage_encrypted=True,
            kms_key_id=args.key_arn,
            backup_retention_period=args.database.retention_days,
            copy_tags_to_snapshot=True,
            deletion_protection=args.protect,
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{args.cluster}-final" if args.protect else None,
            apply_immediately=True,
            region=args.region,
            tags={**args.tags, **BACKUP_TAG},
            opts=pulumi.ResourceOptions.merge(self._kept, pulumi.ResourceOptions(ignore_changes=list(IGNORED))),
        )

    def _export_role(self) -> iam.Role:
        """Create the role with which RDS exports snapshots to the registry bucket of each region."""
        args = self._args
        role = iam.Role(
            f"{self._name}-export",
            name=f"{args.name}-database-export",
            assume_role_policy=trust_service("export.rds.amazonaws.com"),
            description=f"{args.name}: exports of database snapshots to S3",
            tags=dict(args.tags),
            opts=self._parent,
        )
        iam.RolePolicy(
            f"{self._name}-export-policy",
            role=role.name,
            policy=pulumi.Output.all(*(key for _, _, key in args.exports)).apply(
                lambda keys: export_snapshots(
                    [
                        EncryptedBucket(bucket, region, key)
                        for (bucket, region, _), key in zip(args.exports, keys, strict=True)
                    ],
                    EXPORTS,
                )
            ),
            opts=self._parent,
        )
        return role
