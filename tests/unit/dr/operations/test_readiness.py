"""Checks of readiness: a compliant region, and one change for each finding that is not met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from dr.clients import Unreachable
from dr.clusters.api_client import ClusterApi, Denied
from dr.control.contract import ClusterRecord, DatabaseRecord
from dr.control.incident_state import IncidentState
from dr.data.model_sets import Manifest, Probe
from dr.errors import Failed, Problem
from dr.findings import Finding, Status
from dr.operations import inference_probe
from dr.operations import (
    readiness_access as access,
)
from dr.operations import (
    readiness_capacity as capacity,
)
from dr.operations import (
    readiness_equality as equality,
)
from dr.operations.capacity_steps import DEPLOYMENT, GpuGroup
from dr.operations.inference_probe import Answer
from dr.operations.inspected import Inspected
from dr.operations.lookups import Lookups
from dr.preflight.check import Subject
from dr.preflight.quotas import needs
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.api_server import ApiServer
from tests.support.api_server import serving as serve_api
from tests.support.buckets import make_bucket
from tests.support.builders import DATABASE, half, topology
from tests.support.scenes import scene
from tests.support.waiting import PATIENCE_SECONDS

WEST = "us-west-2"
BUCKET = "ml-dr-123456789012-us-west-2-control"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LOST = Unreachable(Problem("us-east-1", "us-east-1 does not answer", "check the region"))


def inspected(**changes: Any) -> Inspected:
    made = scene(**changes)
    return Inspected(made, cast(Subject, None), timedelta(days=30), Lookups(PATIENCE_SECONDS))


def facts(finding: Finding) -> tuple[Status, str]:
    return finding.status, finding.measured


# Serving -------------------------------------------------------------------------------------------------------------

RIGHT, WRONG = Answer(True, "as published"), Answer(False, "inference-dr.ml.example.com answers 503")


def test_right_answers_are_met() -> None:
    assert facts(capacity.judge_answers("inference", [RIGHT] * 4, 2)) == (Status.MET, "4 of 4 answers are right")


def test_one_wrong_answer_is_missed_with_what_was_answered() -> None:
    found = capacity.judge_answers("inference", [RIGHT, WRONG, RIGHT, RIGHT], 2)

    assert facts(found) == (
        Status.MISSED,
        "1 of 4 answers are wrong: inference-dr.ml.example.com answers 503",
    )
    assert "dr rollout" in found.hint


LATE = Answer(False, "inference-dr.ml.example.com does not answer: timed out", predicted=False, late=True)


@pytest.mark.parametrize(
    ("answers", "limit", "status"),
    [
        ([RIGHT, LATE], 2, Status.MISSED),
        ([RIGHT, LATE], 10, Status.UNKNOWN),
        ([WRONG, LATE], 10, Status.MISSED),
    ],
)
def test_answer_that_clients_would_still_wait_for_is_unknown(
    answers: list[Answer], limit: float, status: Status
) -> None:
    found = capacity.judge_answers("inference", answers, limit)

    assert found.status is status
    if status is Status.UNKNOWN:
        assert found.measured == "1 of 2 requests got no answer within 2.5 s"
        assert found.hint == "dr:answerSeconds allows 10 s, which is longer than this check asks"


ZONES = {"us-west-2a": 1, "us-west-2b": 1, "us-west-2c": 1}
GROUPS = [GpuGroup(f"gpu-{zone}", zone, 0, 0, 4) for zone in ZONES]


def test_group_in_each_zone_is_met() -> None:
    found = capacity.judge_groups("groups", GROUPS, ZONES, "dr")

    assert facts(found) == (Status.MET, "3, with 0 nodes")
    assert found.objective == "one in each of 3 zones, for 3 nodes"


def test_zone_without_a_group_is_missed_with_the_command_that_creates_it() -> None:
    found = capacity.judge_groups("groups", GROUPS[:2], ZONES, "dr")

    assert facts(found) == (Status.MISSED, "none in us-west-2c")
    assert found.hint == "`pulumi up -s dr` creates them"


NEED = next(needs(topology(Role.RECOVERY).with_activation(Tier.WARM).capacity_here))


def test_quota_of_the_largest_size_is_met() -> None:
    found = capacity.judge_quota(NEED, float(NEED.most), WEST)

    assert facts(found) == (Status.MET, f"{NEED.most} vCPUs of Running On-Demand G and VT instances")
    assert found.objective == f"at least {NEED.most} vCPUs: a failover to 10 nodes takes 80"


def test_quota_below_the_largest_size_is_missed_with_the_request() -> None:
    found = capacity.judge_quota(NEED, float(NEED.most - 1), WEST)

    assert facts(found) == (Status.MISSED, f"{NEED.most - 1} vCPUs of Running On-Demand G and VT instances")
    assert "--quota-code L-DB2E81BA --desired-value 80 --region us-west-2" in found.hint


def test_quota_that_cannot_be_read_is_unknown() -> None:
    found = capacity.judge_quota(NEED, Failed(Problem("quota", "AccessDenied", "allow it")), WEST)

    assert facts(found) == (Status.UNKNOWN, "quota: AccessDenied")


RESERVED = [{"AvailabilityZone": zone, "TotalInstanceCount": 1} for zone in ZONES]


def test_reserved_nodes_in_the_regions_zones_are_met() -> None:
    assert facts(capacity.judge_reserved("reserved", RESERVED, 3, list(ZONES))) == (Status.MET, "3 nodes")


def test_fewer_reserved_nodes_than_configured_are_missed() -> None:
    other = [*RESERVED[:2], {"AvailabilityZone": "us-west-2d", "TotalInstanceCount": 1}]
    found = capacity.judge_reserved("reserved", other, 3, list(ZONES))

    assert facts(found) == (Status.MISSED, "2 nodes")
    assert found.objective == "at least 3 nodes"


def test_without_reservations_no_capacity_is_claimed() -> None:
    (found,) = capacity.reserved(inspected())

    assert found.status is Status.INFO
    assert "known only once it is requested" in found.measured


@pytest.mark.parametrize("look", [capacity.cluster, capacity.replicas, capacity.node_groups])
def test_tier_without_a_cluster_claims_nothing(look: Any) -> None:
    (found,) = look(inspected(halves={Role.PRIMARY: half(), Role.RECOVERY: half(Role.RECOVERY, tier="backup")}))

    assert facts(found) == (
        Status.INFO,
        "tier backup has no cluster: a failover first deploys one, with `pulumi up`",
    )


WITH_PROBE = Manifest("digits", "set", "2026-11-28T12:00:00+00:00", "", (), Probe({"inputs": []}, ([1],)))


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Inspected:
    """A recovery region of tier `warm` with a model set, which answers as published."""
    made = inspected(halves={Role.PRIMARY: half(), Role.RECOVERY: half(Role.RECOVERY, tier="warm")})
    monkeypatch.setattr(type(made.scene), "state", lambda scene: IncidentState())
    monkeypatch.setattr(capacity, "newest_whole", lambda scene: (WITH_PROBE, []))
    monkeypatch.setattr(inference_probe, "ask_all", lambda *asked: [RIGHT] * asked[3])
    return made


def test_serving_region_that_answers_as_published_is_met(serving: Inspected) -> None:
    assert [facts(each) for each in capacity.inference(serving)] == [(Status.MET, "4 of 4 answers are right")]


def test_region_that_was_raised_to_a_serving_tier_is_asked(serving: Inspected, monkeypatch: pytest.MonkeyPatch) -> None:
    pilot = replace(serving, scene=scene())
    assert [each.status for each in capacity.inference(pilot)] == [Status.INFO]

    monkeypatch.setattr(type(pilot.scene), "state", lambda scene: IncidentState(activation=Tier.WARM))
    assert [each.status for each in capacity.inference(pilot)] == [Status.MET]


def test_answers_cannot_be_judged_without_a_known_one(serving: Inspected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "newest_whole", lambda scene: (replace(WITH_PROBE, probe=None), []))
    (found,) = capacity.inference(serving)

    assert (found.status, found.hint) == (Status.UNKNOWN, "publish the set with a probe")


# Access --------------------------------------------------------------------------------------------------------------

CERTIFICATE = {"Status": "ISSUED", "NotAfter": NOW + timedelta(days=90)}


def certificate(*found: dict[str, Any]) -> Finding:
    return access.judge_certificates("certificate", "inference.ml.example.com", found, NOW)


def test_issued_certificate_is_met_with_its_days() -> None:
    assert facts(certificate(CERTIFICATE)) == (Status.MET, "issued, 90 days left")


def test_newest_issued_certificate_of_the_name_counts() -> None:
    old = {"Status": "EXPIRED", "NotAfter": NOW - timedelta(days=1)}

    assert facts(certificate(old, CERTIFICATE)) == (Status.MET, "issued, 90 days left")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"Status": "PENDING_VALIDATION"}, "not issued: PENDING_VALIDATION"),
        ({"Status": "EXPIRED"}, "not issued: EXPIRED"),
        ({"NotAfter": NOW + timedelta(days=29)}, "issued, 29 days left"),
    ],
)
def test_certificate_that_is_not_issued_for_long_is_missed(change: dict[str, Any], fact: str) -> None:
    assert facts(certificate({**CERTIFICATE, **change})) == (Status.MISSED, fact)


def test_missing_certificate_is_missed() -> None:
    assert facts(certificate()) == (Status.MISSED, "there is none")


@pytest.fixture
def bucket() -> Iterator[Any]:
    with mock_aws():
        s3 = boto3.client("s3", WEST)
        make_bucket(s3, BUCKET)
        yield s3


def test_conditional_write_is_measured_and_keeps_one_object(bucket: Any) -> None:
    found = [finding for _ in range(2) for finding in access.writes(inspected())]

    assert [each.status for each in found] == [Status.MET] * 2
    assert all(each.measured.startswith("written in ") for each in found)
    assert [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]] == [access.PROBE_KEY]


def test_refused_write_is_missed() -> None:
    with mock_aws():
        (found,) = access.writes(inspected())

    assert found.status is Status.MISSED
    assert found.measured.startswith(f"s3://{BUCKET}/readiness/write.json: NoSuchBucket in us-west-2")


def test_write_that_gets_no_answer_is_an_error(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "calls", lost)
    with pytest.raises(Unreachable, match="us-east-1 does not answer"):
        list(access.writes(inspected()))


def test_write_that_another_check_was_faster_with_is_met(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Faster:
        """A client for which the object appears between the lookup and the write."""

        def head_object(self, **_: str) -> Any:
            return bucket.head_object(Bucket=BUCKET, Key="other")

        def put_object(self, **asked: Any) -> Any:
            bucket.put_object(Bucket=BUCKET, Key=access.PROBE_KEY, Body=b"")
            return bucket.put_object(**asked)

    monkeypatch.setattr(access, "client", lambda service, region: Faster())
    (found,) = access.writes(inspected())

    assert facts(found) == (Status.MET, "refused, as another check wrote at the same time")


def test_certificates_of_other_names_are_not_judged() -> None:
    with mock_aws():
        acm = boto3.client("acm", WEST)
        acm.request_certificate(DomainName="other.example.com", ValidationMethod="DNS")
        (found,) = access.certificate(inspected())
        assert facts(found) == (Status.MISSED, "there is none")

        acm.request_certificate(DomainName="inference.ml.example.com", ValidationMethod="DNS")
        (found,) = access.certificate(inspected())
        assert found.measured == "not issued: PENDING_VALIDATION"


class Simulator:
    """IAM's simulation of policies: everything is allowed except some actions."""

    def __init__(self, *denied: str, error: Exception | None = None) -> None:
        self.denied, self.error = denied, error
        self.asked: list[dict[str, Any]] = []

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": "arn:aws:sts::123456789012:assumed-role/operators/ana"}

    def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.asked.append(asked)
        return {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": "implicitDeny" if name in self.denied else "allowed"}
                for name in asked["ActionNames"]
            ]
        }


