"""Values of the pinned charts, and the releases that install them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.compute.cluster_iam import ALERTING, AUTOSCALER, BACKUPS, LOAD_BALANCER, PodRole
from components.compute.node_groups import GPU_IMAGE, GPU_LABELS, GPU_TAINT, IMAGES_WITHOUT_PLUGIN
from components.kubernetes.addons import Addons, AddonsArgs
from components.kubernetes.addons_spec import Cluster, installed
from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.node_pool_spec import NodePoolSpec, node_class, node_pool
from dr.clusters import charts, versions
from dr.clusters.charts import CHARTS
from dr.clusters.versions import TABLE
from dr.supply.catalog import images_of
from dr.supply.mirror import Mirror
from tests.support.kubernetes import POOL
from tests.support.mirror import HEX, HOST, mirror
from tests.support.mocks import Cloud, deploy

TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"
WATCHDOG_TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-watchdog"
CLUSTER = Cluster("ml-dr", "us-west-2", "vpc-0123456789abcdef0", TOPIC, WATCHDOG_TOPIC, device_plugin=True)


def values(chart: str, **changes: Any) -> dict[str, Any]:
    return next(values_ for each, values_ in installed(replace(CLUSTER, **changes)).items() if each.name == chart)


def names(**changes: Any) -> set[str]:
    return {chart.name for chart in installed(replace(CLUSTER, **changes))}


def test_every_chart_is_pinned_and_downloaded_over_tls() -> None:
    for chart in CHARTS:
        assert re.fullmatch(r"\d+\.\d+\.\d+", chart.version), chart
        assert chart.repository.startswith(("https://", "oci://")), chart
    assert len({chart.name for chart in CHARTS}) == len(CHARTS)


def test_a_cluster_has_the_default_charts() -> None:
    assert names() == {
        *("kube-prometheus-stack", "aws-load-balancer-controller", "cluster-autoscaler"),
        *("nvidia-device-plugin", "velero"),
    }


def test_the_device_plugin_is_not_installed_if_the_image_includes_it() -> None:
    assert "nvidia-device-plugin" not in names(device_plugin=False)
    assert GPU_IMAGE in IMAGES_WITHOUT_PLUGIN
    assert "BOTTLEROCKET_x86_64_NVIDIA" not in IMAGES_WITHOUT_PLUGIN


def test_a_mesh_is_installed_on_request_after_its_definitions() -> None:
    assert [name for name in map(lambda chart: chart.name, installed(replace(CLUSTER, mesh=True)))][-2:] == [
        "base",
        "istiod",
    ]


def test_either_karpenter_or_the_autoscaler_is_installed() -> None:
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
def test_service_accounts_match_the_pod_identity_associations(role: PodRole, account: dict[str, Any]) -> None:
    assert account == {"create": True, "name": role.service_account}
    assert role.namespace in {chart.namespace for chart in CHARTS}


def test_the_device_plugin_tolerates_the_taint_of_gpu_nodes() -> None:
    values_ = values("nvidia-device-plugin")

    assert values_["nodeSelector"] == {"pool": "gpu"}
    assert values_["tolerations"] == [{"key": GPU_TAINT.key, "operator": "Exists"}]
    assert GPU_LABELS["nvidia.com/gpu.present"] == "true"


def pods(values_: dict[str, Any], at: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of values that schedule pods."""
    found = [(at, values_)] if "nodeSelector" in values_ else []
    return found + [part for key, value in values_.items() if isinstance(value, dict) for part in pods(value, key)]


def test_other_charts_run_on_system_nodes_with_memory_limits() -> None:
    for chart, values_ in installed(replace(CLUSTER, mesh=True, karpenter=True)).items():
        for what, part in pods(values_):
            wanted = "gpu" if chart.name == "nvidia-device-plugin" else "system"
            assert part["nodeSelector"] == {"pool": wanted}, (chart.name, what)
            held = part.get("resources") or part["controller"]["resources"]
            assert {"limits", "requests"} <= held.keys(), (chart.name, what)


