"""Lookup of an existing EKS cluster by name, in the configured VPC."""

from __future__ import annotations

from dataclasses import dataclass

from dr.clients import Missing, calls, client
from dr.errors import Invalid, Problem
from dr.topology.topology import Site

KEY = "dr:existingCluster"


@dataclass(frozen=True)
class ExistingCluster:
    """An existing cluster.

    Args:
        name: Name of the cluster.
        endpoint: URL of the API server.
        arn: ARN of the cluster.
        ca_data: Base64-encoded PEM certificate of the certificate authority.
        security_group_id: ID of the cluster security group, which EKS creates for control plane, nodes and pods.
    """

    name: str
    endpoint: str
    arn: str
    ca_data: str
    security_group_id: str


def find(name: str, vpc_id: str, site: Site) -> ExistingCluster:
    """Look up a cluster in its region.

    Args:
        name: Name of the cluster.
        vpc_id: ID of the VPC that the cluster must be in.
        site: The region.

    Raises:
        Invalid: The cluster does not exist, is not running, or is in another VPC.
        Unreachable: The region does not answer.
    """
    try:
        with calls(f"cluster {name}", site.region):
            found = client("eks", site.region).describe_cluster(name=name)["cluster"]
    except Missing as error:
        remedy = "set the name of a cluster in that region and account, or set the key to an empty text to create one"
        raise Invalid(Problem(KEY, f'"{name}" is not in {site.region}', remedy)) from error
    wrong = []
    if found["status"] not in ("ACTIVE", "UPDATING"):
        fact = f'"{name}" is {found["status"]}, and nodes can be added to an ACTIVE cluster only'
        wrong.append(Problem(KEY, fact, "wait until it is ACTIVE, or repair it, then run the command again"))
    network = found["resourcesVpcConfig"]
    if network["vpcId"] != vpc_id:
        fact = f'{vpc_id} is configured, but "{name}" is in {network["vpcId"]}; the load balancer would not reach it'
        wrong.append(Problem("dr:existingVpc", fact, f"`pulumi config set dr:existingVpc {network['vpcId']}`"))
    if wrong:
        raise Invalid(*wrong)
    return ExistingCluster(
        name=name,
        endpoint=found["endpoint"],
        arn=found["arn"],
        ca_data=found["certificateAuthority"]["data"],
        security_group_id=network["clusterSecurityGroupId"],
    )
