"""Examples of EC2's and CloudWatch Logs' types, as in examples.py."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import ROLE, TAGS, Example, Inputs, trust

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
EIP = "aws:ec2/eip:Eip"
NAT = "aws:ec2/natGateway:NatGateway"
TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE = "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"

TAG_CHANGE: frozenset[str] = frozenset({'tags["dr:role"]', 'tagsAll["dr:role"]'})


def vpc(engine: Any, name: str) -> str:
    return str(engine.make(VPC, name, cidrBlock="10.0.0.0/16").id)


def subnet(engine: Any, name: str) -> Inputs:
    return {"vpcId": vpc(engine, name), "cidrBlock": "10.0.0.0/19", "availabilityZone": "us-east-1a", "tags": TAGS}


def _vpc(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"cidrBlock": "10.0.0.0/16", "tags": TAGS}
    return plain, {**plain, "enableDnsHostnames": True}


def _subnet(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = subnet(engine, name)
    return plain, {**plain, "mapPublicIpOnLaunch": True}


def _gateway(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    return {"vpcId": vpc(engine, name), "tags": TAGS}, {"vpcId": vpc(engine, f"{name}-other"), "tags": TAGS}


def _tagged(inputs: Inputs) -> tuple[Inputs, Inputs]:
    return {**inputs, "tags": TAGS}, {**inputs, "tags": {"team": "ml"}}


def _eip(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    return _tagged({"domain": "vpc"})


def _nat(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    place = engine.make(SUBNET, name, **subnet(engine, name)).id
    return _tagged({"subnetId": place, "allocationId": engine.make(EIP, name, domain="vpc").id})


def _table(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    return _tagged({"vpcId": vpc(engine, name)})


def _route(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    place = subnet(engine, name)
    table = engine.make(TABLE, name, vpcId=place["vpcId"]).id
    gateways = []
    for each in ("one", "other"):
        public = engine.make(SUBNET, f"{name}-{each}", **place).id
        place["cidrBlock"] = "10.0.32.0/19"
        address = engine.make(EIP, f"{name}-{each}", domain="vpc").id
        gateways.append(engine.make(NAT, f"{name}-{each}", subnetId=public, allocationId=address).id)
    to_all = {"routeTableId": table, "destinationCidrBlock": "0.0.0.0/0"}
    return {**to_all, "natGatewayId": gateways[0]}, {**to_all, "natGatewayId": gateways[1]}


def _association(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    place = subnet(engine, name)
    made = engine.make(SUBNET, name, **place).id
    tables = [engine.make(TABLE, f"{name}-{each}", vpcId=place["vpcId"]).id for each in ("one", "other")]
    return {"subnetId": made, "routeTableId": tables[0]}, {"subnetId": made, "routeTableId": tables[1]}


def https(*blocks: str) -> Inputs:
    return {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": list(blocks), "description": "HTTPS"}


def _group(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    among = {"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}
    plain = {"name": name, "vpcId": vpc(engine, name), "tags": TAGS, "egress": [among]}
    return (
        {**plain, "ingress": [https("10.0.0.0/16", "10.1.0.0/16"), among]},
        {**plain, "ingress": [https("10.0.0.0/16")]},
    )


def _default_group(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    locked = {"vpcId": vpc(engine, name), "ingress": [], "egress": [], "tags": TAGS}
    return locked, {**locked, "ingress": [https("10.0.0.0/16")]}


def _endpoint_s3(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    place = vpc(engine, name)
    tables = [engine.make(TABLE, f"{name}-{each}", vpcId=place).id for each in ("one", "other")]
    plain = {"vpcId": place, "serviceName": "com.amazonaws.us-east-1.s3", "tags": TAGS}
    return {**plain, "routeTableIds": tables[:1]}, {**plain, "routeTableIds": tables}


def _endpoint(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    place = subnet(engine, name)
    made = engine.make(SUBNET, name, **place).id
    group = engine.make(GROUP, name, vpcId=place["vpcId"]).id
    plain = {
        "vpcId": place["vpcId"],
        "serviceName": "com.amazonaws.us-east-1.ecr.api",
        "vpcEndpointType": "Interface",
        "subnetIds": [made],
        "securityGroupIds": [group],
        "tags": TAGS,
    }
    return {**plain, "privateDnsEnabled": False}, {**plain, "privateDnsEnabled": True}


def _flow_log(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    group = engine.make(LOG_GROUP, name)
    role = engine.make(ROLE, name, assumeRolePolicy=trust("vpc-flow-logs.amazonaws.com"))
    where = {"logDestination": group.state["arn"], "iamRoleArn": role.state["arn"]}
    return _tagged({"vpcId": vpc(engine, name), "trafficType": "ALL", **where})


def _log_group(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"name": f"/{name}", "tags": TAGS}
    return plain, {**plain, "retentionInDays": 30}


EXAMPLES_EC2 = {
    "vpc": Example(VPC, _vpc, frozenset({"enableDnsHostnames"})),
    "subnet": Example(SUBNET, _subnet, frozenset({"mapPublicIpOnLaunch"})),
    "internet-gateway": Example(GATEWAY, _gateway, frozenset({"vpcId"})),
    "eip": Example(EIP, _eip, TAG_CHANGE),
    "nat-gateway": Example(NAT, _nat, TAG_CHANGE),
    "route-table": Example(TABLE, _table, TAG_CHANGE),
    "route": Example(ROUTE, _route, frozenset({"natGatewayId"})),
    "association": Example(ASSOCIATION, _association, frozenset({"routeTableId"})),
    "security-group": Example(GROUP, _group, frozenset({"ingress"})),
    "default-security-group": Example(DEFAULT_GROUP, _default_group, frozenset({"ingress"}), stays=True),
    "gateway-endpoint": Example(ENDPOINT, _endpoint_s3, frozenset({"routeTableIds"})),
    "interface-endpoint": Example(ENDPOINT, _endpoint, frozenset({"privateDnsEnabled"})),
    "flow-log": Example(FLOW_LOG, _flow_log, TAG_CHANGE),
    "log-group": Example(LOG_GROUP, _log_group, frozenset({"retentionInDays"})),
}
