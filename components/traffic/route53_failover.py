"""Route53Failover: a region's record of the public name, its health check, and the lever that opens or closes it.

Records are weighted in every tier. Route 53 answers with a record of weight 0 only if all records with a higher weight
are unhealthy, so weight 0 means standby, and a change of tier changes one number in place. Changing between failover
and weighted routing would require deleting both records.

A record's health check is a calculated one: the endpoint is healthy *and* the lever is open. A lever is a custom metric
with an alarm, and a health check that follows the alarm's data rather than its state. A failover changes nothing in
Route 53: it publishes a metric in the recovery region, which is a data-plane call to the healthy region.

Costs about $4 a month for a region: an HTTPS health check every 10 s ($0.75 + $1 + $1), two further health checks
($0.50), an alarm ($0.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, route53

from dr.control import levers
from dr.names import ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY
from dr.topology.detection import STATUS_TTL_SECONDS
from dr.topology.topology import RECORD_TTL_SECONDS, Dns, DnsFailover, Role

LEVER_PERIOD_SECONDS = 60
HTTPS_PORT = 443


@dataclass(frozen=True)
class Lever:
    """A lever: a metric that opens or closes a record.

    Args:
        name: "engage" or "admit"; the value of the metric's dimension `Lever`.
        comparison: Operator by which the metric is compared with 1; if true, the record is closed.
        missing_data: Status of the health check while the alarm has no data.
    """

    name: str
    comparison: str
    missing_data: str


def lever_for(role: Role, failover: DnsFailover) -> Lever:
    """Return the lever of a region's record.

    `engage` closes the primary record while its metric is 1. Without data the record keeps its last status, and a new
    record is open: a failing publisher must not close a healthy primary record. `admit` opens the recovery record while
    its metric is 1. Without data the record keeps its last status with automatic failover, and is closed with manual
    failover.
    """
    if role is Role.PRIMARY:
        return Lever(levers.ENGAGE, "GreaterThanOrEqualToThreshold", "LastKnownStatus")
    manual = failover is DnsFailover.MANUAL
    return Lever(levers.ADMIT, "LessThanThreshold", "Unhealthy" if manual else "LastKnownStatus")


@dataclass(frozen=True)
class Route53FailoverArgs:
    """Arguments of `Route53Failover`.

    Args:
        role: Role of the region.
        dns: Names, and interval and threshold of the endpoint's health check.
        endpoint: Host name of the region's load balancer; Route 53 does not verify its certificate.
        ready_path: Path of the health check, 200 while the model is loaded.
        weight: Weight of the record, 0 to 255; 0 is standby.
        lever_region: Region of the lever's metric and alarm: the recovery region, for both records.
        lever_prefix: Prefix that makes the alarm's name unique in that region.
        zone_id: ID of the hosted zone.
        alert_topic_arn: ARN of the recovery region's SNS topic, for the lever's alarm. CloudWatch does not verify that
            it exists (PutMetricAlarm, AlarmActions), so the primary stack can refer to the recovery stack's topic
            before that is created.
        tags: Tags of health checks and alarm.

    Raises:
        ValueError: The weight is out of range.
    """

    role: Role
    dns: Dns
    endpoint: pulumi.Input[str]
    ready_path: str
    weight: int
    lever_region: str
    lever_prefix: str
    zone_id: pulumi.Input[str]
    alert_topic_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 255:
            raise ValueError(f"weight {self.weight} is not between 0 and 255, the range of Route 53; correct it")


class Route53Failover(pulumi.ComponentResource):
    """A region's weighted record and regional record, with its three health checks and the lever's alarm.

    Attributes:
        record: The fields of `dr.control.contract.DnsRecord`.
    """

    record: pulumi.Output[dict[str, object]]

    def __init__(self, name: str, args: Route53FailoverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:traffic:Route53Failover", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        endpoint_check = self._endpoint_check()
        lever = lever_for(args.role, args.dns.failover)
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
        self._status_records(endpoint_check.id)
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

    def _tags(self, name: str) -> dict[str, str]:
        """Return the tags of a health check, which is named by its tag `Name`."""
        return {**self._args.tags, "Name": f"{self._args.lever_prefix} {self._args.role}: {name}"}

    def _endpoint_check(self) -> route53.HealthCheck:
        dns = self._args.dns
        return route53.HealthCheck(
            f"{self._name}-endpoint",
            type="HTTPS",
            fqdn=self._args.endpoint,
            port=HTTPS_PORT,
            resource_path=self._args.ready_path,
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
            alarm_description=f"ALARM while lever {lever.name} closes the {args.role} record",
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
            insufficient_data_health_status=lever.missing_data,
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

    def _status_records(self, check_id: pulumi.Output[str]) -> None:
        """Create records that answer with what the health checkers find.

        They are read by a DNS query, which needs no API of Route 53, and no address that the endpoint admits. Route 53
        considers the record of weight 0 only when the other is unhealthy (developer guide, "Weighted records").
        """
        dns, role = self._args.dns, self._args.role
        for state, address, weight, check in (
            ("healthy", ENDPOINT_HEALTHY, 1, check_id),
            ("unhealthy", ENDPOINT_UNHEALTHY, 0, None),
        ):
            route53.Record(
                f"{self._name}-status-{state}",
                zone_id=self._args.zone_id,
                name=dns.status_name(role),
                type="A",
                ttl=STATUS_TTL_SECONDS,
                records=[address],
                set_identifier=state,
                weighted_routing_policies=[{"weight": weight}],
                health_check_id=check,
                opts=self._opts,
            )
