"""DNS records of the zone with their health checks, read through the AWS API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dr import clients


@dataclass(frozen=True)
class Record:
    """A record of the zone as it stands.

    Args:
        name: Without a final dot.
        kind: "CNAME", ...
        ttl: Seconds.
        values: What it answers.
        set_id: Identifies one of several records of a name; empty for a single record.
        weight: Of a weighted record.
        check: Id of its health check.
        healthy: What that check says; None where there is none.
        answers: Whether a resolver would get this record now.
    """

    name: str
    kind: str
    ttl: int
    values: tuple[str, ...]
    set_id: str
    weight: int | None
    check: str
    healthy: bool | None
    answers: bool


def records(zone_id: str) -> list[Record]:
    """All records of a zone but its NS and SOA.

    Args:
        zone_id: The hosted zone.
    """
    route53 = clients.client("route53", "us-east-1")
    with clients.calls(f"hosted zone {zone_id}", "Route 53 (us-east-1)"):
        found = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        wanted = [each for each in found if each["Type"] not in ("NS", "SOA")]
        return [_record(route53, zone_id, each) for each in wanted]


def _record(route53: Any, zone_id: str, found: dict[str, Any]) -> Record:
    check = found.get("HealthCheckId", "")
    healthy = None
    if check:
        seen = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        healthy = all(each["StatusReport"]["Status"].startswith("Success") for each in seen)
    answer = route53.test_dns_answer(HostedZoneId=zone_id, RecordName=found["Name"], RecordType=found["Type"])
    values = tuple(each["Value"] for each in found.get("ResourceRecords", []))
    return Record(
        found["Name"].rstrip("."),
        found["Type"],
        found.get("TTL", 0),
        values,
        found.get("SetIdentifier", ""),
        found.get("Weight"),
        check,
        healthy,
        set(values) & set(answer["RecordData"]) == set(values),
    )
