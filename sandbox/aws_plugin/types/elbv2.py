"""Load balancers, target groups and listeners.

After internal/service/elbv2/{load_balancer,target_group,listener}.go of the provider that the real plugin wraps
(terraform-provider-aws). They model network load balancers; of application load balancers only the common part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType

NAME = (r"(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", "32 letters, digits and inner hyphens at most")


# What all types of the service share ---------------------------------------------------------------------------


TAGS = tagged(
    "ResourceArns",
    operations=("describe_tags", "add_tags", "remove_tags"),
    answer="TagDescriptions.0.Tags",
    listed=True,
)


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unspelled(text: str, kind: str) -> Any:
    return text == "true" if kind == "boolean" else int(text) if kind == "integer" else text


def _attributes(resource: Resource, table: Mapping[str, str]) -> list[dict[str, str]]:
    """The wanted attributes; of an update those that changed."""
    names = [name for name in table if resource.changed is None or name in resource.changed]
    wanted = {table[name]: resource.wanted[name] for name in names if name in resource.wanted}
    return [{"Key": key, "Value": _spelled(value)} for key, value in wanted.items()]


def _with_attributes(
    resource: Resource, found: dict[str, Any], table: Mapping[str, str], operation: str, parameter: str
) -> dict[str, Any]:
    answer = resource.send(operation, **{parameter: resource.id})["Attributes"]
    there = {attribute["Key"]: attribute["Value"] for attribute in answer}
    kinds = {name: resource.type.fields[name] for name in table}
    values = {
        kinds[name].member: _unspelled(there[key], kinds[name].kind) for name, key in table.items() if key in there
    }
    return {**found, **values, "ArnSuffix": _suffix(resource.id)}


def _suffix(arn: str) -> str:
    """The name in CloudWatch's dimensions."""
    return arn.rpartition(":")[2].removeprefix("loadbalancer/")


# Load balancers ------------------------------------------------------------------------------------------------

OF_BALANCER = {
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
    "enableZonalShift": "zonal_shift.config.enabled",
}
"""Settings that are attributes at AWS."""


def _set_balancer(balancer: Resource) -> None:
    if attributes := _attributes(balancer, OF_BALANCER):
        balancer.send("modify_load_balancer_attributes", LoadBalancerArn=balancer.id, Attributes=attributes)


def _read_balancer(balancer: Resource) -> dict[str, Any]:
    found = balancer.send("describe_load_balancers", LoadBalancerArns=[balancer.id])["LoadBalancers"][0]
    found["Subnets"] = [zone["SubnetId"] for zone in found["AvailabilityZones"]]
    found |= {"Internal": found.get("Scheme") == "internal", "Name": found["LoadBalancerName"]}
    return _with_attributes(balancer, found, OF_BALANCER, "describe_load_balancer_attributes", "LoadBalancerArn")


def _create_balancer(balancer: Resource) -> None:
    arguments = balancer.arguments("create_load_balancer")
    if balancer.wanted.get("internal"):
        arguments["Scheme"] = "internal"
    balancer.id = balancer.send("create_load_balancer", **arguments)["LoadBalancers"][0]["LoadBalancerArn"]
    _set_balancer(balancer)


def _set_groups(balancer: Resource) -> None:
    groups = balancer.wanted.get("securityGroups", [])
    balancer.send("set_security_groups", LoadBalancerArn=balancer.id, SecurityGroups=groups)


def _set_subnets(balancer: Resource) -> None:
    balancer.send("set_subnets", LoadBalancerArn=balancer.id, Subnets=balancer.wanted["subnets"])


BALANCER = ResourceType(
    token="aws:lb/loadBalancer:LoadBalancer",
    service="elbv2",
    shape="CreateLoadBalancerInput",
    properties="""name! loadBalancerType=Type internal=Internal:boolean subnets:set securityGroups:set ipAddressType
                  enableDeletionProtection=Protected:boolean enableCrossZoneLoadBalancing=CrossZone:boolean
                  dnsRecordClientRoutingPolicy=Routing:string enableZonalShift=Shift:boolean""",
    outputs="arn=LoadBalancerArn:string arnSuffix=ArnSuffix:string dnsName=DNSName:string vpcId=VpcId:string "
    "zoneId=CanonicalHostedZoneId:string",
    identity="{LoadBalancerArn}",
    auto_name=AutoName("name", 32),
    defaults={
        **{"loadBalancerType": "application", "dnsRecordClientRoutingPolicy": "any_availability_zone"},
        **{"enableDeletionProtection": False, "enableCrossZoneLoadBalancing": False, "enableZonalShift": False},
    },
    computed=frozenset({"internal", "subnets", "securityGroups", "ipAddressType"}),
    replace_on=frozenset({"name", "internal", "loadBalancerType"}),
    allowed={
        "dnsRecordClientRoutingPolicy": (
            *("any_availability_zone", "availability_zone_affinity"),
            "partial_availability_zone_affinity",
        )
    },
    checks=(matches("name", *NAME),),
    create=_create_balancer,
    read=_read_balancer,
    update=((" ".join(OF_BALANCER), _set_balancer), ("securityGroups", _set_groups), ("subnets", _set_subnets)),
    delete=Call("delete_load_balancer"),
    tags=TAGS,
)


# Target groups -------------------------------------------------------------------------------------------------

OF_GROUP = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "preserveClientIp": "preserve_client_ip.enabled",
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
}
CHECK_MEMBERS = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
"""The properties of a health check to members that AWS keeps beside the group's own."""


