"""EKS: node groups, each with an Auto Scaling group of the name that EKS gives it.

The Auto Scaling group has sizes, subnets and tags. sandbox/clusters/scaling.py launches and terminates its instances
while Kubernetes runs; without Kubernetes it has none.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.eks import VERSIONS, Cluster, check_role, cluster_of, now, subnets_of, taken, wrong


class NodeScalingGroup(FakeAutoScalingGroup):
    """A node group's Auto Scaling group. It launches nothing: moto would launch at once, all in the first subnet."""

    node_group: dict[str, Any]
    activities: list[dict[str, Any]]

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Set the size, here and in the node group. Raises AutoscalingClientError for a size out of bounds."""
        least, most = self.min_size or 0, self.max_size or 0
        wanted = least if new_capacity is None else new_capacity
        for bound, wrong_side in (("min", wanted < least), ("max", wanted > most)):
            if wrong_side:
                side, value = ("below", least) if bound == "min" else ("above", most)
                message = (
                    f"New SetDesiredCapacity value {wanted} is {side} {bound} value {value} for the AutoScalingGroup."
                )
                raise AutoscalingClientError("ValidationError", message)
        self.desired_capacity = wanted
        self.node_group["scalingConfig"] = {"minSize": least, "maxSize": most, "desiredSize": wanted}

    def replace_autoscaling_group_instances(self, count_needed: int, propagated_tags: dict[str, str]) -> None:
        """Do nothing: sandbox/clusters/scaling.py replaces terminated instances."""


DEFAULT_TYPES = ["t3.medium"]
RELEASE = ".0-20261101"
"""End of the default release version of an image, after the version of Kubernetes."""
LARGEST_GROUP = 450
"""Nodes that a managed node group may have (EKS service quotas)."""


def _group(call: Call) -> dict[str, Any]:
    cluster = cluster_of(call)
    return cluster.find(cluster.groups, call.parameters["nodegroupName"], "node group")


@answers("eks", "CreateNodegroup")
def create_group(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, cluster = call.parameters, cluster_of(call)
    name = wanted["nodegroupName"]
    if name in cluster.groups:
        raise taken(f"NodeGroup already exists with name {name} and cluster name {cluster.about['name']}")
    check_role(wanted["nodeRole"], "ec2.amazonaws.com")
    if {subnet.vpc_id for subnet in subnets_of(call.region, wanted["subnets"])} != {
        cluster.about["resourcesVpcConfig"]["vpcId"]
    }:
        raise wrong("Subnets are not in the VPC of the cluster")
    template = _template(call, wanted["launchTemplate"]) if "launchTemplate" in wanted else None
    _check_nodes(call, wanted, template)
    scaling = {"minSize": 1, "maxSize": 2, "desiredSize": 2} | wanted.get("scalingConfig", {})
    _check_sizes(scaling)
    version = _version(cluster, wanted.get("version", cluster.about["version"]))
    made = {
        "nodegroupName": name,
        "nodegroupArn": f"arn:aws:eks:{call.region}:{ACCOUNT}:nodegroup/{cluster.about['name']}/{name}/{uuid4()}",
        "clusterName": cluster.about["name"],
        "version": version,
        "releaseVersion": _release(wanted, version),
        "createdAt": now(),
        "modifiedAt": now(),
        "status": "ACTIVE",
        "capacityType": wanted.get("capacityType", "ON_DEMAND"),
        "scalingConfig": scaling,
        "instanceTypes": wanted.get("instanceTypes") or ([] if template else DEFAULT_TYPES),
        "subnets": wanted["subnets"],
        "amiType": wanted.get("amiType", "AL2023_x86_64_STANDARD"),
        "nodeRole": wanted["nodeRole"],
        "labels": wanted.get("labels", {}),
        "taints": wanted.get("taints", []),
        "updateConfig": _update_config(wanted.get("updateConfig") or {"maxUnavailable": 1}),
        "nodeRepairConfig": {"enabled": False} | wanted.get("nodeRepairConfig", {}),
        "health": {"issues": []},
        "tags": wanted.get("tags", {}),
    }
    made |= {"launchTemplate": template} if template else {"diskSize": wanted.get("diskSize", 20)}
    scaling_group = _make_scaling_group(call, cluster, made)
    made["resources"] = {"autoScalingGroups": [{"name": scaling_group.name}]}
    cluster.groups[name] = made
    return {"nodegroup": made}


def _template(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    """The launch template with id, name and version. Raises AwsError if it does not exist."""
    if ("id" in wanted) == ("name" in wanted):
        raise wrong("Either provide launch template ID or launch template name in the request.")
    for template in ec2_backends[ACCOUNT][call.region].launch_templates.values():
        if template.id == wanted.get("id") or template.name == wanted.get("name"):
            version = wanted.get("version", str(template.default_version_number))
            if not version.isdigit() or not 1 <= int(version) <= template.latest_version_number:
                raise wrong(f"Launch template version {version} of {template.id} does not exist")
            return {"id": template.id, "name": template.name, "version": version}
    raise wrong(f"Launch template {wanted.get('id') or wanted.get('name')} does not exist")


def _check_nodes(call: Call, wanted: dict[str, Any], template: dict[str, Any] | None) -> None:
    """Refuse settings that contradict the template (EKS user guide, "Launch template configuration basics")."""
    data: dict[str, Any] = {}
    if template:
        kept = ec2_backends[ACCOUNT][call.region].launch_templates[template["id"]]
        data = kept.get_version(int(template["version"])).data
        if "diskSize" in wanted:
            raise wrong("Disk size must be specified within the launch template.")
    types = wanted.get("instanceTypes", ())
    if types and "InstanceType" in data:
        raise AwsError("InvalidRequestException", "Cannot specify instance types in launch template and API request")
    if "ImageId" in data and wanted.get("amiType", "CUSTOM") != "CUSTOM":
        raise wrong(f"An AMI type of CUSTOM goes with the image in the launch template; got {wanted['amiType']}")
    if gone := [name for name in types if name not in INSTANCE_TYPES]:
        raise wrong(f"The following supplied instance types do not exist: [{', '.join(gone)}]")


def _version(cluster: Cluster, version: str) -> str:
    """Check a Kubernetes version of nodes: supported, and not above the control plane's. Raises AwsError."""
    most = cluster.about["version"]
    if version not in VERSIONS:
        raise wrong(f"unsupported Kubernetes version {version}; supported are {', '.join(VERSIONS)}")
    if VERSIONS.index(version) > VERSIONS.index(most):
        raise wrong(f"Nodegroup Kubernetes version {version} is above the cluster's {most}")
    return version


