"""Publishes both levers again, as the state of the day has them.

A state that cannot be read is published as nothing: the records stay as they are, and the function fails, which its
own alarm sees. Never is it taken for an ordinary day.
"""

from __future__ import annotations

from typing import Any

from dr import environment
from dr.clients import Missing, read_object
from dr.control import incident_state, levers
from dr.control.incident_state import DayState


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """What was published, by lever."""
    given = environment.read("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "DNS_FAILOVER")
    region, bucket = given["AWS_REGION"], given["CONTROL_BUCKET"]
    try:
        day = incident_state.parse(
            read_object(region, bucket, incident_state.KEY), f"s3://{bucket}/{incident_state.KEY}"
        )
    except Missing as error:
        if "NoSuchKey" not in str(error):
            raise
        day = DayState()
    wanted = levers.values(day.levers, given["DNS_FAILOVER"] == "automatic")
    levers.publish(region, given["WORKLOAD"], wanted)
    return wanted
