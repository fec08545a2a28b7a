"""EKS: clusters and their updates.

This file and the other eks_*.py answer all of EKS. A cluster is stored as DescribeCluster describes it, and is
ACTIVE when CreateCluster returns. Behind its endpoint is a control plane
(sandbox/clusters), if the emulator has Kubernetes; otherwise there is none.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends
from moto.kms.models import kms_backends

from dr.config.types import NOT_INTERNET
from dr.errors import Failed
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import caller, principal_of, role_trusts
from sandbox.aws.world import ControlPlane

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
VERSIONS = ("1.33", "1.34", "1.35", "1.36")
"""Versions in standard support (EKS user guide, "Understand the Kubernetes version lifecycle")."""
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nof the sandbox\n-----END CERTIFICATE-----\n").decode()
EXCLUDED_ZONES = ("use1-az3", "usw1-az2", "cac1-az3")
"""IDs of zones in which EKS places no control plane (EKS user guide, "Subnet requirements for clusters")."""
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
ARNS = ("arn", "nodegroupArn", "addonArn", "accessEntryArn", "associationArn")
"""Names of the ARN of a cluster, and of what belongs to it."""
Things = dict[str, dict[str, Any]]


@dataclass
class Cluster:
    """A cluster with its node groups, add-ons, access entries, pod identities and updates."""

    about: dict[str, Any]
    creator: str = ""
    """ARN of the principal that created it."""
    zones: tuple[str, ...] = ()
    """Zones of the subnets with which it was created."""
    groups: Things = field(default_factory=dict)
    addons: Things = field(default_factory=dict)
    entries: Things = field(default_factory=dict)
    identities: Things = field(default_factory=dict)
    updates: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def find(self, things: Things, name: str, what: str) -> dict[str, Any]:
        """Return what has a name in one of its tables. Raises AwsError."""
        if name not in things:
            raise missing(f"No {what} found for name: {name} in cluster: {self.about['name']}")
        return things[name]

    def updated(self, kind: str, parameters: dict[str, Any], of: str = "") -> dict[str, Any]:
        """Record an update, which is complete at once.

        Args:
            kind: Type of the update.
            parameters: What changed.
            of: Node group or add-on; "" for the cluster itself.
        """
        id = str(uuid4())
        listed = [{"type": name, "value": str(value)} for name, value in parameters.items()]
        update = {"id": id, "status": "Successful", "type": kind, "params": listed, "createdAt": now()}
        self.updates[of, id] = update | {"errors": []}
        return {"update": self.updates[of, id]}


def now() -> datetime.datetime:
    """The time for `createdAt`."""
    return datetime.datetime.now(datetime.UTC)


def missing(message: str) -> AwsError:
    """The error for something that does not exist."""
    return AwsError("ResourceNotFoundException", message)


def wrong(message: str) -> AwsError:
    """The error for an invalid parameter."""
    return AwsError("InvalidParameterException", message)


def taken(message: str) -> AwsError:
    """The error for something that exists already or is in use."""
    return AwsError("ResourceInUseException", message)


def clusters(region: str) -> dict[str, Cluster]:
    """The clusters of a region by name, kept with moto's own state, so that a reset drops them."""
    kept: dict[str, Cluster] = vars(eks_backends[ACCOUNT][region]).setdefault("sandbox_clusters", {})
    return kept


def cluster_of(call: Call) -> Cluster:
    """The cluster that a call names. Raises AwsError."""
    name = call.parameters.get("clusterName") or call.parameters.get("name", "")
    if name not in clusters(call.region):
        raise missing(f"No cluster found for name: {name}.")
    return clusters(call.region)[name]


def check_role(arn: str, service: str, source: str = "") -> None:
    """Refuse a role that does not exist or does not trust the service for a resource. Raises AwsError."""
    if (trusts := role_trusts(arn, service, source)) is False:
        raise wrong(f"The trust policy of role {arn} does not allow {service} to assume it")
    if trusts is None:
        raise wrong(f"Role with arn: {arn}, could not be assumed because it does not exist")


def subnets_of(region: str, ids: list[str]) -> list[Any]:
    """Subnets by id. Raises AwsError for an unknown id."""
    known = {subnet.id: subnet for zones in ec2_backends[ACCOUNT][region].subnets.values() for subnet in zones.values()}
    if gone := [id for id in ids if id not in known]:
        raise wrong(f"The subnet ID '{gone[0]}' does not exist")
    return [known[id] for id in ids]