def _release(wanted: dict[str, Any], version: str) -> str:
    """Return the release of the image: the given one, of that version of Kubernetes, or the newest. Raises AwsError."""
    release = str(wanted.get("releaseVersion", f"{version}{RELEASE}"))
    if not release.startswith(f"{version}."):
        raise wrong(f"Requested release version {release} is not valid for kubernetes version {version}.")
    return release


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.replace("-", ".").split(".")]


def _update_config(wanted: dict[str, Any]) -> dict[str, Any]:
    if ("maxUnavailable" in wanted) == ("maxUnavailablePercentage" in wanted):
        raise wrong("Exactly one of maxUnavailable and maxUnavailablePercentage is required in updateConfig")
    strategy = wanted.get("updateStrategy", "DEFAULT")
    if strategy not in ("DEFAULT", "MINIMAL"):
        raise wrong(f"updateStrategy is DEFAULT or MINIMAL; got {strategy}")
    return {"updateStrategy": strategy} | wanted


def _check_sizes(scaling: dict[str, int]) -> None:
    least, most, desired = scaling["minSize"], scaling["maxSize"], scaling["desiredSize"]
    if least > desired:
        raise wrong(f"Minimum capacity {least} can't be greater than desired size {desired}")
    if desired > most:
        raise wrong(f"desired capacity {desired} can't be greater than max size {most}")
    if not 1 <= most <= LARGEST_GROUP:
        raise wrong(f"maximum capacity {most} must be between 1 and {LARGEST_GROUP}")


def _make_scaling_group(call: Call, cluster: Cluster, group: dict[str, Any]) -> NodeScalingGroup:
    name = f"eks-{group['nodegroupName']}-{uuid4()}"
    template = group.get("launchTemplate")
    if not template:
        made = ec2_backends[ACCOUNT][call.region].create_launch_template(name, "by EKS", {}, {})
        template = {"id": made.id, "version": "1"}
    owner = cluster.about["name"]
    tags = {
        "eks:cluster-name": owner,
        "eks:nodegroup-name": group["nodegroupName"],
        "k8s.io/cluster-autoscaler/enabled": "true",
        f"k8s.io/cluster-autoscaler/{owner}": "owned",
        f"kubernetes.io/cluster/{owner}": "owned",
    }
    made_group: Any = autoscaling_backends[ACCOUNT][call.region].create_auto_scaling_group(
        name=name,
        availability_zones=[],
        desired_capacity=0,
        max_size=0,
        min_size=0,
        launch_config_name="",
        launch_template={"LaunchTemplateId": template["id"], "Version": template["version"]},
        vpc_zone_identifier=",".join(group["subnets"]),
        default_cooldown=300,
        health_check_period=15,
        health_check_type="EC2",
        load_balancers=[],
        target_group_arns=[],
        placement_group=None,
        termination_policies=["AllocationStrategy", "OldestLaunchTemplate", "OldestInstance"],
        tags=[
            {
                "key": key,
                "value": value,
                "resource_id": name,
                "resource_type": "auto-scaling-group",
                "propagate_at_launch": "true",
            }
            for key, value in tags.items()
        ],
    )
    made_group.__class__ = NodeScalingGroup  # moto cannot be made to create another class
    made_group.node_group, made_group.activities = group, []
    _resize(made_group, group["scalingConfig"])
    return made_group  # type: ignore[no-any-return]


