"""Rules on DNS records, health checks and alarms."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, Stack, home_of, items, look, role_of, shown

RECORD = "aws:route53/record:Record"
METRIC_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE_ALARM = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
TTL_SECONDS = 60


def decides(record: Resource) -> bool:
    """Whether Route 53 chooses between this record and others by health."""
    return bool(record.look("weightedRoutingPolicies") or record.look("failoverRoutingPolicies"))


def has_check(record: Resource) -> Facts:
    """A record that takes part in failover has a health check."""
    if decides(record) and not record.look("healthCheckId"):
        yield f"{shown(record.look('name'))} is weighted or failover, and has no healthCheckId"


def short_ttl(record: Resource) -> Facts:
    """A record that takes part in failover is not cached for long."""
    ttl = record.look("ttl")
    if decides(record) and ttl is not UNKNOWN and ttl is not None and ttl > TTL_SECONDS:
        yield f"ttl is {shown(ttl)} s, more than {TTL_SECONDS} s"


def alarm_elsewhere(check: Resource, stack: Stack) -> Facts:
    """An alarm-based check reads an alarm in the recovery region."""
    region, home, role = check.look("cloudwatchAlarmRegion"), home_of(stack), role_of(stack)
    if check.look("type") != "CLOUDWATCH_METRIC" or UNKNOWN in (region, home) or None in (home, role):
        return
    if (region == home) != (role == "recovery"):
        yield f"the {role} stack's check reads an alarm in {shown(region)}, and the stack is in {home}"


def watches_from_outside(alarm: Resource, stack: Stack) -> Facts:
    """No alarm on a metric of ours is in the primary region."""
    if role_of(stack) != "primary" or alarm.region is UNKNOWN or alarm.region != home_of(stack):
        return
    if alarm.type == COMPOSITE_ALARM:
        yield f"a composite alarm is in {alarm.region}, the primary region"
    queries = [look(query, "metric.namespace") for query in items(alarm.look("metricQueries"))]
    for namespace in dict.fromkeys([alarm.look("namespace"), *queries]):
        if isinstance(namespace, str):
            yield f"an alarm on {namespace} is in {alarm.region}, the primary region"


def has_action(alarm: Resource) -> Facts:
    """Somebody or something is told."""
    if not alarm.look("alarmActions"):
        yield "alarmActions is empty"


RULES = (
    Rule(
        name="route53-record-health-check",
        says="A weighted or failover record must have a health check.",
        why="Route 53 takes a record without one for healthy, and goes on answering with a region that is gone",
        remedy="set healthCheckId to a calculated check of endpoint and lever",
        types=(RECORD,),
        check=has_check,
    ),
    Rule(
        name="route53-record-short-ttl",
        says=f"A weighted or failover record must have a TTL of {TTL_SECONDS} seconds at most.",
        why="resolvers send clients to the lost region for as long",
        remedy=f"set ttl to {TTL_SECONDS} or less",
        types=(RECORD,),
        check=short_ttl,
    ),
    Rule(
        name="route53-check-alarm-in-recovery-region",
        says="A check that reads an alarm must read it in the recovery region.",
        why="a lever whose alarm is in the primary region is lost with the region it has to close",
        remedy="set cloudwatchAlarmRegion to the recovery region, and make the alarm there",
        types=("aws:route53/healthCheck:HealthCheck",),
        check_in_stack=alarm_elsewhere,
    ),
    Rule(
        name="cloudwatch-alarm-outside-primary-region",
        says="An alarm on the primary region must be in another region.",
        why="an alarm is silent when the region it is in is the one that is lost",
        remedy="set the alarm's region to the recovery region",
        types=(METRIC_ALARM, COMPOSITE_ALARM),
        check_in_stack=watches_from_outside,
    ),
    Rule(
        name="cloudwatch-alarm-has-action",
        says="An alarm must have an action.",
        why="an alarm that tells nobody is found after the disaster",
        remedy="add the region's alarm topic to alarmActions",
        types=(METRIC_ALARM, COMPOSITE_ALARM),
        check=has_action,
    ),
)
