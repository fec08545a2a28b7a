"""Writes the sentinel into the primary region's control bucket, three times a minute.

Replication copies the sentinel to the recovery region, where its age shows how much recent data a failover would lose.
"""

from __future__ import annotations

import json
from typing import Any

from dr import environment
from dr.clients import calls, client
from dr.functions.first_run import is_first_run
from dr.functions.sampling import sample_times
from dr.names import SENTINEL_KEY


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Write the sentinel at each sample. Returns the last time written.

    Raises:
        Unreachable: The region does not answer.
        Failed: S3 refused the call.
    """
    settings = environment.read("AWS_REGION", "CONTROL_BUCKET")
    region, bucket = settings["AWS_REGION"], settings["CONTROL_BUCKET"]
    written = ""
    if is_first_run(event):
        return {}
    for at in sample_times():
        written = at.isoformat(timespec="seconds")
        with calls(f"s3://{bucket}/{SENTINEL_KEY}", region):
            client("s3", region).put_object(
                Bucket=bucket,
                Key=SENTINEL_KEY,
                Body=json.dumps({"written": written}).encode(),
                ContentType="application/json",
            )
    return {"written": written}
