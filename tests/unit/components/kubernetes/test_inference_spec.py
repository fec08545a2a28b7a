import json
from dataclasses import replace
from typing import Any

import pytest

from components.compute.node_groups import GPU_TAINT
from components.kubernetes import inference_objects_spec, inference_spec
from components.kubernetes.inference_spec import (
    EVICT_SECONDS,
    GRACE_SECONDS,
    PRE_STOP_SECONDS,
    deployment,
)
from components.kubernetes.proxy_spec import REQUEST_SECONDS
from components.traffic.inference_endpoint import DRAIN_SECONDS
from dr.clusters.rollouts import PLACEMENT_SECONDS, limits
from dr.topology.capacity import Workload, capacity
from dr.topology.serving import IMAGE_KEYS, Serving
from dr.topology.tiers import Tier
from tests.support.kubernetes import CODE, ZONES, spec


def pod(tier: Tier = Tier.ACTIVE, **changes: Any) -> dict[str, Any]:
    return inference_spec.pod(spec(tier, **changes))


def server(**changes: Any) -> dict[str, Any]:
    (made,) = pod(**changes)["containers"]
    return dict(made)


def fetcher() -> dict[str, Any]:
    made, _ = pod()["initContainers"]
    return dict(made)


def proxy(**changes: Any) -> dict[str, Any]:
    _, made = pod(**changes)["initContainers"]
    return dict(made)


def test_replicas_is_not_set_in_tiers_that_run_replicas() -> None:
    for tier in (Tier.WARM, Tier.ACTIVE):
        assert "replicas" not in deployment(spec(tier))["spec"]


def test_replicas_is_zero_without_force_in_tiers_without_replicas() -> None:
    made = deployment(spec(Tier.PILOT))

    assert made["spec"]["replicas"] == 0
    assert "pulumi.com/patchForce" not in made["metadata"]["annotations"]


def test_the_deployment_is_the_same_in_every_tier_that_runs_replicas() -> None:
    assert deployment(spec(Tier.WARM)) == deployment(spec(Tier.ACTIVE))


@pytest.mark.parametrize("zones", [2, 3, 4])
@pytest.mark.parametrize("replicas", range(2, 25))
def test_a_rolling_update_keeps_the_budget_and_needs_no_further_gpu(replicas: int, zones: int) -> None:
    if replicas < zones:
        return
    of = capacity(Workload(peak_requests=10.0 * replicas, max_replicas=30), Tier.ACTIVE, zones)
    rolling = deployment(spec(capacity=of))["spec"]["strategy"]["rollingUpdate"]

    assert of.replicas - rolling["maxUnavailable"] >= of.min_available
    assert rolling["maxSurge"] == 0


def test_replicas_of_all_versions_are_spread_over_available_zones() -> None:
    (constraint,) = pod()["topologySpreadConstraints"]

    assert constraint == {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "inference"}},
        "nodeTaintsPolicy": "Honor",
    }


