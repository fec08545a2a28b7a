"""Publishes both levers every minute, from the incident state.

If the state cannot be read, nothing is published: DNS records keep their status, and the function fails, which its
alarm reports. An unreadable state is never treated as normal operation.
"""

from __future__ import annotations

from typing import Any

from dr import environment
from dr.clients import Missing, read_object
from dr.control import incident_state, levers
from dr.control.incident_state import IncidentState
from dr.functions.first_run import is_first_run


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Publish the levers. Returns the published value by lever."""
    settings = environment.read("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "DNS_FAILOVER")
    if is_first_run(event):
        return {}
    region, bucket = settings["AWS_REGION"], settings["CONTROL_BUCKET"]
    try:
        state = incident_state.parse(
            read_object(region, bucket, incident_state.KEY), f"s3://{bucket}/{incident_state.KEY}"
        )
    except Missing as error:
        if "NoSuchKey" not in str(error):
            raise
        state = IncidentState()
    metrics = levers.values(state.levers, settings["DNS_FAILOVER"] == "automatic")
    levers.publish(region, settings["WORKLOAD"], metrics)
    return metrics
