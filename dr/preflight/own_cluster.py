"""Lookup of the cluster that this stack created: what a deployment must keep of it.

EKS keeps the set of zones of a control plane: subnets that are added later must be in the zones of creation (EKS API,
VpcConfigRequest). New zones are used for nodes only.

EKS creates an access entry for the principal that creates a cluster, and refuses a second entry for it (EKS user guide,
"Grant IAM users access to Kubernetes with EKS access entries"). The program creates entries for `dr:operatorRoles`,
except for a role that has an entry which the program did not create.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Problem, Refused
from dr.topology.topology import Topology


@dataclass(frozen=True)
class OwnCluster:
    """What a deployment keeps of the cluster.

    Args:
        zones: Zones of the control plane; empty before the cluster exists.
        foreign_roles: Roles of `dr:operatorRoles` with an access entry that the program does not own.
    """

    zones: tuple[str, ...] = ()
    foreign_roles: tuple[str, ...] = ()


def find(topology: Topology) -> OwnCluster:
    """Look up the cluster. Before it exists, the caller is the role that will get an entry from EKS.

    Args:
        topology: The topology to deploy.

    Raises:
        Refused: A zone of the control plane is not configured any more.
        Failed: EKS or EC2 refused the request.
        Unreachable: The region does not answer.
    """
    region, name = topology.here.region, topology.bucket_prefix
    if not topology.tier_here.spec.cluster or topology.existing_cluster:
        return OwnCluster()
    try:
        with calls(f"cluster {name}", region):
            eks = client("eks", region)
            found = eks.describe_cluster(name=name)["cluster"]
            ids = found["resourcesVpcConfig"]["subnetIds"]
            subnets = client("ec2", region).describe_subnets(SubnetIds=ids)["Subnets"]
            entries = set(eks.list_access_entries(clusterName=name, maxResults=100)["accessEntries"])
            foreign = [
                role
                for role in topology.operator_roles
                if role in entries and not _owned(eks, name, role, topology.bucket_prefix)
            ]
    except Missing:
        return OwnCluster(foreign_roles=_creator(topology))
    zones = tuple(sorted({str(each["AvailabilityZone"]) for each in subnets}))
    _check_zones(topology, zones)
    return OwnCluster(zones, tuple(foreign))


def _owned(eks: Any, cluster: str, role: str, workload: str) -> bool:
    """Return whether the program created the access entry of a role: only then it has the program's tags."""
    entry = eks.describe_access_entry(clusterName=cluster, principalArn=role)["accessEntry"]
    return bool(entry.get("tags", {}).get("workload") == workload)


def _creator(topology: Topology) -> tuple[str, ...]:
    """Return the operator role that creates the cluster, if the caller is one."""
    if not topology.operator_roles:
        return ()
    with calls("the caller", topology.here.region):
        caller = str(client("sts", topology.here.region).get_caller_identity()["Arn"])
    return tuple(role for role in topology.operator_roles if same_role(role, caller))


def same_role(role: str, caller: str) -> bool:
    """Return whether a caller's ARN is a session of a role. A session's ARN lacks the path of its role.

    Args:
        role: ARN of an IAM role: "arn:aws:iam::123456789012:role/team/platform".
        caller: ARN that STS returned: "arn:aws:sts::123456789012:assumed-role/platform/session".
    """
    kind, _, rest = caller.partition(":assumed-role/")
    account = kind.rpartition(":")[2]
    return bool(rest) and f"::{account}:role/" in role and role.rpartition("/")[2] == rest.partition("/")[0]


def _check_zones(topology: Topology, zones: Sequence[str]) -> None:
    gone = [zone for zone in zones if zone not in topology.here.zones]
    if gone and not topology.existing_vpc:
        key = f"dr:{topology.role}Zones"
        named, wanted = ", ".join(gone), ",".join(dict.fromkeys((*topology.here.zones, *gone)))
        fact = f"{named} is not named, but cluster {topology.bucket_prefix} has its control plane in {', '.join(zones)}"
        remedy = f"EKS keeps the zones of a control plane: set {key} to {wanted}"
        raise Refused(Problem(key, fact, remedy))
