"""`dr rotate-secret` over the emulator: both regions get the new password, whatever interrupts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from dr.control import contract
from dr.control.incident_state import IncidentState, Lease
from dr.control.state_store import StateStore
from dr.data import database_login
from dr.data.secret_versions import following_id
from dr.errors import Exit
from dr.operations import readiness_login
from dr.operations.inspected import Inspected
from dr.operations.lookups import Lookups
from dr.preflight.check import Subject
from dr.topology.topology import Role
from sandbox import timings
from sandbox.aws.faults import parse
from sandbox.databases.clusters import credentials
from sandbox.server import Running
from tests.support.builders import DNS, half
from tests.support.databases import AWAY, GLOBAL, HOME, SIZE, SPEED, VERSION, Database, arn
from tests.support.operations import KilledError, die_after
from tests.support.scenes import scene
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket, run, text
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["die_after"]
SECRET, FIRST = "ml-dr-database", "a-password-of-a-test"
"""The secret, and the password with which `Database.create` makes the cluster."""
LOST = {"kind": "region", "region": PRIMARY, "unreachable": True}


class Place:
    """A global database of both regions, its login with a replica, and the contract.

    Args:
        aws: The emulator.
    """

    def __init__(self, aws: Running) -> None:
        self.aws, self.s3 = aws, Regions(aws).s3
        self.database = Database(aws)
        self.database.create()
        self.secrets = {region: aws.client("secretsmanager", region) for region in (PRIMARY, RECOVERY)}
        login = {"engine": "postgres", "username": "registry", "password": FIRST, "dbname": "mlflow", "port": 5432}
        self.secrets[PRIMARY].create_secret(
            Name=SECRET, SecretString=json.dumps(login), AddReplicaRegions=[{"Region": RECOVERY}]
        )
        self.records = {
            role: {
                "global_cluster": GLOBAL,
                "engine_version": VERSION,
                "instance_class": SIZE,
                "cluster": cluster,
                "arn": arn(region, cluster),
                "secret": SECRET,
            }
            for role, region, cluster in ((Role.PRIMARY, PRIMARY, HOME), (Role.RECOVERY, RECOVERY, AWAY))
        }
        self.publish()

    def publish(self, **changes: Any) -> None:
        """Write the contract into both control buckets; keywords replace the recovery region's part."""
        for role, record in self.records.items():
            given = record if role is Role.PRIMARY else {**record, **changes}
            made = half(role, dns=DNS, database=given)
            for region in (PRIMARY, RECOVERY):
                self.s3[region].put_object(
                    Bucket=bucket(region, "control"), Key=contract.key_of(role), Body=json.dumps(made.to_dict())
                )

    def value(self, region: str, label: str = "AWSCURRENT") -> dict[str, Any]:
        answer = self.secrets[region].get_secret_value(SecretId=SECRET, VersionStage=label)
        return dict(json.loads(answer["SecretString"]))

    def password(self, cluster: str = HOME, region: str = PRIMARY) -> str:
        """The password that the database accepts, read from the emulator itself."""
        self.aws.client("rds", region).describe_db_clusters()
        from moto.rds.models import rds_backends

        found = credentials(rds_backends["123456789012"][region].clusters[cluster])
        return found[1] if found else ""

    def agrees(self, cluster: str = HOME, region: str = PRIMARY) -> bool:
        """Whether the database and both regions' secrets have the same password."""
        values = {self.value(each)["password"] for each in (PRIMARY, RECOVERY)}
        return values == {self.password(cluster, region)}

    def labels(self) -> dict[str, list[str]]:
        listed = self.secrets[PRIMARY].list_secret_version_ids(SecretId=SECRET)["Versions"]
        return {each["VersionId"]: sorted(each["VersionStages"]) for each in listed}

    @property
    def version(self) -> str:
        return str(self.secrets[PRIMARY].get_secret_value(SecretId=SECRET)["VersionId"])


