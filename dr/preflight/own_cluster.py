"""Lookup of the cluster that this stack created: what a deployment must keep of it.

EKS keeps the set of zones of a control plane: subnets that are added later must be in the zones of creation (EKS API,
VpcConfigRequest). New zones are used for nodes only.

EKS creates an access entry for the principal that creates a cluster, and refuses a second entry for it (EKS user guide,
"Grant IAM users access to Kubernetes with EKS access entries"). The program creates entries for `dr:operatorRoles`,
except for a role that has an entry which the program did not create.

Versions that AWS runs and that are newer than the table's are kept (dr/clusters/versions.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dr.clients import Missing, calls, client
from dr.clusters import versions
from dr.clusters.versions import Versions
from dr.errors import Problem, Refused
from dr.preflight.running_nodes import node_groups
from dr.topology.topology import Topology


@dataclass(frozen=True)
class OwnCluster:
    """What a deployment keeps of the cluster.

    Args:
        zones: Zones of the control plane; empty before the cluster exists.
        foreign_roles: Roles of `dr:operatorRoles` with an access entry that the program does not own.
        versions: Versions to deploy.
        warnings: Versions that are newer than the table's.
    """

    zones: tuple[str, ...] = ()
    foreign_roles: tuple[str, ...] = ()
    versions: Versions = versions.TABLE
    warnings: tuple[str, ...] = ()


def find(topology: Topology) -> OwnCluster:
    """Look up the cluster. Before it exists, the caller is the role that will get an entry from EKS.

    Args:
        topology: The topology to deploy.

    Raises:
        Refused: A zone of the control plane is not configured any more, or the table skips a version of Kubernetes.
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
            entries = set(_listed(eks, "list_access_entries", "accessEntries", name))
            foreign = [
                role
                for role in topology.operator_roles
                if role in entries and not _owned(eks, name, role, topology.bucket_prefix)
            ]
            deployed = _versions(eks, found)
    except Missing:
        return OwnCluster(foreign_roles=_creator(topology))
    zones = tuple(sorted({str(each["AvailabilityZone"]) for each in subnets}))
    table = versions.TABLE
    problems = [each for each in (_zone_problem(topology, zones), versions.skipped(table, deployed)) if each]
    if problems:
        raise Refused(*problems)
    warnings = tuple(versions.newer_than_table(table, deployed))
    return OwnCluster(zones, tuple(foreign), versions.to_deploy(table, deployed), warnings)


def _listed(eks: Any, operation: str, member: str, cluster: str) -> list[str]:
    """Return all names that an operation lists for a cluster, from all its pages."""
    pages = eks.get_paginator(operation).paginate(clusterName=cluster)
    return [str(each) for page in pages for each in page[member]]


def _versions(eks: Any, cluster: Mapping[str, Any]) -> Versions:
    """Return the deployed versions; of node groups, the newest release."""
    name = cluster["name"]
    addons = [each for each in _listed(eks, "list_addons", "addons", name) if each in versions.TABLE.addons]
    with ThreadPoolExecutor(max_workers=8) as pool:
        nodes = pool.submit(node_groups, eks, name)
        found = pool.map(lambda each: eks.describe_addon(clusterName=name, addonName=each)["addon"], addons)
        releases = [str(each.get("releaseVersion", "")) for each in nodes.result()]
        of_addons = {str(each["addonName"]): str(each["addonVersion"]) for each in found}
    return Versions(str(cluster["version"]), max(releases, key=versions.compared, default=""), of_addons)


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


def _zone_problem(topology: Topology, zones: Sequence[str]) -> Problem | None:
    gone = [zone for zone in zones if zone not in topology.here.zones]
    if not gone or topology.existing_vpc:
        return None
    key = f"dr:{topology.role}Zones"
    named, wanted = ", ".join(gone), ",".join(dict.fromkeys((*topology.here.zones, *gone)))
    fact = f"{named} is not named, but cluster {topology.bucket_prefix} has its control plane in {', '.join(zones)}"
    remedy = f"EKS keeps the zones of a control plane: set {key} to {wanted}"
    return Problem(key, fact, remedy)
