"""Changes of dr:tier with the real engine and the policy pack; with --all, every ordered pair of tiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from dr.control import incident_state
from dr.control.incident_state import Incident, IncidentState
from dr.errors import Failed
from dr.topology.tiers import Tier
from sandbox.local import ROOT
from tests.support.network import EAST, WEST, nat_routes, nat_zones
from tests.support.sandbox import SandboxUnderTest, warned
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

ROUND = [
    "pilot",
    "backup",
    "pilot",
    "warm",
    "pilot",
    "active",
    "backup",
    "warm",
    "backup",
    "active",
    "warm",
    "active",
    "pilot",
]
"""Tiers in an order with each of the twelve ordered pairs once, which ends with the tier of a new sandbox."""
SAMPLE = ["pilot", "active", "backup", "pilot"]
"""Tiers in an order that reaches every tier except warm, to which the other tests change."""

NETWORK_COMES_AND_GOES = {"aws:ec2/natGateway:NatGateway", "aws:ec2/eip:Eip", "aws:ec2/route:Route"}
"""Network resources that tiers add and remove."""

SCALED_IN_PLACE = {
    "aws:eks/nodeGroup:NodeGroup",
    "aws:ec2/route:Route",
    "aws:route53/record:Record",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm",
}
"""Types that a tier change may update: node groups, routes, a record, the contract and the expectation, and the alarm
`recovery-at-risk`, which depends on the database's replica where a tier has one."""

NAT_OF = {"backup": "", "pilot": "a", "warm": "abc", "active": "abc"}
"""Zones with a NAT gateway, by tier."""

SPELLED = {"active": "Active-Active", "backup": "backup-restore"}
"""Alternative spellings of tiers."""

RUNS = {"backup": (0, None), "pilot": (1, 0), "warm": (1, 3), "active": (1, 6)}
"""Number of EKS clusters and GPU nodes, by tier."""


def deployed_now(deployed: SandboxUnderTest) -> dict[str, tuple[str, Any]]:
    """Return type and ID of the dr stack's AWS resources by URN."""
    return {
        each["urn"]: (each["type"], each.get("id"))
        for each in deployed.engine.resources("dr")
        if each["type"].startswith("aws:")
    }


def gpu_nodes(deployed: SandboxUnderTest) -> tuple[int, int | None]:
    eks = deployed.client("eks", WEST)
    clusters = eks.list_clusters()["clusters"]
    sizes = [
        eks.describe_nodegroup(clusterName=cluster, nodegroupName=group)["nodegroup"]
        for cluster in clusters
        for group in eks.list_nodegroups(clusterName=cluster)["nodegroups"]
    ]
    gpu = [group["scalingConfig"]["desiredSize"] for group in sizes if "NVIDIA" in group["amiType"]]
    return len(clusters), sum(gpu) if gpu else None


def selections(deployed: SandboxUnderTest) -> set[str]:
    """Return the names of the selections of the recovery region's backup plans."""
    backup = deployed.client("backup", WEST)
    return {
        each["SelectionName"]
        for plan in backup.list_backup_plans()["BackupPlansList"]
        for each in backup.list_backup_selections(BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]
    }


def weights(deployed: SandboxUnderTest) -> dict[str, int]:
    """Return the weights of the records that clients resolve, by set identifier."""
    zone, route53 = deployed.engine.outputs("primary")["zone_id"], deployed.client("route53", EAST)
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    public = [record for record in records if record["Name"] == "inference.ml.example.com."]
    return {record["SetIdentifier"]: record["Weight"] for record in public}