@pytest.fixture
def place(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(timings.SPEED_VARIABLE, SPEED)
    return Place(aws)


def test_rotation_changes_the_password_of_the_database_and_of_both_regions_and_keeps_the_first_version(
    place: Place,
) -> None:
    first = place.version
    code, planned = run("rotate-secret")
    assert (code, planned["executed"], planned["cluster"], place.password()) == (Exit.OK, False, HOME, FIRST)
    assert planned["started"] is False
    assert "not started" in text("rotate-secret")

    code, done = run("rotate-secret", "--yes")
    assert (code, done["executed"], done["version"]) == (Exit.OK, True, place.version)
    assert place.agrees()
    assert (place.value(RECOVERY)["username"], place.value(RECOVERY)["port"]) == ("registry", 5432)
    assert place.value(RECOVERY)["password"] not in (FIRST, json.dumps(done))
    assert place.value(RECOVERY, "AWSPREVIOUS")["password"] == FIRST

    run("rotate-secret", "--yes")
    run("rotate-secret", "--yes")
    assert place.agrees()
    assert place.labels()[first] == ["dr-first"], "Pulumi reads this version"


def test_no_output_has_a_password(place: Place) -> None:
    shown = text("rotate-secret") + text("rotate-secret", "--yes") + text("rotate-secret", "--reset", "--yes")

    assert not [each for each in (FIRST, place.password()) if each in shown]


def test_the_password_is_set_where_the_database_writes_after_a_switchover(place: Place) -> None:
    place.database.west.create_db_instance(
        DBInstanceIdentifier="away-1", DBClusterIdentifier=AWAY, DBInstanceClass=SIZE, Engine="aurora-postgresql"
    )
    place.database.west.describe_db_instances()
    place.database.east.switchover_global_cluster(
        GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(RECOVERY, AWAY)
    )
    assert place.database.writer == AWAY

    code, done = run("rotate-secret", "--yes")
    assert (code, done["cluster"], done["cluster_region"], done["region"]) == (Exit.OK, AWAY, RECOVERY, PRIMARY)
    assert place.agrees(AWAY, RECOVERY)


def test_rotation_that_is_killed_after_any_api_call_is_completed_by_the_next_run(
    place: Place, die_after: Callable[[int], None]
) -> None:
    run("rotate-secret", "--yes")
    die_after(0)
    run("rotate-secret", "--yes")
    total = die_after.count[0]  # type: ignore[attr-defined]
    assert total >= 8

    for number in range(1, total):
        before = place.version
        die_after(number)
        with pytest.raises(KilledError):
            run("rotate-secret", "--yes")
        die_after(0)
        # Each password that the database may have is in the secret.
        held = [place.value(PRIMARY)["password"]]
        if following_id(place.version) in place.labels():
            held.append(place.value(PRIMARY, "AWSPENDING")["password"])
        assert place.password() in held, number
        assert run("rotate-secret", "--yes")[0] == Exit.OK
        assert place.agrees(), number
        assert place.version != before


def test_rotation_that_the_loss_of_the_primary_region_interrupts_is_reset_by_the_recovery_region_alone(
    place: Place, die_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = database_login.set_password

    def lose(*arguments: Any, **more: Any) -> None:
        real(*arguments, **more)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("dr.data.login_rotation.set_password", lose)
        with pytest.raises(KilledError):
            run("rotate-secret", "--yes")
    assert (place.value(RECOVERY)["password"], place.password() != FIRST) == (FIRST, True)

    place.database.west.create_db_instance(
        DBInstanceIdentifier="away-1", DBClusterIdentifier=AWAY, DBInstanceClass=SIZE, Engine="aurora-postgresql"
    )
    place.database.west.describe_db_instances()
    place.aws.emulator.faults.add(parse(LOST))
    place.database.west.failover_global_cluster(
        GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(RECOVERY, AWAY), AllowDataLoss=True
    )
    assert place.database.writer == AWAY
    assert run("rotate-secret", "--yes")[0] == Exit.FAILED, "the primary region writes the secret"

    code, done = run("rotate-secret", "--reset", "--yes")
    assert (code, done["reset"], done["cluster"], done["region"]) == (Exit.OK, True, AWAY, RECOVERY)
    assert place.password(AWAY, RECOVERY) == FIRST

    place.aws.emulator.faults.clear()
    code, done = run("rotate-secret")
    assert (done["started"], done["cluster"]) == (True, AWAY)
    run("rotate-secret", "--yes")
    assert place.agrees(AWAY, RECOVERY)


def test_what_a_rotation_needs_and_lacks_is_refused_and_nothing_is_changed(place: Place) -> None:
    def refused(fact: str) -> None:
        code, answer = run("rotate-secret", "--yes")
        assert (code, fact in json.dumps(answer)) == (Exit.REFUSED, True), answer
        assert place.password() == FIRST

    store = StateStore(RECOVERY, bucket(RECOVERY, "control"))
    store.update(lambda stored: replace(IncidentState(), lease=Lease("ada@laptop", "2100-01-01T00:00:00+00:00", 1)))
    refused("ada@laptop runs an operation")
    store.update(lambda stored: IncidentState())

    former = place.value(PRIMARY)
    place.secrets[PRIMARY].put_secret_value(SecretId=SECRET, SecretString="changed by hand")
    code, answer = run("rotate-secret", "--yes")
    assert (code, "not a JSON object" in json.dumps(answer), place.password()) == (Exit.INVALID, True, FIRST)
    assert "changed by hand" not in json.dumps(answer)
    place.secrets[PRIMARY].put_secret_value(SecretId=SECRET, SecretString=json.dumps(former))

    place.secrets[PRIMARY].remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=[RECOVERY])
    refused("its replica in us-west-2 is missing")

    place.publish(cluster="", arn="")
    place.database.west.create_db_cluster(
        DBClusterIdentifier="ml-dr-restored",
        Engine="aurora-postgresql",
        EngineVersion=VERSION,
        MasterUsername="registry",
        MasterUserPassword=FIRST,
    )
    refused("ml-dr-restored in us-west-2 has the same login")


def test_restored_database_gets_the_password_of_its_regions_secret(place: Place) -> None:
    run("rotate-secret", "--yes")
    place.database.west.create_db_cluster(
        DBClusterIdentifier="ml-dr-restored",
        Engine="aurora-postgresql",
        EngineVersion=VERSION,
        MasterUsername="registry",
        MasterUserPassword=FIRST,
    )
    said: list[str] = []
    database_login.renew_restored(RECOVERY, "ml-dr-restored", SECRET, lambda shown, share: said.append(shown))
    assert place.password("ml-dr-restored", RECOVERY) == place.value(RECOVERY)["password"]

    database_login.renew_restored(RECOVERY, "ml-dr-restored", "absent", lambda shown, share: said.append(shown))
    assert said[-1].endswith("`dr rotate-secret --reset --yes`"), "a restore does not fail"


def test_readiness_names_an_interrupted_rotation_and_a_missing_replica(place: Place) -> None:
    record = contract.DatabaseRecord.of(place.records[Role.PRIMARY])
    found = scene()
    halves = {**found.halves, Role.PRIMARY: replace(found.halves[Role.PRIMARY], database=record)}
    inspected = Inspected(
        replace(found, halves=halves), cast(Subject, None), timedelta(days=30), Lookups(PATIENCE_SECONDS)
    )

    def statuses() -> list[str]:
        return [str(each.status) for each in readiness_login.look(inspected)]

    assert statuses() == ["met", "met"]
    place.secrets[PRIMARY].put_secret_value(SecretId=SECRET, SecretString="{}", VersionStages=["AWSPENDING"])
    assert statuses() == ["missed", "met"]
    place.secrets[PRIMARY].remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=[RECOVERY])
    assert statuses() == ["missed", "missed"]
