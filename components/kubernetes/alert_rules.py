"""What Prometheus alerts on inside a cluster, as a table. Pure.

CloudWatch's alarms (`components/monitoring/alarm_rules.py`) say whether a region answers; these say which part of it
fails while it still does. Sources of metrics: `up` and MLServer's own, which the PodMonitor scrapes;
kube-state-metrics (its documentation, "Exposed metrics"); Velero (velero.io, pkg/metrics).

Two traps. What is lost vanishes from a result: a sum over no target is empty, and so is a count of a zone's nodes once
none is left, and an empty result alerts nobody. So each number that matters has a zero to fall back to, and zones are
those the topology names, not those that are still seen. And what a tier does not run must not alert for ever: rules
about replicas exist only where the floor is above 0, rules about a backup only where it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import INFERENCE
from dr.clusters.charts import VELERO
from dr.topology.serving import FETCHER

NAME, GROUP = "ml-ha-alerts", "ml-ha"
CRITICAL, WARNING = "critical", "warning"
LEAST_UP = 2
"""Fewer that are up are an outage (docs/requirements.md, "Alarms")."""
BUDGET = "inference-pdb"
REGISTRY_BACKUP_HOURS, VOLUME_BACKUP_HOURS = 12, 26
"""Two runs of a job that runs every six hours; a daily one, with room for it to take two hours."""
FAILED_SHARE = 0.05
"""Of requests: a rollout that answers every twentieth with an error is not one to sleep through."""
SERVICE = INFERENCE.service_account
"""The name of Deployment, Service and PodMonitor."""


@dataclass(frozen=True)
class CronJob:
    """A CronJob that is watched."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Watched:
    """What runs in a cluster.

    Args:
        region: The region.
        zones: Its availability zones, as the topology names them.
        replicas: The tier's floor; 0 where it runs none.
        min_available: What the disruption budget promises.
        registry_backup: The CronJob that copies the model registry; None where there is none.
        backup_schedule: Name of Velero's Schedule; None where there is none.
        runbook_url: Page whose anchors are the labels `runbook`; empty leaves the annotation out.
    """

    region: str
    zones: Sequence[str]
    replicas: int
    min_available: int
    registry_backup: CronJob | None = None
    backup_schedule: str | None = None
    runbook_url: str = ""


@dataclass(frozen=True)
class AlertRule:
    """One alert.

    Args:
        name: In words joined, as is the custom in Prometheus.
        expression: PromQL; it alerts for every element of its result.
        minutes: How long it has to hold.
        severity: `CRITICAL` wakes somebody, `WARNING` can wait for the day.
        summary: What is the case.
        description: With the value, and where to look.
    """

    name: str
    expression: str
    minutes: int
    severity: str
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """Its heading in the runbook: "zone-failure"."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("-")


def rules(of: Watched) -> list[AlertRule]:
    """Every rule that what runs can break."""
    return [*_measured(), *(_serving(of) if of.replicas else ()), *_models(), *_backups(of)]


IN_NAMESPACE = f'namespace="{INFERENCE.namespace}"'
OF_PODS = f'{IN_NAMESPACE}, pod=~"{SERVICE}-.+"'
OF_DEPLOYMENT = f'{IN_NAMESPACE}, deployment="{SERVICE}"'
TARGETS = f'job="{INFERENCE.namespace}/{SERVICE}"'
"""The Prometheus operator names a PodMonitor's job by its namespace and name."""
MEASURED = "unless on () absent(kube_node_info)"
"""Without kube-state-metrics everything it counts looks lost; `ClusterMetricsMissing` says that instead."""


def _measured() -> Iterator[AlertRule]:
    yield AlertRule(
        "ClusterMetricsMissing",
        'absent(up{job="kube-state-metrics"} == 1)',
        5,
        CRITICAL,
        "The state of the cluster is unknown",
        "kube-state-metrics does not answer: alerts about zones, replicas, rollouts and backups cannot fire.",
    )


