"""Rules on DNS records, health checks and alarms."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, Stack, home_of, items, look, role_of, shown

RECORD = "aws:route53/record:Record"
METRIC_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE_ALARM = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
TTL_SECONDS = 60


def routed_by_health(record: Resource) -> bool:
    """Return whether Route 53 chooses between this record and others by health."""
    return bool(record.look("weightedRoutingPolicies") or record.look("failoverRoutingPolicies"))


def has_check(record: Resource) -> Facts:
    """Check that a weighted or failover record has a health check."""
    if routed_by_health(record) and not record.look("healthCheckId"):
        yield f"{shown(record.look('name'))} is a weighted or failover record without healthCheckId"


def short_ttl(record: Resource) -> Facts:
    """Check that a weighted or failover record is cached only briefly."""
    ttl = record.look("ttl")
    if routed_by_health(record) and ttl is not UNKNOWN and ttl is not None and ttl > TTL_SECONDS:
        yield f"ttl is {shown(ttl)} s, more than {TTL_SECONDS} s"


def alarm_in_recovery_region(check: Resource, stack: Stack) -> Facts:
    """Check that a health check on an alarm uses an alarm in the recovery region."""
    region, home, role = check.look("cloudwatchAlarmRegion"), home_of(stack), role_of(stack)
    if check.look("type") != "CLOUDWATCH_METRIC" or UNKNOWN in (region, home) or None in (home, role):
        return
    if (region == home) != (role == "recovery"):
        yield f"the health check of the {role} stack, in {home}, uses an alarm in {shown(region)}"


def outside_primary_region(alarm: Resource, stack: Stack) -> Facts:
    """Check that no alarm of the primary stack on this project's metrics is in the primary region."""
    if role_of(stack) != "primary" or alarm.region is UNKNOWN or alarm.region != home_of(stack):
        return
    if alarm.type == COMPOSITE_ALARM:
        yield f"a composite alarm is in {alarm.region}, the primary region"
    queries = [look(query, "metric.namespace") for query in items(alarm.look("metricQueries"))]
    for namespace in dict.fromkeys([alarm.look("namespace"), *queries]):
        if isinstance(namespace, str):
            yield f"an alarm on {namespace} is in {alarm.region}, the primary region"


def has_action(alarm: Resource) -> Facts:
    """Check that the alarm notifies a topic or starts an action."""
    if not alarm.look("alarmActions"):
        yield "alarmActions is empty"


RULES = (
    Rule(
        name="route53-record-health-check",
        requirement="A weighted or failover record must have a health check.",
        reason="Route 53 treats a record without one as healthy, even if its region is unavailable",
        remedy="set healthCheckId to the calculated health check of endpoint and lever",
        types=(RECORD,),
        check=has_check,
    ),
    Rule(
        name="route53-record-short-ttl",
        requirement=f"A weighted or failover record must have a TTL of at most {TTL_SECONDS} seconds.",
        reason="resolvers send clients to the lost region until the TTL expires",
        remedy=f"set ttl to {TTL_SECONDS} or less",
        types=(RECORD,),
        check=short_ttl,
    ),
    Rule(
        name="route53-check-alarm-in-recovery-region",
        requirement="A health check on an alarm must use an alarm in the recovery region.",
        reason="a lever with an alarm in the primary region fails with the region that it has to close",
        remedy="set cloudwatchAlarmRegion to the recovery region, and create the alarm there",
        types=("aws:route53/healthCheck:HealthCheck",),
        check_in_stack=alarm_in_recovery_region,
    ),
    Rule(
        name="cloudwatch-alarm-outside-primary-region",
        requirement="An alarm on the primary region must be in another region.",
        reason="an alarm does not work while its own region is unavailable",
        remedy="set the alarm's region to the recovery region",
        types=(METRIC_ALARM, COMPOSITE_ALARM),
        check_in_stack=outside_primary_region,
    ),
    Rule(
        name="cloudwatch-alarm-has-action",
        requirement="An alarm must have an action.",
        reason="an alarm without an action notifies no one",
        remedy="add the region's alarm topic to alarmActions",
        types=(METRIC_ALARM, COMPOSITE_ALARM),
        check=has_action,
    ),
)
