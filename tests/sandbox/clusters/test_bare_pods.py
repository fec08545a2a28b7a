"""Pods of inference without an owner: their containers run, with the objects of the real program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.kubernetes import inference_objects_spec, inference_spec, namespace_spec
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.labels import SERVING, service_account
from components.pod_code import pod_code
from dr import clients
from dr.data import publication
from dr.topology.serving import SERVICE
from sandbox.clusters.mlserver import lacking
from sandbox.model_set import train
from sandbox.server import running
from tests.support.inference import ZONES, Region
from tests.support.kubernetes import spec
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "MLServer is installed")

WEST, EAST, SPACE = "us-west-2", "us-east-1", "dr-drill"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{SPACE}/networkpolicies"
BUCKETS = {"models": "models-2", "registry": "registry-2", "datasets": "datasets-2"}
ROW = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0] * 8
ASKS = f"""
import json, os, urllib.request
tensor = dict(name="predict", shape=[1, 64], datatype="FP32", data=[{ROW}])
request = urllib.request.Request(os.environ["SERVER"] + "/v2/models/digits/infer",
    json.dumps(dict(inputs=[tensor])).encode(), {{"Content-Type": "application/json"}})
answer = json.load(urllib.request.urlopen(request, timeout=10))
with open(os.environ["TERMINATION_LOG"], "w") as file:
    json.dump(dict(version=answer["model_version"], data=answer["outputs"][0]["data"]), file)
"""
"""Code of a container that asks the pod's own server."""
CALLS = """
import json, os, urllib.error, urllib.request

class Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

def status(host):
    try:
        return urllib.request.build_opener(Unfollowed).open("https://" + host, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None

with open(os.environ["TERMINATION_LOG"], "w") as file:
    json.dump([status("s3.us-east-1.amazonaws.com"), status("s3.us-west-2.amazonaws.com")], file)
"""
"""Code of a container that calls S3 in both regions, without credentials."""


@dataclass(frozen=True)
class Place:
    """A region with nodes and a published model set, and a namespace for bare pods."""

    region: Region
    published: str
    model: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running(kubernetes=True) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            patch.setenv(name, value)
        clients.forget()
        region = Region(aws, WEST)
        region.build(len(ZONES))
        for bucket in BUCKETS.values():
            there = {"LocationConstraint": WEST}
            region.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=there)
            region.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        trained = train(tmp_path_factory.mktemp("model"))
        published = publication.publish(WEST, BUCKETS, "digits", trained.items).set_id
        region.apply("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": SPACE}})
        for priority in namespace_spec.priorities().values():
            region.apply("/apis/scheduling.k8s.io/v1/priorityclasses", priority)
        of = inference()
        for made in (inference_objects_spec.code(of), inference_objects_spec.proxy(of)):
            region.apply(f"/api/v1/namespaces/{SPACE}/configmaps", here(made))
        region.apply(f"/api/v1/namespaces/{SPACE}/serviceaccounts", here(service_account(SERVICE, SERVING)))
        yield Place(region, published, trained.folder / "model.joblib")


@pytest.fixture
def bare(place: Place) -> Iterator[Callable[..., dict[str, Any]]]:
    """Create a bare pod as soon as the previous one is gone: bare(asker=CODE) returns it."""
    yield lambda **changes: create(place.region, **changes)
    place.region.api.remove(f"/api/v1/namespaces/{SPACE}/pods/probe")
    place.region.api.call("DELETE", POLICIES)
    wait_for(lambda: found(place.region) is None)


def inference() -> InferenceSpec:
    return spec(
        code=pod_code("fetch_models"), models_bucket=BUCKETS["models"], registry_bucket=BUCKETS["registry"], region=WEST
    )


def here(made: dict[str, Any]) -> dict[str, Any]:
    """Move an object to the namespace of the test."""
    return {**made, "metadata": {**made["metadata"], "namespace": SPACE}}


def python(name: str, code: str, **variables: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "python:3",
        "command": ["python", "-c", code],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"limits": {"memory": "64Mi"}},
    }


def create(region: Region, asker: str = ASKS, first: str = "", restart: str = "Never") -> dict[str, Any]:
    """Create a pod of the real program with a container that asks, and an init container before the others."""
    made = inference_spec.pod(inference())
    made["restartPolicy"] = restart
    server = f"http://127.0.0.1:{inference_spec.SERVER_PORT}"
    made["containers"].append(python("asker", asker, SERVER=server))
    made["initContainers"][:0] = [python("first", first)] if first else []
    pod = {"kind": "Pod", "metadata": {"name": "probe", "labels": {"app": "probe"}}, "spec": made}
    region.apply(f"/api/v1/namespaces/{SPACE}/pods", pod)
    return pod


def found(region: Region) -> dict[str, Any] | None:
    return region.api.find("v1", "Pod", SPACE, "probe")


def ended(region: Region, name: str) -> dict[str, Any]:
    """Wait until a container of the pod has ended, and return its `terminated` state."""

    def state() -> Any:
        status = (found(region) or {})["status"]
        listed = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        return next((each["state"].get("terminated") for each in listed if each["name"] == name), None)

    terminated: dict[str, Any] = wait_for(state, f"the end of {name}")
    return terminated