def permissions(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setattr(access, "client", lambda service, region: simulator)
    (found,) = access.permissions(inspected())
    return found


def test_allowed_actions_are_met_for_the_role_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator()
    found = permissions(simulator, monkeypatch)

    assert facts(found) == (
        Status.MET,
        "6 actions are allowed to arn:aws:iam::123456789012:role/operators",
    )
    assert {each["PolicySourceArn"] for each in simulator.asked} == {"arn:aws:iam::123456789012:role/operators"}
    assert {each["ContextEntries"][0]["ContextKeyValues"][0] for each in simulator.asked} == {WEST}


def test_denied_action_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = permissions(Simulator("s3:PutObject"), monkeypatch)

    assert facts(found) == (Status.MISSED, "denied: s3:PutObject")


def test_permissions_are_unknown_while_iam_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    found = permissions(Simulator(error=LOST), monkeypatch)

    assert facts(found) == (Status.UNKNOWN, "not simulated: us-east-1 does not answer")


def test_actions_of_a_cluster_are_simulated_where_there_is_one() -> None:
    simulated = {action for actions in access.actions(WEST, "1", "b", "ml-dr").values() for action in actions}

    assert {"eks:UpdateNodegroupConfig", "s3:PutObject"} <= simulated
    assert not [each for each in access.actions(WEST, "1", "b", "") if ":eks:" in each]


def test_actions_of_a_database_are_simulated_where_the_region_has_a_replica() -> None:
    replica = DatabaseRecord.of(DATABASE)
    simulated = access.actions(WEST, "1", "b", "ml-dr", replica)

    assert "rds:FailoverGlobalCluster" in simulated[replica.arn]
    assert "rds:CreateDBInstance" in simulated[f"arn:aws:rds:{WEST}:1:db:ml-dr-primary-incident"]
    without = access.actions(WEST, "1", "b", "ml-dr", replace(replica, cluster=""))
    assert not [each for actions in without.values() for each in actions if each.startswith("rds:")]


def test_actions_of_a_restore_are_simulated_where_a_failover_restores_the_database() -> None:
    secret = f"arn:aws:secretsmanager:{WEST}:1:secret:ml-dr-database-AbCdEf"
    without = replace(DatabaseRecord.of(DATABASE), cluster="")
    simulated = access.actions(WEST, "1", "b", "", without, (), access.Restored("ml-dr-restored", secret))

    assert "rds:RestoreDBClusterFromSnapshot" in simulated[f"arn:aws:rds:{WEST}:1:cluster:ml-dr-restored"]
    assert "rds:CreateDBInstance" in simulated[f"arn:aws:rds:{WEST}:1:db:ml-dr-restored-incident"]
    assert simulated[secret] == ("secretsmanager:GetSecretValue",)


CLUSTER = {"name": "ml-dr", "endpoint": "https://cluster", "ca_data": ""}
WITH_CLUSTERS = {role: half(role, cluster=CLUSTER) for role in Role}


@pytest.mark.parametrize(
    ("denied", "status", "fact"),
    [
        ((), Status.MET, "6 actions are allowed"),
        (
            ("patch",),
            Status.MISSED,
            "denied: patch deployments/scale in ml-serving, patch backupstoragelocations in velero, "
            "patch schedules in velero, patch cronjobs in mlflow",
        ),
        (("list", "get"), Status.MISSED, "denied: get deployments in ml-serving, list nodes"),
    ],
)
def test_permissions_in_the_cluster_are_those_that_it_simulates(
    denied: tuple[str, ...], status: Status, fact: str
) -> None:
    made = inspected(halves=WITH_CLUSTERS)
    made.scene.cluster = cast(ClusterApi, SimpleNamespace(allows=lambda verb, *rest: verb not in denied))

    assert [facts(each) for each in access.cluster_permissions(made)] == [(status, fact)]


def test_permissions_for_the_model_registry_are_checked_where_a_server_is_deployed() -> None:
    with_registry = topology(Role.RECOVERY, registry="mlflow", registryImage="docker.io/registry:1")
    made = inspected(halves=WITH_CLUSTERS, topology=with_registry)
    asked: list[tuple[str, ...]] = []

    def allows(*what: str) -> bool:
        asked.append(what)
        return True

    made.scene.cluster = cast(ClusterApi, SimpleNamespace(allows=allows))

    assert [facts(each) for each in access.cluster_permissions(made)] == [(Status.MET, "8 actions are allowed")]
    assert {what[0] for what in asked if what[1:4] == ("apps", "deployments", "mlflow")} == {"get", "patch"}


def test_credentials_that_the_cluster_refuses_are_missed() -> None:
    def refuse(*_: str) -> bool:
        raise Denied(Problem("cluster", "401 Unauthorized", "use others"))

    made = inspected(halves=WITH_CLUSTERS)
    made.scene.cluster = cast(ClusterApi, SimpleNamespace(allows=refuse))

    assert [facts(each) for each in access.cluster_permissions(made)] == [(Status.MISSED, "401 Unauthorized")]


# Equality ------------------------------------------------------------------------------------------------------------

HALVES = {role: half(role) for role in Role}


def test_equal_contracts_are_met() -> None:
    assert facts(equality.judge_contract("contract", HALVES, dict(HALVES), "")) == (
        Status.MET,
        "both halves are equal in both regions",
    )


@pytest.mark.parametrize(
    ("there", "fact"),
    [
        ({Role.PRIMARY: HALVES[Role.PRIMARY]}, "the half of recovery is missing in the primary region"),
        ({**HALVES, Role.RECOVERY: half(Role.RECOVERY, tier="warm")}, "the half of recovery differs in tier"),
    ],
)
def test_contract_that_differs_is_missed(there: Any, fact: str) -> None:
    assert facts(equality.judge_contract("contract", HALVES, there, "")) == (Status.MISSED, fact)


DEPLOYED = topology(Role.RECOVERY)


def test_deployed_configuration_is_met() -> None:
    assert equality.judge_configuration(DEPLOYED, HALVES).status is Status.MET


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        (topology(Role.RECOVERY, tier="warm"), "tier: warm configured, pilot deployed"),
        (topology(Role.RECOVERY, recoveryCidr="10.2.0.0/16"), "network: 10.2.0.0/16 configured, 10.1.0.0/16 deployed"),
        (
            replace(DEPLOYED, dns=replace(DEPLOYED.dns, domain="other.example.com")),
            "public name: inference.other.example.com configured, inference.ml.example.com deployed",
        ),
        (DEPLOYED.with_activation(Tier.ACTIVE), "tier: active configured, pilot deployed"),
    ],
)
def test_configuration_that_is_not_deployed_is_missed(changed: Any, fact: str) -> None:
    assert facts(equality.judge_configuration(changed, HALVES)) == (Status.MISSED, fact)