def test_replicas_prefer_different_hosts() -> None:
    affinity = pod()["affinity"]["podAntiAffinity"]

    assert list(affinity) == ["preferredDuringSchedulingIgnoredDuringExecution"]
    (term,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert (term["weight"], term["podAffinityTerm"]["topologyKey"]) == (100, "kubernetes.io/hostname")


def test_a_replica_selects_gpu_nodes_and_tolerates_their_taint() -> None:
    made = pod()

    assert made["nodeSelector"] == {"pool": "gpu"}
    assert made["tolerations"][0] == {
        "key": GPU_TAINT.key,
        "operator": "Equal",
        "value": GPU_TAINT.value,
        "effect": "NoSchedule",
    }
    assert GPU_TAINT.effect == "NO_SCHEDULE"


def test_pods_of_a_lost_node_are_evicted_soon_and_its_zone_is_not_counted() -> None:
    lost = [each for each in pod()["tolerations"] if each["key"].startswith("node.kubernetes.io/")]

    assert {each["key"].rpartition("/")[2] for each in lost} == {"not-ready", "unreachable"}
    # Without an effect the taint NoSchedule would be tolerated too, and the lost zone counted.
    assert {(each["effect"], each["tolerationSeconds"]) for each in lost} == {("NoExecute", EVICT_SECONDS)}
    assert EVICT_SECONDS < 300


@pytest.mark.parametrize(("model", "name"), [("", "digits"), ("ranker", "ranker")])
def test_readiness_is_that_of_the_model_and_not_of_the_server(model: str, name: str) -> None:
    made = server(serving=Serving(model=model))

    assert made["readinessProbe"]["httpGet"] == {"path": f"/v2/models/{name}/ready", "port": 8080}
    assert made["startupProbe"]["httpGet"] == made["readinessProbe"]["httpGet"]


def test_the_proxy_alone_listens_outside_the_pod() -> None:
    variables = {each["name"]: each["value"] for each in server()["env"]}
    configured = json.loads(spec().proxy.text)["static_resources"]["listeners"]
    listeners = [each["address"]["socket_address"]["port_value"] for each in configured]

    assert variables["MLSERVER_HOST"] == "127.0.0.1"
    ports = {name: variables[f"MLSERVER_{name}_PORT"] for name in ("HTTP", "GRPC", "METRICS")}
    assert not {int(port) for port in ports.values()} & set(listeners)
    assert set(listeners) == {8080, 8082}


def test_the_proxy_is_a_sidecar_that_ends_after_the_server() -> None:
    made = proxy()

    assert made["restartPolicy"] == "Always"
    assert made["startupProbe"]["tcpSocket"] == made["livenessProbe"]["tcpSocket"] == {"port": 8080}
    assert "lifecycle" not in made, "the kubelet ends it after the server, whose preStop waits for the load balancer"


def test_the_proxys_configuration_is_in_a_config_map_named_by_its_content() -> None:
    made, other = spec(), spec(serving=Serving(request_mib=1))
    (volume,) = (each["configMap"] for each in pod()["volumes"] if each["name"] == "proxy")

    assert volume == {"name": made.proxy_name}
    assert made.proxy_name != other.proxy_name
    assert proxy()["command"][-1] == "/etc/envoy/envoy.json"
    assert inference_objects_spec.proxy(made)["data"] == {"envoy.json": made.proxy.text}


def test_probes_use_the_v2_protocol_and_the_required_delays() -> None:
    ready, live = server()["readinessProbe"], server()["livenessProbe"]

    assert (ready["initialDelaySeconds"], ready["periodSeconds"]) == (30, 10)
    assert (live["httpGet"]["path"], live["initialDelaySeconds"], live["periodSeconds"]) == ("/v2/health/live", 60, 15)


@pytest.mark.parametrize("gib", [1.0, 16.0, 70.0, 320.0])
def test_startup_allows_twice_the_time_to_read_the_model_from_disk(gib: float) -> None:
    startup = server(workload=Workload(model_memory_gib=gib))["startupProbe"]

    assert startup["failureThreshold"] * startup["periodSeconds"] >= 2 * gib * 1024 / 125


def test_the_progress_deadline_allows_node_boot_image_pull_copy_and_startup() -> None:
    of = spec()
    made = deployment(of)
    startup = server()["startupProbe"]
    slowest = 120 + 600 + GRACE_SECONDS + of.copy_seconds + startup["failureThreshold"] * startup["periodSeconds"]

    assert made["spec"]["progressDeadlineSeconds"] >= slowest
    assert of.patience.seconds > made["spec"]["progressDeadlineSeconds"]


def test_the_plugin_does_not_wait_for_the_rollout() -> None:
    assert deployment(spec())["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_the_program_waits_for_replicas_only_with_a_published_model_set() -> None:
    assert spec().awaited
    assert not spec(Tier.PILOT).awaited
    assert not spec(published=False).awaited


def test_an_unschedulable_replica_is_awaited_for_node_boot_and_termination_time() -> None:
    of = spec(serving=Serving(rollout_grace_seconds=60))

    assert inference_spec.NODE_SECONDS + GRACE_SECONDS <= PLACEMENT_SECONDS
    assert of.patience.limits == limits(60)
    assert of.patience.enough == of.capacity.min_available


def test_containers_have_the_names_that_remedies_refer_to() -> None:
    assert {server()["name"], fetcher()["name"], proxy()["name"]} == set(IMAGE_KEYS)


def test_termination_waits_for_deregistration_and_the_longest_request() -> None:
    made = pod()

    assert server()["lifecycle"]["preStop"]["sleep"]["seconds"] == PRE_STOP_SECONDS > DRAIN_SECONDS
    assert made["terminationGracePeriodSeconds"] >= PRE_STOP_SECONDS + REQUEST_SECONDS


def test_a_new_replica_passes_one_more_probe_before_the_next_is_replaced() -> None:
    assert deployment(spec())["spec"]["minReadySeconds"] == server()["readinessProbe"]["periodSeconds"]


@pytest.mark.parametrize("container", [server, fetcher, proxy])
def test_containers_have_a_restricted_security_context(container: Any) -> None:
    made = container()

    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    context = pod()["securityContext"]
    assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert context["runAsUser"] == context["fsGroup"] != 0


@pytest.mark.parametrize("container", [server, fetcher, proxy])
def test_restarted_container_does_not_need_the_registry_while_the_node_has_its_image(container: Any) -> None:
    assert container()["imagePullPolicy"] == "IfNotPresent"


def test_pods_have_their_own_service_account_without_an_api_token() -> None:
    made = pod()

    assert (made["automountServiceAccountToken"], made["serviceAccountName"]) == (False, "inference-service")


@pytest.mark.parametrize(
    ("workload", "cpu", "memory"),
    [
        (Workload(), 6_000, 24),
        (Workload(gpu_types=("g5.12xlarge",)), 9_000, 36),
        (Workload(gpu_types=("g5.2xlarge", "g6e.xlarge")), 3_000, 24),
        (Workload(gpu_types=("g5.12xlarge",), gpus_per_replica=1, model_memory_gib=10.0), 9_000, 36),
        (Workload(gpu_types=("g4dn.metal",), model_memory_gib=10.0), 9_000, 36),
    ],
)
def test_server_and_proxy_together_request_the_replicas_share_of_the_smallest_node(
    workload: Workload, cpu: int, memory: int
) -> None:
    one, other = server(workload=workload)["resources"], proxy(workload=workload)["resources"]

    assert sum(int(each["requests"]["cpu"][:-1]) for each in (one, other)) == cpu
    assert sum(int(each["requests"]["memory"][:-2]) for each in (one, other)) == memory * 1024
    for each in (one, other):
        assert each["limits"] == {name: value for name, value in each["requests"].items() if name != "cpu"}
    assert one["requests"]["nvidia.com/gpu"] == "1"


def test_ephemeral_storage_covers_every_volume_and_logs_and_is_limited() -> None:
    sizes = [int(each["emptyDir"]["sizeLimit"][:-2]) for each in pod()["volumes"] if "emptyDir" in each]

    for container in (server(), fetcher()):
        resources = container["resources"]
        assert resources["requests"]["ephemeral-storage"] == resources["limits"]["ephemeral-storage"]
        assert int(resources["limits"]["ephemeral-storage"][:-2]) > sum(sizes)


def test_models_are_fetched_from_the_regions_buckets_into_the_served_folder() -> None:
    variables = {each["name"]: each["value"] for each in fetcher()["env"]}
    served = {each["name"]: each["value"] for each in server()["env"]}

    assert variables["AWS_REGION"] == "us-west-2"
    assert variables["MODELS_BUCKET"].endswith("us-west-2-models")
    assert variables["REGISTRY_BUCKET"].endswith("us-west-2-registry")
    assert (variables["MODEL_SET"], variables["MODELS_FOLDER"]) == ("digits", "/models")
    assert served["MLSERVER_MODELS_DIR"] == "/models"


def test_code_runs_from_a_config_map_named_by_its_content() -> None:
    (volume,) = (each["configMap"] for each in pod()["volumes"] if each["name"] == "code")
    other = spec(code=replace(CODE, data={**CODE.data, "more.py": ""}))

    assert volume["name"] == spec().code_name != other.code_name
    assert volume["items"] == [{"key": "dr.pods.fetch_models.py", "path": "dr/pods/fetch_models.py"}]
    assert fetcher()["command"] == ["python", "-m", "dr.pods.fetch_models"]


def test_the_loss_of_a_zone_leaves_the_budget_in_every_serving_tier() -> None:
    for tier in (Tier.WARM, Tier.ACTIVE):
        of = capacity(Workload(), tier, ZONES)
        assert of.replicas - of.largest_zone >= of.min_available
