"""DatabaseNetwork: where a region's database cluster is reached: private subnets, and a security group of its own.

Both exist in every tier, so that a copy can be restored into them. They cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, rds, vpc

from dr.topology.databases import PORT


@dataclass(frozen=True)
class DatabaseNetworkArgs:
    """Arguments of `DatabaseNetwork`.

    Args:
        name: Name of the subnet group.
        region: The region.
        vpc_id: ID of the VPC.
        subnet_ids: IDs of private subnets in at least two zones.
        client_group_id: ID of the security group that may connect: the one of the EKS cluster, which its nodes and pods
            have; None where no cluster runs, and none may.
        tags: Tags of all resources.
    """

    name: str
    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    client_group_id: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class DatabaseNetwork(pulumi.ComponentResource):
    """A subnet group, and a security group that admits the EKS cluster alone.

    Attributes:
        subnet_group: Name of the subnet group.
        security_group_id: ID of the security group.
    """

    subnet_group: pulumi.Output[str]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:DatabaseNetwork", name, None, opts)
        parent, tags = pulumi.ResourceOptions(parent=self), dict(args.tags)
        group = rds.SubnetGroup(
            f"{name}-subnets",
            name=args.name,
            description=f"{args.name}: private subnets of the database",
            subnet_ids=args.subnet_ids,
            region=args.region,
            tags=tags,
            opts=parent,
        )
        security = ec2.SecurityGroup(
            f"{name}-access",
            vpc_id=args.vpc_id,
            description="database: connections from the EKS cluster",
            region=args.region,
            tags=tags,
            opts=parent,
        )
        if args.client_group_id is not None:
            vpc.SecurityGroupIngressRule(
                f"{name}-from-cluster",
                security_group_id=security.id,
                referenced_security_group_id=args.client_group_id,
                description="PostgreSQL from nodes and pods of the EKS cluster",
                ip_protocol="tcp",
                from_port=PORT,
                to_port=PORT,
                region=args.region,
                tags=tags,
                opts=parent,
            )
        self.subnet_group, self.security_group_id = group.name, security.id
        self.register_outputs({"subnet_group": self.subnet_group, "security_group_id": self.security_group_id})


def cluster_instances(
    name: str,
    identifiers: Sequence[str],
    cluster: rds.Cluster,
    instance_class: str,
    region: str,
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> list[rds.ClusterInstance]:
    """Create the instances of a cluster, one after the other: the first one is the writer of a primary cluster.

    Args:
        name: Logical name of the cluster.
        identifiers: Identifiers of the instances.
        cluster: The cluster.
        instance_class: Their class.
        region: The region.
        tags: Their tags.
        parent: The component.
    """
    made: list[rds.ClusterInstance] = []
    for number, identifier in enumerate(identifiers, 1):
        made.append(
            rds.ClusterInstance(
                f"{name}-{number}",
                identifier=identifier,
                cluster_identifier=cluster.id,
                engine=rds.EngineType.AURORA_POSTGRESQL,
                instance_class=instance_class,
                publicly_accessible=False,
                # Automatic minor upgrades have no effect in a global database (Aurora user guide, limitations).
                auto_minor_version_upgrade=False,
                apply_immediately=True,
                copy_tags_to_snapshot=True,
                region=region,
                tags=dict(tags),
                opts=pulumi.ResourceOptions(parent=parent),
            )
        )
    return made
