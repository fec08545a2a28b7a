"""Networks: VPCs, subnets, gateways, addresses, route tables and their routes.

After internal/service/ec2/vpc_*.go and ec2_eip.go of the provider that the real plugin wraps (terraform-provider-aws).
A route's id is its import id, TABLE_DESTINATION, and an association's its subnet's: each can be read back by it alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, Found, tagged
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import Problem, Resource, ResourceType, Step

VPC_DEFAULTS = {"enableDnsSupport": True, "enableDnsHostnames": False}
"""Attributes of a new VPC; other values are set after its creation."""


# What all types of the service share ---------------------------------------------------------------------------


def arn(resource: Resource, owner: str, kind: str) -> str:
    """The ARN, which EC2 does not return and the plugin builds."""
    return f"arn:aws:ec2:{resource.region}:{owner}:{kind}/{resource.id}"


def _tags(resource: Resource) -> dict[str, str]:
    answer = resource.send("describe_tags", Filters=[{"Name": "resource-id", "Values": [resource.id]}])
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


TAGS = tagged("Resources", operations=("", "create_tags", "delete_tags"), names="Tags", listed=True, read=_tags)


def network_address(name: str, least: int = 0, most: int = 32) -> Any:
    """A rule: an IPv4 block has no host bits, and its prefix length is within limits."""

    def rule(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
        if name not in inputs:
            return
        try:
            block = ipaddress.IPv4Network(inputs[name])
        except ValueError as error:
            yield name, f"{inputs[name]!r} is not a network address: {error}"
            return
        if not least <= block.prefixlen <= most:
            yield name, f"{block} is not between /{least} and /{most}"

    return rule


# The types -----------------------------------------------------------------------------------------------------


def _create_vpc(vpc: Resource) -> None:
    Call("create_vpc", identifier="Vpc.VpcId")(vpc)
    _set_dns(vpc)


def _set_dns(vpc: Resource) -> None:
    """Set one attribute a call; DNS support comes first, since host names need it."""
    for name, default in VPC_DEFAULTS.items():
        before = default if vpc.changed is None else vpc.state.get(name)
        if (wanted := vpc.wanted.get(name)) is not None and wanted != before:
            vpc.send("modify_vpc_attribute", VpcId=vpc.id, **{name[0].upper() + name[1:]: {"Value": wanted}})


def _read_vpc(vpc: Resource) -> dict[str, Any] | None:
    found = Found("describe_vpcs", "VpcIds", "Vpcs")(vpc)
    if not found:
        return None
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        attribute = name[0].lower() + name[1:]
        found[name] = vpc.send("describe_vpc_attribute", VpcId=vpc.id, Attribute=attribute)[name]["Value"]
    of_vpc = {"Name": "vpc-id", "Values": [vpc.id]}
    default = {"Name": "group-name", "Values": ["default"]}
    main = {"Name": "association.main", "Values": ["true"]}
    groups = vpc.send("describe_security_groups", Filters=[of_vpc, default])["SecurityGroups"]
    tables = vpc.send("describe_route_tables", Filters=[of_vpc, main])["RouteTables"]
    return {
        **found,
        "Arn": arn(vpc, found["OwnerId"], "vpc"),
        "DefaultGroupId": groups[0]["GroupId"] if groups else None,
        "MainTableId": tables[0]["RouteTableId"] if tables else None,
    }


VPC = ResourceType(
    token="aws:ec2/vpc:Vpc",
    service="ec2",
    shape="CreateVpcRequest",
    properties="""cidrBlock! instanceTenancy enableDnsSupport=EnableDnsSupport:boolean
                  enableDnsHostnames=EnableDnsHostnames:boolean""",
    outputs="""arn=Arn:string ownerId=OwnerId:string defaultSecurityGroupId=DefaultGroupId:string
               mainRouteTableId=MainTableId:string""",
    identity="{VpcId}",
    defaults={"instanceTenancy": "default", "enableDnsSupport": True},
    computed=frozenset({"enableDnsHostnames"}),
    replace_on=frozenset({"cidrBlock", "instanceTenancy"}),
    checks=(network_address("cidrBlock", 16, 28),),
    create=_create_vpc,
    read=_read_vpc,
    update=(("enableDnsSupport enableDnsHostnames", _set_dns),),
    delete=Call("delete_vpc"),
    tags=TAGS,
)


def _create_subnet(subnet: Resource) -> None:
    Call("create_subnet", identifier="Subnet.SubnetId")(subnet)
    if subnet.wanted["mapPublicIpOnLaunch"]:
        _map_public_ip(subnet)


def _map_public_ip(subnet: Resource) -> None:
    value = {"Value": subnet.wanted["mapPublicIpOnLaunch"]}
    subnet.send("modify_subnet_attribute", SubnetId=subnet.id, MapPublicIpOnLaunch=value)


SUBNET = ResourceType(
    token="aws:ec2/subnet:Subnet",
    service="ec2",
    shape="CreateSubnetRequest",
    properties="vpcId! cidrBlock! availabilityZone mapPublicIpOnLaunch=MapPublicIpOnLaunch:boolean",
    outputs="arn=SubnetArn:string ownerId=OwnerId:string",
    identity="{SubnetId}",
    defaults={"mapPublicIpOnLaunch": False},
    computed=frozenset({"availabilityZone"}),
    replace_on=frozenset({"availabilityZone", "cidrBlock", "vpcId"}),
    checks=(network_address("cidrBlock"),),
    create=_create_subnet,
    read=Found("describe_subnets", "SubnetIds", "Subnets"),
    update=(("mapPublicIpOnLaunch", _map_public_ip),),
    delete=Call("delete_subnet"),
    tags=TAGS,
)


def _create_gateway(gateway: Resource) -> None:
    gateway.id = gateway.send("create_internet_gateway")["InternetGateway"]["InternetGatewayId"]
    _attach(gateway)


def _attach(gateway: Resource) -> None:
    """Attach the gateway to the wanted VPC, if any, and detach it from the former one."""
    _detach(gateway)
    if vpc := gateway.wanted.get("vpcId"):
        gateway.send("attach_internet_gateway", InternetGatewayId=gateway.id, VpcId=vpc)


def _detach(gateway: Resource) -> None:
    if not (vpc := gateway.state.get("vpcId")):
        return
    try:
        gateway.send("detach_internet_gateway", InternetGatewayId=gateway.id, VpcId=vpc)
    except Refused as error:
        if error.code not in ("Gateway.NotAttached", "InvalidInternetGatewayID.NotFound"):
            raise


def _read_gateway(gateway: Resource) -> dict[str, Any] | None:
    found = Found("describe_internet_gateways", "InternetGatewayIds", "InternetGateways")(gateway)
    if not found:
        return None
    vpc = next((each["VpcId"] for each in found["Attachments"]), None)
    return {**found, "VpcId": vpc, "Arn": arn(gateway, found["OwnerId"], "internet-gateway")}


def _delete_gateway(gateway: Resource) -> None:
    _detach(gateway)
    gateway.send("delete_internet_gateway", InternetGatewayId=gateway.id)


INTERNET_GATEWAY = ResourceType(
    token="aws:ec2/internetGateway:InternetGateway",
    service="ec2",
    properties="vpcId=VpcId:string",
    outputs="arn=Arn:string ownerId=OwnerId:string",
    identity="{InternetGatewayId}",
    computed=frozenset({"vpcId"}),
    create=_create_gateway,
    read=_read_gateway,
    update=(("vpcId", _attach),),
    delete=_delete_gateway,
    tags=TAGS,
)

EIP = ResourceType(
    token="aws:ec2/eip:Eip",
    service="ec2",
    shape="AllocateAddressRequest",
    properties="domain",
    outputs="allocationId=AllocationId:string publicIp=PublicIp:string",
    identity="{AllocationId}",
    computed=frozenset({"domain"}),
    replace_on=frozenset({"domain"}),
    allowed={"domain": ("vpc",)},
    create=Call("allocate_address", identifier="AllocationId"),
    read=Found("describe_addresses", "AllocationIds", "Addresses"),
    delete=Call("release_address"),
    tags=TAGS,
)


def _create_nat(nat: Resource) -> None:
    # The member that holds the allocation differs between the request and the answer.
    answer = nat.send("create_nat_gateway", SubnetId=nat.wanted["subnetId"], AllocationId=nat.wanted["allocationId"])
    nat.id = answer["NatGateway"]["NatGatewayId"]


NAT_GATEWAY = ResourceType(
    token="aws:ec2/natGateway:NatGateway",
    service="ec2",
    shape="CreateNatGatewayRequest",
    properties="allocationId=NatGatewayAddresses.0.AllocationId:string! subnetId!",
    outputs="publicIp=NatGatewayAddresses.0.PublicIp:string privateIp=NatGatewayAddresses.0.PrivateIp:string",
    identity="{NatGatewayId}",
    replace_on=frozenset({"allocationId", "subnetId"}),
    create=_create_nat,
    read=Found("describe_nat_gateways", "NatGatewayIds", "NatGateways"),
    delete=Call("delete_nat_gateway"),
    tags=TAGS,
)


def _read_table(table: Resource) -> dict[str, Any] | None:
    found = Found("describe_route_tables", "RouteTableIds", "RouteTables")(table)
    return {**found, "Arn": arn(table, found["OwnerId"], "route-table")} if found else None


ROUTE_TABLE = ResourceType(
    token="aws:ec2/routeTable:RouteTable",
    service="ec2",
    shape="CreateRouteTableRequest",
    properties="vpcId!",
    outputs="arn=Arn:string ownerId=OwnerId:string",
    identity="{RouteTableId}",
    replace_on=frozenset({"vpcId"}),
    create=Call("create_route_table", identifier="RouteTable.RouteTableId"),
    read=_read_table,
    delete=Call("delete_route_table"),
    tags=TAGS,
)


def _read_route(route: Resource) -> dict[str, Any] | None:
    place = route.identity()
    (table,) = route.send("describe_route_tables", RouteTableIds=[place["RouteTableId"]])["RouteTables"]
    found = (each for each in table["Routes"] if each.get("DestinationCidrBlock") == place["DestinationCidrBlock"])
    one = next(found, None)
    return {**place, **one} if one else None


ROUTE = ResourceType(
    token="aws:ec2/route:Route",
    service="ec2",
    shape="CreateRouteRequest",
    properties="routeTableId! destinationCidrBlock! gatewayId natGatewayId",
    outputs="origin=Origin:string state=State:string",
    identity="{RouteTableId}_{DestinationCidrBlock}",
    replace_on=frozenset({"routeTableId", "destinationCidrBlock"}),
    exclusive=(("gatewayId", "natGatewayId"),),
    needs={"": ("gatewayId", "natGatewayId")},
    checks=(network_address("destinationCidrBlock"),),
    create=Call("create_route"),
    read=_read_route,
    update=(("gatewayId natGatewayId", Call("replace_route")),),
    delete=Call("delete_route"),
    retries=("InvalidNatGatewayID.NotFound", "InvalidGatewayID.NotFound"),
)


def _association(association: Resource) -> dict[str, Any] | None:
    of_subnet = {"Name": "association.subnet-id", "Values": [association.id]}
    tables = association.send("describe_route_tables", Filters=[of_subnet])["RouteTables"]
    found = (each for table in tables for each in table["Associations"] if each.get("SubnetId") == association.id)
    return next(found, None)


def _with_association(operation: str, *more: str) -> Step:
    def step(association: Resource) -> None:
        if found := _association(association):
            known = association.members()
            arguments = {name: known[name] for name in more}
            association.send(operation, AssociationId=found["RouteTableAssociationId"], **arguments)

    return step


ROUTE_TABLE_ASSOCIATION = ResourceType(
    token="aws:ec2/routeTableAssociation:RouteTableAssociation",
    service="ec2",
    shape="AssociateRouteTableRequest",
    properties="subnetId! routeTableId!",
    identity="{SubnetId}",
    replace_on=frozenset({"subnetId"}),
    create=Call("associate_route_table"),
    read=_association,
    update=(("routeTableId", _with_association("replace_route_table_association", "RouteTableId")),),
    delete=_with_association("disassociate_route_table"),
)

TYPES = (VPC, SUBNET, INTERNET_GATEWAY, EIP, NAT_GATEWAY, ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION)
