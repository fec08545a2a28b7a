"""Auto Scaling groups and their scaling policies.

After internal/service/autoscaling/{group,policy}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.check import between
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType

REPLACING = {"mixedInstancesPolicy", "launchTemplate"}
"""Properties with which an update starts an instance refresh, if the group has one (`shouldRefreshInstances`)."""


def _members(group: Resource) -> dict[str, Any]:
    """The group's members, as AWS spells them."""
    members = {name: value for name, value in group.members().items() if name != "EnabledMetrics"}
    if "Subnets" in members:
        members["VPCZoneIdentifier"] = ",".join(sorted(members.pop("Subnets")))
    return members


def _tag(group: Resource, tag: Mapping[str, Any]) -> dict[str, Any]:
    return {**tag, "ResourceId": group.wanted.get("name") or group.id, "ResourceType": "auto-scaling-group"}


def _tags(group: Resource, source: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _tag(group, {"Key": each["key"], "Value": each["value"], "PropagateAtLaunch": each["propagateAtLaunch"]})
        for each in source.get("tags", ())
    ]


def _create_group(group: Resource) -> None:
    group.send("create_auto_scaling_group", **{**_members(group), "Tags": _tags(group, group.wanted)})
    group.id = group.wanted["name"]
    _collect(group)


def _collect(group: Resource) -> None:
    """Enable the wanted metrics and disable the others."""
    wanted, before = set(group.wanted.get("enabledMetrics", ())), set(group.state.get("enabledMetrics") or ())
    if gone := sorted(before - wanted):
        group.send("disable_metrics_collection", AutoScalingGroupName=group.id, Metrics=gone)
    if wanted:
        granularity = group.wanted["metricsGranularity"]
        named = {"AutoScalingGroupName": group.id, "Granularity": granularity}
        group.send("enable_metrics_collection", Metrics=sorted(wanted), **named)


def _read_group(group: Resource) -> dict[str, Any] | None:
    answer = group.send("describe_auto_scaling_groups", AutoScalingGroupNames=[group.id])
    found = next(iter(answer["AutoScalingGroups"]), None)
    if found is None:
        return None
    enabled = [each["Metric"] for each in found.get("EnabledMetrics", ())]
    tags = [{name: tag[name] for name in ("Key", "Value", "PropagateAtLaunch")} for tag in found.get("Tags", ())]
    subnets = [each for each in (found.get("VPCZoneIdentifier") or "").split(",") if each]
    return {**found, "Tags": tags, "Subnets": subnets, "EnabledMetrics": enabled}


def _update_group(group: Resource) -> None:
    changed = group.changed or set()
    wanted = _members(group)
    wanted.pop("Tags", None)
    group.send("update_auto_scaling_group", **wanted)
    if "tags" in changed:
        kept = {each["Key"] for each in _tags(group, group.wanted)}
        if gone := [each for each in _tags(group, group.state) if each["Key"] not in kept]:
            group.send("delete_tags", Tags=gone)
        if group.wanted.get("tags"):
            group.send("create_or_update_tags", Tags=_tags(group, group.wanted))
    if "enabledMetrics" in changed:
        _collect(group)
    if changed & REPLACING and "instanceRefresh" in group.wanted:
        _refresh(group)


def _refresh(group: Resource) -> None:
    """Start a refresh, which the plugin does not wait for; one that runs is cancelled first."""
    wanted = group.wanted["instanceRefresh"]
    preferences = {name[0].upper() + name[1:]: value for name, value in wanted.get("preferences", {}).items()}
    if "InstanceWarmup" in preferences:
        preferences["InstanceWarmup"] = int(preferences["InstanceWarmup"])
    arguments = {"AutoScalingGroupName": group.id, "Strategy": wanted["strategy"], "Preferences": preferences}
    try:
        group.send("start_instance_refresh", **arguments)
    except Refused as error:
        if error.code != "InstanceRefreshInProgress":
            raise
        group.send("cancel_instance_refresh", AutoScalingGroupName=group.id)
        group.send("start_instance_refresh", **arguments)


def _delete_group(group: Resource) -> None:
    """Set the sizes to 0, and delete the group once its instances have ended."""
    named = {"AutoScalingGroupName": group.id}
    if not group.send("describe_auto_scaling_groups", AutoScalingGroupNames=[group.id])["AutoScalingGroups"]:
        return
    group.send("update_auto_scaling_group", **named, MinSize=0, MaxSize=0, DesiredCapacity=0)
    group.retry(
        lambda: group.send("delete_auto_scaling_group", **named), ("ResourceInUse", "ScalingActivityInProgress")
    )


