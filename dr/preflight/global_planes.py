"""Check that the control planes of IAM and Route 53 answer. Both are in us-east-1 (AWS Fault Isolation Boundaries,
"Global services"); their data planes answer in each region.

`pulumi up -s dr` needs neither where it only changes the tier. `pulumi refresh` and `--refresh` read every resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from dr.clients import Unreachable, calls, client
from dr.errors import Failed
from dr.findings import Finding, Status
from dr.names import GLOBAL_REGION
from dr.preflight.check import Subject

READS = {"IAM": ("iam", "list_roles", {"MaxItems": 1}), "Route 53": ("route53", "get_hosted_zone_count", {})}
"""A read of each control plane: service, operation, arguments."""
ADVICE = (
    "until it answers, its resources cannot be read or changed. Deploy without `--refresh`, and do not run `pulumi "
    "refresh`; with AWS_MAX_ATTEMPTS=2 the AWS plugin gives up after two attempts of each call instead of 25"
)


def look(subject: Subject) -> Iterator[Finding]:
    """Read from each control plane. A refused call is an answer, too.

    Args:
        subject: The deployment to check.
    """
    with ThreadPoolExecutor(max_workers=len(READS)) as pool:
        yield from pool.map(_read, READS)


def _read(plane: str) -> Finding:
    service, operation, arguments = READS[plane]
    name = f"control plane of {plane}"
    try:
        with calls(name, GLOBAL_REGION):
            getattr(client(service, GLOBAL_REGION), operation)(**arguments)
    except Unreachable as error:
        return Finding(name, Status.UNKNOWN, error.problems[0].fact, ADVICE)
    except Failed as error:
        return Finding(name, Status.MET, f"answers: {error.problems[0].fact}")
    return Finding(name, Status.MET, "answers")
