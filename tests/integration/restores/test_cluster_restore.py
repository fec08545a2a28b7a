"""Cluster objects in the drill of restores: two real API servers, with the sandbox's Velero over replicated buckets.

Locations, schedules and the runbook are those that the program deploys. The primary region is backed up at 02:00.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from components.kubernetes import protection_spec
from components.kubernetes.protection_spec import ProtectionSpec
from components.kubernetes.runbook import config_map
from dr import clients
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.config.project import load_topology
from dr.control import local_state
from dr.control.incident_state import IncidentState
from dr.data.registry_backup import Backup, Saved
from dr.drills import backup_restore_result, cluster_restore
from dr.drills import running as running_drill
from dr.drills.backup_restore import BackupRestore
from dr.drills.backup_restore_result import ClassSeen, judge
from dr.drills.cluster_restore import ClusterRestore
from dr.drills.document import DrillDocument
from dr.errors import DrError, Failed
from dr.names import VELERO
from dr.operations.fingerprint import Fingerprint
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from sandbox.charts.definitions import own_definitions
from sandbox.clusters import velero_archive
from sandbox.clusters.api import Api, RefusedError
from sandbox.server import Running, running
from tests.sandbox.clusters.test_eks import NAME, make_cluster
from tests.support.buckets import PRIMARY, RECOVERY, make_bucket, replicate_all
from tests.support.copied import Copied, copied
from tests.support.sets import ROOT, Regions, bucket
from tests.support.waiting import wait_for

pytestmark = pytest.mark.thorough

RUN = "20261129T120000Z-a1b2c3"
SPACES = ("ml-serving", "ml-training", "mlflow", "velero")
LABELS = {"backup": "enabled"}
VELERO_PATH = f"/apis/velero.io/v1/namespaces/{VELERO}"
CORE = "/api/v1/namespaces"
MAPS, SECRETS = "configmaps", "secrets"
SHA_OF_A = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
METADATA, ARCHIVE = "velero-backup.json", "{0}.tar.gz"


@dataclass
class Place:
    """Both regions.

    Args:
        aws: The emulator.
        apis: API servers with the administrator's rights, by region.
        clusters: Descriptions of the clusters, by region.
        backup: Name of the backup.
    """

    aws: Running
    apis: dict[str, Api]
    clusters: dict[str, dict[str, Any]]
    backup: str = ""

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Call the control API."""
        connection = http.client.HTTPConnection(urlsplit(self.aws.endpoint).netloc)
        connection.request(method, f"/_sandbox/{path}", json.dumps(content) if content is not None else None)
        return json.load(connection.getresponse())

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.control("GET", "clock")["now"])

    def create(self, region: str, path: str, content: dict[str, Any]) -> None:
        """Create an object as soon as its kind is served."""

        def created() -> bool:
            try:
                self.apis[region].call("POST", path, content)
            except RefusedError as error:
                if error.status in (404, 429):
                    return False
                raise
            return True

        wait_for(created, path)

    def backups(self, region: str) -> dict[str, str]:
        """Return the phases of the backups that a cluster has, by name."""
        found = self.apis[region].call("GET", f"{VELERO_PATH}/backups")["items"]
        return {each["metadata"]["name"]: each.get("status", {}).get("phase", "") for each in found}

    def completed(self, since: datetime) -> str:
        """Return the name of the newest completed backup since a time; empty if none is."""
        found = [name for name, phase in self.backups(PRIMARY).items() if phase == "Completed"]
        return max((each for each in found if each.rpartition("-")[2] >= f"{since:%Y%m%d%H%M%S}"), default="")

    def key(self, region: str, file: str) -> dict[str, str]:
        name = f"backups/{self.backup}/{file.format(self.backup)}"
        return {"Bucket": bucket(region, "velero"), "Key": name}

    def change(self, change: Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]]) -> None:
        """Replace the archive in the recovery region."""
        s3, key = self.aws.client("s3", RECOVERY), self.key(RECOVERY, ARCHIVE)
        items = velero_archive.unpack(s3.get_object(**key)["Body"].read())
        s3.put_object(**key, Body=velero_archive.pack(change(items)))

    def state(self, region: str) -> dict[str, str]:
        """Return the versions of all objects of the namespaces that serve, by path."""
        found = {}
        for space in SPACES[:3]:
            for kind in (MAPS, SECRETS, "persistentvolumeclaims"):
                for each in self.apis[region].call("GET", f"{CORE}/{space}/{kind}")["items"]:
                    found[f"{space}/{kind}/{each['metadata']['name']}"] = each["metadata"]["resourceVersion"]
        return found

    def left(self) -> list[str]:
        """Return what is left of a drill."""
        api = self.apis[RECOVERY]
        spaces = [each["metadata"]["name"] for each in api.call("GET", CORE)["items"]]
        kinds = ("restores", "downloadrequests")
        found = [
            each["metadata"]["name"] for kind in kinds for each in api.call("GET", f"{VELERO_PATH}/{kind}")["items"]
        ]
        return [each for each in spaces if each.startswith("dr-drill-")] + found

    def files_of_restores(self) -> int:
        listed = self.aws.client("s3", RECOVERY).list_objects_v2(Bucket=bucket(RECOVERY, "velero"), Prefix="restores/")
        return int(listed["KeyCount"])


