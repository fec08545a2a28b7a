from typing import Any

import pytest

from components.kubernetes import inference_objects_spec as objects
from components.kubernetes.inference import Inference, InferenceArgs
from components.kubernetes.inference_spec import deployment
from dr.topology.tiers import Tier
from tests.support.kubernetes import BLOCKS, TARGET_GROUP, inside, spec
from tests.support.mocks import Cloud

RUNNING = (Tier.PILOT, Tier.WARM, Tier.ACTIVE)


def inference(tier: Tier = Tier.ACTIVE, **changes: Any) -> Cloud:
    return inside(
        lambda access: Inference("serving", InferenceArgs(access, spec(tier), TARGET_GROUP, BLOCKS, **changes))
    )


def test_the_service_has_a_load_balancer_class_that_no_controller_claims() -> None:
    made = objects.service()

    assert made["metadata"]["annotations"] == {
        "service.kubernetes.io/topology-mode": "Auto",
        "pulumi.com/skipAwait": "true",
    }
    assert (made["spec"]["type"], made["spec"]["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert made["spec"]["loadBalancerClass"] not in ("service.k8s.aws/nlb", "eks.amazonaws.com/nlb")
    assert made["spec"]["allocateLoadBalancerNodePorts"] is False
    assert [port["port"] for port in made["spec"]["ports"]] == [8080]


def test_the_binding_registers_pod_ips_and_changes_no_security_group() -> None:
    made = objects.binding(TARGET_GROUP)["spec"]

    assert made == {
        "serviceRef": {"name": "inference-service", "port": 8080},
        "targetGroupARN": TARGET_GROUP,
        "targetType": "ip",
    }


@pytest.mark.parametrize(("tier", "least", "promised"), [(Tier.PILOT, 3, 2), (Tier.WARM, 3, 2), (Tier.ACTIVE, 6, 4)])
def test_autoscaler_minimum_is_the_floor_and_the_budget_allows_the_loss_of_a_zone(
    tier: Tier, least: int, promised: int
) -> None:
    scaled, kept = objects.autoscaler(spec(tier))["spec"], objects.budget(spec(tier))["spec"]

    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (least, 10)
    assert kept["minAvailable"] == promised < least
    # An API server before 1.37 refuses 0.
    assert scaled["minReplicas"] >= 1


def test_budget_autoscaler_and_service_select_the_deployments_pods() -> None:
    labels = deployment(spec())["spec"]["template"]["metadata"]["labels"]
    (constraint,) = deployment(spec())["spec"]["template"]["spec"]["topologySpreadConstraints"]

    for selector in (
        objects.budget(spec())["spec"]["selector"]["matchLabels"],
        objects.service()["spec"]["selector"],
        objects.ingress_policy(BLOCKS, mesh=False)["spec"]["podSelector"]["matchLabels"],
        constraint["labelSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_the_autoscaler_uses_the_cpu_of_the_server_container() -> None:
    (metric,) = objects.autoscaler(spec())["spec"]["metrics"]
    (container,) = deployment(spec())["spec"]["template"]["spec"]["containers"]

    assert metric["containerResource"]["container"] == container["name"]
    assert "cpu" in container["resources"]["requests"]


def test_without_a_mesh_only_the_load_balancer_may_call_inference() -> None:
    (rule,) = objects.ingress_policy(BLOCKS, mesh=False)["spec"]["ingress"]

    assert [each["ipBlock"]["cidr"] for each in rule["from"]] == list(BLOCKS)
    assert [port["port"] for port in rule["ports"]] == [8080]


def test_with_a_mesh_its_callers_may_call_inference() -> None:
    (rule,) = objects.ingress_policy(BLOCKS, mesh=True)["spec"]["ingress"]

    assert {"namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}} in rule["from"]


def test_the_config_map_with_code_is_immutable_and_named_by_its_content() -> None:
    made = objects.code(spec())

    assert made["immutable"] is True
    assert made["metadata"]["name"] == spec().code_name


def test_inference_exists_in_every_tier_with_a_cluster() -> None:
    kinds = [
        sorted(each.type for each in inference(tier).resources if each.type.startswith("kubernetes:"))
        for tier in RUNNING
    ]

    assert kinds[0] == kinds[1] == kinds[2]
    assert {kind.rpartition(":")[2] for kind in kinds[0]} == {
        *("ServiceAccount", "ConfigMap", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"),
        *("NetworkPolicy", "TargetGroupBinding", "Deployment"),
    }


def test_change_from_pilot_light_to_warm_changes_only_the_deployment() -> None:
    pilot, warm = ({each.name: each.inputs for each in inference(tier).resources} for tier in (Tier.PILOT, Tier.WARM))

    assert [name for name in warm if warm[name] != pilot[name]] == ["serving-deployment"]
