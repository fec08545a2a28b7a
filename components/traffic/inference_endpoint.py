"""InferenceEndpoint: the way in: a network load balancer with TLS, and the target group that pods are registered in.

It exists in every tier. A load balancer takes minutes to make and its name must be known before anything serves, and a
failover must not have to wait for either; without targets it answers nobody. It outlives the cluster: pods join the
target group by a TargetGroupBinding, and no controller owns the load balancer. Security groups are there from the
first day, because a network load balancer that is made without one can never have any (ELB user guide, "Update the
security groups for your Network Load Balancer").

Costs, us-east-1 list prices: $16.43 a month, and $0.006 per load balancer capacity unit and hour (ELB pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, lb, vpc

from dr.names import READY_PATH

HTTPS_PORT, SERVING_PORT = 443, 8080
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3, and 1.2 with forward secrecy (ELB user guide, "Security policies for your Network Load Balancer")."""
CHECK_SECONDS, CHECK_TIMES = 10, 2
"""A pod is taken out within 20 s: before Route 53's 30 s, so that a bad pod never looks like a bad region."""
DRAIN_SECONDS = 60
"""How long a pod that leaves may finish its requests: no longer than its own grace period."""


@dataclass(frozen=True)
class InferenceEndpointArgs:
    """Arguments of `InferenceEndpoint`.

    Args:
        label: How names begin that a person sees: "ml-dr".
        region: The region.
        vpc_id: The VPC.
        vpc_cidr: Its block: where pods are.
        public_subnet_ids: A public subnet in each zone.
        certificate_arn: ARN of an issued certificate of that region.
        client_cidrs: Blocks that may ask.
        protect: Guard the load balancer against deletion, by Pulumi and by AWS: records point at its name.
        tags: Tags of everything.
    """

    label: str
    region: str
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    public_subnet_ids: pulumi.Input[Sequence[str]]
    certificate_arn: pulumi.Input[str]
    client_cidrs: Sequence[str] = ("0.0.0.0/0",)
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class InferenceEndpoint(pulumi.ComponentResource):
    """A region's load balancer, listener and target group.

    Attributes:
        dns_name: The load balancer's name, that DNS records point at.
        target_group_arn: Where pods are registered.
        security_group_id: Whom pods have to let in.
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
            # Any zone's address serves from all zones: else the loss of a zone's pods would be the loss of its address.
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
        """Clients come in by TLS, and out it goes to pods alone."""
        args, name = self._args, self._name
        group = ec2.SecurityGroup(
            f"{name}-clients",
            description=f"{args.label}: clients of inference",
            vpc_id=args.vpc_id,
            region=args.region,
            tags={**args.tags, "Name": f"{args.label} clients"},
            opts=self._opts,
        )
        for block in args.client_cidrs:
            vpc.SecurityGroupIngressRule(
                f"{name}-from-{block}",
                security_group_id=group.id,
                description="inference over TLS",
                ip_protocol="tcp",
                from_port=HTTPS_PORT,
                to_port=HTTPS_PORT,
                cidr_ipv4=block,
                region=args.region,
                tags=dict(args.tags),
                opts=self._opts,
            )
        vpc.SecurityGroupEgressRule(
            f"{name}-to-pods",
            security_group_id=group.id,
            description="pods, and their health checks",
            ip_protocol="tcp",
            from_port=SERVING_PORT,
            to_port=SERVING_PORT,
            cidr_ipv4=args.vpc_cidr,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
        return group

    def _target_group(self) -> lb.TargetGroup:
        args = self._args
        return lb.TargetGroup(
            f"{self._name}-pods",
            port=SERVING_PORT,
            protocol="TCP",
            target_type="ip",
            vpc_id=args.vpc_id,
            deregistration_delay=DRAIN_SECONDS,
            # Off, as for every target by address unless it is asked for: pods see the load balancer, which their
            # security group knows.
            preserve_client_ip="false",
            health_check=lb.TargetGroupHealthCheckArgs(
                protocol="HTTP",
                path=READY_PATH,
                interval=CHECK_SECONDS,
                healthy_threshold=CHECK_TIMES,
                unhealthy_threshold=CHECK_TIMES,
            ),
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts,
        )
