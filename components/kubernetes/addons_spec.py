"""Values of the Helm charts that a cluster runs (dr/clusters/charts.py). Pure.

Not included is what EKS add-ons provide (`gpu_inference_cluster.ADDONS`): metrics-server, snapshot controller, DNS,
networking and volumes. Pods cannot read instance metadata (hop limit 1), so charts that would query region or VPC get
them as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import ALERTING, AUTOSCALER, BACKUPS, KARPENTER, LOAD_BALANCER
from components.kubernetes.alert_rules import WATCHDOG
from components.kubernetes.namespace_spec import GPU
from dr.clusters.charts import BACKUP, BALANCER, DEVICE_PLUGIN, MESH, MESH_BASE, NODE_MAKER, PROMETHEUS, SCALER, Chart
from dr.supply.catalog import BACKUP_PLUGIN

Values = dict[str, Any]

ON_SYSTEM = {"nodeSelector": {"pool": "system"}}
ON_GPU = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": GPU, "operator": "Exists"}]}
QUICK_TO_MOVE = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for state in ("not-ready", "unreachable")
]
"""Evicted from a lost zone after 30 s. The default is five minutes, during which nothing would be measured."""
RETENTION = {"retention": "3d", "retentionSize": "4GB"}
"""Enough to investigate an incident; longer retention belongs in an external store."""


@dataclass(frozen=True)
class Cluster:
    """Properties of the cluster that charts need; names and IDs may be Outputs.

    Args:
        name: The cluster's name.
        region: The cluster's region.
        vpc_id: ID of its VPC.
        topic_arn: ARN of the SNS topic for alerts.
        watchdog_arn: ARN of the SNS topic for the alert `Watchdog`.
        device_plugin: Whether to install NVIDIA's device plugin, because the GPU nodes' image lacks it.
        mesh: Whether to install Istio.
        karpenter: Whether to install Karpenter for GPU nodes above the floor, instead of the Cluster Autoscaler.
    """

    name: Any
    region: str
    vpc_id: Any
    topic_arn: Any
    watchdog_arn: Any
    device_plugin: bool
    mesh: bool = False
    karpenter: bool = False


def installed(cluster: Cluster) -> dict[Chart, Values]:
    """Return the charts to install with their values; each follows the charts that it needs."""
    charts: dict[Chart, Values] = {
        PROMETHEUS: prometheus(cluster),
        BALANCER: balancer(cluster),
        **({NODE_MAKER: karpenter(cluster)} if cluster.karpenter else {SCALER: scaler(cluster)}),
        **({DEVICE_PLUGIN: device_plugin()} if cluster.device_plugin else {}),
        BACKUP: backup(),
    }
    return {**charts, **({MESH_BASE: {}, MESH: mesh()} if cluster.mesh else {})}


NEEDS: Mapping[Chart, tuple[Chart, ...]] = {BACKUP: (PROMETHEUS,), MESH: (MESH_BASE,)}
"""Charts that create objects of another chart's custom resource definitions."""


def account(name: str) -> Values:
    """Return values for a service account with the name of its Pod Identity association."""
    return {"create": True, "name": name}


def memory(request: str, cpu: str = "50m", limit: str | None = None) -> Values:
    """Return resources of a container: memory is limited, CPU is not."""
    return {"requests": {"cpu": cpu, "memory": request}, "limits": {"memory": limit or request}}


def balancer(cluster: Cluster) -> Values:
    """Return values of the load balancer controller, which only registers pods in Pulumi's target group."""
    return {
        **ON_SYSTEM,
        "clusterName": cluster.name,
        "region": cluster.region,
        "vpcId": cluster.vpc_id,
        "replicaCount": 2,
        "serviceAccount": account(LOAD_BALANCER.service_account),
        "resources": memory("256Mi", "100m"),
        # While unavailable, this webhook would block changes of every Service.
        "enableServiceMutatorWebhook": False,
        "enableBackendSecurityGroup": False,
        "createIngressClassResource": False,
        **{f"enable{firewall}": False for firewall in ("Shield", "Waf", "Wafv2")},
        "controllerConfig": {"featureGates": {"ALBGatewayAPI": False, "NLBGatewayAPI": False}},
    }


def scaler(cluster: Cluster) -> Values:
    """Return values of the Cluster Autoscaler, for node groups with EKS's tags, down to the tier's floor."""
    return {
        **ON_SYSTEM,
        "fullnameOverride": SCALER.name,
        "cloudProvider": "aws",
        "awsRegion": cluster.region,
        "autoDiscovery": {"clusterName": cluster.name},
        "rbac": {"serviceAccount": account(AUTOSCALER.service_account)},
        "resources": memory("600Mi", "100m"),
        "replicaCount": 2,
        "podDisruptionBudget": {"maxUnavailable": 1},
        "extraArgs": {
            "expander": "least-waste",
            # There is a node group in each zone. Groups that differ only in their zone grow evenly.
            "balance-similar-node-groups": True,
            "enforce-node-group-min-size": True,
            "skip-nodes-with-system-pods": False,
            # Pods with models on the node's disk may move; they copy the models again.
            "skip-nodes-with-local-storage": False,
            # A removed GPU node may be needed again soon, and takes minutes to come back.
            "scale-down-unneeded-time": "15m",
            # After the loss of a zone, pods wait this long for nodes that its group cannot start. A GPU node joins
            # within two minutes; one that has not joined by then is replaced.
            "max-node-provision-time": "5m",
            # Half of the nodes are lost with one of two zones; at the default of 45 % no group would grow.
            "max-total-unready-percentage": 60,
        },
    }


