"""GlobalDatabaseReplica: the secondary cluster of the global database, as large as the tier decides.

It has readers only: none in a headless cluster, which costs its storage. Its settings are those of the primary cluster,
because AWS carries none over when it is promoted (Aurora user guide, "Performing switchovers for Amazon Aurora global
databases"). It is created by calls in its own region alone.

It has no deletion protection, which would refuse the tier `backup`: the primary cluster has the data, and RDS does not
remove a promoted cluster from a global database with other members.

A reader of class db.r6g.large costs $190 a month (dr/topology/prices.py), storage $0.10 a GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import rds

from components.data.database_network import DatabaseNetwork, cluster_instances
from components.data.database_spec import IGNORED, InstanceSpec
from components.tagging import REPLICA_TAG
from dr.names import database_secret_name
from dr.topology.databases import ENGINE, Database


@dataclass(frozen=True)
class GlobalDatabaseReplicaArgs:
    """Arguments of `GlobalDatabaseReplica`.

    Args:
        name: Identifier of the global database.
        cluster: Identifier of the secondary cluster.
        database: Size, version and retention.
        instances: Instances of the cluster; None for no cluster.
        region: Its region.
        key_arn: ARN of the region's KMS key.
        network: Subnets and security group.
        tags: Tags of all resources.
    """

    name: str
    cluster: str
    database: Database
    instances: int | None
    region: str
    key_arn: pulumi.Input[str]
    network: DatabaseNetwork
    tags: Mapping[str, str] = field(default_factory=dict)


class GlobalDatabaseReplica(pulumi.ComponentResource):
    """The secondary cluster with its instances.

    Attributes:
        record: Fields of this region's `DatabaseRecord`.
    """

    record: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, args: GlobalDatabaseReplicaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:GlobalDatabaseReplica", name, None, opts)
        spec = InstanceSpec(args.cluster, args.database.instance_class, args.instances or 0)
        cluster = None if args.instances is None else self._cluster(name, args)
        if cluster is not None:
            cluster_instances(name, spec.identifiers, cluster, spec.instance_class, args.region, args.tags, self)
        self.record = pulumi.Output.from_input(
            {
                "global_cluster": args.name,
                "cluster": cluster.cluster_identifier if cluster else "",
                "arn": cluster.arn if cluster else "",
                "engine_version": args.database.version,
                "instance_class": args.database.instance_class,
                "instances": spec.identifiers,
                "subnet_group": args.network.subnet_group,
                "security_groups": [args.network.security_group_id],
                "key": args.key_arn,
                "endpoint": cluster.endpoint if cluster else "",
                "reader_endpoint": cluster.reader_endpoint if cluster else "",
                "secret": database_secret_name(args.name),
            }
        )
        self.register_outputs({"record": self.record})

    def _cluster(self, name: str, args: GlobalDatabaseReplicaArgs) -> rds.Cluster:
        return rds.Cluster(
            f"{name}-cluster",
            cluster_identifier=args.cluster,
            global_cluster_identifier=args.name,
            engine=ENGINE,
            engine_version=args.database.version,
            iam_database_authentication_enabled=True,
            db_subnet_group_name=args.network.subnet_group,
            vpc_security_group_ids=[args.network.security_group_id],
            storage_encrypted=True,
            # RDS: "For encrypted cross-region replica, kmsKeyId should be explicitly specified".
            kms_key_id=args.key_arn,
            backup_retention_period=args.database.retention_days,
            copy_tags_to_snapshot=True,
            skip_final_snapshot=True,
            apply_immediately=True,
            region=args.region,
            tags={**args.tags, **REPLICA_TAG},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=[*IGNORED, "deletionProtection"]),
        )
