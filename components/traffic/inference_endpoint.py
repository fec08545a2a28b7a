"""InferenceEndpoint: a region's network load balancer with TLS, and the target group in which pods are registered.

It exists in every tier: creating a load balancer takes minutes, DNS records need its name, and a failover must not wait
for either. Without targets it refuses connections. It exists independently of the cluster: pods join the target group
by a TargetGroupBinding, and no controller owns the load balancer. It is created with a security group, because one can
not be added later to a network load balancer that was created without (ELB user guide, "Update the security groups for
your Network Load Balancer").

Costs, us-east-1 list prices: $16.43 a month, and $0.006 per load balancer capacity unit and hour (ELB pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, lb, vpc

from dr.topology.detection import TARGET_ANSWER_SECONDS, TARGET_CHECK_SECONDS, TARGET_CHECKS

HTTPS_PORT, SERVING_PORT = 443, 8080
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3, and 1.2 with forward secrecy (ELB user guide, "Security policies for your Network Load Balancer")."""
DRAIN_SECONDS = 60
"""Deregistration delay: how long a removed pod may finish its requests; at most the pod's own grace period."""


@dataclass(frozen=True)
class InferenceEndpointArgs:
    """Arguments of `InferenceEndpoint`.

    Args:
        label: Prefix of displayed names: "ml-dr".
        region: The region.
        vpc_id: ID of the VPC.
        vpc_cidr: CIDR block of the VPC, which contains the pods.
        public_subnet_ids: A public subnet in each zone.
        certificate_arn: ARN of an issued certificate of that region.
        ready_path: Path of health checks, 200 while the model is loaded.
        client_cidrs: CIDR blocks allowed to call the inference endpoint.
        checkers: ID of the managed prefix list of Route 53's health checkers, which are always admitted: without them
            both records would be unhealthy, and Route 53 would answer with the primary, dead or not.
        protect: Protect the load balancer from deletion, by Pulumi and by AWS: DNS records refer to its name.
        tags: Tags of every resource.
    """

    label: str
    region: str
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    public_subnet_ids: pulumi.Input[Sequence[str]]
    certificate_arn: pulumi.Input[str]
    ready_path: str
    client_cidrs: Sequence[str]
    checkers: str
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class InferenceEndpoint(pulumi.ComponentResource):
    """A region's network load balancer with its security group, TLS listener and target group.

    Attributes:
        dns_name: DNS name of the load balancer, the target of DNS records.
        target_group_arn: ARN of the target group in which pods are registered.
        security_group_id: ID of the load balancer's security group, which pods must allow as source.
    """

    dns_name: pulumi.Output[str]
    target_group_arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: InferenceEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:traffic:InferenceEndpoint", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        group = self._security_group()
        balancer = lb.LoadBalancer(
            name,
            load_balancer_type="network",
            internal=False,
            subnets=args.public_subnet_ids,
            security_groups=[group.id],
            # A zone's address also serves when its own pods fail, because it forwards to pods of all zones.
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=args.protect,
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        targets = self._target_group()
        lb.Listener(
            f"{name}-tls",
            load_balancer_arn=balancer.arn,
            port=HTTPS_PORT,
            protocol="TLS",
            ssl_policy=TLS_POLICY,
            certificate_arn=args.certificate_arn,
            default_actions=[lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
        self.dns_name, self.target_group_arn = balancer.dns_name, targets.arn
        self.security_group_id = group.id
        self.register_outputs(
            {
                "dns_name": self.dns_name,
                "target_group_arn": self.target_group_arn,
                "security_group_id": self.security_group_id,
            }
        )

    def _security_group(self) -> ec2.SecurityGroup:
        """Create the security group: ingress of TLS from clients and health checkers, egress to pods only."""
        args, name = self._args, self._name
        group = ec2.SecurityGroup(
            f"{name}-clients",
            description=f"{args.label}: load balancer of the inference endpoint",
            vpc_id=args.vpc_id,
            region=args.region,
            tags={**args.tags, "Name": f"{args.label} clients"},
            opts=self._opts,
        )
        for block in args.client_cidrs:
            self._admit(group, f"from-{block}", f"inference requests over TLS from {block}", cidr_ipv4=block)
        self._admit(group, "from-health-checkers", "Route 53's health checkers", prefix_list_id=args.checkers)
        vpc.SecurityGroupEgressRule(
            f"{name}-to-pods",
            security_group_id=group.id,
            description="inference requests and health checks to pods",
            ip_protocol="tcp",
            from_port=SERVING_PORT,
            to_port=SERVING_PORT,
            cidr_ipv4=args.vpc_cidr,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
        return group

    def _admit(self, group: ec2.SecurityGroup, rule: str, description: str, **peer: str) -> None:
        vpc.SecurityGroupIngressRule(
            f"{self._name}-{rule}",
            security_group_id=group.id,
            description=description,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            region=self._args.region,
            tags=dict(self._args.tags),
            opts=self._opts,
            **peer,
        )

    def _target_group(self) -> lb.TargetGroup:
        args = self._args
        return lb.TargetGroup(
            f"{self._name}-pods",
            port=SERVING_PORT,
            protocol="TCP",
            target_type="ip",
            vpc_id=args.vpc_id,
            deregistration_delay=DRAIN_SECONDS,
            # Disabled, which is the default for IP targets: pods see the load balancer's address, and their security
            # group allows its security group.
            preserve_client_ip="false",
            health_check=lb.TargetGroupHealthCheckArgs(
                protocol="HTTP",
                path=args.ready_path,
                interval=TARGET_CHECK_SECONDS,
                timeout=TARGET_ANSWER_SECONDS,
                healthy_threshold=TARGET_CHECKS,
                unhealthy_threshold=TARGET_CHECKS,
            ),
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