def test_buckets_that_are_not_deployed_are_missed() -> None:
    found = equality.judge_configuration(replace(DEPLOYED, bucket_prefix="other"), HALVES)

    assert found.status is Status.MISSED
    assert "buckets of datasets: other-123456789012-us-east-1-datasets and other-" in found.measured


IMAGES = {"server": "ml-dr/serving@sha256:1", "proxy": "ml-dr/serving@sha256:2"}


def test_equal_values_are_met_by_name() -> None:
    found = equality.judge_equal("images", IMAGES, dict(IMAGES), "")

    assert facts(found) == (Status.MET, "server ml-dr/serving@sha256:1, proxy ml-dr/serving@sha256:2")


def test_values_that_differ_are_missed_with_both() -> None:
    found = equality.judge_equal("images", IMAGES, {**IMAGES, "server": "ml-dr/serving@sha256:3"}, "")

    assert facts(found) == (
        Status.MISSED,
        "server: ml-dr/serving@sha256:1 in the recovery region, ml-dr/serving@sha256:3 in the primary region",
    )


def lost(*_: object) -> Any:
    raise LOST


def test_contract_is_unknown_while_the_primary_region_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "read_control", lost)
    (found,) = equality.contract(inspected())

    assert facts(found) == (
        Status.UNKNOWN,
        "us-west-2 holds both halves; not compared: us-east-1 does not answer",
    )


