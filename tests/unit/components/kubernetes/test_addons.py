"""Charts, pinned, with what they are told; and the releases that install them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.compute.cluster_iam import ALERTING, AUTOSCALER, BACKUPS, LOAD_BALANCER, PodRole
from components.compute.gpu_inference_cluster import KUBERNETES_VERSION
from components.compute.node_groups import GPU_IMAGE, GPU_LABELS, GPU_TAINT, IMAGES_WITHOUT_PLUGIN
from components.kubernetes.addons import Addons, AddonsArgs
from components.kubernetes.addons_spec import Cluster, installed
from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.node_pool_spec import NodePoolSpec, node_class, node_pool
from dr.clusters import charts
from dr.clusters.charts import CHARTS
from tests.support.kubernetes import POOL
from tests.support.mocks import Cloud, deploy

TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"
CLUSTER = Cluster("ml-dr", "us-west-2", "vpc-0123456789abcdef0", TOPIC, device_plugin=True)


def values(chart: str, **changes: Any) -> dict[str, Any]:
    return next(told for each, told in installed(replace(CLUSTER, **changes)).items() if each.name == chart)


def names(**changes: Any) -> set[str]:
    return {chart.name for chart in installed(replace(CLUSTER, **changes))}


def test_every_chart_is_pinned_and_comes_over_tls() -> None:
    for chart in CHARTS:
        assert re.fullmatch(r"\d+\.\d+\.\d+", chart.version), chart
        assert chart.repository.startswith(("https://", "oci://")), chart
    assert len({chart.name for chart in CHARTS}) == len(CHARTS)


def test_a_cluster_has_the_usual_charts() -> None:
    assert names() == {
        *("kube-prometheus-stack", "aws-load-balancer-controller", "cluster-autoscaler"),
        *("nvidia-device-plugin", "velero"),
    }


def test_what_an_image_has_is_not_installed_again() -> None:
    assert "nvidia-device-plugin" not in names(device_plugin=False)
    assert GPU_IMAGE in IMAGES_WITHOUT_PLUGIN
    assert "BOTTLEROCKET_x86_64_NVIDIA" not in IMAGES_WITHOUT_PLUGIN


def test_a_mesh_is_installed_where_it_is_asked_for_its_definitions_first() -> None:
    assert [name for name in map(lambda chart: chart.name, installed(replace(CLUSTER, mesh=True)))][-2:] == [
        "base",
        "istiod",
    ]


def test_one_of_karpenter_and_the_autoscaler_makes_nodes() -> None:
    assert names(karpenter=True) - names() == {"karpenter"}
    assert names() - names(karpenter=True) == {"cluster-autoscaler"}


@pytest.mark.parametrize(
    ("role", "account"),
    [
        (LOAD_BALANCER, values("aws-load-balancer-controller")["serviceAccount"]),
        (AUTOSCALER, values("cluster-autoscaler")["rbac"]["serviceAccount"]),
        (ALERTING, values("kube-prometheus-stack")["alertmanager"]["serviceAccount"]),
        (BACKUPS, values("velero")["serviceAccount"]["server"]),
    ],
    ids=["balancer", "autoscaler", "alertmanager", "velero"],
)
def test_service_accounts_are_those_that_pod_identities_are_for(role: PodRole, account: dict[str, Any]) -> None:
    assert account == {"create": True, "name": role.service_account}
    assert role.namespace in {chart.namespace for chart in CHARTS}


def test_the_device_plugin_runs_on_gpu_nodes_whatever_keeps_others_away() -> None:
    told = values("nvidia-device-plugin")

    assert told["nodeSelector"] == {"pool": "gpu"}
    assert told["tolerations"] == [{"key": GPU_TAINT.key, "operator": "Exists"}]
    assert GPU_LABELS["nvidia.com/gpu.present"] == "true"


def pods(told: dict[str, Any], at: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Parts of values that place pods."""
    found = [(at, told)] if "nodeSelector" in told else []
    return found + [part for key, value in told.items() if isinstance(value, dict) for part in pods(value, key)]


def test_everything_else_runs_on_system_nodes_within_limits_of_memory() -> None:
    for chart, told in installed(replace(CLUSTER, mesh=True, karpenter=True)).items():
        for what, part in pods(told):
            wanted = "gpu" if chart.name == "nvidia-device-plugin" else "system"
            assert part["nodeSelector"] == {"pool": wanted}, (chart.name, what)
            held = part.get("resources") or part["controller"]["resources"]
            assert {"limits", "requests"} <= held.keys(), (chart.name, what)


def test_the_autoscaler_finds_the_groups_by_ekss_tags_and_holds_the_floor() -> None:
    told = values("cluster-autoscaler")

    assert (told["autoDiscovery"], told["awsRegion"]) == ({"clusterName": "ml-dr"}, "us-west-2")
    assert told["extraArgs"]["enforce-node-group-min-size"] is True
    assert charts.__doc__ is not None
    assert f"9.59.0 has autoscaler {KUBERNETES_VERSION}." in charts.__doc__


def test_the_controller_of_load_balancers_does_not_hold_up_services_and_asks_no_node() -> None:
    told = values("aws-load-balancer-controller")

    assert told["enableServiceMutatorWebhook"] is False
    assert (told["region"], told["vpcId"]) == ("us-west-2", CLUSTER.vpc_id)


