"""Check that EKS offers the add-on versions of the table (dr/clusters/versions.py) for its version of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from dr.clients import calls, client
from dr.clusters.versions import MODULE, TABLE, Versions, compared
from dr.findings import Finding, Status
from dr.preflight.check import Subject

NAME = "add-on versions"


def look(subject: Subject) -> Iterator[Finding]:
    """Check the add-ons of a cluster that the stack creates.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: EKS refused the request.
        Unreachable: The region does not answer.
    """
    if not subject.topology.tier_here.spec.cluster or subject.topology.existing_cluster:
        yield Finding(NAME, Status.INFO, "not needed: this stack creates no cluster in this tier")
        return

    def offered(name: str) -> list[str]:
        eks = client("eks", subject.region)
        answer = eks.describe_addon_versions(addonName=name, kubernetesVersion=TABLE.kubernetes)
        return [each["addonVersion"] for addon in answer["addons"] for each in addon["addonVersions"]]

    with calls(NAME, subject.region), ThreadPoolExecutor(max_workers=len(TABLE.addons)) as pool:
        found = dict(zip(TABLE.addons, pool.map(offered, TABLE.addons), strict=True))
    yield from judge(TABLE, found)


def judge(table: Versions, offered: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Judge the add-ons of a table. Pure.

    Args:
        table: The table.
        offered: Versions that EKS offers by add-on.
    """
    missing = [name for name, version in table.addons.items() if version not in offered[name]]
    for name in missing:
        latest = max(offered[name], key=compared, default="none")
        fact = f"EKS does not offer {table.addons[name]} for Kubernetes {table.kubernetes}; its newest is {latest}"
        yield Finding(f"add-on {name}", Status.MISSED, fact, f"set it to an offered version in {MODULE}")
    if not missing:
        yield Finding(NAME, Status.MET, f"offered for Kubernetes {table.kubernetes}")