def test_the_autoscaler_discovers_groups_by_tag_and_keeps_the_floor() -> None:
    values_ = values("cluster-autoscaler")

    assert (values_["autoDiscovery"], values_["awsRegion"]) == ({"clusterName": "ml-dr"}, "us-west-2")
    assert values_["extraArgs"]["enforce-node-group-min-size"] is True
    assert values_["extraArgs"]["balance-similar-node-groups"] is True
    assert charts.__doc__ is not None
    assert f"9.59.0 has autoscaler {TABLE.kubernetes}." in versions.__doc__


def test_after_the_loss_of_a_zone_the_autoscaler_adds_nodes_in_the_others_within_minutes() -> None:
    extra = values("cluster-autoscaler")["extraArgs"]

    assert (extra["max-node-provision-time"], extra["max-total-unready-percentage"]) == ("5m", 60)


def test_load_balancer_controller_has_region_and_vpc_and_no_service_webhook() -> None:
    values_ = values("aws-load-balancer-controller")

    assert values_["enableServiceMutatorWebhook"] is False
    assert (values_["region"], values_["vpcId"]) == ("us-west-2", CLUSTER.vpc_id)


def test_prometheus_tolerates_the_loss_of_a_zone_and_reads_rules_of_all_namespaces() -> None:
    values_ = values("kube-prometheus-stack")
    spec = values_["prometheus"]["prometheusSpec"]

    assert (spec["replicas"], spec["podAntiAffinity"]) == (2, "hard")
    assert spec["podAntiAffinityTopologyKey"] == "topology.kubernetes.io/zone"
    assert "volumeClaimTemplate" not in spec["storageSpec"]
    assert spec["ruleSelectorNilUsesHelmValues"] is spec["podMonitorSelectorNilUsesHelmValues"] is False
    assert values_["grafana"] == values_["nodeExporter"] == {"enabled": False}


def test_kube_state_metrics_exposes_the_labels_that_rules_use() -> None:
    shown = values("kube-prometheus-stack")["kube-state-metrics"]["metricLabelsAllowlist"]

    assert shown == ["nodes=[pool,topology.kubernetes.io/zone]"]


def test_firing_and_resolved_alerts_notify_the_regions_topic() -> None:
    receiver, _ = values("kube-prometheus-stack")["alertmanager"]["config"]["receivers"]
    (topic,) = receiver["sns_configs"]

    assert (topic["topic_arn"], topic["sigv4"], topic["send_resolved"]) == (TOPIC, {"region": "us-west-2"}, True)
    assert "{{ .Annotations.description }}" in topic["message"]
    assert topic["message"].count("{{ end }}") == 1


def test_watchdog_is_repeated_every_minute_to_a_topic_of_its_own() -> None:
    config = values("kube-prometheus-stack")["alertmanager"]["config"]
    (route,) = config["route"]["routes"]
    (sent,) = next(each for each in config["receivers"] if each["name"] == route["receiver"])["sns_configs"]

    assert route["matchers"] == ['alertname = "Watchdog"']
    assert (route["group_interval"], route["repeat_interval"]) == ("1m", "1m")
    assert (sent["topic_arn"], sent["send_resolved"]) == (WATCHDOG_TOPIC, False)


def test_alertmanager_has_a_receiver_for_every_route_merged_with_the_charts_defaults() -> None:
    config = values("kube-prometheus-stack")["alertmanager"]["config"]
    # The chart's own (prometheus-community/helm-charts, charts/kube-prometheus-stack/values.yaml).
    defaults = {"routes": [{"receiver": "null", "matchers": ['alertname = "Watchdog"']}]}
    route = {**defaults, **config["route"]}

    used = {route["receiver"], *(each["receiver"] for each in route["routes"])}
    assert used <= {each["name"] for each in config["receivers"]}


def addons(pool: NodePoolSpec | None = None, mirror: Mirror | None = None, **changes: Any) -> Cloud:
    def build() -> None:
        there = pulumi.ComponentResource("dr:test:There", "there")
        access = ClusterAccess(
            "access",
            ClusterAccessArgs("ml-dr", "us-west-2", "arn:cluster", "https://cluster", "Q0E=", None, [there]),
        )
        Addons("addons", AddonsArgs(access, replace(CLUSTER, **changes), pool, mirror=mirror))

    return deploy(build)


