"""`dr drill` on a whole sandbox: every verdict is compared with what the clients' log and AWS show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from dr.drills.catalog import DRILLS, Fault
from dr.operations import client_log
from dr.topology.tiers import CLUSTER_CREATION
from sandbox.clusters import velero_archive
from sandbox.emulator_client import ask
from tests.support import velero
from tests.support.deployment import stacks
from tests.support.dr_command import dr, forget_proofs
from tests.support.drill import Cluster, even_out
from tests.support.network import EAST, WEST
from tests.support.sandbox import SandboxUnderTest
from tests.support.velero import BACKUP
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

USUAL = {"effect", "detection", "rto", "rpo", "answers", "operation", "alarms"}
OWN = {
    "capacity-shortage": {"fallback"},
    "operator-killed": {"resumed"},
    "split-brain": {"one-region"},
    "grey-failure": {"health-checks"},
}
ATTEMPTS = 3
FAILED_OVER = [name for name, each in DRILLS.items() if each.fault in (Fault.REGION, Fault.INFERENCE)]
"""The drills that fail over."""
FORBIDDEN = ("iam", "route53", "organizations", "globalaccelerator")


@pytest.fixture
def running(inside: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The sandbox with its clock running, as for a user; tests otherwise advance it themselves."""
    inside.advance(4)
    yield inside
    dr(inside, "drill", "stop")
    ask(inside.server, "POST", "clock", {"speed": 1, "follow": False})
    inside.repair()
    forget_proofs(inside)


def evidence(sandbox: SandboxUnderTest, run: str) -> Path:
    return sandbox.local.folder / "dr" / "evidence" / run


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["verdict"] for each in document["judgements"]}


