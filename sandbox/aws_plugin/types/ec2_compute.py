"""Launch templates, capacity reservations, and single rules of a security group.

After internal/service/ec2/ec2_launch_template.go, ec2_capacity_reservation.go and vpc_security_group_ingress_rule.go of
the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.aws_plugin.calls import Call, Found
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType
from sandbox.aws_plugin.types.ec2 import TAGS, arn, network_address

SPELLED = ("Encrypted", "DeleteOnTermination")
"""Booleans of a volume, which the plugin keeps as text."""
PUBLIC = ("AssociatePublicIpAddress",)
"""Booleans of a network interface, which the plugin keeps as text."""
ABOUT = ("LaunchTemplateName", "VersionDescription")


# Launch templates ----------------------------------------------------------------------------------------------


def _data(template: Resource) -> dict[str, Any]:
    """The template's data, as the plugin sends it."""
    data = {name: value for name, value in template.members().items() if name not in ABOUT}
    if "NetworkInterfaces" in data:
        data["NetworkInterfaces"] = [_flags(each, PUBLIC) for each in data["NetworkInterfaces"]]
    volumes = [dict(mapping["Ebs"]) for mapping in data.get("BlockDeviceMappings", ()) if "Ebs" in mapping]
    for volume in volumes:
        volume.update({name: volume[name] == "true" for name in SPELLED if volume.get(name)})
    mappings = [dict(mapping) for mapping in data.get("BlockDeviceMappings", ())]
    for mapping in mappings:
        if "Ebs" in mapping:
            mapping["Ebs"] = volumes.pop(0)
    return {**data, "BlockDeviceMappings": mappings} if mappings else data