def test_a_release_has_a_name_a_version_a_timeout_and_is_atomic() -> None:
    made = addons().of("Release")["addons-velero"].inputs

    assert (made["name"], made["namespace"], made["chart"]) == ("velero", "velero", "velero")
    assert made["version"] == charts.BACKUP.version
    assert made["repositoryOpts"] == {"repo": charts.BACKUP.repository}
    assert (made["atomic"], made["createNamespace"], made["timeout"]) == (True, False, 900)


def test_a_chart_from_a_registry_has_no_repository() -> None:
    made = addons(POOL, karpenter=True).of("Release")["addons-karpenter"].inputs

    assert made["chart"] == "oci://public.ecr.aws/karpenter/karpenter"
    assert "repositoryOpts" not in made


def test_with_a_mirror_every_release_is_an_archive_of_its_chart_and_names_images_of_the_regions_registry() -> None:
    releases = addons(POOL, mirror(), karpenter=True, mesh=True).of("Release")

    for chart in installed(replace(CLUSTER, karpenter=True, mesh=True)):
        made = releases[f"addons-{chart.name}"].inputs
        assert made["chart"] == f".local/charts/{chart.name}-{chart.version}-{HEX[:12]}.tgz"
        assert "repositoryOpts" not in made
        assert json.dumps(made.get("values", {})).count(HOST) == len(images_of(chart)), chart.name


def requirement(pool: dict[str, Any], key: str) -> list[str]:
    return next(each["values"] for each in pool["spec"]["template"]["spec"]["requirements"] if each["key"] == key)


def test_reserved_capacity_is_preferred_and_requested_only_if_reserved() -> None:
    without = replace(POOL, reserved={})

    assert requirement(node_pool(POOL), "karpenter.sh/capacity-type") == ["reserved", "on-demand"]
    assert node_class(POOL)["spec"]["capacityReservationSelectorTerms"] == [{"tags": {"Name": "ml-dr GPU nodes"}}]
    assert requirement(node_pool(without), "karpenter.sh/capacity-type") == ["on-demand"]
    assert "capacityReservationSelectorTerms" not in node_class(without)["spec"]


def test_nodes_of_karpenter_match_those_of_the_node_group() -> None:
    template, node = node_pool(POOL)["spec"]["template"], node_class(POOL)["spec"]

    assert template["metadata"]["labels"] == {"pool": "gpu", **GPU_LABELS}
    assert template["spec"]["taints"] == [{"key": GPU_TAINT.key, "value": GPU_TAINT.value, "effect": "NoSchedule"}]
    assert node["metadataOptions"]["httpTokens"] == "required"
    assert node["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert node["blockDeviceMappings"][0]["ebs"]["encrypted"] is True
    assert node_pool(POOL)["spec"]["limits"] == {"nvidia.com/gpu": "7"}


def test_node_pool_and_class_are_deleted_before_the_cluster_and_all_other_objects_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_cluster: dict[str, bool] = {}
    options = ClusterAccess.options

    def recorded(access: ClusterAccess, *of: Any, outlives: bool = False) -> pulumi.ResourceOptions:
        made = options(access, *of, outlives=outlives)
        with_cluster["outlives" if outlives else "with"] = made.deleted_with is not None
        return made

    monkeypatch.setattr(ClusterAccess, "options", recorded)

    def build() -> None:
        cluster = pulumi.ComponentResource("dr:test:Cluster", "cluster")
        args = ClusterAccessArgs("ml-dr", "us-west-2", "arn:cluster", "https://cluster", "Q0E=", cluster, [cluster])
        Addons("addons", AddonsArgs(ClusterAccess("access", args), replace(CLUSTER, karpenter=True), POOL))

    deploy(build)
    assert with_cluster == {"with": True, "outlives": False}


def test_node_pool_drains_for_a_limited_time_and_pulumi_waits_longer_for_its_deletion() -> None:
    assert node_pool(POOL)["spec"]["template"]["spec"]["terminationGracePeriod"] == "15m"
    for manifest in (node_pool(POOL), node_class(POOL)):
        assert manifest["metadata"]["annotations"] == {"pulumi.com/timeoutSeconds": "1800"}


def test_node_class_and_node_pool_exist_only_with_karpenter() -> None:
    made = addons(POOL, karpenter=True)

    assert len(made.of("EC2NodeClass")) == len(made.of("NodePool")) == 1
    assert addons().of("NodePool") == {}
    with pytest.raises(ValueError, match="set both or neither"):
        addons(karpenter=True)