def test_every_ordered_pair_of_tiers_is_a_change_in_place(deployed: SandboxUnderTest, everything: bool) -> None:
    # Alarms that a fault of another test has left make the dr stack ask the primary region.
    deployed.measure()
    primary = deployed.engine.checkpoint("primary").read_bytes()
    of_tier, seen = {"pilot": deployed_now(deployed)}, set()
    for old, new in pairwise(ROUND if everything else SAMPLE):
        if old in ("warm", "active"):
            deployed.measure()
        before, mark = deployed_now(deployed), deployed.mark()
        deployed.configure("dr", tier=SPELLED.get(new, new))
        packs = [] if new in seen else [str(ROOT / "policies")]
        changes = deployed.engine.up("dr", policy_packs=packs)
        after, calls = deployed_now(deployed), deployed.calls(mark)

        done = {op: {urn for done_op, urn, _ in changes.changed if done_op == op} for op in changes.counts}
        counts = {op: len(done.get(op, ())) for op in ("create", "update", "delete")}
        print(f"{old} -> {new}: {counts}")
        assert changes.counts.keys() <= {"create", "update", "delete", "same"}, (old, new)
        assert {urn for urn in done.get("create", ()) if "::aws:" in urn or "$aws:" in urn} == after.keys() - before
        assert {urn for urn in done.get("delete", ()) if "::aws:" in urn or "$aws:" in urn} == before.keys() - after
        updated = {after[urn][0] for urn in done.get("update", ()) if urn in after}
        assert updated <= SCALED_IN_PLACE, (old, new)
        kept = {urn: (kind, id) for urn, (kind, id) in before.items() if kind not in NETWORK_COMES_AND_GOES}
        assert {urn: after[urn] for urn in kept if urn in after} == {urn: kept[urn] for urn in kept if urn in after}
        assert after.keys() == of_tier.setdefault(new, after).keys(), (old, new)
        wait_for(lambda: gpu_nodes(deployed) == RUNS[new])  # noqa: B023 - asked at once
        assert nat_zones(deployed, WEST) == NAT_OF[new]
        assert set(nat_routes(deployed, WEST)) == set("abc" if NAT_OF[new] else "")
        assert weights(deployed) == {"primary": 100, "recovery": 100 if new == "active" else 0}
        assert not warned(changes), changes.warnings
        assert not changes.violations, changes.violations

        called = Counter((call["service"], call["target"]) for call in calls)
        assert {service for service, target in called if target == EAST} <= {"route53", "iam"}
        weight = "active" in (old, new)
        assert ("route53" in {service for service, _ in called}) == weight, (old, new)
        assert "iam" not in {service for service, _ in called}, (old, new)

        if new not in seen:  # a tier has the same resources from every previous tier
            assert deployed.engine.up("dr").none, (old, new)
        seen.add(new)
    assert deployed.engine.checkpoint("primary").read_bytes() == primary
    assert deployed.engine.up("primary").none


def test_activated_tier_comes_up_without_iam_or_route_53_while_the_primary_is_lost_and_is_not_lowered(
    deployed: SandboxUnderTest,
) -> None:
    s3, place = deployed.client("s3", WEST), {"Bucket": f"ml-dr-123456789012-{WEST}-control", "Key": incident_state.KEY}
    incident = Incident("2026-11-25-a", "2026-11-25T03:00:00+00:00", "a drill")

    def refusal(operation: Callable[[str], object]) -> str:
        """Return why an update to the configured tier, pilot, or its preview is refused."""
        with pytest.raises(Failed) as caught:
            operation("dr")
        return str(caught.value)

    wait_for(lambda: gpu_nodes(deployed) == RUNS["pilot"])
    deployed.lose(EAST)
    s3.put_object(**place, Body=IncidentState(activation=Tier.WARM, incident=incident).to_json())
    mark = deployed.mark()
    try:
        planned = deployed.engine.preview("dr")
        changes = deployed.engine.up("dr", policy_packs=[str(ROOT / "policies")])
        again = deployed.engine.up("dr")
        calls = deployed.calls(mark)
        nodes, serves = gpu_nodes(deployed), deployed.engine.outputs("dr")["tier"]
        selected = selections(deployed)
        s3.put_object(**place, Body=IncidentState(incident=incident).to_json())
        in_incident = refusal(deployed.engine.up)
        # DNS follows health checks, so the recovery region serves, with or without an incident.
        deployed.measure()
        s3.delete_object(**place)
        while_serving = refusal(deployed.engine.preview)
    finally:
        s3.delete_object(**place)
        deployed.repair()
        deployed.measure()
        deployed.engine.up("dr")

    print(Counter(f"{call['service']} in {call['target']}" for call in calls))
    assert planned.counts == changes.counts
    # Of NAT gateways, and a reader of the database.
    assert (changes.counts["create"], again.none) == (7, True)
    assert not changes.violations, changes.violations
    assert (nodes, serves) == (RUNS["warm"], "warm")
    assert (selected, selections(deployed)) == ({"enabled", "replicas"}, {"enabled"})
    assert {call["service"] for call in calls} & {"iam", "route53"} == set()
    assert {call["target"] for call in calls} == {WEST}
    assert '"pilot" is less than "warm", which is deployed, and incident 2026-11-25-a is open' in in_incident
    assert "us-west-2 serves: us-east-1 has not answered for minutes" in while_serving
    assert "`pulumi config set dr:tier warm -s dr`" in while_serving