def _flags(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Values with those that the plugin keeps as text as booleans."""
    return {name: value == "true" if name in names and value else value for name, value in values.items()}


def _described_as(template: Resource) -> dict[str, str]:
    return {"VersionDescription": template.wanted["description"]} if template.wanted.get("description") else {}


def _create_template(template: Resource) -> None:
    answer = template.send(
        "create_launch_template",
        LaunchTemplateName=template.wanted["name"],
        LaunchTemplateData=_data(template),
        **_described_as(template),
    )
    template.id = answer["LaunchTemplate"]["LaunchTemplateId"]


def _update_template(template: Resource) -> None:
    """Create a version, unless only tags or the default version changed."""
    version = template.state["latestVersion"]
    if (template.changed or set()) - {"tags", "tagsAll", "updateDefaultVersion"}:
        answer = template.send(
            "create_launch_template_version",
            LaunchTemplateId=template.id,
            LaunchTemplateData=_data(template),
            **_described_as(template),
        )
        version = answer["LaunchTemplateVersion"]["VersionNumber"]
    if template.wanted.get("updateDefaultVersion"):
        template.send("modify_launch_template", LaunchTemplateId=template.id, DefaultVersion=str(version))


def _read_template(template: Resource) -> dict[str, Any] | None:
    try:
        found = Found("describe_launch_templates", "LaunchTemplateIds", "LaunchTemplates")(template)
    except Refused as error:
        if error.code.startswith("InvalidLaunchTemplateId"):
            return None
        raise
    if not found:
        return None
    answer = template.send("describe_launch_template_versions", LaunchTemplateId=template.id, Versions=["$Latest"])
    latest = answer["LaunchTemplateVersions"][0]
    data = latest["LaunchTemplateData"]
    for mapping in data.get("BlockDeviceMappings", ()):
        volume = mapping.get("Ebs", {})
        volume.update({name: str(volume[name]).lower() for name in SPELLED if name in volume})
    for interface in data.get("NetworkInterfaces", ()):
        interface.update({name: str(interface[name]).lower() for name in PUBLIC if name in interface})
    of = arn(template, found["CreatedBy"].split(":")[4], "launch-template")
    return {**data, **found, "VersionDescription": latest.get("VersionDescription"), "Arn": of}


LAUNCH_TEMPLATE = ResourceType(
    token="aws:ec2/launchTemplate:LaunchTemplate",
    service="ec2",
    shape="RequestLaunchTemplateData",
    properties="""name=LaunchTemplateName:string! description=VersionDescription:string imageId instanceType userData
                  vpcSecurityGroupIds=SecurityGroupIds:set monitoring{enabled} iamInstanceProfile{arn name}
                  networkInterfaces{deviceIndex associatePublicIpAddress:string securityGroups=Groups:set}
                  metadataOptions{httpEndpoint httpTokens httpPutResponseHopLimit instanceMetadataTags}
                  blockDeviceMappings{deviceName ebs{volumeSize volumeType iops throughput kmsKeyId
                      encrypted:string deleteOnTermination:string}}
                  capacityReservationSpecification{capacityReservationPreference capacityReservationTarget{
                      capacityReservationId capacityReservationResourceGroupArn}}
                  tagSpecifications{resourceType tags} updateDefaultVersion:boolean""",
    outputs="arn=Arn:string latestVersion=LatestVersionNumber:integer defaultVersion=DefaultVersionNumber:integer",
    identity="{LaunchTemplateId}",
    auto_name=AutoName("name", 125),
    computed=frozenset(
        {
            *("metadataOptions", "metadataOptions.httpEndpoint", "metadataOptions.httpTokens"),
            *("metadataOptions.httpPutResponseHopLimit", "metadataOptions.instanceMetadataTags"),
            *("blockDeviceMappings[].ebs.iops", "blockDeviceMappings[].ebs.throughput"),
            *("blockDeviceMappings[].ebs.volumeSize", "blockDeviceMappings[].ebs.deleteOnTermination"),
        }
    ),
    replace_on=frozenset({"name"}),
    renewed=frozenset({"latestVersion", "defaultVersion"}),
    checks=(matches("name", r"[\w()./-]{3,125}", "3 to 125 letters, digits and ()./_-"),),
    create=_create_template,
    read=_read_template,
    update=(("", _update_template),),
    delete=Call("delete_launch_template"),
    tags=TAGS,
)


# Capacity reservations -----------------------------------------------------------------------------------------


def _read_reservation(reservation: Resource) -> dict[str, Any] | None:
    gone = ("cancelled", "expired")
    found = Found("describe_capacity_reservations", "CapacityReservationIds", "CapacityReservations", gone=gone)(
        reservation
    )
    return {**found, "InstanceCount": found["TotalInstanceCount"]} if found else None


def _modify_reservation(reservation: Resource) -> None:
    wanted = reservation.members()
    arguments = {name: wanted[name] for name in ("InstanceCount", "EndDateType", "EndDate") if name in wanted}
    reservation.send("modify_capacity_reservation", CapacityReservationId=reservation.id, **arguments)


def _same_moment(one: Any, other: Any) -> bool:
    return datetime.fromisoformat(one) == datetime.fromisoformat(other)


def _end(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    if "endDate" not in inputs:
        return
    try:
        moment = datetime.fromisoformat(inputs["endDate"])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        yield "endDate", f"{inputs['endDate']!r} is not an RFC 3339 time such as 2030-01-31T18:00:00Z"
    if inputs.get("endDateType") == "unlimited":
        yield "endDate", "goes with endDateType limited, and not with unlimited"


CAPACITY_RESERVATION = ResourceType(
    token="aws:ec2/capacityReservation:CapacityReservation",
    service="ec2",
    shape="CreateCapacityReservationRequest",
    properties="""instanceType! instancePlatform! availabilityZone! instanceCount! instanceMatchCriteria tenancy
                  ebsOptimized ephemeralStorage endDateType endDate""",
    outputs="arn=CapacityReservationArn:string ownerId=OwnerId:string",
    identity="{CapacityReservationId}",
    defaults={
        **{"ebsOptimized": False, "ephemeralStorage": False, "tenancy": "default"},
        **{"endDateType": "unlimited", "instanceMatchCriteria": "open"},
    },
    replace_on=frozenset(
        {
            *("availabilityZone", "ebsOptimized", "ephemeralStorage", "instanceMatchCriteria"),
            *("instancePlatform", "instanceType", "tenancy"),
        }
    ),
    equal={"endDate": _same_moment},
    checks=(_end,),
    create=Call("create_capacity_reservation", identifier="CapacityReservation.CapacityReservationId"),
    read=_read_reservation,
    update=(("instanceCount endDateType endDate", _modify_reservation),),
    delete=Call("cancel_capacity_reservation"),
    tags=TAGS,
)


# Single rules --------------------------------------------------------------------------------------------------

PEERS = ("cidrIpv4", "prefixListId", "referencedSecurityGroupId")


def _one_peer(inputs: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Problem]:
    if len(given := [name for name in PEERS if name in inputs]) > 1:
        yield given[1], f"a rule has one peer, and {given[0]} names another"


def _ports(inputs: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Problem]:
    every = inputs.get("ipProtocol") == "-1"
    for name in ("fromPort", "toPort"):
        if every and name in inputs:
            yield name, "is to be left out with protocol -1, which is every port"


def _permission(rule: Resource) -> dict[str, Any]:
    wanted = rule.wanted
    description = {"Description": wanted["description"]} if wanted.get("description") else {}
    made = {"IpProtocol": wanted["ipProtocol"]}
    made |= {key: wanted[name] for key, name in (("FromPort", "fromPort"), ("ToPort", "toPort")) if name in wanted}
    if "cidrIpv4" in wanted:
        return {**made, "IpRanges": [{"CidrIp": wanted["cidrIpv4"], **description}]}
    if "prefixListId" in wanted:
        return {**made, "PrefixListIds": [{"PrefixListId": wanted["prefixListId"], **description}]}
    return {**made, "UserIdGroupPairs": [{"GroupId": wanted["referencedSecurityGroupId"], **description}]}


def _rule(direction: str) -> ResourceType:
    def create(rule: Resource) -> None:
        answer = rule.send(
            f"authorize_security_group_{direction}",
            GroupId=rule.wanted["securityGroupId"],
            IpPermissions=[_permission(rule)],
        )
        rule.id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def read(rule: Resource) -> dict[str, Any] | None:
        answer = rule.optional("describe_security_group_rules", SecurityGroupRuleIds=[rule.id])
        found = next(iter(answer.get("SecurityGroupRules", ())), None)
        if not found:
            return None
        ports = {name: found[name] for name in ("FromPort", "ToPort") if found.get(name, -1) != -1}
        peer = {"ReferencedGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId")}
        rest = {name: value for name, value in found.items() if name not in ("FromPort", "ToPort")}
        of = arn(rule, found["GroupOwnerId"], "security-group-rule")
        return {**rest, **ports, **peer, "SecurityGroupRuleArn": of}

    def modify(rule: Resource) -> None:
        names = {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort", "cidrIpv4": "CidrIpv4"}
        names |= {"referencedSecurityGroupId": "ReferencedGroupId", "description": "Description"}
        names |= {"prefixListId": "PrefixListId"}
        content = {member: rule.wanted[name] for name, member in names.items() if name in rule.wanted}
        if content["IpProtocol"] == "-1":
            content |= {"FromPort": -1, "ToPort": -1}
        one = {"SecurityGroupRuleId": rule.id, "SecurityGroupRule": content}
        group = rule.wanted["securityGroupId"]
        rule.send("modify_security_group_rules", GroupId=group, SecurityGroupRules=[one])

    def revoke(rule: Resource) -> None:
        group = rule.state["securityGroupId"]
        rule.send(f"revoke_security_group_{direction}", GroupId=group, SecurityGroupRuleIds=[rule.id])

    kind = direction.capitalize()
    return ResourceType(
        token=f"aws:vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule",
        service="ec2",
        properties="""securityGroupId=GroupId:string! ipProtocol=IpProtocol:string! fromPort=FromPort:integer
                      toPort=ToPort:integer cidrIpv4=CidrIpv4:string prefixListId=PrefixListId:string
                      referencedSecurityGroupId=ReferencedGroupId:string
                      description=Description:string""",
        outputs="arn=SecurityGroupRuleArn:string securityGroupRuleId=SecurityGroupRuleId:string",
        identity="{SecurityGroupRuleId}",
        replace_on=frozenset({"securityGroupId"}),
        # Another kind of peer replaces the rule.
        replace_on_removal=frozenset(PEERS),
        needs={"": PEERS},
        checks=(
            _one_peer,
            _ports,
            network_address("cidrIpv4"),
            between("fromPort", -1, 65_535),
            between("toPort", -1, 65_535),
        ),
        create=create,
        read=read,
        update=(("", modify),),
        delete=revoke,
        tags=TAGS,
    )


TYPES = (LAUNCH_TEMPLATE, CAPACITY_RESERVATION, _rule("ingress"), _rule("egress"))
