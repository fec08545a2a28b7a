"""The objects of a drill of isolation, made from the program's own Deployment."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.kubernetes import inference_spec
from components.kubernetes.labels import APP
from dr.data.model_sets import Probe
from dr.drills import isolation_spec
from dr.topology.tiers import Tier
from tests.support.kubernetes import spec

RUN = "20261129T120000Z-a1b2c3"


@pytest.fixture
def deployment() -> dict[str, Any]:
    return inference_spec.deployment(spec(Tier.PILOT))


def made(deployment: dict[str, Any]) -> dict[str, Any]:
    return isolation_spec.pod(deployment, RUN, "us-west-2", "us-east-1", "digits", 2.0)


def named(containers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in containers}


def test_pod_is_a_replica_of_the_deployment_with_two_more_containers(deployment: dict[str, Any]) -> None:
    before, found = deployment["spec"]["template"]["spec"], made(deployment)["spec"]

    assert [each["name"] for each in found["initContainers"]] == ["isolated", "fetch-models", "proxy"]
    assert [each["name"] for each in found["containers"]] == ["server", "ask"]
    inits = named(found["initContainers"])
    assert [inits[each["name"]] for each in before["initContainers"]] == before["initContainers"]
    server = {**found["containers"][0], "lifecycle": before["containers"][0]["lifecycle"]}
    assert server == before["containers"][0]
    assert found["serviceAccountName"] == before["serviceAccountName"] == "inference-service"


def test_deployment_is_not_changed(deployment: dict[str, Any]) -> None:
    before = copy.deepcopy(deployment)
    made(deployment)

    assert deployment == before


def test_pod_yields_its_gpu_and_is_not_started_again(deployment: dict[str, Any]) -> None:
    found = made(deployment)["spec"]

    assert (found["priorityClassName"], found["restartPolicy"]) == ("ml-batch", "Never")


def test_no_service_selects_the_pod(deployment: dict[str, Any]) -> None:
    about = made(deployment)["metadata"]

    assert about["namespace"] == "dr-drill"
    assert not set(APP.items()) <= set(about["labels"].items())


def test_added_containers_meet_the_restricted_standard(deployment: dict[str, Any]) -> None:
    found = made(deployment)["spec"]
    for each in (found["initContainers"][0], found["containers"][1]):
        context = each["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert {"requests", "limits"} <= set(each["resources"])


def test_asker_asks_the_servers_own_port_on_loopback(deployment: dict[str, Any]) -> None:
    found = named(made(deployment)["spec"]["containers"])
    variables = {each["name"]: each["value"] for each in found["ask"]["env"]}

    assert variables["ENDPOINT"] == "http://127.0.0.1:9080"
    assert variables["PROBE_FILE"].startswith(found["ask"]["volumeMounts"][0]["mountPath"])
    probe = found["server"]["startupProbe"]
    assert int(variables["READY_SECONDS"]) > probe["failureThreshold"] * probe["periodSeconds"]


def test_every_mounted_config_map_is_copied(deployment: dict[str, Any]) -> None:
    volumes = made(deployment)["spec"]["volumes"]
    mounted = {each["configMap"]["name"] for each in volumes if "configMap" in each}

    assert mounted == {*isolation_spec.config_maps(deployment), isolation_spec.PROBE_MAP}
    copied = isolation_spec.copied({"metadata": {"name": "code", "uid": "1"}, "data": {"a": "b"}, "immutable": True})
    assert (copied["metadata"]["namespace"], copied["data"]) == ("dr-drill", {"a": "b"})


def test_policy_allows_the_addresses_of_s3_and_nothing_else() -> None:
    found = isolation_spec.egress(["192.0.2.0/24", "198.51.100.0/24"])

    assert found["spec"]["podSelector"]["matchLabels"] == found["metadata"]["labels"]
    assert found["spec"]["egress"] == [
        {
            "to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"ipBlock": {"cidr": "198.51.100.0/24"}}],
            "ports": [{"protocol": "TCP", "port": 443}],
        }
    ]


def test_hosts_that_may_not_be_reached_are_those_of_the_other_region_and_the_global_ones() -> None:
    found = isolation_spec.hosts("us-east-1")

    assert {"s3.us-east-1.amazonaws.com", "iam.amazonaws.com", "route53.amazonaws.com"} <= set(found)
    assert isolation_spec.own_host("us-west-2") not in found


def test_probe_is_written_with_its_answer() -> None:
    found = isolation_spec.probe_map(Probe({"inputs": []}, ([1],)))

    assert found["data"] == {"probe.json": '{"request": {"inputs": []}, "outputs": [[1]]}'}
