"""Network: a region's VPC in several zones, with the NAT gateways that its tier needs.

VPC, subnets, route tables, the S3 endpoint and flow logs exist in every tier, because they cost little and take time to
create. NAT gateways, the largest cost, depend on the tier. Each zone has its own private route table in every tier, so
that a change of NAT changes only one route in each zone. Resources in private subnets must depend on the network
(`depends_on`): nodes that start before their route to the internet exists cannot join a cluster.

Costs, us-east-1 list prices a month: a NAT gateway $32.85 and $0.045 a GB, with a public address of $3.65 (VPC pricing
page); an interface endpoint $7.30 a zone and $0.01 a GB (PrivateLink pricing page), so the eleven of `ENDPOINTS` cost
$241 over three zones; flow logs $0.50 a GB, delivered to CloudWatch Logs. The S3 gateway endpoint, the VPC and its
subnets are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, ec2, iam

from components.network.network_iam import trust_flow_logs, write_flow_logs
from dr.preflight.existing_vpc import PRIVATE_TAG, PUBLIC_TAG, ExistingVpc
from dr.topology.network import ENDPOINTS, ZoneBlocks, cidr_problem, zone_blocks, zone_problems
from dr.topology.tiers import Nat

ANYWHERE = "0.0.0.0/0"
FLOW_LOG_SECONDS = 600
"""The longest aggregation interval, for the fewest records; minutes are precise enough to investigate an incident."""


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of `Network`.

    Args:
        label: Prefix of displayed names: "ml-dr".
        account: The AWS account's twelve digits.
        region: The region.
        cidr: The VPC's CIDR block, /16 to /22; immutable, and must not overlap the other region's.
        zones: Availability zones, at least two. Adding or removing a zone later does not change the others.
        nat: Internet access of private subnets: none, through one NAT gateway, or through one in each zone.
        private_endpoints: Whether to create interface endpoints (`ENDPOINTS`), for AWS APIs without a NAT gateway.
        existing: An existing VPC to use, which is not changed; None creates one.
        log_key_arn: ARN of the KMS key that encrypts flow logs; None for a key of CloudWatch Logs.
        flow_log_days: Retention of flow logs in days; CloudWatch Logs accepts 1, 3, 5, 7, 14, 30, 60, 90, ...
        tags: Tags of every resource that accepts tags.
    """

    label: str
    account: str
    region: str
    cidr: str
    zones: Sequence[str]
    nat: Nat
    private_endpoints: bool = False
    existing: ExistingVpc | None = None
    log_key_arn: pulumi.Input[str] | None = None
    flow_log_days: int = 30
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [each for each in (cidr_problem(self.cidr), *zone_problems(self.zones, self.region)) if each]
        if wrong:
            raise ValueError("; ".join(f"{fact}: {remedy}" for fact, remedy in wrong))

    @property
    def nat_zones(self) -> Sequence[str]:
        """The zones that have a NAT gateway."""
        return {Nat.NONE: (), Nat.ONE: self.zones[:1], Nat.ZONE: self.zones}[self.nat]


