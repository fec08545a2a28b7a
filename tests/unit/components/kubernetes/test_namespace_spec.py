from typing import Any

import pytest

from components.kubernetes import namespace_spec
from components.kubernetes.namespace_spec import NamespaceSpec
from components.kubernetes.namespaces import Namespaces, NamespacesArgs
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from tests.support.kubernetes import inside

SPACES = {each.name: each for each in namespace_spec.namespaces(capacity(Workload(), Tier.ACTIVE, 3), 3, 1)}
EVERY = pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))


def content(space: NamespaceSpec, what: str) -> Any:
    return namespace_spec.contents(space)[what]["spec"]


def test_a_cluster_has_namespaces_for_serving_training_registry_backup_and_drills() -> None:
    assert list(SPACES) == ["ml-serving", "ml-training", "mlflow", "velero", "dr-drill"]


@pytest.mark.parametrize("name", ["ml-serving", "ml-training", "mlflow", "dr-drill"])
def test_pod_security_is_restricted_with_a_pinned_version_in_every_mode(name: str) -> None:
    labels = namespace_spec.namespace(SPACES[name], "1.35")["metadata"]["labels"]

    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.35"


def test_only_the_namespace_of_velero_is_privileged() -> None:
    assert [name for name, each in SPACES.items() if each.security != "restricted"] == ["velero"]


def test_inference_pods_have_the_readiness_gate_of_the_load_balancer() -> None:
    labels = namespace_spec.namespace(SPACES["ml-serving"], "1.35")["metadata"]["labels"]

    assert labels["elbv2.k8s.aws/pod-readiness-gate-inject"] == "enabled"


@EVERY
def test_ingress_and_egress_are_denied_by_default(space: NamespaceSpec) -> None:
    assert content(space, "deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@EVERY
def test_every_pod_may_reach_dns_the_pod_identity_agent_and_all_but_those_of_drills_aws(space: NamespaceSpec) -> None:
    rules = content(space, "egress")["egress"]
    reached = {(port["protocol"], port["port"]): rule["to"] for rule in rules for port in rule["ports"]}

    aws = {("TCP", 443)} if space.name != "dr-drill" else set()
    assert set(reached) == {("UDP", 53), ("TCP", 53), ("TCP", 80)} | aws
    assert reached["TCP", 80] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
    (names,) = reached["UDP", 53]
    assert names["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}


@EVERY
def test_a_namespace_has_a_gpu_quota_and_default_limits(space: NamespaceSpec) -> None:
    assert "requests.nvidia.com/gpu" in content(space, "quota")["hard"]
    (limit,) = content(space, "defaults")["limits"]
    assert set(limit["defaultRequest"]) == {"cpu", "memory"}


def test_namespace_of_drills_has_room_for_one_replica_with_the_service_account_of_inference() -> None:
    made = namespace_spec.contents(SPACES["dr-drill"])

    hard = made["quota"]["spec"]["hard"]
    assert (hard["pods"], hard["requests.nvidia.com/gpu"]) == ("1", "1")
    account = made["inference-service"]
    assert (account["kind"], account["metadata"]["namespace"]) == ("ServiceAccount", "dr-drill")
    assert account["automountServiceAccountToken"] is False


def test_prometheus_may_read_metrics_ports() -> None:
    ports = {
        name: [port["port"] for rule in content(each, "metrics")["ingress"] for port in rule["ports"]]
        for name, each in SPACES.items()
        if "metrics" in namespace_spec.contents(each)
    }

    assert ports == {"ml-serving": [8082], "velero": [8085]}


@pytest.mark.parametrize("zones", [2, 3])
def test_the_quota_allows_replacements_while_replicas_of_a_zone_terminate(zones: int) -> None:
    of = capacity(Workload(), Tier.ACTIVE, zones)
    serving = namespace_spec.namespaces(of, zones, 2)[0]

    # 10 over 3 zones: 4 in the fullest; over 2: 5.
    assert int(serving.quota["pods"]) == 10 + {2: 5, 3: 4}[zones]
    assert int(serving.quota["requests.nvidia.com/gpu"]) == 2 * int(serving.quota["pods"])


def test_inference_preempts_batch_which_preempts_no_pod() -> None:
    made = namespace_spec.priorities()

    assert made["ml-inference"]["value"] > 0 > made["ml-batch"]["value"]
    assert made["ml-inference"]["preemptionPolicy"] == "PreemptLowerPriority"
    assert made["ml-batch"]["preemptionPolicy"] == "Never"
    assert not any(each.get("globalDefault") for each in made.values())


def test_the_component_creates_every_object_and_returns_namespaces_by_name() -> None:
    built: list[Namespaces] = []
    args = (list(SPACES.values()),)
    cloud = inside(lambda access: built.append(Namespaces("spaces", NamespacesArgs(access, "1.35", *args))))

    assert set(built[0].namespaces) == set(SPACES)
    assert set(cloud.of("Namespace")) == {f"spaces-{name}" for name in SPACES}
    assert len(cloud.of("ResourceQuota")) == len(cloud.of("LimitRange")) == len(SPACES)
    assert len(cloud.of("PriorityClass")) == 2
    assert len(built[0].ready) == len([each for each in cloud.resources if each.type.startswith("kubernetes:")])