def _resize(group: NodeScalingGroup, scaling: dict[str, int]) -> None:
    group.min_size, group.max_size = scaling["minSize"], scaling["maxSize"]
    group.set_desired_capacity(scaling["desiredSize"])


def scaling_group(region: str, group: dict[str, Any]) -> NodeScalingGroup:
    """The Auto Scaling group of a node group. Raises KeyError if it was deleted."""
    found: Any = autoscaling_backends[ACCOUNT][region].autoscaling_groups[
        group["resources"]["autoScalingGroups"][0]["name"]
    ]
    return found  # type: ignore[no-any-return]


@answers("eks", "DescribeNodegroup")
def describe_group(call: Call, moto: Moto) -> dict[str, Any]:
    return {"nodegroup": _group(call)}


@answers("eks", "ListNodegroups")
def list_groups(call: Call, moto: Moto) -> dict[str, Any]:
    return {"nodegroups": sorted(cluster_of(call).groups)}


@answers("eks", "DeleteNodegroup")
def delete_group(call: Call, moto: Moto) -> dict[str, Any]:
    group = _group(call)
    name = group["resources"]["autoScalingGroups"][0]["name"]
    gone: Any = autoscaling_backends[ACCOUNT][call.region].autoscaling_groups.pop(name, None)
    if gone and gone.instance_states:
        instances = [state.instance_id for state in gone.instance_states]
        ec2_backends[ACCOUNT][call.region].terminate_instances(instances)
    if "launchTemplate" not in group:
        ec2_backends[ACCOUNT][call.region].delete_launch_template(name, None)
    del cluster_of(call).groups[group["nodegroupName"]]
    return {"nodegroup": group | {"status": "DELETING"}}


@answers("eks", "UpdateNodegroupConfig")
def update_group_config(call: Call, moto: Moto) -> dict[str, Any]:
    group, wanted = _group(call), call.parameters
    scaling = group["scalingConfig"] | wanted.get("scalingConfig", {})
    _check_sizes(scaling)
    labels, taints = wanted.get("labels", {}), wanted.get("taints", {})
    kept = {name: value for name, value in group["labels"].items() if name not in labels.get("removeLabels", ())}
    replaced = [(taint["key"], taint["effect"]) for part in taints.values() for taint in part]
    left = [taint for taint in group["taints"] if (taint["key"], taint["effect"]) not in replaced]
    group |= {
        "scalingConfig": scaling,
        "labels": kept | labels.get("addOrUpdateLabels", {}),
        "taints": left + taints.get("addOrUpdateTaints", []),
        "updateConfig": _update_config(wanted.get("updateConfig", group["updateConfig"])),
        "nodeRepairConfig": wanted.get("nodeRepairConfig", group["nodeRepairConfig"]),
        "modifiedAt": now(),
    }
    _resize(scaling_group(call.region, group), scaling)
    return cluster_of(call).updated("ConfigUpdate", {"ScalingConfig": scaling}, group["nodegroupName"])


@answers("eks", "UpdateNodegroupVersion")
def update_group_version(call: Call, moto: Moto) -> dict[str, Any]:
    """Replace all nodes: by another version of the launch template, or of Kubernetes up to the control plane's."""
    group, wanted, cluster = _group(call), call.parameters, cluster_of(call)
    changes: dict[str, Any] = {"modifiedAt": now()}
    if "launchTemplate" in wanted:
        if "launchTemplate" not in group:
            raise wrong("The node group was not created with a launch template, and cannot be updated with one")
        template = changes["launchTemplate"] = _template(call, wanted["launchTemplate"])
        if template["id"] != group["launchTemplate"]["id"]:
            raise wrong("The launch template of a node group cannot be changed for another one")
    # Without a version, the newest image of the present version is meant.
    version = changes["version"] = _version(cluster, wanted.get("version", group["version"]))
    if VERSIONS.index(version) < VERSIONS.index(group["version"]):
        raise wrong(f"A node group cannot go back from Kubernetes version {group['version']} to {version}")
    changes["releaseVersion"] = _release(wanted, version)
    release, before = changes["releaseVersion"], group["releaseVersion"]
    if _numbers(release) < _numbers(before):
        raise wrong(f"A node group cannot go back from release version {before} to {release}")
    group |= changes
    if "launchTemplate" in changes:
        scaled, used = scaling_group(call.region, group), group["launchTemplate"]["version"]
        scaled.launch_template_version = scaled.provided_launch_template_version = used
    return cluster.updated("VersionUpdate", {"Version": version}, group["nodegroupName"])
