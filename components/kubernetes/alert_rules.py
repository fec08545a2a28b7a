"""Prometheus alerts inside a cluster, as a table. Pure.

CloudWatch alarms (`components/monitoring/alarm_rules.py`) detect that a region does not respond; these alerts detect
which part fails while the region still responds. Sources of metrics: `up` and MLServer's metrics, scraped through the
PodMonitor; kube-state-metrics (its documentation, "Exposed metrics"); Velero (velero.io, pkg/metrics).

Two traps. First, lost targets vanish from a result: a sum over no target is empty, as is the node count of a zone
without nodes, and an empty result never alerts. So each such expression falls back to zero, and zones come from the
topology, not from the metrics. Second, what a tier does not run must not alert: rules on replicas exist only if the
floor is above 0, rules on a backup only where it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import INFERENCE
from dr.clusters.charts import VELERO
from dr.names import MLFLOW
from dr.topology.registry import SERVER
from dr.topology.serving import FETCHER
from dr.topology.writers import BACKUP_RPO

NAME, GROUP = "ml-ha-alerts", "ml-ha"
WATCHDOG = "Watchdog"
"""Alert that always fires, by the name that kube-prometheus-stack gives it: its end shows that alerts do not arrive."""
CRITICAL, WARNING = "critical", "warning"
LEAST_UP = 2
"""docs/requirements.md, "Alarms": fewer replicas than this are an outage."""
BUDGET = "inference-pdb"
REGISTRY_BACKUP_HOURS = 12
"""Two runs of the six-hourly job."""
FAILED_SHARE = 0.05
"""Share of failed requests that alerts."""
SERVICE = INFERENCE.service_account
"""Name of Deployment, Service and PodMonitor."""


@dataclass(frozen=True)
class CronJob:
    """A monitored CronJob."""

    namespace: str
    name: str


@dataclass(frozen=True)
class MonitoredWorkloads:
    """The monitored workloads of a cluster.

    Args:
        region: The region.
        zones: Availability zones of the topology.
        replicas: The tier's floor of replicas; 0 if it serves none.
        min_available: `minAvailable` of the disruption budget.
        registry_backup: CronJob that backs up the model registry; None without.
        backup_schedule: Name of Velero's Schedule; None without.
        registry: Whether the cluster has an MLflow server, with or without replicas.
        runbook_url: URL of the runbook; its anchors are the labels `runbook`. Empty omits the annotation.
    """

    region: str
    zones: Sequence[str]
    replicas: int
    min_available: int
    registry_backup: CronJob | None = None
    backup_schedule: str | None = None
    registry: bool = False
    runbook_url: str = ""


@dataclass(frozen=True)
class AlertRule:
    """A Prometheus alert.

    Args:
        name: Name in CamelCase, as is the convention of Prometheus.
        expression: PromQL; every element of its result alerts.
        minutes: Minutes for which it must hold before it fires.
        severity: `CRITICAL` pages the person on call; `WARNING` waits for working hours.
        summary: The fact.
        description: The value, and where to look.
    """

    name: str
    expression: str
    minutes: int
    severity: str
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """Anchor of the alert's section in the runbook: "zone-failure"."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("-")


def rules(workloads: MonitoredWorkloads) -> list[AlertRule]:
    """Return the alerts on the workloads that a cluster runs."""
    serving = _serving(workloads) if workloads.replicas else ()
    registry = _registry() if workloads.registry else ()
    return [*_metrics(), *serving, *_models(), *registry, *_backups(workloads)]


IN_NAMESPACE = f'namespace="{INFERENCE.namespace}"'
OF_PODS = f'{IN_NAMESPACE}, pod=~"{SERVICE}-.+"'
OF_DEPLOYMENT = f'{IN_NAMESPACE}, deployment="{SERVICE}"'
TARGETS = f'job="{INFERENCE.namespace}/{SERVICE}"'
"""The Prometheus operator names the job of a PodMonitor by its namespace and name."""
MEASURED = "unless on () absent(kube_node_info)"
"""Without kube-state-metrics, everything it counts appears lost; `ClusterMetricsMissing` alerts instead."""