def device_plugin() -> Values:
    """Return values of the device plugin, which advertises GPUs to the kubelet."""
    return {**ON_GPU, "resources": memory("128Mi"), "gfd": {"enabled": False}}


def karpenter(cluster: Cluster) -> Values:
    """Return values of Karpenter, which creates GPU nodes for pending pods."""
    return {
        **ON_SYSTEM,
        "serviceAccount": account(KARPENTER.service_account),
        "controller": {"resources": memory("1Gi", "250m")},
        "settings": {"clusterName": cluster.name, "featureGates": {"reservedCapacity": True}},
    }


def backup() -> Values:
    """Return values of Velero with its data mover; backup location and schedule are objects of `protection_spec`."""
    return {
        **ON_SYSTEM,
        "initContainers": [
            {
                "name": "velero-plugin-for-aws",
                "image": BACKUP_PLUGIN,
                "volumeMounts": [{"mountPath": "/target", "name": "plugins"}],
            }
        ],
        "credentials": {"useSecret": False},
        "serviceAccount": {"server": account(BACKUPS.service_account)},
        "backupsEnabled": False,
        "snapshotsEnabled": False,
        "configuration": {"features": "EnableCSI", "uploaderType": "kopia"},
        "deployNodeAgent": True,
        # A volume is read on the node it is attached to, whatever the node's taints.
        "nodeAgent": {"tolerations": [{"operator": "Exists"}], "resources": memory("256Mi", "100m", "1Gi")},
        "resources": memory("256Mi", "100m", "1Gi"),
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}},
        "upgradeCRDs": False,
        "cleanUpCRDs": False,
    }


def mesh() -> Values:
    """Return values of istiod: two replicas, because without it new pods get no proxy."""
    return {"autoscaleMin": 2, **ON_SYSTEM, "resources": memory("1Gi", "200m")}


def prometheus(cluster: Cluster) -> Values:
    """Return values of Prometheus, its operator, Alertmanager and kube-state-metrics, without dashboards or storage.

    Prometheus and Alertmanager run twice, in different zones and without a volume: a volume is in one zone, and a
    Prometheus that waits for it would not measure while that zone is lost.
    """
    two_zones = {"replicas": 2, "podAntiAffinity": "hard", "podAntiAffinityTopologyKey": "topology.kubernetes.io/zone"}
    all_namespaces = {
        f"{kind}SelectorNilUsesHelmValues": False for kind in ("rule", "podMonitor", "serviceMonitor", "probe")
    }
    return {
        # EKS does not expose these, or no alert uses them.
        **{
            f"kube{part}": {"enabled": False}
            for part in ("ApiServer", "ControllerManager", "Etcd", "Scheduler", "Proxy", "Dns")
        },
        **{part: {"enabled": False} for part in ("coreDns", "kubelet", "grafana", "nodeExporter")},
        "defaultRules": {"create": False},
        # Rules are tested by promtool, so the admission webhook is not needed.
        "prometheusOperator": {
            **ON_SYSTEM,
            "resources": memory("256Mi"),
            "admissionWebhooks": {"enabled": False},
            "tls": {"enabled": False},
        },
        "prometheus": {
            "prometheusSpec": {
                **ON_SYSTEM,
                **two_zones,
                **all_namespaces,
                **RETENTION,
                "tolerations": QUICK_TO_MOVE,
                "externalLabels": {"region": cluster.region},
                "storageSpec": {"emptyDir": {"sizeLimit": "5Gi"}},
                "resources": memory("1Gi", "200m", "2Gi"),
            }
        },
        "alertmanager": {
            "serviceAccount": account(ALERTING.service_account),
            "alertmanagerSpec": {**ON_SYSTEM, **two_zones, "tolerations": QUICK_TO_MOVE, "resources": memory("128Mi")},
            "config": alertmanager_config(cluster),
        },
        "kube-state-metrics": {
            **ON_SYSTEM,
            "tolerations": QUICK_TO_MOVE,
            "resources": memory("256Mi"),
            # kube-state-metrics exposes only the labels named here.
            "metricLabelsAllowlist": ["nodes=[pool,topology.kubernetes.io/zone]"],
        },
    }


def alertmanager_config(cluster: Cluster) -> Values:
    """Return Alertmanager's configuration: it notifies the region's topic of firing and resolved alerts.

    The alert that always fires is repeated every minute to a topic of its own. CloudWatch reports when it stops.
    """
    subject = '{{ .Status | toUpper }}: "{{ .CommonLabels.alertname }}" in ' + cluster.region
    message = "{{ .Annotations.summary }}. {{ .Annotations.description }} {{ .Annotations.runbook_url }}"
    receiver = {
        "topic_arn": cluster.topic_arn,
        "sigv4": {"region": cluster.region},
        "subject": subject,
        "message": f"{{{{ range .Alerts }}}}{message}\n{{{{ end }}}}",
        "send_resolved": True,
    }
    return {
        "route": {
            "receiver": "topic",
            "group_by": ["alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            # Helm merges this into the chart's own route. Its sub-route names a receiver that is replaced below;
            # Alertmanager refuses a route to an unknown receiver.
            "routes": [
                {
                    "receiver": "watchdog",
                    "matchers": [f'alertname = "{WATCHDOG}"'],
                    "group_wait": "0s",
                    "group_interval": "1m",
                    "repeat_interval": "1m",
                }
            ],
        },
        "receivers": [
            {"name": "topic", "sns_configs": [receiver]},
            {
                "name": "watchdog",
                "sns_configs": [{**receiver, "topic_arn": cluster.watchdog_arn, "send_resolved": False}],
            },
        ],
    }
