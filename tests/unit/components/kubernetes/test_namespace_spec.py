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


def test_the_namespaces_are_those_of_a_platform() -> None:
    assert list(SPACES) == ["ml-serving", "ml-training", "mlflow", "velero"]


@pytest.mark.parametrize("name", ["ml-serving", "ml-training", "mlflow"])
def test_pod_security_is_restricted_of_one_version_in_every_mode(name: str) -> None:
    labels = namespace_spec.namespace(SPACES[name], "1.35")["metadata"]["labels"]

    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.35"


def test_only_the_backups_namespace_is_privileged() -> None:
    assert [name for name, each in SPACES.items() if each.security != "restricted"] == ["velero"]


def test_pods_of_inference_wait_for_the_load_balancer() -> None:
    labels = namespace_spec.namespace(SPACES["ml-serving"], "1.35")["metadata"]["labels"]

    assert labels["elbv2.k8s.aws/pod-readiness-gate-inject"] == "enabled"


@EVERY
def test_what_is_not_allowed_is_denied_both_ways(space: NamespaceSpec) -> None:
    assert content(space, "deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@EVERY
def test_every_pod_may_ask_for_names_and_credentials_and_call_aws(space: NamespaceSpec) -> None:
    rules = content(space, "egress")["egress"]
    reached = {(port["protocol"], port["port"]): rule["to"] for rule in rules for port in rule["ports"]}

    assert set(reached) == {("UDP", 53), ("TCP", 53), ("TCP", 80), ("TCP", 443)}
    assert reached["TCP", 80] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
    (names,) = reached["UDP", 53]
    assert names["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}


@EVERY
def test_a_namespace_has_a_quota_of_gpus_and_defaults_for_what_names_none(space: NamespaceSpec) -> None:
    assert "requests.nvidia.com/gpu" in content(space, "quota")["hard"]
    (limit,) = content(space, "defaults")["limits"]
    assert set(limit["defaultRequest"]) == {"cpu", "memory"}


def test_prometheus_reads_metrics_where_there_are_some() -> None:
    ports = {
        name: [port["port"] for rule in content(each, "metrics")["ingress"] for port in rule["ports"]]
        for name, each in SPACES.items()
        if "metrics" in namespace_spec.contents(each)
    }

    assert ports == {"ml-serving": [8082], "velero": [8085]}


@pytest.mark.parametrize("zones", [2, 3])
def test_a_quota_has_room_for_those_that_come_while_a_zones_are_still_going(zones: int) -> None:
    of = capacity(Workload(), Tier.ACTIVE, zones)
    serving = namespace_spec.namespaces(of, zones, 2)[0]

    # 10 over 3 zones: 4 in the fullest; over 2: 5.
    assert int(serving.quota["pods"]) == 10 + {2: 5, 3: 4}[zones]
    assert int(serving.quota["requests.nvidia.com/gpu"]) == 2 * int(serving.quota["pods"])


def test_inference_goes_before_batch_which_takes_nobodys_place() -> None:
    made = namespace_spec.priorities()

    assert made["ml-inference"]["value"] > 0 > made["ml-batch"]["value"]
    assert made["ml-inference"]["preemptionPolicy"] == "PreemptLowerPriority"
    assert made["ml-batch"]["preemptionPolicy"] == "Never"
    assert not any(each.get("globalDefault") for each in made.values())


def test_everything_is_made_and_told_by_name() -> None:
    told: list[Namespaces] = []
    args = (list(SPACES.values()),)
    cloud = inside(lambda access: told.append(Namespaces("spaces", NamespacesArgs(access, "1.35", *args))))

    assert set(told[0].made) == set(SPACES)
    assert set(cloud.of("Namespace")) == {f"spaces-{name}" for name in SPACES}
    assert len(cloud.of("ResourceQuota")) == len(cloud.of("LimitRange")) == len(SPACES)
    assert len(cloud.of("PriorityClass")) == 2
    assert len(told[0].ready) == len([each for each in cloud.made if each.type.startswith("kubernetes:")])