def test_prometheus_stands_the_loss_of_a_zone_and_finds_rules_everywhere() -> None:
    told = values("kube-prometheus-stack")
    spec = told["prometheus"]["prometheusSpec"]

    assert (spec["replicas"], spec["podAntiAffinity"]) == (2, "hard")
    assert spec["podAntiAffinityTopologyKey"] == "topology.kubernetes.io/zone"
    assert "volumeClaimTemplate" not in spec["storageSpec"]
    assert spec["ruleSelectorNilUsesHelmValues"] is spec["podMonitorSelectorNilUsesHelmValues"] is False
    assert told["grafana"] == told["nodeExporter"] == {"enabled": False}


def test_kube_state_metrics_shows_the_labels_that_rules_go_by() -> None:
    shown = values("kube-prometheus-stack")["kube-state-metrics"]["metricLabelsAllowlist"]

    assert shown == ["nodes=[pool,topology.kubernetes.io/zone]"]


def test_alerts_go_to_the_regions_topic_and_so_does_their_end() -> None:
    (receiver,) = values("kube-prometheus-stack")["alertmanager"]["config"]["receivers"]
    (topic,) = receiver["sns_configs"]

    assert (topic["topic_arn"], topic["sigv4"], topic["send_resolved"]) == (TOPIC, {"region": "us-west-2"}, True)
    assert "{{ .Annotations.description }}" in topic["message"]
    assert topic["message"].count("{{ end }}") == 1


def test_alertmanager_has_a_receiver_for_every_route_merged_with_the_charts_defaults() -> None:
    config = values("kube-prometheus-stack")["alertmanager"]["config"]
    # The chart's own (prometheus-community/helm-charts, charts/kube-prometheus-stack/values.yaml).
    defaults = {"routes": [{"receiver": "null", "matchers": ['alertname = "Watchdog"']}]}
    route = {**defaults, **config["route"]}

    used = {route["receiver"], *(each["receiver"] for each in route["routes"])}
    assert used <= {each["name"] for each in config["receivers"]}


def addons(pool: NodePoolSpec | None = None, **changes: Any) -> Cloud:
    def build() -> None:
        there = pulumi.ComponentResource("dr:test:There", "there")
        access = ClusterAccess(
            "access",
            ClusterAccessArgs("ml-dr", "us-west-2", "arn:cluster", "https://cluster", "Q0E=", None, [there]),
        )
        Addons("addons", AddonsArgs(access, replace(CLUSTER, **changes), pool))

    return deploy(build)


def test_a_release_is_named_pinned_installed_whole_and_given_time() -> None:
    made = addons().of("Release")["addons-velero"].inputs

    assert (made["name"], made["namespace"], made["chart"]) == ("velero", "velero", "velero")
    assert made["version"] == charts.BACKUP.version
    assert made["repositoryOpts"] == {"repo": charts.BACKUP.repository}
    assert (made["atomic"], made["createNamespace"], made["timeout"]) == (True, False, 900)


def test_a_chart_of_a_registry_has_no_repository() -> None:
    made = addons(POOL, karpenter=True).of("Release")["addons-karpenter"].inputs

    assert made["chart"] == "oci://public.ecr.aws/karpenter/karpenter"
    assert "repositoryOpts" not in made


def requirement(pool: dict[str, Any], key: str) -> list[str]:
    return next(each["values"] for each in pool["spec"]["template"]["spec"]["requirements"] if each["key"] == key)


def test_reserved_capacity_comes_first_and_is_asked_for_only_where_there_is_any() -> None:
    without = replace(POOL, reserved={})

    assert requirement(node_pool(POOL), "karpenter.sh/capacity-type") == ["reserved", "on-demand"]
    assert node_class(POOL)["spec"]["capacityReservationSelectorTerms"] == [{"tags": {"Name": "ml-dr GPU nodes"}}]
    assert requirement(node_pool(without), "karpenter.sh/capacity-type") == ["on-demand"]
    assert "capacityReservationSelectorTerms" not in node_class(without)["spec"]


def test_karpenters_nodes_are_like_those_of_the_group() -> None:
    template, node = node_pool(POOL)["spec"]["template"], node_class(POOL)["spec"]

    assert template["metadata"]["labels"] == {"pool": "gpu", **GPU_LABELS}
    assert template["spec"]["taints"] == [{"key": GPU_TAINT.key, "value": GPU_TAINT.value, "effect": "NoSchedule"}]
    assert node["metadataOptions"]["httpTokens"] == "required"
    assert node["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert node["blockDeviceMappings"][0]["ebs"]["encrypted"] is True
    assert node_pool(POOL)["spec"]["limits"] == {"nvidia.com/gpu": "7"}


def test_karpenters_objects_are_made_with_it_and_not_without() -> None:
    made = addons(POOL, karpenter=True)

    assert len(made.of("EC2NodeClass")) == len(made.of("NodePool")) == 1
    assert addons().of("NodePool") == {}
    with pytest.raises(ValueError, match="give both or neither"):
        addons(karpenter=True)
