"""Check AWS Backup's opt-in settings of both regions.

A plan that names resource types backs them up whatever these settings are, except Aurora, DocumentDB and Neptune, which
share the ARN of RDS clusters (AWS Backup developer guide, "Assign resources with AWS CLI"). Without the opt-in to
Aurora the database of this project is not backed up at all. A region in which S3 is not opted in still omits buckets
from plans that select by tag alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from dr.clients import calls, client
from dr.errors import DrError
from dr.findings import Finding, Status, unknown
from dr.preflight.check import Subject

NEEDED = ("Aurora", "DocumentDB", "Neptune", "S3")
"""Resource types to opt in to: those that need it, and S3, which holds this project's data."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check the opt-in settings of both regions; the dr stack asks only its own region.

    Args:
        subject: The deployment to check.
    """
    topology = subject.topology
    regions = dict.fromkeys((subject.region, topology.recovery.region))
    for region in regions:
        name = f"AWS Backup in {region}"
        try:
            with calls("opt-in settings of AWS Backup", region):
                settings = client("backup", region).describe_region_settings()["ResourceTypeOptInPreference"]
        except DrError as error:
            yield unknown(name, error)
            continue
        missing = [each for each in NEEDED if not settings.get(each)]
        if not missing:
            yield Finding(name, Status.MET, f"opted in to {', '.join(NEEDED)}")
            continue
        wanted = ",".join(f"{each}=true" for each in missing)
        fact = f"not opted in to {', '.join(missing)}"
        if "S3" in missing:
            fact += "; the plan of this project backs up buckets anyway, because it names S3; plans by tag alone do not"
        if missing != ["S3"]:
            fact += "; tagged clusters of Aurora, DocumentDB and Neptune are backed up only after opting in"
        status = Status.INFO
        if topology.database and "Aurora" in missing:
            status, fact = Status.MISSED, f"{fact}; the database of this project is not backed up"
        fix = f"`aws backup update-region-settings --resource-type-opt-in-preference {wanted} --region {region}`"
        yield Finding(name, status, fact, fix)
