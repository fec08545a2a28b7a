"""Access inside a network, and its logs: security groups, endpoints, flow logs.

After internal/service/ec2/vpc_security_group.go, vpc_default_security_group.go, vpc_endpoint.go and vpc_flow_log.go of
the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, Found
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType
from sandbox.aws_plugin.types.ec2 import TAGS

RULES = """:set{protocol=Protocol:string! fromPort=FromPort:integer! toPort=ToPort:integer!
           cidrBlocks=CidrBlocks:set securityGroups=SecurityGroups:set self=Self:boolean
           description=Description:string}"""
RULES = f"ingress=IpPermissions{RULES} egress=IpPermissionsEgress{RULES}"
Rule = Mapping[str, Any]
FIND_GROUP = Found("describe_security_groups", "GroupIds", "SecurityGroups")


def _permission(rule: Rule, group: str) -> dict[str, Any]:
    """The EC2 permission of a rule."""
    description = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*rule.get("securityGroups", ()), *([group] if rule.get("self") else ())]
    ports = {} if rule["protocol"] == "-1" else {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    return {
        "IpProtocol": rule["protocol"],
        **ports,
        "IpRanges": [{"CidrIp": block, **description} for block in rule.get("cidrBlocks", ())],
        "UserIdGroupPairs": [{"GroupId": each, **description} for each in groups],
    }


def _rules(permissions: list[dict[str, Any]], group: str) -> list[dict[str, Any]]:
    """The rules of EC2's permissions: one for each protocol, port range and description."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in permissions:
        place = (permission["IpProtocol"], permission.get("FromPort", 0), permission.get("ToPort", 0))
        sources = [("CidrBlocks", each["CidrIp"], each) for each in permission.get("IpRanges", ())]
        sources += [("SecurityGroups", each["GroupId"], each) for each in permission.get("UserIdGroupPairs", ())]
        for kind, source, each in sources:
            description = each.get("Description", "")
            plain = dict(zip(("Protocol", "FromPort", "ToPort"), place, strict=True))
            rule = found.setdefault((*place, description), {**plain, "Description": description})
            if source == group:
                rule["Self"] = True
            else:
                rule.setdefault(kind, []).append(source)
    return list(found.values())


def _change_rules(group: Resource) -> None:
    """Revoke the removed rules, then authorize the new ones."""
    for name, direction in (("ingress", "ingress"), ("egress", "egress")):
        if name not in group.wanted:
            continue
        old, new = ({_key(rule): rule for rule in rules.get(name, ())} for rules in (group.state, group.wanted))
        for verb, rules in (
            ("revoke", [old[key] for key in old.keys() - new.keys()]),
            ("authorize", [new[key] for key in new.keys() - old.keys()]),
        ):
            if rules:
                permissions = [_permission(rule, group.id) for rule in rules]
                group.send(f"{verb}_security_group_{direction}", GroupId=group.id, IpPermissions=permissions)


def _key(rule: Rule) -> str:
    content = {name: sorted(value) if isinstance(value, list) else value for name, value in rule.items() if value}
    return json.dumps(content, sort_keys=True)


def _revoke_all(group: Resource) -> None:
    found = FIND_GROUP(group) or {}
    for member, direction in (("IpPermissions", "ingress"), ("IpPermissionsEgress", "egress")):
        if found.get(member):
            group.send(f"revoke_security_group_{direction}", GroupId=group.id, IpPermissions=found[member])


def _create_group(group: Resource) -> None:
    Call("create_security_group", identifier="GroupId")(group)
    _revoke_all(group)  # EC2 adds a rule that allows all egress
    _change_rules(group)


def _read_group(group: Resource) -> dict[str, Any] | None:
    found = FIND_GROUP(group)
    if not found:
        return None
    rules = {name: _rules(found[name], group.id) for name in ("IpPermissions", "IpPermissionsEgress")}
    return {**found, **rules}


