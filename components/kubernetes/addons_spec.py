"""Values of the Helm charts that a cluster runs (dr/clusters/charts.py). Pure.

The plugin's minor versions follow Velero's, 1.14 with 1.18 (velero-io/velero-plugin-for-aws, pull request 286, and its
README's table).

What the nodes' own EKS add-ons bring (`gpu_inference_cluster.ADDONS`) is not here: metrics-server, the snapshot
controller, DNS, networking and volumes. Nodes answer their pods no metadata (one hop), so region and VPC are given to
each that would ask for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import ALERTING, AUTOSCALER, BACKUPS, KARPENTER, LOAD_BALANCER
from components.kubernetes.namespace_spec import GPU
from dr.clusters.charts import BACKUP, BALANCER, DEVICE_PLUGIN, MESH, MESH_BASE, NODE_MAKER, PROMETHEUS, SCALER, Chart

Values = dict[str, Any]


BACKUP_PLUGIN = "velero/velero-plugin-for-aws:v1.14.0"
ON_SYSTEM = {"nodeSelector": {"pool": "system"}}
ON_GPU = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": GPU, "operator": "Exists"}]}
QUICK_TO_MOVE = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for state in ("not-ready", "unreachable")
]
"""Away from a lost zone within 30 s: by default a pod stays for five minutes, in which nothing is measured."""
RETENTION = {"retention": "3d", "retentionSize": "4GB"}
"""What an incident is looked into with; what is to be kept longer belongs in a store of its own."""


@dataclass(frozen=True)
class Cluster:
    """What charts have to know of the cluster; a name or id may be an Output.

    Args:
        name: Its name.
        region: Its region.
        vpc_id: Its VPC.
        topic_arn: The topic that alerts go to.
        device_plugin: Whether the GPU nodes' image lacks NVIDIA's device plugin.
        mesh: Whether a mesh is installed.
        karpenter: Whether Karpenter makes GPU nodes beyond the floor, instead of the autoscaler.
    """

    name: Any
    region: str
    vpc_id: Any
    topic_arn: Any
    device_plugin: bool
    mesh: bool = False
    karpenter: bool = False


def installed(cluster: Cluster) -> dict[Chart, Values]:
    """Charts with their values, each after those that it needs."""
    chosen: dict[Chart, Values] = {
        PROMETHEUS: prometheus(cluster),
        BALANCER: balancer(cluster),
        **({NODE_MAKER: karpenter(cluster)} if cluster.karpenter else {SCALER: scaler(cluster)}),
        **({DEVICE_PLUGIN: device_plugin()} if cluster.device_plugin else {}),
        BACKUP: backup(),
    }
    return {**chosen, **({MESH_BASE: {}, MESH: mesh()} if cluster.mesh else {})}


NEEDS: Mapping[Chart, tuple[Chart, ...]] = {BACKUP: (PROMETHEUS,), MESH: (MESH_BASE,)}
"""Charts whose objects are of another one's definitions."""


def account(name: str) -> Values:
    """A service account under the name that its pod identity is for."""
    return {"create": True, "name": name}


def memory(request: str, cpu: str = "50m", limit: str | None = None) -> Values:
    """What a container asks for; memory is limited, CPU is not."""
    return {"requests": {"cpu": cpu, "memory": request}, "limits": {"memory": limit or request}}


def balancer(cluster: Cluster) -> Values:
    """Registers pods in the target group that Pulumi owns, and does nothing else."""
    return {
        **ON_SYSTEM,
        "clusterName": cluster.name,
        "region": cluster.region,
        "vpcId": cluster.vpc_id,
        "replicaCount": 2,
        "serviceAccount": account(LOAD_BALANCER.service_account),
        "resources": memory("256Mi", "100m"),
        # It would hold up every Service of the cluster while it is away.
        "enableServiceMutatorWebhook": False,
        "enableBackendSecurityGroup": False,
        "createIngressClassResource": False,
        **{f"enable{firewall}": False for firewall in ("Shield", "Waf", "Wafv2")},
        "controllerConfig": {"featureGates": {"ALBGatewayAPI": False, "NLBGatewayAPI": False}},
    }


def scaler(cluster: Cluster) -> Values:
    """Resizes the groups that carry EKS's own tags, down to the floor that a tier set and no further."""
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
            "enforce-node-group-min-size": True,
            "skip-nodes-with-system-pods": False,
            # Models are copied to the node's disk, and copied again wherever their pod goes.
            "skip-nodes-with-local-storage": False,
            # A GPU node that is to be given up may be wanted again within minutes, and costs minutes to bring back.
            "scale-down-unneeded-time": "15m",
            "max-node-provision-time": "10m",
        },
    }