def test_version_is_unknown_while_the_primary_region_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(region: str, cluster: ClusterRecord) -> str:
        return "1.35" if region == WEST else lost()

    monkeypatch.setattr(equality, "_version", version)
    (found,) = equality.kubernetes(inspected(halves=WITH_CLUSTERS))

    assert facts(found) == (Status.UNKNOWN, "1.35 in us-west-2; not compared: us-east-1 does not answer")


def test_versions_that_differ_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "_version", lambda region, cluster: "1.35" if region == WEST else "1.34")
    (found,) = equality.kubernetes(inspected(halves=WITH_CLUSTERS))

    assert facts(found) == (
        Status.MISSED,
        "the cluster: 1.35 in the recovery region, 1.34 in the primary region",
    )


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """One API server for the clusters of both regions, with inference of two containers."""
    monkeypatch.setattr("dr.clusters.api_client._trust", lambda ca_data: None)
    with serve_api() as api:
        containers = [{"name": name, "image": image} for name, image in IMAGES.items()]
        api.answers[DEPLOYMENT] = (200, {"spec": {"template": {"spec": {"containers": containers}}}})
        yield api


def with_cluster(api: ApiServer) -> Inspected:
    cluster = {"name": "ml-dr", "endpoint": api.endpoint, "ca_data": "UEVN"}
    return inspected(halves={role: half(role, cluster=cluster) for role in Role})