def _serving(of: Watched) -> Iterator[AlertRule]:
    least = min(LEAST_UP, of.replicas)
    yield AlertRule(
        "InferenceServiceDown",
        f"(sum(up{{{TARGETS}}}) or vector(0)) < {least}",
        2,
        CRITICAL,
        f"Inference is down in {of.region}",
        f"{{{{ $value }}}} replicas are up; {of.replicas} are the floor, and fewer than {least} an outage.",
    )
    yield AlertRule(
        "ZoneFailure",
        f"{_ready_nodes(of.zones)} < 1 {MEASURED}",
        5,
        CRITICAL,
        "Zone {{ $labels.zone }} has no GPU node that is ready",
        f"{{{{ $value }}}} of its GPU nodes are ready; {of.min_available} replicas have to stay in the other zones.",
    )
    yield AlertRule(
        "InferenceReplicasBelowBudget",
        f"(sum(kube_deployment_status_replicas_available{{{OF_DEPLOYMENT}}}) or vector(0)) < {of.min_available} "
        f"{MEASURED}",
        5,
        WARNING,
        "Fewer replicas are available than the disruption budget promises",
        f"{{{{ $value }}}} are available and {of.min_available} are promised: the next loss is an outage.",
    )
    yield AlertRule(
        "InferencePodsUnschedulable",
        f"sum(kube_pod_status_unschedulable{{{OF_PODS}}}) > 0",
        5,
        WARNING,
        "Replicas wait for a GPU",
        "{{ $value }} pods fit on no node: look at the GPU node group's scaling activities, and at its quota.",
    )
    yield AlertRule(
        "DisruptionBudgetExhausted",
        f'max(kube_poddisruptionbudget_status_pod_disruptions_allowed{{{IN_NAMESPACE}, poddisruptionbudget="{BUDGET}"}}'
        ") < 1",
        15,
        WARNING,
        "No replica may be evicted",
        "The disruption budget allows {{ $value }} disruptions: nodes cannot be drained, and updates of them wait.",
    )
    yield AlertRule(
        "InferenceRolloutStuck",
        f"max(kube_deployment_metadata_generation{{{OF_DEPLOYMENT}}}) "
        f"!= max(kube_deployment_status_observed_generation{{{OF_DEPLOYMENT}}}) "
        f'or max(kube_deployment_status_condition{{{OF_DEPLOYMENT}, condition="Progressing", status="false"}}) > 0',
        15,
        WARNING,
        "A rollout of inference does not go on",
        "The Deployment was changed and its pods were not: what served before still does.",
    )
    failed = f"sum(rate(model_infer_request_failure_total{{{TARGETS}}}[5m]))"
    answered = f"sum(rate(model_infer_request_success_total{{{TARGETS}}}[5m]))"
    yield AlertRule(
        "InferenceErrors",
        f"{failed} / ({failed} + ({answered} or vector(0))) > {FAILED_SHARE}",
        5,
        WARNING,
        "Requests for inference fail",
        f"{{{{ $value | humanizePercentage }}}} of them failed in the last five minutes, above {FAILED_SHARE:.0%}.",
    )


def _ready_nodes(zones: Sequence[str]) -> str:
    """GPU nodes that are ready, by zone; a zone of the topology that has none is there with 0."""
    named = "|".join(zones)
    seen = (
        "sum by (zone) (label_replace("
        f'kube_node_labels{{label_pool="gpu", label_topology_kubernetes_io_zone=~"{named}"}}, '
        '"zone", "$1", "label_topology_kubernetes_io_zone", "(.+)") '
        '* on (node) group_left () max by (node) (kube_node_status_condition{condition="Ready", status="true"}))'
    )
    return " or ".join([f"({seen}", *(f'label_replace(vector(0), "zone", "{zone}", "", "")' for zone in zones)]) + ")"


def _models() -> Iterator[AlertRule]:
    of = f'{OF_PODS}, container="{FETCHER}"'
    # A try that fails is running or waiting in turn, so each pod counts for as long as a try may take to fail again.
    yield AlertRule(
        "ModelStorageUnavailable",
        "count(count by (pod) ("
        f'max_over_time(kube_pod_init_container_status_waiting_reason{{{of}, reason="CrashLoopBackOff"}}[2m]) > 0 '
        f'or max_over_time(kube_pod_init_container_status_terminated_reason{{{of}, reason!="Completed"}}[2m]) > 0'
        ")) > 0",
        3,
        CRITICAL,
        "Models cannot be fetched",
        f"{{{{ $value }}}} pods fail to copy their models from the region's bucket; the log of {FETCHER} says why. "
        "Replicas that have them go on, and none can be added.",
    )


def _backups(of: Watched) -> Iterator[AlertRule]:
    if job := of.registry_backup:
        this = f'{{namespace="{job.namespace}", cronjob="{job.name}"}}'
        yield AlertRule(
            "RegistryBackupLate",
            # One that never succeeded is as old as the job.
            f"time() - max(kube_cronjob_status_last_successful_time{this} or kube_cronjob_created{this}) "
            f"> {REGISTRY_BACKUP_HOURS * 3600}",
            15,
            WARNING,
            "The model registry is not backed up",
            f"The last copy that succeeded was {{{{ $value | humanizeDuration }}}} ago; look at the jobs of {job.name} "
            f"in {job.namespace}.",
        )
    if schedule := of.backup_schedule:
        this = f'{{schedule="{schedule}"}}'
        yield AlertRule(
            "VolumeBackupFailed",
            f"max(velero_backup_last_status{this}) < 1",
            5,
            WARNING,
            "The last backup of the cluster failed, or lacks something",
            f"`velero backup get --selector velero.io/schedule-name={schedule}` lists them, `velero backup logs` says "
            "why.",
        )
        yield AlertRule(
            "VolumeBackupLate",
            # Without one, and without Velero, the backup is as old as its namespace.
            f"time() - max(velero_backup_last_successful_timestamp{this} "
            f'or on () kube_namespace_created{{namespace="{VELERO}"}}) > {VOLUME_BACKUP_HOURS * 3600}',
            15,
            CRITICAL,
            "The cluster is not backed up",
            f"The last backup of {schedule} that succeeded was {{{{ $value | humanizeDuration }}}} ago.",
        )


def spec(of: Watched) -> dict[str, Any]:
    """The rules as a PrometheusRule has them, and Prometheus's own files too."""
    return {"groups": [{"name": GROUP, "interval": "30s", "rules": [_rendered(rule, of) for rule in rules(of)]}]}


def _rendered(rule: AlertRule, of: Watched) -> dict[str, Any]:
    annotations = {"summary": rule.summary, "description": rule.description}
    if of.runbook_url:
        annotations["runbook_url"] = f"{of.runbook_url}#{rule.anchor}"
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": f"{rule.minutes}m",
        "labels": {"severity": rule.severity, "runbook": rule.anchor, "region": of.region},
        "annotations": annotations,
    }