def device_plugin() -> Values:
    """Tells the kubelet of GPUs."""
    return {**ON_GPU, "resources": memory("128Mi"), "gfd": {"enabled": False}}


def karpenter(cluster: Cluster) -> Values:
    """Makes GPU nodes as pods ask for them."""
    return {
        **ON_SYSTEM,
        "serviceAccount": account(KARPENTER.service_account),
        "controller": {"resources": memory("1Gi", "250m")},
        "settings": {"clusterName": cluster.name, "featureGates": {"reservedCapacity": True}},
    }


def backup() -> Values:
    """Velero with the data mover; where it backs up to, and when, are objects of ours beside it."""
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
        # Volumes are moved from the node that they are on, whatever its taint.
        "nodeAgent": {"tolerations": [{"operator": "Exists"}], "resources": memory("256Mi", "100m", "1Gi")},
        "resources": memory("256Mi", "100m", "1Gi"),
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}},
        "upgradeCRDs": False,
        "cleanUpCRDs": False,
    }


def mesh() -> Values:
    """istiod, two of it: without one no new pod gets a proxy."""
    return {"autoscaleMin": 2, **ON_SYSTEM, "resources": memory("1Gi", "200m")}


def prometheus(cluster: Cluster) -> Values:
    """Prometheus, its operator, Alertmanager and kube-state-metrics; nothing that draws, keeps or sends elsewhere.

    Two of each that decides, in different zones and without a volume: a volume is in one zone, and a Prometheus that
    waits for it would be blind just when a zone is lost.
    """
    apart = {"replicas": 2, "podAntiAffinity": "hard", "podAntiAffinityTopologyKey": "topology.kubernetes.io/zone"}
    everywhere = {
        f"{kind}SelectorNilUsesHelmValues": False for kind in ("rule", "podMonitor", "serviceMonitor", "probe")
    }
    return {
        # EKS shows none of these, or nothing is alerted by them.
        **{
            f"kube{part}": {"enabled": False}
            for part in ("ApiServer", "ControllerManager", "Etcd", "Scheduler", "Proxy", "Dns")
        },
        **{part: {"enabled": False} for part in ("coreDns", "kubelet", "grafana", "nodeExporter")},
        "defaultRules": {"create": False},
        # Rules are tried by promtool before they come here.
        "prometheusOperator": {
            **ON_SYSTEM,
            "resources": memory("256Mi"),
            "admissionWebhooks": {"enabled": False},
            "tls": {"enabled": False},
        },
        "prometheus": {
            "prometheusSpec": {
                **ON_SYSTEM,
                **apart,
                **everywhere,
                **RETENTION,
                "tolerations": QUICK_TO_MOVE,
                "externalLabels": {"region": cluster.region},
                "storageSpec": {"emptyDir": {"sizeLimit": "5Gi"}},
                "resources": memory("1Gi", "200m", "2Gi"),
            }
        },
        "alertmanager": {
            "serviceAccount": account(ALERTING.service_account),
            "alertmanagerSpec": {**ON_SYSTEM, **apart, "tolerations": QUICK_TO_MOVE, "resources": memory("128Mi")},
            "config": told(cluster),
        },
        "kube-state-metrics": {
            **ON_SYSTEM,
            "tolerations": QUICK_TO_MOVE,
            "resources": memory("256Mi"),
            # Labels are not shown unless they are named.
            "metricLabelsAllowlist": ["nodes=[pool,topology.kubernetes.io/zone]"],
        },
    }


def told(cluster: Cluster) -> Values:
    """Alertmanager's configuration: the region's topic hears of an alert, of its end, and every four hours between."""
    subject = '{{ .Status | toUpper }}: "{{ .CommonLabels.alertname }}" in ' + cluster.region
    each = "{{ .Annotations.summary }}. {{ .Annotations.description }} {{ .Annotations.runbook_url }}"
    receiver = {
        "topic_arn": cluster.topic_arn,
        "sigv4": {"region": cluster.region},
        "subject": subject,
        "message": f"{{{{ range .Alerts }}}}{each}\n{{{{ end }}}}",
        "send_resolved": True,
    }
    return {
        "route": {
            "receiver": "topic",
            "group_by": ["alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            # Helm merges this into the chart's own route, whose sub-route names a receiver that the list below
            # replaces; Alertmanager refuses a route to a receiver that does not exist.
            "routes": [],
        },
        "receivers": [{"name": "topic", "sns_configs": [receiver]}],
    }
