"""Read-only health probes. Each returns a finding; a value that could not be measured is unknown, never met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dr.clients import Missing, Unreachable, calls, client
from dr.control.contract import BucketRecord, DnsRecord
from dr.data import model_sets
from dr.errors import DrError, Problem
from dr.findings import Finding, Status
from dr.names import GLOBAL_REGION
from dr.topology.tiers import describe_duration

HEALTHY_SHARE = 0.18
"""Route 53 considers an endpoint healthy if more than 18 % of health checkers report it healthy (Route 53 developer
guide, "How Route 53 determines whether a health check is healthy")."""


def replication(pair: str, buckets: BucketRecord, primary: str, recovery: str) -> Finding:
    """Probe whether a bucket pair has enabled replication rules in both directions.

    Args:
        pair: Name of the pair.
        buckets: Buckets of the pair.
        primary: The primary region.
        recovery: The recovery region.
    """
    ways = [(primary, buckets.primary, buckets.recovery), (recovery, buckets.recovery, buckets.primary)]
    missing = [f"{source} -> {target}" for region, source, target in ways if not _replicates(region, source, target)]
    name = f"replication of {pair}"
    if missing:
        return Finding(
            name, Status.MISSED, f"no enabled rule {', '.join(missing)}", "`pulumi up -s primary` restores it"
        )
    return Finding(name, Status.MET, "enabled both ways")


def _replicates(region: str, source: str, target: str) -> bool:
    try:
        with calls(f"s3://{source}", region):
            answer = client("s3", region).get_bucket_replication(Bucket=source)
    except DrError as error:
        if "ReplicationConfigurationNotFoundError" in str(error):
            return False
        raise
    rules = answer["ReplicationConfiguration"]["Rules"]
    return any(r["Status"] == "Enabled" and r["Destination"]["Bucket"] == f"arn:aws:s3:::{target}" for r in rules)


def newest_set(name: str, buckets: dict[str, BucketRecord], primary: str, recovery: str, rpo: timedelta) -> Finding:
    """Probe whether the recovery region has all objects of the primary region's newest version of a model set.

    Args:
        name: Name of the model set.
        buckets: Buckets of all pairs.
        primary: The primary region.
        recovery: The recovery region.
        rpo: Maximum age of a version that is not replicated yet.
    """
    title = f"model set {name}"
    there = {pair: sides.recovery for pair, sides in buckets.items()}
    copy = model_sets.newest(recovery, there, name)
    broken = (
        [each.entry.key for each in model_sets.read_copies(recovery, there, copy) if not each.intact] if copy else []
    )
    if broken:
        hint = "wait for replication, or use the set before it"
        return Finding(title, Status.MISSED, f"{recovery} lacks {len(broken)} objects, first {broken[0]}", hint)
    here = {pair: sides.primary for pair, sides in buckets.items()}
    held = f"{copy.set_id} whole in {recovery}" if copy else f"none in {recovery}"
    try:
        original = model_sets.newest(primary, here, name)
    except Unreachable as error:
        hint = f"{primary} does not answer: {error.problems[0].remedy}"
        return Finding(title, Status.UNKNOWN, f"{held}; whether the primary has a newer one is unknown", hint)
    if original and (copy is None or copy.set_id != original.set_id):
        age = datetime.now(UTC) - datetime.fromisoformat(original.created)
        late = f"{held}; {original.set_id} of {describe_duration(age)} ago is not there yet"
        return Finding(title, Status.MISSED if age > rpo else Status.MET, late, "`dr status` again in some minutes")
    return Finding(title, Status.MET, held)


def endpoint(record: DnsRecord, region: str, expected: bool) -> Finding:
    """Probe whether Route 53 health checkers report a region's endpoint healthy.

    Args:
        record: DNS record of the region.
        region: The region.
        expected: Whether the deployed tier serves in the region; if not, the finding is informational.
    """
    name = f"endpoint of {region}"
    route53 = client("route53", GLOBAL_REGION)
    with calls(f"health check {record.endpoint_check_id}", f"Route 53 ({GLOBAL_REGION})"):
        seen = route53.get_health_check_status(HealthCheckId=record.endpoint_check_id)["HealthCheckObservations"]
    healthy = [each["StatusReport"]["Status"].startswith("Success") for each in seen]
    if not healthy:
        return Finding(name, Status.UNKNOWN, "no checker has reported yet", "`dr status` again in a minute")
    serves = sum(healthy) / len(healthy) > HEALTHY_SHARE
    fact = f"{record.endpoint}: {sum(healthy)} of {len(healthy)} checkers find it healthy"
    if not expected:
        return Finding(name, Status.INFO, fact)
    hint = "" if serves else f"`dig {record.regional_name}`, then look at what serves there"
    return Finding(name, Status.MET if serves else Status.MISSED, fact, hint)


def lever(record: DnsRecord, region: str) -> Finding:
    """Probe the position of a lever by the state of its alarm.

    Args:
        record: DNS record that the lever opens or closes.
        region: Region of the alarm: the recovery region.

    Raises:
        Missing: The alarm does not exist.
    """
    name = f"lever {record.lever}"
    with calls(f"alarm {record.lever_alarm}", region):
        found = client("cloudwatch", region).describe_alarms(AlarmNames=[record.lever_alarm])["MetricAlarms"]
    if not found:
        problem = Problem(f"alarm {record.lever_alarm}", f"{region} has none of that name", "`pulumi up` of its stack")
        raise Missing(problem)
    text = {"ALARM": "closes its record", "OK": "leaves its record open", "INSUFFICIENT_DATA": "not pulled, no data"}
    return Finding(name, Status.INFO, text[found[0]["StateValue"]])
