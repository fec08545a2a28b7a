"""Route53Failover: one region's record under the public name, its health check, and the lever that opens or closes it.

Records are weighted in every tier. A record of weight 0 is answered only when every record of a higher weight is
unhealthy, so 0 means standby, and a change of tier changes one number in place; going between failover and weighted
routing would mean deleting both records.

A record's check is a calculated one: its endpoint is healthy *and* its lever allows. A lever is a custom metric read by
an alarm-based check, which follows the alarm's data and not its state. Nothing is edited in Route 53 to fail over:
publishing a metric in the recovery region is enough, and that is a data-plane call to the region that lives.

Costs about $4 a month a region: an HTTPS check every 10 s ($0.75 + $1 + $1), two checks more ($0.50), an alarm ($0.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, route53

from dr.control import levers
from dr.names import READY_PATH
from dr.topology.topology import RECORD_TTL_SECONDS, Dns, DnsFailover, Role

LEVER_PERIOD_SECONDS = 60
HTTPS_PORT = 443


@dataclass(frozen=True)
class Lever:
    """A switch that a metric throws.

    Args:
        name: "engage" or "admit": the metric's dimension.
        comparison: How the metric compares with 1 when the record is closed.
        without_data: What Route 53 takes for the check's health while there is no data.
    """

    name: str
    comparison: str
    without_data: str


def lever_of(role: Role, failover: DnsFailover) -> Lever:
    """The lever of a region's record.

    `engage` closes the primary record while its metric is 1. Without data it stays as it was, and a new one is open: a
    lever whose publisher fails must not close a healthy primary. `admit` opens the recovery record while its metric is
    1. With automatic failover, missing data leaves it open; with manual failover it is shut until it is admitted.
    """
    if role is Role.PRIMARY:
        return Lever(levers.ENGAGE, "GreaterThanOrEqualToThreshold", "LastKnownStatus")
    shut = failover is DnsFailover.MANUAL
    return Lever(levers.ADMIT, "LessThanThreshold", "Unhealthy" if shut else "LastKnownStatus")


@dataclass(frozen=True)
class Route53FailoverArgs:
    """Arguments of `Route53Failover`.

    Args:
        role: Whose record it is.
        dns: Names, and how often endpoints are checked.
        endpoint: Host name that serves inference in the region; its certificate is not checked by Route 53.
        weight: The record's weight, 0 to 255; 0 is standby.
        lever_region: Region of the lever's metric and alarm: the recovery region, for both records.
        lever_prefix: Makes the alarm's name unique in that region.
        zone_id: The hosted zone.
        alert_topic_arn: The recovery region's topic, that is told of a lever. CloudWatch does not look whether it is
            there (PutMetricAlarm, AlarmActions), so the primary may name the one that the other stack will make.
        tags: Tags of checks and alarm.
    """

    role: Role
    dns: Dns
    endpoint: pulumi.Input[str]
    weight: int
    lever_region: str
    lever_prefix: str
    zone_id: pulumi.Input[str]
    alert_topic_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 255:
            raise ValueError(f"weight {self.weight} is not between 0 and 255, which is what Route 53 takes")


class Route53Failover(pulumi.ComponentResource):
    """A region's way into the zone.

    Attributes:
        record: The fields of `dr.control.contract.DnsRecord`.
    """

    record: pulumi.Output[dict[str, object]]

    def __init__(self, name: str, args: Route53FailoverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:traffic:Route53Failover", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        endpoint_check = self._endpoint_check()
        lever = lever_of(args.role, args.dns.failover)
        alarm, lever_check = self._lever(lever)
        check = route53.HealthCheck(
            f"{name}-check",
            type="CALCULATED",
            child_healthchecks=[endpoint_check.id, lever_check.id],
            child_health_threshold=2,
            tags=self._tags("endpoint and lever"),
            opts=self._opts,
        )
        self._records(check.id)
        self.record = pulumi.Output.all(
            zone_id=args.zone_id,
            public_name=args.dns.public_name,
            regional_name=args.dns.regional_name(args.role),
            endpoint=args.endpoint,
            weight=args.weight,
            check_id=check.id,
            endpoint_check_id=endpoint_check.id,
            lever=lever.name,
            lever_check_id=lever_check.id,
            lever_alarm=alarm.name,
        )
        self.register_outputs({"record": self.record})

    def _tags(self, what: str) -> dict[str, str]:
        """A health check has no name but its tag."""
        return {**self._args.tags, "Name": f"{self._args.lever_prefix} {self._args.role}: {what}"}

    def _endpoint_check(self) -> route53.HealthCheck:
        dns = self._args.dns
        return route53.HealthCheck(
            f"{self._name}-endpoint",
            type="HTTPS",
            fqdn=self._args.endpoint,
            port=HTTPS_PORT,
            resource_path=READY_PATH,
            request_interval=dns.check_interval,
            failure_threshold=dns.check_failures,
            tags=self._tags("endpoint"),
            opts=self._opts,
        )

    def _lever(self, lever: Lever) -> tuple[cloudwatch.MetricAlarm, route53.HealthCheck]:
        args = self._args
        alarm = cloudwatch.MetricAlarm(
            f"{self._name}-lever",
            name=f"{args.lever_prefix}-lever-{lever.name}",
            alarm_description=f"In alarm while the {args.role} record is closed by its lever",
            namespace=levers.NAMESPACE,
            metric_name=levers.METRIC,
            dimensions={"Lever": lever.name, "Workload": args.lever_prefix},
            statistic="Maximum",
            period=LEVER_PERIOD_SECONDS,
            evaluation_periods=1,
            threshold=1,
            comparison_operator=lever.comparison,
            alarm_actions=[args.alert_topic_arn],
            ok_actions=[args.alert_topic_arn],
            region=args.lever_region,
            tags=dict(args.tags),
            opts=self._opts,
        )
        check = route53.HealthCheck(
            f"{self._name}-lever-check",
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=alarm.name,
            cloudwatch_alarm_region=args.lever_region,
            insufficient_data_health_status=lever.without_data,
            tags=self._tags(f"lever {lever.name}"),
            opts=self._opts,
        )
        return alarm, check

    def _records(self, check_id: pulumi.Output[str]) -> None:
        dns, role, endpoint = self._args.dns, self._args.role, self._args.endpoint
        route53.Record(
            f"{self._name}-record",
            zone_id=self._args.zone_id,
            name=dns.public_name,
            type="CNAME",
            ttl=RECORD_TTL_SECONDS,
            records=[endpoint],
            set_identifier=str(role),
            weighted_routing_policies=[{"weight": self._args.weight}],
            health_check_id=check_id,
            opts=self._opts,
        )
        route53.Record(
            f"{self._name}-regional-record",
            zone_id=self._args.zone_id,
            name=dns.regional_name(role),
            type="CNAME",
            ttl=RECORD_TTL_SECONDS,
            records=[endpoint],
            opts=self._opts,
        )