def _blocks_and_ports(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("ingress", "egress"):
        for index, rule in enumerate(inputs.get(name, ())):
            if rule["protocol"] == "-1" and (rule["fromPort"] or rule["toPort"]):
                yield f"{name}[{index}].fromPort", "protocol -1 means every port: both ports are 0"
            for block in rule.get("cidrBlocks", ()):
                try:
                    ipaddress.IPv4Network(block)
                except ValueError as error:
                    yield f"{name}[{index}].cidrBlocks", f"{block!r} is not a network address: {error}"


SECURITY_GROUP = ResourceType(
    token="aws:ec2/securityGroup:SecurityGroup",
    service="ec2",
    shape="CreateSecurityGroupRequest",
    properties=f"name=GroupName! description vpcId {RULES}",
    outputs="arn=SecurityGroupArn:string ownerId=OwnerId:string",
    identity="{GroupId}",
    auto_name=AutoName("name", 255),
    defaults={"description": "Managed by Pulumi"},
    computed=frozenset({"vpcId", "ingress", "egress"}),
    replace_on=frozenset({"name", "description", "vpcId"}),
    checks=(matches("name", r"(?!sg-).{1,255}", "a name that does not begin with sg-"), _blocks_and_ports),
    create=_create_group,
    read=_read_group,
    update=(("ingress egress", _change_rules),),
    delete=Call("delete_security_group"),
    tags=TAGS,
)


def _adopt_default(group: Resource) -> None:
    """Adopt the VPC's default group and replace its rules."""
    of_vpc = {"Name": "vpc-id", "Values": [group.wanted["vpcId"]]}
    default = {"Name": "group-name", "Values": ["default"]}
    (found,) = group.send("describe_security_groups", Filters=[of_vpc, default])["SecurityGroups"]
    group.id = found["GroupId"]
    _revoke_all(group)
    _change_rules(group)


DEFAULT_SECURITY_GROUP = ResourceType(
    token="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    service="ec2",
    properties=f"vpcId=VpcId:string! {RULES}",
    outputs="arn=SecurityGroupArn:string ownerId=OwnerId:string",
    identity="{GroupId}",
    computed=frozenset({"ingress", "egress"}),
    replace_on=frozenset({"vpcId"}),
    checks=(_blocks_and_ports,),
    create=_adopt_default,
    read=_read_group,
    update=(("ingress egress", _change_rules),),
    delete=lambda _: None,  # AWS deletes it with its VPC
    tags=TAGS,
)


def _read_endpoint(endpoint: Resource) -> dict[str, Any] | None:
    found = Found("describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints")(endpoint)
    return {**found, "SecurityGroupIds": [group["GroupId"] for group in found.get("Groups", ())]} if found else None


def _change_endpoint(endpoint: Resource) -> None:
    arguments: dict[str, Any] = {}
    for name, member in (("routeTableIds", "RouteTableIds"), ("subnetIds", "SubnetIds")):
        arguments |= _members(endpoint, name, member)
    arguments |= _members(endpoint, "securityGroupIds", "SecurityGroupIds")
    for name, member in (("policy", "PolicyDocument"), ("privateDnsEnabled", "PrivateDnsEnabled")):
        if name in (endpoint.changed or ()) and name in endpoint.wanted:
            arguments[member] = endpoint.wanted[name]
    endpoint.send("modify_vpc_endpoint", VpcEndpointId=endpoint.id, **arguments)


def _members(endpoint: Resource, name: str, member: str) -> dict[str, list[str]]:
    if name not in (endpoint.changed or ()):
        return {}
    old, new = set(endpoint.state.get(name, ())), set(endpoint.wanted.get(name, ()))
    return {f"Add{member}": sorted(new - old), f"Remove{member}": sorted(old - new)}


VPC_ENDPOINT = ResourceType(
    token="aws:ec2/vpcEndpoint:VpcEndpoint",
    service="ec2",
    shape="CreateVpcEndpointRequest",
    properties="""vpcId! serviceName! vpcEndpointType policy=PolicyDocument:json routeTableIds:set subnetIds:set
                  securityGroupIds:set privateDnsEnabled""",
    outputs="networkInterfaceIds=NetworkInterfaceIds:set state=State:string",
    identity="{VpcEndpointId}",
    defaults={"vpcEndpointType": "Gateway"},
    computed=frozenset({"policy", "routeTableIds", "subnetIds", "securityGroupIds", "privateDnsEnabled"}),
    replace_on=frozenset({"vpcId", "serviceName", "vpcEndpointType"}),
    allowed={"vpcEndpointType": ("Gateway", "Interface")},
    create=Call("create_vpc_endpoint", identifier="VpcEndpoint.VpcEndpointId"),
    read=_read_endpoint,
    update=(("", _change_endpoint),),
    delete=lambda endpoint: endpoint.send("delete_vpc_endpoints", VpcEndpointIds=[endpoint.id]),
    tags=TAGS,
)


def _create_flow_log(log: Resource) -> None:
    arguments = log.arguments("create_flow_logs") | {"ResourceIds": [log.wanted["vpcId"]], "ResourceType": "VPC"}
    answer = log.send("create_flow_logs", **arguments)
    for failed in answer.get("Unsuccessful", ()):
        error = failed["Error"]
        raise Refused(error["Code"], error["Message"], "ec2:CreateFlowLogs", log.region)
    (log.id,) = answer["FlowLogIds"]


def _arns(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("iamRoleArn", "logDestination"):
        if name in inputs and not inputs[name].startswith("arn:aws"):
            yield name, f"{inputs[name]!r} is not an ARN"


FLOW_LOG = ResourceType(
    token="aws:ec2/flowLog:FlowLog",
    service="ec2",
    shape="CreateFlowLogsRequest",
    properties="""vpcId=ResourceId:string! trafficType! logDestinationType logDestination!
                  iamRoleArn=DeliverLogsPermissionArn maxAggregationInterval""",
    identity="{FlowLogId}",
    defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
    replace_on=frozenset(
        {"vpcId", "trafficType", "logDestinationType", "logDestination", "iamRoleArn", "maxAggregationInterval"}
    ),
    checks=(_arns,),
    create=_create_flow_log,
    read=Found("describe_flow_logs", "FlowLogIds", "FlowLogs"),
    delete=lambda log: log.send("delete_flow_logs", FlowLogIds=[log.id]),
    tags=TAGS,
    retries=("Unable to assume given IAM role",),
)

TYPES = (SECURITY_GROUP, DEFAULT_SECURITY_GROUP, VPC_ENDPOINT, FLOW_LOG)