def _metrics() -> Iterator[AlertRule]:
    yield AlertRule(
        "ClusterMetricsMissing",
        'absent(up{job="kube-state-metrics"} == 1)',
        5,
        CRITICAL,
        "The state of the cluster is unknown",
        "kube-state-metrics does not respond: alerts on zones, replicas, rollouts and backups cannot fire.",
    )


def _serving(workloads: MonitoredWorkloads) -> Iterator[AlertRule]:
    least = min(LEAST_UP, workloads.replicas)
    yield AlertRule(
        "InferenceServiceDown",
        f"(sum(up{{{TARGETS}}}) or vector(0)) < {least}",
        2,
        CRITICAL,
        f"Inference is down in {workloads.region}",
        f"{{{{ $value }}}} replicas are up; the floor is {workloads.replicas}, fewer than {least} are an outage.",
    )
    yield AlertRule(
        "ZoneFailure",
        f"{_ready_nodes(workloads.zones)} < 1 {MEASURED}",
        5,
        CRITICAL,
        "Zone {{ $labels.zone }} has no ready GPU node",
        f"{{{{ $value }}}} of its GPU nodes are ready; {workloads.min_available} replicas must run in other zones.",
    )
    yield AlertRule(
        "InferenceReplicasBelowBudget",
        f"(sum(kube_deployment_status_replicas_available{{{OF_DEPLOYMENT}}}) or vector(0)) < {workloads.min_available} "
        f"{MEASURED}",
        5,
        WARNING,
        "Fewer replicas are available than the disruption budget requires",
        f"{{{{ $value }}}} are available, {workloads.min_available} are required: losing one more is an outage.",
    )
    yield AlertRule(
        "InferencePodsUnschedulable",
        f"sum(kube_pod_status_unschedulable{{{OF_PODS}}}) > 0",
        5,
        WARNING,
        "Replicas wait for a GPU node",
        "{{ $value }} pods are unschedulable: check the scaling activities of the GPU node group, and its quota.",
    )
    yield AlertRule(
        "DisruptionBudgetExhausted",
        f'max(kube_poddisruptionbudget_status_pod_disruptions_allowed{{{IN_NAMESPACE}, poddisruptionbudget="{BUDGET}"}}'
        ") < 1",
        15,
        WARNING,
        "The disruption budget allows no eviction",
        "The disruption budget allows {{ $value }} disruptions: node drains and node updates wait.",
    )
    yield AlertRule(
        "InferenceRolloutStuck",
        f"max(kube_deployment_metadata_generation{{{OF_DEPLOYMENT}}}) "
        f"!= max(kube_deployment_status_observed_generation{{{OF_DEPLOYMENT}}}) "
        f'or max(kube_deployment_status_condition{{{OF_DEPLOYMENT}, condition="Progressing", status="false"}}) > 0',
        15,
        WARNING,
        "The rollout of inference makes no progress",
        "Pods were not updated to the changed Deployment; the previous version still serves.",
    )
    failed = f"sum(rate(model_infer_request_failure_total{{{TARGETS}}}[5m]))"
    succeeded = f"sum(rate(model_infer_request_success_total{{{TARGETS}}}[5m]))"
    yield AlertRule(
        "InferenceErrors",
        f"{failed} / ({failed} + ({succeeded} or vector(0))) > {FAILED_SHARE}",
        5,
        WARNING,
        "Inference requests fail",
        f"{{{{ $value | humanizePercentage }}}} failed in the last five minutes, above {FAILED_SHARE:.0%}.",
    )


def _ready_nodes(zones: Sequence[str]) -> str:
    """Return PromQL for the number of ready GPU nodes by zone; a zone of the topology without any counts as 0."""
    pattern = "|".join(zones)
    ready = (
        "sum by (zone) (label_replace("
        f'kube_node_labels{{label_pool="gpu", label_topology_kubernetes_io_zone=~"{pattern}"}}, '
        '"zone", "$1", "label_topology_kubernetes_io_zone", "(.+)") '
        '* on (node) group_left () max by (node) (kube_node_status_condition{condition="Ready", status="true"}))'
    )
    return " or ".join([f"({ready}", *(f'label_replace(vector(0), "zone", "{zone}", "", "")' for zone in zones)]) + ")"