def _waiting(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    """The model does not wait for capacity, which the plugin does unless that is "0"."""
    if inputs.get("waitForCapacityTimeout") != "0":
        yield "waitForCapacityTimeout", 'is not carried by the sandbox unless it is "0"'


GROUP = ResourceType(
    token="aws:autoscaling/group:Group",
    service="autoscaling",
    shape="CreateAutoScalingGroupType",
    properties="""name=AutoScalingGroupName! minSize! maxSize! desiredCapacity
                  vpcZoneIdentifiers=Subnets:set healthCheckType healthCheckGracePeriod capacityRebalance
                  enabledMetrics=EnabledMetrics:set metricsGranularity:string waitForCapacityTimeout:string
                  forceDelete:boolean forceDeleteWarmPool:boolean ignoreFailedScalingActivities:boolean
                  protectFromScaleIn=NewInstancesProtectedFromScaleIn:boolean
                  mixedInstancesPolicy{
                      instancesDistribution{onDemandAllocationStrategy onDemandBaseCapacity
                          onDemandPercentageAboveBaseCapacity spotAllocationStrategy spotInstancePools spotMaxPrice}
                      launchTemplate{
                          launchTemplateSpecification{launchTemplateId launchTemplateName version}
                          overrides{instanceType weightedCapacity}}}
                  instanceRefresh:object{strategy:string! triggers:set
                      preferences:object{minHealthyPercentage:integer maxHealthyPercentage:integer
                          instanceWarmup:string skipMatching:boolean autoRollback:boolean}}
                  tags:set{key! value! propagateAtLaunch!}""",
    outputs="arn=AutoScalingGroupARN:string",
    identity="{AutoScalingGroupName}",
    auto_name=AutoName("name", 255),
    defaults={
        **{"forceDelete": False, "forceDeleteWarmPool": False, "ignoreFailedScalingActivities": False},
        **{"healthCheckGracePeriod": 300, "metricsGranularity": "1Minute", "protectFromScaleIn": False},
        "waitForCapacityTimeout": "10m",
    },
    computed=frozenset(
        {
            *("desiredCapacity", "healthCheckType", "capacityRebalance"),
            "mixedInstancesPolicy.launchTemplate.launchTemplateSpecification.launchTemplateName",
            "mixedInstancesPolicy.instancesDistribution.spotInstancePools",
            "mixedInstancesPolicy.instancesDistribution.onDemandAllocationStrategy",
            "mixedInstancesPolicy.instancesDistribution.spotAllocationStrategy",
        }
    ),
    replace_on=frozenset({"name"}),
    checks=(_waiting,),
    create=_create_group,
    read=_read_group,
    update=(("", _update_group),),
    delete=_delete_group,
    # The role of an instance profile, and a copied image, are visible a little later.
    retries=("Invalid IAM Instance Profile",),
)


def _adjustments(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    step = inputs["policyType"] == "StepScaling"
    if step and not inputs.get("stepAdjustments"):
        yield "stepAdjustments", "policyType StepScaling needs them"
    if not step and inputs.get("stepAdjustments"):
        yield "stepAdjustments", f"policyType {inputs['policyType']} does not take them"
    if step and "scalingAdjustment" in inputs:
        yield "scalingAdjustment", "policyType StepScaling does not take it"


BOUNDS = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")


def _put_policy(policy: Resource) -> None:
    arguments = policy.arguments("put_scaling_policy")
    for each in arguments.get("StepAdjustments", ()):
        each.update({name: float(each[name]) for name in BOUNDS if name in each})
    policy.send("put_scaling_policy", **arguments)
    policy.id = arguments["PolicyName"]


def _read_policy(policy: Resource) -> dict[str, Any] | None:
    # The import id is "group/policy".
    group, _, name = policy.id.rpartition("/")
    group, policy.id = policy["autoscalingGroupName"] or group, name
    if not group:
        return None
    found = policy.send("describe_policies", AutoScalingGroupName=group, PolicyNames=[name])["ScalingPolicies"]
    if not found:
        return None
    for each in found[0].get("StepAdjustments", ()):
        each.update({bound: f"{each[bound]:g}" for bound in BOUNDS if bound in each})
    # moto does not report whether a policy is enabled.
    return {"Enabled": True, **found[0]}


def _delete_policy(policy: Resource) -> None:
    group = policy["autoscalingGroupName"]
    try:
        policy.send("delete_policy", AutoScalingGroupName=group, PolicyName=policy.id)
    except Refused as error:
        if error.code != "ValidationError":
            raise


POLICY = ResourceType(
    token="aws:autoscaling/policy:Policy",
    service="autoscaling",
    shape="PutScalingPolicyType",
    properties="""name=PolicyName! autoscalingGroupName=AutoScalingGroupName:string! policyType adjustmentType
                  scalingAdjustment cooldown estimatedInstanceWarmup metricAggregationType enabled
                  stepAdjustments:set{scalingAdjustment! metricIntervalLowerBound:string
                      metricIntervalUpperBound:string}""",
    outputs="arn=PolicyARN:string",
    auto_name=AutoName("name", 255),
    defaults={"enabled": True, "policyType": "SimpleScaling"},
    computed=frozenset({"metricAggregationType"}),
    replace_on=frozenset({"name", "autoscalingGroupName"}),
    checks=(_adjustments, between("cooldown", 0, 86_400)),
    create=_put_policy,
    read=_read_policy,
    update=(("", _put_policy),),
    delete=_delete_policy,
)

TYPES = (GROUP, POLICY)