def _check_arguments(group: Resource) -> dict[str, Any]:
    wanted = group.wanted.get("healthCheck", {})
    given = {member: wanted[name] for name, member in CHECK_MEMBERS.items() if name in wanted}
    return given | ({"Matcher": {"HttpCode": wanted["matcher"]}} if "matcher" in wanted else {})


def _set_group(group: Resource) -> None:
    if attributes := _attributes(group, OF_GROUP):
        group.send("modify_target_group_attributes", TargetGroupArn=group.id, Attributes=attributes)


def _create_group(group: Resource) -> None:
    arguments = group.arguments("create_target_group") | _check_arguments(group)
    group.id = group.send("create_target_group", **arguments)["TargetGroups"][0]["TargetGroupArn"]
    _set_group(group)


def _read_group(group: Resource) -> dict[str, Any]:
    found = group.send("describe_target_groups", TargetGroupArns=[group.id])["TargetGroups"][0]
    check = {name: found[member] for name, member in CHECK_MEMBERS.items() if member in found}
    if code := found.get("Matcher", {}).get("HttpCode"):
        check["matcher"] = code
    found = {**found, "HealthCheck": check, "Name": found["TargetGroupName"]}
    return _with_attributes(group, found, OF_GROUP, "describe_target_group_attributes", "TargetGroupArn")


def _change_check(group: Resource) -> None:
    group.send("modify_target_group", TargetGroupArn=group.id, **_check_arguments(group))


def _check_rules(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    check = inputs.get("healthCheck", {})
    limits = {"interval": (5, 300), "timeout": (2, 120), "healthyThreshold": (2, 10), "unhealthyThreshold": (2, 10)}
    for name, (least, most) in limits.items():
        if name in check and not least <= check[name] <= most:
            yield f"healthCheck.{name}", f"{check[name]} is not between {least} and {most}"
    if check.get("protocol") == "TCP":
        for name in ("path", "matcher"):
            if name in check:
                yield f"healthCheck.{name}", "does not apply to a TCP health check"


TARGET_GROUP = ResourceType(
    token="aws:lb/targetGroup:TargetGroup",
    service="elbv2",
    shape="CreateTargetGroupInput",
    properties="""name! port protocol targetType vpcId ipAddressType
                  deregistrationDelay=Delay:integer preserveClientIp=KeepIp:string
                  connectionTermination=Terminate:boolean
                  healthCheck=HealthCheck:object{enabled=enabled:boolean healthyThreshold=healthyThreshold:integer
                      interval=interval:integer matcher=matcher:string path=path:string port=port:string
                      protocol=protocol:string timeout=timeout:integer
                      unhealthyThreshold=unhealthyThreshold:integer}""",
    outputs="arn=TargetGroupArn:string arnSuffix=ArnSuffix:string",
    identity="{TargetGroupArn}",
    auto_name=AutoName("name", 32),
    defaults={"deregistrationDelay": 300, "targetType": "instance"},
    computed=frozenset(
        {
            *("ipAddressType", "preserveClientIp", "connectionTermination", "healthCheck"),
            *(f"healthCheck.{name}" for name in (*CHECK_MEMBERS, "matcher")),
        }
    ),
    replace_on=frozenset({"name", "port", "protocol", "targetType", "vpcId", "ipAddressType"}),
    needs={"targetType": ("port", "protocol", "vpcId")},
    checks=(matches("name", *NAME), between("deregistrationDelay", 0, 3600), _check_rules),
    create=_create_group,
    read=_read_group,
    update=((" ".join(OF_GROUP), _set_group), ("healthCheck", _change_check)),
    # A listener that forwards to it may be deleted at the same time.
    delete=Call("delete_target_group", retries=("currently in use by a listener",)),
    tags=TAGS,
)


# Listeners -----------------------------------------------------------------------------------------------------


def _listener(listener: Resource, operation: str) -> dict[str, Any]:
    arguments = listener.arguments(operation)
    if certificate := listener.wanted.get("certificateArn"):
        arguments["Certificates"] = [{"CertificateArn": certificate}]
    if policy := listener.wanted.get("alpnPolicy"):
        arguments["AlpnPolicy"] = [policy]
    return arguments


def _create_listener(listener: Resource) -> None:
    arguments = _listener(listener, "create_listener")
    listener.id = listener.send("create_listener", **arguments)["Listeners"][0]["ListenerArn"]


def _update_listener(listener: Resource) -> None:
    listener.send("modify_listener", **_listener(listener, "modify_listener"))


def _read_listener(listener: Resource) -> dict[str, Any]:
    found: dict[str, Any] = listener.send("describe_listeners", ListenerArns=[listener.id])["Listeners"][0]
    certificates = found.get("Certificates") or [{}]
    alpn = (found.get("AlpnPolicy") or [None])[0]
    return {**found, "Certificate": certificates[0].get("CertificateArn"), "Alpn": alpn}


LISTENER = ResourceType(
    token="aws:lb/listener:Listener",
    service="elbv2",
    shape="CreateListenerInput",
    properties="""loadBalancerArn! port protocol sslPolicy certificateArn=Certificate:string alpnPolicy=Alpn:string
                  defaultActions!{type! targetGroupArn}""",
    outputs="arn=ListenerArn:string",
    identity="{ListenerArn}",
    computed=frozenset({"sslPolicy", "alpnPolicy"}),
    replace_on=frozenset({"loadBalancerArn"}),
    allowed={"alpnPolicy": ("HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None")},
    checks=(between("port", 1, 65_535),),
    create=_create_listener,
    read=_read_listener,
    update=(("", _update_listener),),
    delete=Call("delete_listener"),
    tags=TAGS,
    retries=("CertificateNotFound", "UnsupportedCertificate"),
)

TYPES = (BALANCER, TARGET_GROUP, LISTENER)