def _models() -> Iterator[AlertRule]:
    pods = f'{OF_PODS}, container="{FETCHER}"'
    # A failing fetch alternates between running and waiting, so each pod counts for two minutes after a failure.
    yield AlertRule(
        "ModelStorageUnavailable",
        "count(count by (pod) ("
        f'max_over_time(kube_pod_init_container_status_waiting_reason{{{pods}, reason="CrashLoopBackOff"}}[2m]) > 0 '
        f'or max_over_time(kube_pod_init_container_status_terminated_reason{{{pods}, reason!="Completed"}}[2m]) > 0'
        ")) > 0",
        3,
        CRITICAL,
        "Models cannot be fetched",
        f"{{{{ $value }}}} pods fail to copy models from the region's bucket; the log of {FETCHER} has the cause. "
        "Running replicas continue, but no replica can be added.",
    )


def _registry() -> Iterator[AlertRule]:
    of = f'{{namespace="{MLFLOW}", deployment="{SERVER}"}}'
    # The Deployment says how many replicas it is to have: an operation changes that in both regions.
    yield AlertRule(
        "ModelRegistryReplicasMissing",
        f"max(kube_deployment_spec_replicas{of}) - (max(kube_deployment_status_replicas_ready{of}) or vector(0)) > 0",
        10,
        WARNING,
        "The model registry has fewer replicas than it is to have",
        f"{{{{ $value }}}} replicas of {SERVER} in {MLFLOW} are not ready: `kubectl describe pods -n {MLFLOW} -l "
        f"app={SERVER}` names the cause. Inference does not need them.",
    )


def _backups(workloads: MonitoredWorkloads) -> Iterator[AlertRule]:
    if job := workloads.registry_backup:
        selector = f'{{namespace="{job.namespace}", cronjob="{job.name}"}}'
        yield AlertRule(
            "RegistryBackupLate",
            # A job that never succeeded counts from its creation.
            f"time() - max(kube_cronjob_status_last_successful_time{selector} or kube_cronjob_created{selector}) "
            f"> {REGISTRY_BACKUP_HOURS * 3600}",
            15,
            WARNING,
            "The model registry is not backed up",
            f"The last successful copy is {{{{ $value | humanizeDuration }}}} old; check the jobs of {job.name} in "
            f"{job.namespace}.",
        )
    if schedule := workloads.backup_schedule:
        selector = f'{{schedule="{schedule}"}}'
        yield AlertRule(
            "VolumeBackupFailed",
            f"max(velero_backup_last_status{selector}) < 1",
            5,
            WARNING,
            "The last cluster backup failed or is incomplete",
            f"`velero backup get --selector velero.io/schedule-name={schedule}` lists backups, `velero backup logs` "
            "shows the cause.",
        )
        yield AlertRule(
            "VolumeBackupLate",
            # Without any backup, or without Velero, the time counts from the creation of the namespace.
            f"time() - max(velero_backup_last_successful_timestamp{selector} "
            f'or on () kube_namespace_created{{namespace="{VELERO}"}}) > {BACKUP_RPO.total_seconds():.0f}',
            15,
            CRITICAL,
            "The cluster is not backed up",
            f"The last successful backup of {schedule} is {{{{ $value | humanizeDuration }}}} old.",
        )


def spec(workloads: MonitoredWorkloads) -> dict[str, Any]:
    """Return the rules in the format of a PrometheusRule, which is also that of Prometheus rule files."""
    rendered = [_rendered(rule, workloads) for rule in rules(workloads)]
    watchdog = {
        "alert": WATCHDOG,
        "expr": "vector(1)",
        "labels": {"severity": "none", "region": workloads.region},
        "annotations": {"summary": "Alerts are evaluated and sent", "description": "This alert always fires."},
    }
    return {
        "groups": [
            {"name": GROUP, "interval": "30s", "rules": rendered},
            {"name": f"{GROUP}-watchdog", "interval": "30s", "rules": [watchdog]},
        ]
    }


def _rendered(rule: AlertRule, workloads: MonitoredWorkloads) -> dict[str, Any]:
    annotations = {"summary": rule.summary, "description": rule.description}
    if workloads.runbook_url:
        annotations["runbook_url"] = f"{workloads.runbook_url}#{rule.anchor}"
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": f"{rule.minutes}m",
        "labels": {"severity": rule.severity, "runbook": rule.anchor, "region": workloads.region},
        "annotations": annotations,
    }
