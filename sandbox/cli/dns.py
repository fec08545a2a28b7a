"""DNS records of the hosted zone and their health checks, read from the Route 53 API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dr import clients


@dataclass(frozen=True)
class Record:
    """Current state of a DNS record.

    Args:
        name: Name of the record, without the final dot.
        kind: Record type: "CNAME", ...
        ttl: TTL in seconds.
        values: Values of the record.
        set_id: Set identifier; "" for a simple record.
        weight: Weight; None for a record that is not weighted.
        check: ID of the health check; "" for none.
        healthy: Status of the health check; None without a health check.
        answers: Whether Route 53 currently answers queries with this record.
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
    """Return the records of a hosted zone, except NS and SOA.

    Args:
        zone_id: ID of the hosted zone.
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