@answers("eks", "CreateCluster")
def create_cluster(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, kept = call.parameters, clusters(call.region)
    name = wanted["name"]
    if name in kept:
        raise taken(f"Cluster already exists with name: {name}")
    check_role(wanted["roleArn"], "eks.amazonaws.com", f"arn:aws:eks:{call.region}:{ACCOUNT}:cluster/{name}")
    version = wanted.get("version", VERSIONS[-2])
    if version not in VERSIONS:
        raise wrong(f"unsupported Kubernetes version {version}; supported are {', '.join(VERSIONS)}")
    digest = hashlib.sha256(f"{call.region} {name}".encode()).hexdigest().upper()[:32]
    host = f"{digest}.gr7.{call.region}.eks.amazonaws.com"
    access = {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True}
    about = {
        "name": name,
        "arn": f"arn:aws:eks:{call.region}:{ACCOUNT}:cluster/{name}",
        "createdAt": now(),
        "version": version,
        "endpoint": f"https://{host}",
        "roleArn": wanted["roleArn"],
        "resourcesVpcConfig": _network(call, name, wanted["resourcesVpcConfig"]),
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"}
        | wanted.get("kubernetesNetworkConfig", {}),
        "logging": _logging({}, wanted.get("logging", {})),
        "identity": {"oidc": {"issuer": f"https://oidc.eks.{call.region}.amazonaws.com/id/{digest}"}},
        "status": "ACTIVE",
        "certificateAuthority": {"data": CA},
        "platformVersion": "eks.1",
        "tags": wanted.get("tags", {}),
        "encryptionConfig": _encryption(call, wanted.get("encryptionConfig", [])),
        "accessConfig": access | wanted.get("accessConfig", {}),
        "upgradePolicy": {"supportType": "EXTENDED"} | wanted.get("upgradePolicy", {}),
        "zonalShiftConfig": {"enabled": False} | wanted.get("zonalShiftConfig", {}),
        "deletionProtection": wanted.get("deletionProtection", False),
        "health": {"issues": []},
    }
    if plane := _control_plane(call, about):
        about |= {"endpoint": plane.endpoint, "certificateAuthority": {"data": plane.ca_data}}
    zones = _zones_of(call.region, about["resourcesVpcConfig"])
    kept[name] = cluster = Cluster(about, caller(call), zones)
    settings = about["accessConfig"]
    if settings["bootstrapClusterCreatorAdminPermissions"] and settings["authenticationMode"] != "CONFIG_MAP":
        principal = principal_of(cluster.creator)
        cluster.entries[principal] = access_entry(call.region, name, principal, {})
        cluster.entries[principal]["policies"] = {ADMIN_POLICY: associated(ADMIN_POLICY, {"type": "cluster"})}
    call.world.kubernetes.access_changed(call.world.operator)
    return {"cluster": about}


def access_entry(region: str, cluster: str, principal: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a new access entry.

    Args:
        region: Region of the cluster.
        cluster: Name of the cluster.
        principal: ARN of the principal.
        wanted: Parameters of CreateAccessEntry.
    """
    sort, _, short = principal.rpartition(":")[2].rpartition("/")
    kind = wanted.get("type", "STANDARD")
    sort = sort.partition("/")[0]
    name = principal
    if kind != "STANDARD":
        name = "system:node:{{EC2PrivateDNSName}}"
    elif sort == "role":
        name = f"arn:aws:sts::{ACCOUNT}:assumed-role/{short}/{{{{SessionName}}}}"
    return {
        "clusterName": cluster,
        "principalArn": principal,
        "kubernetesGroups": wanted.get("kubernetesGroups", []),
        "accessEntryArn": f"arn:aws:eks:{region}:{ACCOUNT}:access-entry/{cluster}/{sort}/{ACCOUNT}/{short}/{uuid4()}",
        "createdAt": now(),
        "modifiedAt": now(),
        "tags": wanted.get("tags", {}),
        "username": wanted.get("username") or name,
        "type": kind,
        "policies": {},
    }


def associated(policy: str, scope: dict[str, Any]) -> dict[str, Any]:
    """Return the association of an access policy."""
    return {
        "policyArn": policy,
        "accessScope": {"namespaces": [], **scope},
        "associatedAt": now(),
        "modifiedAt": now(),
    }


def _control_plane(call: Call, about: dict[str, Any]) -> ControlPlane | None:
    try:
        return call.world.kubernetes.start(call.region, about["name"])
    except Failed as failed:
        _drop_group(call, about)
        raise AwsError("ClientException", f"the cluster's Kubernetes did not start: {failed}") from failed


def _drop_group(call: Call, about: dict[str, Any]) -> None:
    group = about["resourcesVpcConfig"]["clusterSecurityGroupId"]
    ec2_backends[ACCOUNT][call.region].delete_security_group(group_id=group)


def _network(call: Call, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The cluster's network, with a new security group for it."""
    vpc, endpoints = _vpc_of(call.region, wanted), _endpoints({}, wanted)
    backend = ec2_backends[ACCOUNT][call.region]
    group = backend.create_security_group(
        f"eks-cluster-sg-{name}-{uuid4().int % 10**9}",
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any "
        "managed workloads.",
        vpc_id=vpc,
        tags={"aws:eks:cluster-name": name, f"kubernetes.io/cluster/{name}": "owned"},
    )
    return {
        "subnetIds": wanted["subnetIds"],
        "securityGroupIds": wanted.get("securityGroupIds", []),
        "clusterSecurityGroupId": group.id,
        "vpcId": vpc,
        **endpoints,
    }


def _vpc_of(region: str, wanted: dict[str, Any]) -> str:
    """The VPC of a cluster's subnets and security groups. Raises AwsError."""
    subnets = subnets_of(region, wanted["subnetIds"])
    excluded = {subnet.availability_zone for subnet in subnets if subnet.availability_zone_id in EXCLUDED_ZONES}
    if excluded:
        message = (
            f"Cannot create cluster because {', '.join(sorted(excluded))}, the targeted availability zone, does not "
            "currently have sufficient capacity to support the cluster. Retry with other availability zones."
        )
        raise AwsError("UnsupportedAvailabilityZoneException", message)
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise wrong("Subnets specified must be in at least two different AZs")
    (vpc, *others) = {subnet.vpc_id for subnet in subnets}
    if others:
        raise wrong("Subnets specified must be in the same VPC")
    groups = ec2_backends[ACCOUNT][region].groups[vpc]
    if gone := [id for id in wanted.get("securityGroupIds", ()) if id not in groups]:
        raise wrong(f"The security group ID '{gone[0]}' does not exist in {vpc}")
    return str(vpc)


def _zones_of(region: str, network: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({str(subnet.availability_zone) for subnet in subnets_of(region, network["subnetIds"])}))


def _check_zones(cluster: Cluster, zones: tuple[str, ...]) -> None:
    """Refuse another set of zones than at creation (EKS API reference, VpcConfigRequest). Raises AwsError."""
    if zones != cluster.zones:
        raise wrong(
            f"Provided subnets belong to the AZs '{','.join(zones)}'. But they should belong to the exact set of AZs "
            f"'{','.join(cluster.zones)}' in which subnets were provided during cluster creation."
        )


def _endpoints(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    public = wanted.get("endpointPublicAccess", before.get("endpointPublicAccess", True))
    private = wanted.get("endpointPrivateAccess", before.get("endpointPrivateAccess", False))
    blocks = wanted.get("publicAccessCidrs") or before.get("publicAccessCidrs") or ["0.0.0.0/0"]
    if not public and not private:
        raise wrong("Private and public endpoint access cannot both be disabled")
    if public and (reserved := [block for block in blocks if _reserved(block)]):
        # EKS user guide, "Configure network access to cluster API server endpoint".
        raise wrong(f"The following CIDRs in publicAccessCidrs include reserved addresses: {', '.join(reserved)}")
    return {
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": blocks if public else [],
    }


def _reserved(block: str) -> bool:
    """Return whether a block includes addresses that no client of the internet has. EKS accepts the whole internet."""
    network = ipaddress.IPv4Network(block)
    return bool(network.prefixlen) and any(network.overlaps(each) for each in NOT_INTERNET)


def _encryption(call: Call, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse a key that is not in the cluster's region (EKS API reference, Provider)."""
    keys = {key.arn for key in kms_backends[ACCOUNT][call.region].keys.values()}
    for arn in (each["provider"]["keyArn"] for each in wanted):
        if arn not in keys:
            raise wrong(f"The keyArn in encryptionConfig provider is invalid: no key {arn} in {call.region}")
    return wanted


def _logging(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Log types that are on and off, each listed once."""
    on = {kind for each in before.get("clusterLogging", ()) if each["enabled"] for kind in each["types"]}
    for each in wanted.get("clusterLogging", ()):
        on = on | set(each["types"]) if each.get("enabled") else on - set(each["types"])
    parts = [([kind for kind in LOG_TYPES if (kind in on) is enabled], enabled) for enabled in (True, False)]
    return {"clusterLogging": [{"types": types, "enabled": enabled} for types, enabled in parts if types]}


@answers("eks", "DescribeCluster")
def describe_cluster(call: Call, moto: Moto) -> dict[str, Any]:
    return {"cluster": cluster_of(call).about}


@answers("eks", "ListClusters")
def list_clusters(call: Call, moto: Moto) -> dict[str, Any]:
    return {"clusters": sorted(clusters(call.region))}


@answers("eks", "DeleteCluster")
def delete_cluster(call: Call, moto: Moto) -> dict[str, Any]:
    cluster = cluster_of(call)
    if cluster.about["deletionProtection"]:
        raise AwsError("InvalidRequestException", "Cluster has deletion protection enabled")
    if cluster.groups:
        raise taken("Cluster has nodegroups attached")
    _drop_group(call, cluster.about)
    call.world.kubernetes.end(call.region, cluster.about["name"])
    del clusters(call.region)[cluster.about["name"]]
    return {"cluster": cluster.about | {"status": "DELETING"}}


@answers("eks", "UpdateClusterConfig")
def update_cluster_config(call: Call, moto: Moto) -> dict[str, Any]:
    """Apply one kind of change; AWS refuses several in one call."""
    about, wanted = cluster_of(call).about, call.parameters
    kinds = {
        "resourcesVpcConfig": "EndpointAccessUpdate",
        "logging": "LoggingUpdate",
        "accessConfig": "AccessConfigUpdate",
        "upgradePolicy": "UpgradePolicyUpdate",
        "zonalShiftConfig": "ZonalShiftConfigUpdate",
        "deletionProtection": "DeletionProtectionUpdate",
    }
    given = [name for name in kinds if name in wanted]
    if len(given) != 1:
        raise wrong(f"The type for cluster update was not provided, or is not one: {', '.join(given) or 'none'}")
    (name,) = given
    if name == "resourcesVpcConfig":
        network = about[name] | {key: value for key, value in wanted[name].items() if key.endswith("Ids")}
        if _vpc_of(call.region, network) != network["vpcId"]:
            raise wrong(f"Subnets provided must belong to the VPC of the cluster, {network['vpcId']}")
        _check_zones(cluster_of(call), _zones_of(call.region, network))
        about[name] = network | _endpoints(about[name], wanted[name])
        call.world.kubernetes.access_changed(call.world.operator)
    elif name == "logging":
        about[name] = _logging(about[name], wanted[name])
    elif name == "deletionProtection":
        about[name] = wanted[name]
    else:
        about[name] = about[name] | wanted[name]
    return cluster_of(call).updated(kinds[name], {name: wanted[name]})


@answers("eks", "UpdateClusterVersion")
def update_cluster_version(call: Call, moto: Moto) -> dict[str, Any]:
    """Move up by one minor version."""
    cluster, version = cluster_of(call), call.parameters["version"]
    before = cluster.about["version"]
    if version not in VERSIONS or VERSIONS.index(version) != VERSIONS.index(before) + 1:
        raise wrong(f"Unsupported Kubernetes minor version update from {before} to {version}")
    cluster.about["version"] = version
    return cluster.updated("VersionUpdate", {"Version": version})


@answers("eks", "AssociateEncryptionConfig")
def associate_encryption(call: Call, moto: Moto) -> dict[str, Any]:
    """Add encryption to a cluster without it; it cannot be removed."""
    cluster = cluster_of(call)
    if cluster.about["encryptionConfig"]:
        raise wrong("Encryption is already enabled for this cluster")
    cluster.about["encryptionConfig"] = _encryption(call, call.parameters["encryptionConfig"])
    return cluster.updated("AssociateEncryptionConfig", {"EncryptionConfig": "secrets"})


def _updated(call: Call) -> str:
    """Name of the node group or add-on that was updated; "" for the cluster itself."""
    return str(call.parameters.get("nodegroupName") or call.parameters.get("addonName", ""))


@answers("eks", "DescribeUpdate")
def describe_update(call: Call, moto: Moto) -> dict[str, Any]:
    updates, named = cluster_of(call).updates, (_updated(call), call.parameters["updateId"])
    if named not in updates:
        raise missing(f"No update found for ID: {call.parameters['updateId']}")
    return {"update": updates[named]}


@answers("eks", "ListUpdates")
def list_updates(call: Call, moto: Moto) -> dict[str, Any]:
    return {"updateIds": [id for of, id in cluster_of(call).updates if of == _updated(call)]}


# Tags ------------------------------------------------------------------------------------------------------------


def _tagged(call: Call) -> dict[str, str]:
    """The tags of an ARN: of a cluster, or of something that belongs to it."""
    arn = call.parameters["resourceArn"]
    for cluster in clusters(call.region).values():
        inside = (cluster.groups, cluster.addons, cluster.entries, cluster.identities)
        for thing in (cluster.about, *(each for things in inside for each in things.values())):
            if arn in [thing.get(name) for name in ARNS]:
                return thing["tags"]  # type: ignore[no-any-return]
    raise AwsError("NotFoundException", f"The specified resource could not be found: {arn}")


@answers("eks", "TagResource")
def tag(call: Call, moto: Moto) -> dict[str, Any]:
    _tagged(call).update(call.parameters["tags"])
    return {}


@answers("eks", "UntagResource")
def untag(call: Call, moto: Moto) -> dict[str, Any]:
    for key in call.parameters["tagKeys"]:
        _tagged(call).pop(key, None)
    return {}


@answers("eks", "ListTagsForResource")
def list_tags(call: Call, moto: Moto) -> dict[str, Any]:
    return {"tags": _tagged(call)}