def unmet(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what a drill judged otherwise than met, with what it measured and what is expected."""
    judged = [each for each in document["judgements"] if each["verdict"] != "met"]
    found = [(each["name"], each["measured"], each["objective"]) for each in judged]
    return found + [("problem", each, "") for each in document["problems"]]


def measured(sandbox: SandboxUnderTest, name: str) -> tuple[int, dict[str, Any]]:
    """Run a drill until it is met, a few times: on a busy machine clients give up on answers, and gaps are too long."""
    for _ in range(ATTEMPTS):
        code, found = dr(sandbox, "drill", name)
        if code == 0:
            break
    return code, found


def status(sandbox: SandboxUnderTest) -> dict[str, Any]:
    return dict(dr(sandbox, "status")[1])


def nothing_is_left(sandbox: SandboxUnderTest) -> bool:
    """Return whether faults, a faster clock, an incident, clients and objects of a drill are gone."""
    bucket = next(each["Name"] for each in sandbox.client("s3", EAST).list_buckets()["Buckets"] if EAST in each["Name"])
    control = f"{bucket.rpartition(EAST)[0]}{EAST}-control"
    left = sandbox.client("s3", EAST).list_objects_v2(Bucket=control, Prefix="drill/").get("KeyCount", 0)
    clients = subprocess.run(["pgrep", "-f", str(sandbox.local.folder)], capture_output=True, text=True, check=False)
    return (
        ask(sandbox.server, "GET", "faults") == []
        and ask(sandbox.server, "GET", "clock")["speed"] == 1
        and status(sandbox)["day"]["incident"] is None
        and left == 0
        and "sandbox client" not in clients.stdout
    )


@pytest.mark.parametrize("name", FAILED_OVER)
def test_drill_meets_its_objectives_by_the_clients_log_and_leaves_nothing(running: SandboxUnderTest, name: str) -> None:
    since = running.mark()
    code, found = measured(running, name)

    assert (code, found["verdict"]) == (0, "met"), unmet(found)
    assert verdicts(found) == dict.fromkeys(USUAL | OWN.get(name, set()), "met")
    requests = client_log.parse((evidence(running, found["run"]) / "requests.jsonl").read_text())
    assert found["requests"] == {
        "sent": len(requests),
        "failed": sum(each.status != 200 for each in requests),
        "wrong": sum(each.right is False for each in requests),
    }
    assert found["rto_seconds"] == pytest.approx(sum(found["phases"].values()), abs=0.1)
    assert 0 < found["rto_seconds"] <= found["objectives"]["rto_seconds"]
    assert found["rto_error_seconds"] <= 2
    assert {each["outcome"] for each in found["steps"]} <= {"done", "unneeded"}
    assert {each.region for each in requests if not each.failed} == {EAST, WEST}
    writes = (evidence(running, found["run"]) / "writes.jsonl").read_text().splitlines()
    assert len(found["lost_writes"]) == sum(json.loads(each)["survived"] is False for each in writes)
    assert (evidence(running, found["run"]) / "report.html").stat().st_size > 10_000
    asked = {call["service"] for call in running.calls(since) if "app/ml-dr" in call["agent"]}
    assert not asked & set(FORBIDDEN)
    assert nothing_is_left(running)
    if name == "region-loss":
        # On a busy machine the proof may be late, and unknown.
        wait_for(lambda: status(running)["proof"]["status"] == "met", "the proof of the drill")


@pytest.fixture
def backup(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxUnderTest]:
    """A sandbox of its own in tier backup, with an hourly backup of the database that was copied once."""
    hourly = [{"data": "databases", "everyHours": 1}]
    with stacks(tmp_path_factory, tier="backup", backups=hourly) as sandbox:
        for name, value in sandbox.engine.variables.items():
            monkeypatch.setenv(name, value)
        sandbox.advance(60)
        yield sandbox


def snapshots(sandbox: SandboxUnderTest, region: str, kind: str) -> list[dict[str, Any]]:
    return list(sandbox.client("rds", region).describe_db_cluster_snapshots(SnapshotType=kind)["DBClusterSnapshots"])


def test_loss_is_drilled_in_a_tier_without_a_cluster_by_a_deployment(backup: SandboxUnderTest) -> None:
    sandbox = backup
    (copy,) = snapshots(sandbox, WEST, "awsbackup")
    file = sandbox.local.project / "Pulumi.dr.yaml"
    before = file.read_bytes()
    code, found = measured(sandbox, "region-loss")

    assert (code, found["verdict"], found["tier"]) == (0, "met", "backup"), unmet(found)
    assert CLUSTER_CREATION.total_seconds() <= found["phases"]["capacity"] <= found["rto_seconds"]
    assert nothing_is_left(sandbox)
    assert file.read_bytes() == before
    assert sandbox.engine.preview("dr").none, "the stack is of its tier again"
    assert sandbox.client("eks", WEST).list_clusters()["clusters"] == []
    outcomes = {each["name"]: each["outcome"] for each in found["steps"]}
    assert (outcomes["restore-database"], outcomes["start-database-instance"]) == ("done", "done")
    assert f"rows of ml-dr-primary after {copy['SnapshotCreateTime']:%Y-%m-%d %H:%M}" in (
        (evidence(sandbox, found["run"]) / "report.html").read_text()
    )
    assert sandbox.client("rds", WEST).describe_db_clusters()["DBClusters"] == []
    kept = [
        {each["DBClusterSnapshotIdentifier"] for each in snapshots(sandbox, there, "manual")} for there in (EAST, WEST)
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) >= 1
    assert status(sandbox)["proof"]["status"] == "met"


def test_loss_of_the_database_is_measured_by_the_writer_and_its_rows_and_leaves_nothing(
    running: SandboxUnderTest,
) -> None:
    code, found = measured(running, "database-loss")

    assert (code, found["verdict"]) == (0, "met"), unmet(found)
    assert verdicts(found) == dict.fromkeys(USUAL | {"rows", "database"}, "met")
    ended = {each["name"]: (each["outcome"], each["ended"]) for each in found["steps"]}
    assert (ended["start-database-instance"][0], ended["promote-database"][0]) == ("done", "done")
    assert 0 < found["rto_seconds"] <= found["objectives"]["rto_seconds"]
    (database,) = running.client("rds", WEST).describe_global_clusters()["GlobalClusters"]
    (writer,) = [each["DBClusterArn"] for each in database["GlobalClusterMembers"] if each["IsWriter"]]
    instances = running.client("rds", WEST).describe_db_instances()["DBInstances"]
    assert f":{EAST}:" in writer
    assert [each["DBInstanceIdentifier"] for each in instances if "incident" in each["DBInstanceIdentifier"]] == []
    assert nothing_is_left(running)


def test_loss_of_a_zone_is_recovered_by_health_checks_within_the_region(running: SandboxUnderTest) -> None:
    code, found = measured(running, "zone-loss")

    assert (code, found["verdict"]) == (0, "met"), unmet(found)
    assert verdicts(found) == dict.fromkeys((USUAL - {"detection"}) | {"no-failover", "replicas"}, "met")
    requests = client_log.parse((evidence(running, found["run"]) / "requests.jsonl").read_text())
    assert {each.region for each in requests} == {EAST}
    assert 0 < found["requests"]["failed"] == sum(each.status != 200 for each in requests)
    assert 0 < found["rto_seconds"] <= found["objectives"]["rto_seconds"] == 26
    assert (found["steps"], found["lost_writes"]) == ([], [])
    assert (evidence(running, found["run"]) / "report.html").stat().st_size > 10_000
    assert nothing_is_left(running)
    even_out(Cluster(running, EAST), 2)
    wait_for(lambda: len(set(running.gpu_nodes(EAST))) == 1, "the minimum of GPU nodes")


def test_data_that_was_overwritten_and_deleted_is_restored_and_no_version_is_destroyed(
    running: SandboxUnderTest,
) -> None:
    code, found = dr(running, "drill", "data-corruption")

    assert (code, found["verdict"]) == (0, "met"), unmet(found)
    assert set(verdicts(found)) == {"effect", "restored", "rto", "rpo", "versions", "operation"}
    s3, bucket = running.client("s3", EAST), "ml-dr-123456789012-us-east-1-control"
    for number, kinds in enumerate((["good", "damaged", "good"], ["good", "good"])):
        key = f"drill/{found['run']}/data/{number:04}"
        listed = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        bodies = [s3.get_object(Bucket=bucket, Key=key, VersionId=each["VersionId"])["Body"].read() for each in listed]
        assert ["good" if body == key.encode() else "damaged" for body in bodies] == kinds
    assert s3.list_objects_v2(Bucket=bucket, Prefix="control/restores/")["KeyCount"] == 0
    assert nothing_is_left(running)


def test_drill_during_an_incident_or_beside_a_fault_is_refused_and_changes_nothing(running: SandboxUnderTest) -> None:
    # A fault that changes nothing: replicas that leave a zone do not return to it.
    running.fault(kind="capacity", region=WEST, instance_type="p5.48xlarge")
    code, found = dr(running, "drill", "region-loss")

    assert (code, [each["subject"] for each in found["problems"]]) == (3, ["faults"])
    assert "the first of kind capacity" in found["problems"][0]["fact"]
    assert len(ask(running.server, "GET", "faults")) == 1


def test_drill_whose_loss_no_alarm_detects_is_missed(running: SandboxUnderTest) -> None:
    scheduler = running.client("scheduler", WEST)
    prober = next(each for each in scheduler.list_schedules()["Schedules"] if "prober" in each["Name"])
    schedule = scheduler.get_schedule(GroupName=prober["GroupName"], Name=prober["Name"])
    wanted = {key: schedule[key] for key in ("GroupName", "Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**wanted, State="DISABLED")
    try:
        code, found = dr(running, "drill", "region-loss")
    finally:
        scheduler.update_schedule(**wanted, State="ENABLED")
    ask(running.server, "POST", "clock", {"advance": 600})

    assert (code, found["verdict"]) == (1, "missed")
    assert verdicts(found)["detection"] == "missed"


def test_killed_drill_is_cleaned_up_by_stop_and_refuses_another_one_before(running: SandboxUnderTest) -> None:
    command = [str(running.local.commands / "dr"), "drill", "region-loss", "--json"]
    variables = {**os.environ, **running.engine.variables}
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as drill:
        wait_for(lambda: ask(running.server, "GET", "faults"), "the fault")
        time.sleep(1)
        drill.send_signal(signal.SIGKILL)
    code, refused = dr(running, "drill", "region-loss")
    assert (code, "its process died" in refused["problems"][0]["fact"]) == (3, True)
    code, cleaned = dr(running, "drill", "stop")

    assert (code, {"its clients", "the faults"} <= set(cleaned["cleaned"])) == (0, True), cleaned
    assert nothing_is_left(running)


@pytest.fixture
def backed_up(running: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The sandbox with a cluster backup in both regions."""
    velero.back_up(running)
    yield running
    for region in (EAST, WEST):
        s3, bucket = running.client("s3", region), bucket_of(region)
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"])
    running.advance(2)
    wait_for(lambda: not velero.phases(running, EAST) and not velero.phases(running, WEST), "its end")


def bucket_of(region: str) -> str:
    return f"ml-dr-123456789012-{region}-velero"


def of_cluster(document: dict[str, Any]) -> dict[str, str]:
    """Return the verdicts about the cluster. AWS Backup makes copies at 02:00, so those of other classes vary."""
    return {name: verdict for name, verdict in verdicts(document).items() if name.startswith("cluster objects")}


def test_drill_measures_the_cluster_backup_names_what_lacks_and_leaves_nothing(backed_up: SandboxUnderTest) -> None:
    _, found = dr(backed_up, "drill", "backup-restore")

    met = dict.fromkeys((f"cluster objects {each}" for each in ("restored", "time", "age")), "met")
    assert (of_cluster(found), verdicts(found)["operation"]) == (met, "met"), found
    (measure,) = [each["measured"] for each in found["judgements"] if each["name"] == "cluster objects restored"]
    assert measure.startswith(f"{BACKUP}: 1 objects (1 configmaps), 1 with equal hashes; none changed since")
    assert (evidence(backed_up, found["run"]) / "report.html").stat().st_size > 10_000

    key = f"backups/{BACKUP}/{BACKUP}.tar.gz"
    backed_up.client("s3", WEST).put_object(Bucket=bucket_of(WEST), Key=key, Body=velero_archive.pack([]))
    code, found = dr(backed_up, "drill", "backup-restore")

    assert (code, found["verdict"], of_cluster(found)) == (1, "missed", met | {"cluster objects restored": "missed"})
    (measure,) = [each["measured"] for each in found["judgements"] if each["name"] == "cluster objects restored"]
    assert "configmaps/dr-runbook of ml-serving was not backed up" in measure
    assert nothing_is_left(backed_up)
    core = client.CoreV1Api(config.new_client_from_config(str(backed_up.local.kubeconfig), context=WEST))
    assert not [each for each in core.list_namespace().items if each.metadata.name.startswith("dr-drill-")]