class Network(pulumi.ComponentResource):
    """A VPC with subnets, route tables, internet and NAT gateways, VPC endpoints and flow logs; or an existing VPC.

    Attributes:
        vpc_id: ID of the VPC.
        public_subnet_ids: IDs of the public subnets in the order of the zones, for internet-facing load balancers.
        private_subnet_ids: IDs of the private subnets in the order of the zones, for everything else.
        private_subnets: ID of the private subnet of each zone; an existing VPC may have more zones than the region.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[Sequence[str]]
    private_subnet_ids: pulumi.Output[Sequence[str]]
    private_subnets: Mapping[str, pulumi.Input[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:network:Network", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        if args.existing:
            self.vpc_id = pulumi.Output.from_input(args.existing.vpc_id)
            self.public_subnet_ids = pulumi.Output.from_input(list(args.existing.public_subnets.values()))
            self.private_subnet_ids = pulumi.Output.from_input(list(args.existing.private_subnets.values()))
            self.private_subnets = args.existing.private_subnets
        else:
            self._create()
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
            }
        )

    @property
    def zone_subnets(self) -> Mapping[str, pulumi.Input[str]]:
        """ID of the private subnet of each of the region's zones."""
        return {zone: self.private_subnets[zone] for zone in self._args.zones}

    def _tags(self, name: str, **more: str) -> dict[str, str]:
        """Return the tags of an EC2 resource, which is named by its tag `Name`."""
        return {**self._args.tags, "Name": f"{self._args.label} {name}", **more}

    def _create(self) -> None:
        args, name = self._args, self._name
        vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # private DNS names of interface endpoints need both settings
            region=args.region,
            tags=self._tags("network"),
            opts=self._opts,
        )
        self.vpc_id = vpc.id
        # Resources without a security group of their own get this one, which allows no traffic.
        ec2.DefaultSecurityGroup(
            f"{name}-default-group",
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            region=args.region,
            tags=self._tags("default, closed"),
            opts=self._opts,
        )
        gateway = ec2.InternetGateway(
            f"{name}-gateway", vpc_id=vpc.id, region=args.region, tags=self._tags("gateway"), opts=self._opts
        )
        public_table = self._table("public")
        self._route(f"{name}-public-internet", public_table, gateway_id=gateway.id)
        blocks = zone_blocks(args.cidr, args.zones)
        public = [self._subnet("public", zone, zone.public, public_table) for zone in blocks]
        private_tables = [self._table(f"private-{zone.letter}") for zone in blocks]
        private = [
            self._subnet("private", zone, zone.private, table)
            for zone, table in zip(blocks, private_tables, strict=True)
        ]
        self._nat_gateways(gateway, blocks, public, private_tables)
        self.public_subnet_ids = pulumi.Output.all(*(subnet.id for subnet in public))
        self.private_subnet_ids = pulumi.Output.all(*(subnet.id for subnet in private))
        self.private_subnets = {zone: subnet.id for zone, subnet in zip(args.zones, private, strict=True)}
        ec2.VpcEndpoint(
            f"{name}-endpoint-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in (public_table, *private_tables)],
            region=args.region,
            tags=self._tags("s3"),
            opts=self._opts,
        )
        if args.private_endpoints:
            self._interface_endpoints(private)
        self._flow_logs()

    def _table(self, which: str) -> ec2.RouteTable:
        return ec2.RouteTable(
            f"{self._name}-{which}",
            vpc_id=self.vpc_id,
            region=self._args.region,
            tags=self._tags(which),
            opts=self._opts,
        )

    def _route(self, name: str, table: ec2.RouteTable, **target: pulumi.Input[str]) -> None:
        ec2.Route(
            name,
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=target.get("gateway_id"),
            nat_gateway_id=target.get("nat_gateway_id"),
            region=self._args.region,
            opts=self._opts,
        )

    def _subnet(self, kind: str, zone: ZoneBlocks, block: str, table: ec2.RouteTable) -> ec2.Subnet:
        name = f"{self._name}-{kind}-{zone.letter}"
        role = PUBLIC_TAG if kind == "public" else PRIVATE_TAG
        subnet = ec2.Subnet(
            f"{name}-subnet",
            vpc_id=self.vpc_id,
            availability_zone=zone.zone,
            cidr_block=block,
            region=self._args.region,
            tags=self._tags(f"{kind} {zone.letter}", **{role: "1"}),
            opts=self._opts,
        )
        ec2.RouteTableAssociation(
            f"{name}-association",
            subnet_id=subnet.id,
            route_table_id=table.id,
            region=self._args.region,
            opts=self._opts,
        )
        return subnet

    def _nat_gateways(
        self,
        gateway: ec2.InternetGateway,
        blocks: Sequence[ZoneBlocks],
        public: Sequence[ec2.Subnet],
        tables: Sequence[ec2.RouteTable],
    ) -> None:
        """Create NAT gateways, and a route from each private table to its zone's gateway, or else to the first."""
        region = self._args.region
        # AWS refuses a public NAT gateway in a VPC without an internet gateway.
        after_gateway = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        nats: dict[str, ec2.NatGateway] = {}
        for zone, subnet in zip(blocks, public, strict=True):
            if zone.zone in self._args.nat_zones:
                name, tags = f"{self._name}-nat-{zone.letter}", self._tags(f"nat {zone.letter}")
                address = ec2.Eip(f"{name}-address", domain="vpc", region=region, tags=tags, opts=after_gateway)
                nats[zone.zone] = ec2.NatGateway(
                    name,
                    subnet_id=subnet.id,
                    allocation_id=address.id,
                    region=region,
                    tags=tags,
                    opts=after_gateway,
                )
        if nats:
            first = nats[blocks[0].zone]
            for zone, table in zip(blocks, tables, strict=True):
                target = nats.get(zone.zone, first)
                self._route(f"{self._name}-private-{zone.letter}-internet", table, nat_gateway_id=target.id)

    def _interface_endpoints(self, subnets: Sequence[ec2.Subnet]) -> None:
        args, name = self._args, self._name
        group = ec2.SecurityGroup(
            f"{name}-endpoints",
            description="VPC interface endpoints: HTTPS from the VPC",
            vpc_id=self.vpc_id,
            ingress=[
                {
                    "protocol": "tcp",
                    "from_port": 443,
                    "to_port": 443,
                    "cidr_blocks": [args.cidr],
                    "description": "HTTPS from the VPC CIDR block",
                }
            ],
            egress=[],
            region=args.region,
            tags=self._tags("endpoints"),
            opts=self._opts,
        )
        for service in ENDPOINTS:
            ec2.VpcEndpoint(
                f"{name}-endpoint-{service}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=[subnet.id for subnet in subnets],
                security_group_ids=[group.id],
                private_dns_enabled=True,
                region=args.region,
                tags=self._tags(service),
                opts=self._opts,
            )

    def _flow_logs(self) -> None:
        args, name = self._args, self._name
        group = cloudwatch.LogGroup(
            f"{name}-flow-logs",
            name=f"/{args.label}/vpc-flow-logs",
            retention_in_days=args.flow_log_days,
            kms_key_id=args.log_key_arn,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
        role = iam.Role(
            f"{name}-flow-logs",
            assume_role_policy=trust_flow_logs(args.account, args.region),
            description=f"VPC flow logs of {args.label} in {args.region}",
            tags=dict(args.tags),
            opts=self._opts,
        )
        policy = iam.RolePolicy(
            f"{name}-flow-logs-policy", role=role.name, policy=group.arn.apply(write_flow_logs), opts=self._opts
        )
        ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=FLOW_LOG_SECONDS,
            region=args.region,
            tags=self._tags("flow log"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