def labelled(name: str, **content: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": LABELS}, **content}


@pytest.fixture(scope="module")
def made() -> Iterator[Place]:
    with running(kubernetes=True) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            patch.setenv(name, value)
        clients.forget()
        clusters = {region: make_cluster(aws.client, region) for region in (PRIMARY, RECOVERY)}
        place = Place(aws, {region: Api(aws.clusters.of(region)[NAME].api()) for region in clusters}, clusters)
        for region in clusters:
            make_bucket(aws.client("s3", region), bucket(region, "velero"))
            for definition in own_definitions("velero"):
                place.create(region, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            for space in SPACES:
                place.create(region, CORE, {"metadata": {"name": space}})
            spec = ProtectionSpec(region == PRIMARY, region, bucket(region, "velero"))
            place.create(region, f"{VELERO_PATH}/backupstoragelocations", protection_spec.location(spec))
            place.create(region, f"{VELERO_PATH}/schedules", protection_spec.schedule(spec))
            place.create(region, f"{CORE}/ml-serving/{MAPS}", config_map("dr-runbook", {"runbook.md": "as deployed"}))
        replicate_all(aws.client("s3", PRIMARY), bucket(PRIMARY, "velero"), bucket(RECOVERY, "velero"))
        place.create(PRIMARY, f"{CORE}/ml-serving/{MAPS}", labelled("settings", data={"threshold": "0.5"}))
        place.create(PRIMARY, f"{CORE}/mlflow/{SECRETS}", labelled("login", data={"password": "eA=="}))
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        place.create(PRIMARY, f"{CORE}/ml-training/persistentvolumeclaims", labelled("scratch", spec=claim))
        wait_for(lambda: place.apis[PRIMARY].call("GET", f"{VELERO_PATH}/schedules")["items"][0].get("status"))
        # Kubernetes stores times in whole seconds. What was created in the second of a backup may be newer than it.
        created = datetime.now(UTC)
        wait_for(lambda: datetime.now(UTC) - created > timedelta(seconds=1))
        yield place


@pytest.fixture
def place(made: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Both regions, a day later, with the backup in both."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.aws.endpoint)
    clients.forget()
    if not made.backup:
        # A day has one 02:00, wherever the clock stands, and one backup makes up for all that were missed.
        later = made.now + timedelta(days=1)
        made.control("POST", "clock", {"advance": timedelta(days=1).total_seconds()})
        made.backup = wait_for(lambda: made.completed(later), "the backup", lambda: made.backups(PRIMARY))
        wait_for(lambda: not made.aws.emulator.replication.counts()["pending"])
        made.control("POST", "clock", {"advance": 120})
    wait_for(lambda: made.backups(RECOVERY).get(made.backup) == "Completed", "the backup's arrival")
    s3, key = made.aws.client("s3", RECOVERY), made.key(RECOVERY, ARCHIVE)
    whole = s3.get_object(**key)["Body"].read()
    yield made
    s3.put_object(**key, Body=whole)
    made.control("DELETE", "faults")


def scene(place: Place, **changes: Any) -> Any:
    def api(region: str) -> ClusterApi:
        about = place.aws.client("eks", region).describe_cluster(name=NAME)["cluster"]
        return ClusterApi(ClusterAddress(NAME, region, about["endpoint"], about["certificateAuthority"]["data"]))

    made = SimpleNamespace(
        topology=load_topology(ROOT, "dr"),
        region=RECOVERY,
        home=PRIMARY,
        tier=Tier.PILOT,
        options=SimpleNamespace(run=RUN),
        recovery=SimpleNamespace(cluster=True),
        cluster=api(RECOVERY),
        cluster_of=lambda role: api(PRIMARY if role is Role.PRIMARY else RECOVERY),
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def drill(place: Place, at: datetime | None = None, **changes: Any) -> tuple[ClassSeen, str]:
    """Run the part of the drill, delete what it left, and return what it saw and its error."""
    found, problem, where = cluster_restore.seen(), "", scene(place, **changes)
    try:
        ClusterRestore(where, found, at or place.now, lambda line: None, timedelta(seconds=30)).execute()
    except DrError as error:
        problem = str(error)
    if where.recovery.cluster:
        cluster_restore.remove(where.cluster, lambda line: None)
        wait_for(lambda: place.left() == [], "the removal")
    return found, problem


def verdicts(found: ClassSeen) -> dict[str, str]:
    return {each.name.removeprefix("cluster objects "): str(each.verdict) for each in judge(found)}


MET = {"restored": "met", "time": "met", "age": "met"}


def test_schedule_backs_up_labelled_objects_and_the_other_region_knows_the_backup(place: Place) -> None:
    body = place.aws.client("s3", RECOVERY).get_object(**place.key(RECOVERY, ARCHIVE))["Body"].read()
    found = {f"{kind}/{each['metadata']['name']}" for kind, each in velero_archive.unpack(body)}

    assert place.backup == f"ml-backup-daily-{place.backup[-14:]}"
    assert found == {"configmaps/settings", "configmaps/dr-runbook", "secrets/login", "persistentvolumeclaims/scratch"}
    paused = place.apis[RECOVERY].call("GET", f"{VELERO_PATH}/schedules")["items"][0]
    assert "lastBackup" not in paused.get("status", {})


def test_newest_backup_is_restored_beside_what_serves_compared_and_deleted(place: Place) -> None:
    before = {region: place.state(region) for region in (PRIMARY, RECOVERY)}
    found, problem = drill(place)

    assert (problem, verdicts(found)) == ("", MET), found
    assert found.source == place.backup
    assert "4 objects (2 configmaps, 1 persistentvolumeclaims, 1 secrets), 4 with equal hashes" in found.measured
    assert "none changed since in us-east-1" in found.measured
    assert {region: place.state(region) for region in before} == before
    wait_for(lambda: place.files_of_restores() == 0, "the files of the restore")


def without_the_secret(place: Place) -> None:
    place.change(lambda items: [each for each in items if each[0] != SECRETS])


def other_content(place: Place) -> None:
    def change(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return [(kind, each | {"data": {"password": "eQ=="}} if kind == SECRETS else each) for kind, each in items]

    place.change(change)


def refused_by_the_api_server(place: Place) -> None:
    def change(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return [(kind, each | {"type": "kubernetes.io/tls"} if kind == SECRETS else each) for kind, each in items]

    place.change(change)


@pytest.mark.parametrize(
    ("break_it", "texts"),
    [
        (without_the_secret, ["secrets/login of mlflow was not backed up"]),
        (other_content, ["secrets/login of mlflow has another content in the backup"]),
        (refused_by_the_api_server, ["secrets/login of mlflow is missing", "PartiallyFailed: 1 errors"]),
    ],
)
def test_each_broken_backup_is_missed_and_nothing_is_left(
    place: Place, break_it: Callable[[Place], None], texts: list[str]
) -> None:
    break_it(place)
    found, problem = drill(place)

    assert (problem, verdicts(found)) == ("", MET | {"restored": "missed"}), found
    assert all(text in " ".join(found.faults) for text in texts), found.faults


def test_archive_that_cannot_be_read_is_an_error_and_not_measured(place: Place) -> None:
    place.aws.client("s3", RECOVERY).put_object(**place.key(RECOVERY, ARCHIVE), Body=b"damaged")
    found, problem = drill(place)

    assert "the archive of the backup" in problem
    assert verdicts(found)["restored"] == "unknown"


def test_backup_that_is_too_old_is_missed(place: Place) -> None:
    found, _ = drill(place, place.now + timedelta(hours=27))

    assert verdicts(found) == MET | {"age": "missed"}


def test_completeness_is_unknown_while_the_other_region_does_not_answer(place: Place) -> None:
    where = scene(place)
    home = where.cluster_of(Role.PRIMARY)
    place.control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    found, problem = drill(place, cluster_of=lambda role: home)

    assert (problem, verdicts(found)["restored"]) == ("", "unknown")
    assert "4 with equal hashes; whether the backup is complete was not measured" in found.unknown


def test_tier_without_a_cluster_says_what_would_measure_it(place: Place) -> None:
    found, _ = drill(place, tier=Tier.BACKUP, recovery=SimpleNamespace(cluster=None))

    assert verdicts(found) == {"restored": "unknown"}
    assert "from tier pilot on" in found.unknown


def test_own_cluster_has_own_backups(place: Place) -> None:
    found, _ = drill(place, topology=replace(load_topology(ROOT, "dr"), existing_cluster="theirs"))

    assert "dr:existingCluster" in found.unknown


def test_namespace_that_exists_already_is_not_touched(place: Place) -> None:
    place.create(RECOVERY, CORE, {"metadata": {"name": "dr-drill-mlflow"}})
    found, problem = cluster_restore.seen(), ""
    try:
        ClusterRestore(scene(place), found, place.now, lambda line: None).execute()
    except Failed as error:
        problem = str(error)
    cluster_restore.remove(scene(place).cluster, lambda line: None)

    assert "dr-drill-mlflow exist already" in problem
    assert place.left() == ["dr-drill-mlflow"]
    place.apis[RECOVERY].remove(f"{CORE}/dr-drill-mlflow")
    wait_for(lambda: place.left() == [])


def test_what_a_killed_drill_created_is_deleted(place: Place) -> None:
    """The drill dies in the middle of its comparison; a later process knows only the labels."""

    class KilledError(BaseException):
        pass

    def die(role: Role) -> ClusterApi:
        raise KilledError

    found = cluster_restore.seen()
    with pytest.raises(KilledError):
        ClusterRestore(scene(place, cluster_of=die), found, place.now, lambda line: None).execute()
    assert len(place.left()) == 4
    done = cluster_restore.remove(scene(place).cluster, lambda line: None)

    assert {"dr-drill-ml-serving", "dr-drill-ml-training", "dr-drill-mlflow"} <= set(done)
    wait_for(lambda: place.left() == [], "the removal")
    wait_for(lambda: place.files_of_restores() == 0, "the files of the restore")


def test_backups_of_a_read_only_location_are_refused(place: Place) -> None:
    template = protection_spec.schedule(ProtectionSpec(False, RECOVERY, ""))["spec"]["template"]
    made = {"metadata": {"name": "by-hand"}, "spec": template}
    place.create(RECOVERY, f"{VELERO_PATH}/backups", {"apiVersion": "velero.io/v1", "kind": "Backup", **made})
    wait_for(lambda: place.backups(RECOVERY)["by-hand"] == "FailedValidation")
    place.apis[RECOVERY].remove(f"{VELERO_PATH}/backups/by-hand")


def test_without_a_backup_the_class_is_missed_once_one_is_late(place: Place) -> None:
    s3 = place.aws.client("s3", RECOVERY)
    name, metadata = bucket(RECOVERY, "velero"), place.key(RECOVERY, METADATA)["Key"]
    bodies = {}
    for key in (metadata, place.key(RECOVERY, ARCHIVE)["Key"]):
        bodies[key] = s3.get_object(Bucket=name, Key=key)["Body"].read()
        s3.delete_object(Bucket=name, Key=key)
    place.control("POST", "clock", {"advance": 120})
    wait_for(lambda: place.backups(RECOVERY) == {}, "the end of the orphan")
    try:
        found, _ = drill(place)
        assert verdicts(found) == {"restored": "unknown"}
        assert "its backup location is Available; the first one is made at 02:00 UTC" in found.unknown
    finally:
        for key, body in bodies.items():
            s3.put_object(Bucket=name, Key=key, Body=body)
        place.control("POST", "clock", {"advance": 120})


@pytest.fixture
def copies(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Copied:
    """Copies of a bucket and a volume, and a backup of the registry, beside the cluster backup."""
    monkeypatch.setattr(local_state, "folder", lambda: tmp_path)
    made = copied(Regions(place.aws), place.control)
    s3 = place.aws.client("s3", PRIMARY)
    for number in range(5):
        s3.put_object(Bucket=bucket(PRIMARY, "models"), Key=f"set/{number}", Body=f"weights {number}")
    key, registry = "backups/objects/1/a", bucket(PRIMARY, "registry")
    version = s3.put_object(Bucket=registry, Key=key, Body=b"a")["VersionId"]
    backup = Backup(place.now.isoformat(timespec="seconds"), (Saved("a", "1", 1, SHA_OF_A, key, version),))
    s3.put_object(Bucket=registry, Key=backup.key, Body=backup.to_json())
    made.regions.settle()
    made.back_up()
    return made


def test_drill_is_met_by_a_copy_of_each_class_and_missed_without_one_secret(place: Place, copies: Copied) -> None:
    def result(run: str) -> DrillDocument:
        now, options = place.now, SimpleNamespace(run=run)
        sides = {"primary": SimpleNamespace(database=copies.home)}
        sides["recovery"] = SimpleNamespace(cluster=True, database=copies.away)
        clock = SimpleNamespace(at=now)
        whole = scene(place, options=options, state=IncidentState, alarms=lambda: clock, **sides)
        marks = Fingerprint({"code": "1", "configuration": "2", "tier": "pilot", "set": "3"})
        seen = BackupRestore(whole, lambda line: None).execute()
        return backup_restore_result.document(seen, marks, now)

    found = result(RUN)

    assert (found.verdict, [each for each in found.judgements if each.verdict != "met"]) == ("met", [])
    assert {each.name.rpartition(" ")[0] for each in found.judgements} == {
        *("objects", "volumes", "databases", "registry", "cluster objects", "")
    }
    assert (copies.volumes(), copies.clusters()) == ([], [])

    without_the_secret(place)
    found = result(f"{RUN}2")

    (missed,) = [each for each in found.judgements if each.verdict != "met"]
    assert (found.verdict, missed.name) == ("missed", "cluster objects restored")
    assert "secrets/login of mlflow was not backed up" in missed.measured
    assert (place.left(), copies.volumes(), running_drill.read()) == ([], [], None)
