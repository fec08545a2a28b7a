"""EKS: clusters and node groups; eks_access.py has add-ons and access.

After internal/service/eks/*.go of the provider that the real plugin wraps (terraform-provider-aws). The sandbox
completes an update at once, so no step waits.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType, Step, Tags

CLUSTER_NAME = (r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", "1 to 100 letters, digits, _ and -, the first no sign")
ARN = (r"arn:aws[\w-]*:.+", "an ARN")
ENDPOINT = ("endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs")
PRIVATE = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def tagged_by(output: str = "arn") -> Tags:
    """Tags of a resource that has its ARN in this output; EKS takes them as a map."""
    return tagged("resourceArn", output, names="tagKeys", tags="tags", pair=None)


# Clusters ------------------------------------------------------------------------------------------------------


def _logging(wanted: list[str], before: list[str]) -> dict[str, Any]:
    parts = [(sorted(wanted), True), (sorted(set(before) - set(wanted)), False)]
    return {"clusterLogging": [{"types": types, "enabled": enabled} for types, enabled in parts if types]}


def _create_cluster(cluster: Resource) -> None:
    arguments = cluster.arguments("create_cluster")
    if types := cluster.wanted.get("enabledClusterLogTypes"):
        arguments["logging"] = _logging(types, [])
    arguments["bootstrapSelfManagedAddons"] = cluster.wanted["bootstrapSelfManagedAddons"]
    cluster.send("create_cluster", **arguments, tags=cluster.wanted["tagsAll"])
    cluster.tagged = True


def _read_cluster(cluster: Resource) -> dict[str, Any]:
    found = cluster.send("describe_cluster", name=cluster.id)["cluster"]
    on = [kind for each in found["logging"]["clusterLogging"] if each["enabled"] for kind in each["types"]]
    identities = [{"oidcs": [found["identity"]["oidc"]]}]
    # EKS does not return whether it installed its own add-ons.
    return {**found, "LogTypes": on, "Identities": identities, "Bootstrap": cluster["bootstrapSelfManagedAddons"]}


def _changes(member: str) -> Step:
    """Change one member: EKS accepts one kind of change a call."""

    def step(cluster: Resource) -> None:
        content = cluster.arguments("create_cluster")[member]
        if member == "accessConfig":
            content.pop("bootstrapClusterCreatorAdminPermissions", None)
        cluster.send("update_cluster_config", name=cluster.id, **{member: content})

    return step


def _change_network(cluster: Resource) -> None:
    """Change endpoint access, subnets and security groups, each by a call of its own."""
    old, new = cluster.state["vpcConfig"], cluster.arguments("create_cluster")["resourcesVpcConfig"]
    for names in (ENDPOINT, ("subnetIds",), ("securityGroupIds",)):
        changed = {name: new[name] for name in names if name in new}
        if any(_ordered(value) != _ordered(old.get(name)) for name, value in changed.items()):
            cluster.send("update_cluster_config", name=cluster.id, resourcesVpcConfig=changed)


def _ordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _change_logging(cluster: Resource) -> None:
    types = _logging(cluster.wanted.get("enabledClusterLogTypes", []), cluster.state.get("enabledClusterLogTypes", []))
    cluster.send("update_cluster_config", name=cluster.id, logging=types)


def _encrypt(cluster: Resource) -> None:
    """Enable encryption where the cluster has none; like the plugin, do nothing where it has."""
    if not cluster.state.get("encryptionConfig"):
        config = cluster.arguments("create_cluster")["encryptionConfig"]
        cluster.send("associate_encryption_config", clusterName=cluster.id, encryptionConfig=config)


def _upgrade(cluster: Resource) -> None:
    cluster.send("update_cluster_version", name=cluster.id, version=cluster.wanted["version"])


def _public_blocks(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for index, block in enumerate(inputs.get("vpcConfig", {}).get("publicAccessCidrs", ())):
        try:
            ipaddress.ip_network(block)
        except ValueError as error:
            yield f"vpcConfig.publicAccessCidrs[{index}]", f"{block!r} is not a network address: {error}"


def _service_block(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    if text := inputs.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr"):
        path = "kubernetesNetworkConfig.serviceIpv4Cidr"
        try:
            block = ipaddress.IPv4Network(text)
        except ValueError as error:
            yield path, f"{text!r} is not a network address: {error}"
            return
        if not 12 <= block.prefixlen <= 24 or not any(block.subnet_of(private) for private in PRIVATE):
            yield path, f"{block} is not between /12 and /24 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"


CLUSTER = ResourceType(
    token="aws:eks/cluster:Cluster",
    service="eks",
    shape="CreateClusterRequest",
    properties="""name! roleArn! version bootstrapSelfManagedAddons=Bootstrap:boolean deletionProtection
                  enabledClusterLogTypes=LogTypes:set
                  vpcConfig=resourcesVpcConfig{subnetIds:set! securityGroupIds:set endpointPrivateAccess
                      endpointPublicAccess publicAccessCidrs:set vpcId=vpcId:string
                      clusterSecurityGroupId=clusterSecurityGroupId:string}
                  kubernetesNetworkConfig{serviceIpv4Cidr ipFamily}
                  encryptionConfig=encryptionConfig.0{provider{keyArn!} resources:set!}
                  accessConfig{authenticationMode bootstrapClusterCreatorAdminPermissions}
                  upgradePolicy{supportType} zonalShiftConfig{enabled}""",
    outputs="""arn=arn:string endpoint=endpoint:string status=status:string platformVersion=platformVersion:string
               createdAt=createdAt:timestamp certificateAuthority=certificateAuthority:object{data=data:string}
               identities=Identities:list{oidcs=oidcs:list{issuer=issuer:string}}""",
    identity="{name}",
    auto_name=AutoName("name", 100),
    defaults={
        "bootstrapSelfManagedAddons": True,
        "vpcConfig.endpointPrivateAccess": False,
        "vpcConfig.endpointPublicAccess": True,
    },
    computed=frozenset(
        {
            *("version", "deletionProtection", "bootstrapSelfManagedAddons", "enabledClusterLogTypes"),
            *("vpcConfig.vpcId", "vpcConfig.clusterSecurityGroupId", "vpcConfig.publicAccessCidrs"),
            *("vpcConfig.securityGroupIds", "kubernetesNetworkConfig", "accessConfig", "upgradePolicy"),
            *("zonalShiftConfig", "kubernetesNetworkConfig.serviceIpv4Cidr", "kubernetesNetworkConfig.ipFamily"),
            *("accessConfig.authenticationMode", "accessConfig.bootstrapClusterCreatorAdminPermissions"),
        }
    ),
    replace_on=frozenset(
        {
            *("name", "roleArn", "bootstrapSelfManagedAddons", "accessConfig.bootstrapClusterCreatorAdminPermissions"),
            *("kubernetesNetworkConfig.ipFamily", "kubernetesNetworkConfig.serviceIpv4Cidr"),
        }
    ),
    replace_on_removal=frozenset({"encryptionConfig"}),
    allowed={
        "enabledClusterLogTypes[]": ("api", "audit", "authenticator", "controllerManager", "scheduler"),
        "encryptionConfig.resources[]": ("secrets",),
    },
    checks=(matches("name", *CLUSTER_NAME), matches("roleArn", *ARN), _public_blocks, _service_block),
    create=_create_cluster,
    read=_read_cluster,
    update=(
        ("version", _upgrade),
        ("accessConfig", _changes("accessConfig")),
        ("deletionProtection", _changes("deletionProtection")),
        ("encryptionConfig", _encrypt),
        ("enabledClusterLogTypes", _change_logging),
        ("upgradePolicy", _changes("upgradePolicy")),
        ("vpcConfig", _change_network),
        ("zonalShiftConfig", _changes("zonalShiftConfig")),
    ),
    delete=Call("delete_cluster"),
    tags=tagged_by(),
    retries=("could not be assumed",),
)


# Node groups ---------------------------------------------------------------------------------------------------


def _one_of(name: str, one: str, other: str) -> Any:
    """A rule: an object has exactly one of two members."""

    def rule(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
        if name in inputs and (one in inputs[name]) == (other in inputs[name]):
            given = "both are set" if one in inputs[name] else "none is set"
            yield name, f"takes one of {one} and {other}; {given}"

    return rule


def _read_group(group: Resource) -> dict[str, Any]:
    found = group.send("describe_nodegroup", **group.identity())["nodegroup"]
    return {**found, "Resources": [found["resources"]]}


def _renew_nodes(group: Resource) -> None:
    """Update nodes. Unchanged versions are not sent: EKS would update to the newest image of that version."""
    changed, wanted = group.changed or set(), group.arguments("create_nodegroup")
    arguments: dict[str, Any] = {
        name: wanted[name] for name in ("version", "releaseVersion") if name in wanted and name in changed
    }
    if template := wanted.get("launchTemplate"):
        # EKS returns id and name, and accepts only one of them.
        arguments["launchTemplate"] = {name: value for name, value in template.items() if name != "name"}
    if group.wanted.get("forceUpdateVersion"):
        arguments["force"] = True
    group.send("update_nodegroup_version", **group.identity(), **arguments)


def _change_group(group: Resource) -> None:
    changed, wanted = group.changed or set(), group.arguments("create_nodegroup")
    arguments: dict[str, Any] = {
        name: wanted[name] for name in ("scalingConfig", "updateConfig", "nodeRepairConfig") if name in changed
    }
    if "labels" in changed:
        old, new = group.state.get("labels", {}), wanted.get("labels", {})
        arguments["labels"] = {"addOrUpdateLabels": new, "removeLabels": sorted(old.keys() - new.keys())}
    if "taints" in changed:
        new = [(taint["key"], taint["effect"]) for taint in wanted.get("taints", ())]
        gone = [taint for taint in group.state.get("taints", ()) if (taint["key"], taint["effect"]) not in new]
        arguments["taints"] = {"addOrUpdateTaints": wanted.get("taints", []), "removeTaints": gone}
    group.send("update_nodegroup_config", **group.identity(), **arguments)


NODE_GROUP = ResourceType(
    token="aws:eks/nodeGroup:NodeGroup",
    service="eks",
    shape="CreateNodegroupRequest",
    properties="""clusterName! nodeGroupName=nodegroupName! nodeRoleArn=nodeRole! subnetIds=subnets:set!
                  scalingConfig!{desiredSize! minSize! maxSize!} launchTemplate{id name version!} instanceTypes amiType
                  capacityType diskSize labels taints:set{key! value effect!} version releaseVersion
                  updateConfig{maxUnavailable maxUnavailablePercentage updateStrategy} nodeRepairConfig{enabled}
                  forceUpdateVersion:boolean""",
    outputs="""arn=nodegroupArn:string status=status:string
               resources=Resources:list{autoscalingGroups=autoScalingGroups:list{name=name:string}}""",
    identity="{clusterName}:{nodegroupName}",
    auto_name=AutoName("nodeGroupName", 63),
    computed=frozenset(
        {
            *("amiType", "capacityType", "diskSize", "instanceTypes", "version", "releaseVersion"),
            *(
                "launchTemplate.id",
                "launchTemplate.name",
                "updateConfig",
                "updateConfig.updateStrategy",
                "nodeRepairConfig",
                "nodeRepairConfig.enabled",
            ),
        }
    ),
    replace_on=frozenset(
        {
            *("amiType", "capacityType", "clusterName", "diskSize", "instanceTypes", "launchTemplate.id"),
            *("launchTemplate.name", "nodeGroupName", "nodeRoleArn", "subnetIds"),
        }
    ),
    checks=(
        matches("clusterName", *CLUSTER_NAME),
        matches("nodeRoleArn", *ARN),
        matches("nodeGroupName", r".{1,63}", "1 to 63 characters"),
        _one_of("launchTemplate", "id", "name"),
        _one_of("updateConfig", "maxUnavailable", "maxUnavailablePercentage"),
    ),
    create=Call("create_nodegroup", tags="tags"),
    read=_read_group,
    update=(
        ("launchTemplate version releaseVersion", _renew_nodes),
        ("labels scalingConfig taints updateConfig nodeRepairConfig", _change_group),
    ),
    delete=Call("delete_nodegroup"),
    tags=tagged_by(),
)

TYPES = (CLUSTER, NODE_GROUP)