def test_the_container_that_asks_gets_the_answer_of_the_models_that_the_pod_fetched(
    place: Place, bare: Callable[..., dict[str, Any]]
) -> None:
    import joblib

    bare()
    asker = ended(place.region, "asker")

    assert (asker["exitCode"], asker["reason"]) == (0, "Completed"), asker
    expected = joblib.load(place.model).predict([ROW]).tolist()
    assert json.loads(asker["message"]) == {"version": place.published, "data": expected}
    status = (found(place.region) or {})["status"]
    assert status["phase"] == "Running", "the server still runs"
    assert [each["ready"] for each in status["containerStatuses"]] == [True, False]
    assert ended(place.region, "fetch-models")["exitCode"] == 0
    assert status["podIP"]


def test_a_failed_container_reports_its_exit_code_and_the_end_of_its_log(
    place: Place, bare: Callable[..., dict[str, Any]]
) -> None:
    bare(asker="print('wrong answer'); raise SystemExit(1)")
    asker = ended(place.region, "asker")

    assert (asker["exitCode"], asker["reason"], asker["message"]) == (1, "Error", "wrong answer\n")


def test_a_failed_init_container_ends_the_pod_before_its_other_containers_start(
    place: Place, bare: Callable[..., dict[str, Any]]
) -> None:
    bare(first="print('the region answers'); raise SystemExit(1)")
    first = ended(place.region, "first")

    assert (first["exitCode"], first["message"]) == (1, "the region answers\n")
    status = (found(place.region) or {})["status"]
    assert status["phase"] == "Failed"
    later = (*status["initContainerStatuses"][1:], *status["containerStatuses"])
    assert all("waiting" in each["state"] for each in later)


def command(process: psutil.Process) -> str:
    """Return the command line of a process; "" of one that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_processes_of_a_deleted_pod_end(place: Place, bare: Callable[..., dict[str, Any]]) -> None:
    before = set(psutil.Process().children(recursive=True))
    bare(asker="import time; time.sleep(600)")

    def started() -> list[psutil.Process]:
        new = [each for each in psutil.Process().children(recursive=True) if each not in before]
        return new if any("time.sleep(600)" in command(each) for each in new) else []

    processes = wait_for(started)
    place.region.api.remove(f"/api/v1/namespaces/{SPACE}/pods/probe")

    wait_for(lambda: not any(map(psutil.Process.is_running, processes)))


def test_containers_of_a_pod_that_restarts_do_not_run(place: Place, bare: Callable[..., dict[str, Any]]) -> None:
    bare(restart="Always")
    wait_for(lambda: (found(place.region) or {})["status"]["phase"] == "Running")

    assert not any("terminated" in each["state"] for each in (found(place.region) or {})["status"]["containerStatuses"])


def isolate(region: Region, *regions: str) -> None:
    """Admit the pod to S3 of these regions only, by the blocks of their prefix lists."""
    blocks = [
        block
        for each in regions
        for found in region.aws.client("ec2", each).describe_prefix_lists(
            Filters=[{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{each}.s3"]}]
        )["PrefixLists"]
        for block in found["Cidrs"]
    ]
    rule = {"to": [{"ipBlock": {"cidr": each}} for each in blocks], "ports": [{"protocol": "TCP", "port": 443}]}
    spec = {
        "podSelector": {"matchLabels": {"app": "probe"}},
        "policyTypes": ["Egress"],
        "egress": [rule] if blocks else [],
    }
    region.apply(POLICIES, {"kind": "NetworkPolicy", "metadata": {"name": "isolated"}, "spec": spec})


@pytest.mark.parametrize(
    ("admitted", "answers"), [(None, [307, 307]), ((WEST,), [None, 307]), ((EAST,), [307, None]), ((), [None, None])]
)
def test_a_pod_reaches_the_regions_that_its_egress_policies_admit(
    place: Place, bare: Callable[..., dict[str, Any]], admitted: tuple[str, ...] | None, answers: list[int | None]
) -> None:
    if admitted is not None:
        isolate(place.region, *admitted)
    bare(first=CALLS)

    assert json.loads(ended(place.region, "first")["message"]) == answers


def test_a_pod_isolated_to_its_own_regions_storage_answers(place: Place, bare: Callable[..., dict[str, Any]]) -> None:
    isolate(place.region, WEST)
    bare()

    assert json.loads(ended(place.region, "asker")["message"])["version"] == place.published


def test_a_pod_without_egress_to_its_own_regions_storage_fails_in_its_fetcher(
    place: Place, bare: Callable[..., dict[str, Any]]
) -> None:
    isolate(place.region, EAST)
    bare()
    fetcher = ended(place.region, "fetch-models")

    assert fetcher["exitCode"] == 1
    assert f"{WEST} does not answer" in fetcher["message"]
    assert (found(place.region) or {})["status"]["phase"] == "Failed"


def test_a_pod_does_not_reach_an_unreachable_region(place: Place, bare: Callable[..., dict[str, Any]]) -> None:
    place.region.fault(kind="region", region=EAST, unreachable=True)
    try:
        bare(first=CALLS)
        assert json.loads(ended(place.region, "first")["message"]) == [None, 307]
    finally:
        place.region.heal()