def test_images_of_both_regions_are_compared(clusters: ApiServer) -> None:
    (found,) = equality.images(with_cluster(clusters))

    assert facts(found) == (Status.MET, "server ml-dr/serving@sha256:1, proxy ml-dr/serving@sha256:2")


def test_images_are_compared_without_the_host_of_the_regions_own_registry(clusters: ApiServer) -> None:
    image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/serving@sha256:1"
    pod = {"initContainers": [{"name": "fetch-models", "image": image}], "containers": []}
    clusters.answers[DEPLOYMENT] = (200, {"spec": {"template": {"spec": pod}}})
    record = ClusterRecord("ml-dr", clusters.endpoint, "UEVN")

    assert equality.read_images(WEST, record, "123456789012") == {"fetch-models": "ml-dr/serving@sha256:1"}


def test_missing_deployment_is_missed_with_the_command_that_creates_it(clusters: ApiServer) -> None:
    clusters.answers[DEPLOYMENT] = (404, {"kind": "Status"})
    (found,) = equality.images(with_cluster(clusters))
    (running, *_) = capacity.replicas(with_cluster(clusters))

    assert (found.status, found.hint) == (Status.MISSED, "`pulumi up -s recovery`")
    assert (running.status, running.hint) == (Status.MISSED, "`pulumi up -s recovery` creates it")
