"""Examples of load balancers and certificates."""

from __future__ import annotations

from typing import Any

from sandbox.aws.behaviours import delegations
from tests.sandbox.aws_plugin.examples import RECORD, ROLE, TAGS, ZONE, Example, Inputs, trust
from tests.sandbox.aws_plugin.examples_ec2 import GATEWAY, GROUP, SUBNET, TAG_CHANGE, VPC

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
CERTIFICATE = "aws:acm/certificate:Certificate"
PROJECT = "aws:codebuild/project:Project"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"


def _network(engine: Any, name: str) -> tuple[str, list[str]]:
    vpc = engine.make(VPC, name, cidrBlock="10.9.0.0/16").id
    engine.make(GATEWAY, name, vpcId=vpc)
    places = [
        {"vpcId": vpc, "cidrBlock": f"10.9.{number}.0/24", "availabilityZone": f"us-east-1{zone}"}
        for number, zone in enumerate("ab")
    ]
    return vpc, [engine.make(SUBNET, f"{name}-{place['availabilityZone']}", **place).id for place in places]


def balancer(engine: Any, name: str) -> Inputs:
    vpc, subnets = _network(engine, name)
    group = engine.make(GROUP, name, vpcId=vpc).id
    return {
        "name": name[-32:],
        "loadBalancerType": "network",
        "subnets": subnets,
        "securityGroups": [group],
        "enableCrossZoneLoadBalancing": True,
        "tags": TAGS,
    }


def _balancer(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = balancer(engine, name)
    return first, {**first, "enableCrossZoneLoadBalancing": False}


def target_group(engine: Any, name: str) -> Inputs:
    return {
        "name": name[-32:],
        "port": 8080,
        "protocol": "TCP",
        "targetType": "ip",
        "vpcId": _network(engine, f"{name}-g")[0],
        "deregistrationDelay": 60,
        "healthCheck": {
            "protocol": "HTTP",
            "path": "/v2/health/ready",
            "interval": 10,
            "healthyThreshold": 2,
            "unhealthyThreshold": 2,
        },
        "tags": TAGS,
    }


def _target_group(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = target_group(engine, name)
    return first, {**first, "deregistrationDelay": 120, "healthCheck": {**first["healthCheck"], "interval": 5}}


def certificate(engine: Any, name: str) -> Any:
    """An issued certificate with its validation record in a new zone."""
    domain = f"{name}.example.com"
    made = engine.make(ZONE, name, name=domain)
    delegations.delegate(domain, made.state["nameServers"])
    zone = made.id
    made = engine.make(CERTIFICATE, name, domainName=domain, validationMethod="DNS")
    (option,) = made.state["domainValidationOptions"]
    record = {"type": option["resourceRecordType"], "records": [option["resourceRecordValue"]], "ttl": 60}
    engine.make(RECORD, name, zoneId=zone, name=option["resourceRecordName"], **record)
    return made


def _listener(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    issued = certificate(engine, name)
    engine.make(VALIDATION, name, certificateArn=issued.id)
    group = engine.make(TARGET_GROUP, name, **target_group(engine, name)).id
    first = {
        "loadBalancerArn": engine.make(BALANCER, name, **balancer(engine, name)).id,
        "port": 443,
        "protocol": "TLS",
        "certificateArn": issued.id,
        "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "defaultActions": [{"type": "forward", "targetGroupArn": group}],
        "tags": TAGS,
    }
    return first, {**first, "port": 8443}


def _certificate(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"domainName": f"{name}.example.com", "subjectAlternativeNames": [f"dr-{name}.example.com"]}
    plain |= {"validationMethod": "DNS"}
    return {**plain, "tags": TAGS}, {**plain, "tags": {"team": "ml"}}


def _validation(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    proved = certificate(engine, name)
    (option,) = proved.state["domainValidationOptions"]
    given = {"certificateArn": proved.id, "validationRecordFqdns": [option["resourceRecordName"]]}
    return given, given  # no property can be changed in place


def _project(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    vpc, subnets = _network(engine, name)
    first = {
        "name": name,
        "serviceRole": engine.make(ROLE, name, assumeRolePolicy=trust("codebuild.amazonaws.com")).state["arn"],
        "buildTimeout": 60,
        "source": {"type": "NO_SOURCE", "buildspec": "{}"},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "computeType": "BUILD_GENERAL1_MEDIUM", "image": "runner:1"},
        "vpcConfig": {
            "vpcId": vpc,
            "subnets": subnets,
            "securityGroupIds": [engine.make(GROUP, name, vpcId=vpc).id],
        },
        "logsConfig": {"cloudwatchLogs": {"status": "ENABLED", "groupName": f"/{name}"}},
        "tags": TAGS,
    }
    return first, {**first, "buildTimeout": 30}


EXAMPLES_ELBV2 = {
    "project": Example(PROJECT, _project, frozenset({"buildTimeout"})),
    "balancer": Example(BALANCER, _balancer, frozenset({"enableCrossZoneLoadBalancing"})),
    "target-group": Example(TARGET_GROUP, _target_group, frozenset({"deregistrationDelay", "healthCheck.interval"})),
    "listener": Example(LISTENER, _listener, frozenset({"port"})),
    "certificate": Example(CERTIFICATE, _certificate, TAG_CHANGE),
    "validation": Example(VALIDATION, _validation, frozenset(), stays=True, imports=False),
}
