"""Alert rules evaluated by promtool over samples: healthy, then broken, then repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.alert_rules import WATCHDOG, CronJob, MonitoredWorkloads, rules, spec
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from stacks import kubernetes as program
from tests.support import promtool
from tests.support.builders import topology

ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
REGISTRY = CronJob("mlflow", "registry-backup")
SCHEDULE = "ml-backup-daily"
Series = Mapping[str, float | None]
"""Value by series; None for a series that is absent."""


def watched(tier: Tier = Tier.ACTIVE, backups: bool = True, **changes: Any) -> MonitoredWorkloads:
    size = capacity(Workload(), tier, len(ZONES))
    values = {
        "region": "us-west-2",
        "zones": ZONES,
        "replicas": size.replicas,
        "min_available": size.min_available,
        "registry_backup": REGISTRY if backups else None,
        "backup_schedule": SCHEDULE if backups else None,
        "registry": True,
        **changes,
    }
    return MonitoredWorkloads(**values)


def up(pod: int) -> str:
    return f'up{{job="ml-serving/inference-service", pod="inference-service-{pod}"}}'


def ready(zone: str, node: int = 0) -> str:
    return f'kube_node_status_condition{{node="gpu-{zone}-{node}", condition="Ready", status="true"}}'


def labels(zone: str, node: int = 0) -> str:
    of = f'node="gpu-{zone}-{node}", label_pool="gpu", label_topology_kubernetes_io_zone="{zone}"'
    return f"kube_node_labels{{{of}}}"


def init(metric: str, reason: str) -> str:
    of = f'namespace="ml-serving", pod="inference-service-1", container="fetch-models", reason="{reason}"'
    return f"kube_pod_init_container_status_{metric}_reason{{{of}}}"


DEPLOYMENT = 'namespace="ml-serving", deployment="inference-service"'
AVAILABLE = f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}"
WANTED = f"kube_deployment_metadata_generation{{{DEPLOYMENT}}}"
OBSERVED = f"kube_deployment_status_observed_generation{{{DEPLOYMENT}}}"
STOPPED = f'kube_deployment_status_condition{{{DEPLOYMENT}, condition="Progressing", status="false"}}'
ALLOWED = (
    "kube_poddisruptionbudget_status_pod_disruptions_allowed"
    '{namespace="ml-serving", poddisruptionbudget="inference-pdb"}'
)
UNSCHEDULABLE = 'kube_pod_status_unschedulable{namespace="ml-serving", pod="inference-service-7"}'
MEASURES = 'up{job="kube-state-metrics"}'
STATUS, SUCCEEDED = (
    f'velero_backup_{name}{{schedule="{SCHEDULE}"}}' for name in ("last_status", "last_successful_timestamp")
)
CRON_SUCCEEDED, CRON_MADE = (
    f'kube_cronjob_{name}{{namespace="mlflow", cronjob="registry-backup"}}'
    for name in ("status_last_successful_time", "created")
)
REGISTRY_WANTED, REGISTRY_READY = (
    f'kube_deployment_{name}{{namespace="mlflow", deployment="mlflow"}}'
    for name in ("spec_replicas", "status_replicas_ready")
)

CLUSTER: Series = {MEASURES: 1, 'kube_node_info{node="system-1"}': 1}
"""Series in every tier with a cluster."""
HEALTHY: Series = {
    **CLUSTER,
    **{up(pod): 1 for pod in range(6)},
    **{series: 1 for zone in ZONES for node in (0, 1) for series in (ready(zone, node), labels(zone, node))},
    **{AVAILABLE: 6, WANTED: 3, OBSERVED: 3, STOPPED: 0, ALLOWED: 2, STATUS: 1},
    init("terminated", "Completed"): 1,
    **{REGISTRY_WANTED: 2, REGISTRY_READY: 2},
}


@dataclass(frozen=True)
class Case:
    """One fault.

    Args:
        alert: The alert that fires.
        minutes: Minutes until it fires.
        broken: Series that differ from `HEALTHY` during the fault.
    """

    alert: str
    minutes: int
    broken: Series = field(default_factory=dict)


GONE = {up(pod): None for pod in range(6)}
CASES = {
    "one replica is up": Case("InferenceServiceDown", 2, {up(pod): 0 for pod in range(1, 6)}),
    "no target is left": Case("InferenceServiceDown", 2, GONE),
    "a zone's nodes are not ready": Case("ZoneFailure", 5, {ready(ZONES[0], 0): 0, ready(ZONES[0], 1): 0}),
    "a zone has vanished": Case(
        "ZoneFailure", 5, {of(ZONES[0], node): None for of in (ready, labels) for node in (0, 1)}
    ),
    "every zone has vanished": Case(
        "ZoneFailure", 5, {of(zone, node): None for of in (ready, labels) for zone in ZONES for node in (0, 1)}
    ),
    "models cannot be fetched, and waits": Case("ModelStorageUnavailable", 3, {init("waiting", "CrashLoopBackOff"): 1}),
    "models cannot be fetched": Case("ModelStorageUnavailable", 3, {init("terminated", "Error"): 1}),
    "a replica too few": Case("InferenceReplicasBelowBudget", 5, {AVAILABLE: 3}),
    "the Deployment is gone": Case("InferenceReplicasBelowBudget", 5, {AVAILABLE: None}),
    "a pod finds no GPU": Case("InferencePodsUnschedulable", 5, {UNSCHEDULABLE: 1}),
    "nothing may be evicted": Case("DisruptionBudgetExhausted", 15, {ALLOWED: 0}),
    "a generation is not taken up": Case("InferenceRolloutStuck", 15, {WANTED: 4}),
    "a rollout ran out of time": Case("InferenceRolloutStuck", 15, {STOPPED: 1}),
    "a replica of MLflow is not ready": Case("ModelRegistryReplicasMissing", 10, {REGISTRY_READY: 1}),
    "MLflow was started and no replica is ready": Case("ModelRegistryReplicasMissing", 10, {REGISTRY_READY: None}),
    "kube-state-metrics is down": Case("ClusterMetricsMissing", 5, {MEASURES: 0}),
    "kube-state-metrics is gone": Case("ClusterMetricsMissing", 5, {MEASURES: None}),
    "a backup failed": Case("VolumeBackupFailed", 5, {STATUS: 0}),
}
BREAKS, MENDED, END = 10, 40, 60
"""Minutes: healthy before, broken between, repaired after."""


def series(name: str, healthy: Series, broken: Series) -> dict[str, str]:
    """Return a series of one sample a minute. A vanished series is marked stale, as by Prometheus."""
    values: list[str] = []
    before: float | None = None
    for minute in range(END):
        now = broken.get(name, healthy.get(name)) if BREAKS <= minute < MENDED else healthy.get(name)
        values.append("stale" if now is None and before is not None else "_" if now is None else f"{now:g}")
        before = now
    return {"series": name, "values": " ".join(values)}


def firing(minute: float, *alerts: str) -> dict[str, Any]:
    """Expect exactly these alerts to fire at a minute, and the watchdog, which always fires."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted([*alerts, WATCHDOG])]
    expression = 'group by (alertname) (ALERTS{alertstate="firing"})'
    return {"expr": expression, "eval_time": f"{round(minute * 60)}s", "exp_samples": samples}


def fires(alert: str, minute: float, yes: bool) -> dict[str, Any]:
    """Expect whether an alert fires at a minute."""
    expression = f'count(group by (alertname) (ALERTS{{alertname="{alert}", alertstate="firing"}})) or vector(0)'
    samples = [{"labels": "{}", "value": int(yes)}]
    return {"expr": expression, "eval_time": f"{round(minute * 60)}s", "exp_samples": samples}


def evaluate(folder: Path, of: MonitoredWorkloads, tests: list[dict[str, Any]]) -> None:
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "30s", "tests": tests}
    promtool.run(folder, "test", "rules", "test.yaml", rules=spec(of), test=content)


def test_every_rule_fires_after_its_minutes_and_resolves_with_its_cause(tmp_path: Path) -> None:
    tests = [
        {
            "name": what,
            "interval": "1m",
            "input_series": [series(name, HEALTHY, case.broken) for name in {**HEALTHY, **case.broken}],
            "promql_expr_test": [
                firing(BREAKS - 0.5),
                fires(case.alert, BREAKS + case.minutes - 0.5, False),
                fires(case.alert, BREAKS + case.minutes + 0.5, True),
                fires(case.alert, MENDED - 1, True),
                firing(MENDED + 5),
                firing(END - 1),
            ],
        }
        for what, case in CASES.items()
    ]

    evaluate(tmp_path, watched(), tests)


def test_every_alert_rule_has_a_fault_that_triggers_it() -> None:
    slow = {"RegistryBackupLate", "VolumeBackupLate", "InferenceErrors"}

    assert {case.alert for case in CASES.values()} | slow == {rule.name for rule in rules(watched())}


def test_the_loss_of_a_zone_and_its_replicas_alerts_as_zone_failure_not_outage(tmp_path: Path) -> None:
    broken: Series = {
        **{of(ZONES[0], node): None for of in (ready, labels) for node in (0, 1)},
        **{up(0): None, up(1): None, AVAILABLE: 4, ALLOWED: 0, UNSCHEDULABLE: 1},
    }
    test = {
        "interval": "1m",
        "input_series": [series(name, HEALTHY, broken) for name in {**HEALTHY, **broken}],
        "promql_expr_test": [firing(BREAKS + 7, "ZoneFailure", "InferencePodsUnschedulable")],
    }

    evaluate(tmp_path, watched(), [test])


def test_a_cluster_without_metrics_alerts_as_unknown_not_lost(tmp_path: Path) -> None:
    """A failed scrape removes all of its series; metrics of the pods remain."""
    kept = {MEASURES, *(up(pod) for pod in range(6))}
    broken: Series = {**{name: None for name in HEALTHY if name not in kept}, MEASURES: 0}
    test = {
        "interval": "1m",
        "input_series": [series(name, HEALTHY, broken) for name in HEALTHY],
        "promql_expr_test": [firing(MENDED - 1, "ClusterMetricsMissing"), firing(END - 1)],
    }

    evaluate(tmp_path, watched(backup_schedule=None), [test])


@pytest.mark.parametrize("tier", [Tier.PILOT, Tier.WARM, Tier.ACTIVE])
@pytest.mark.parametrize("backups", [True, False])
def test_no_alert_fires_for_workloads_that_a_tier_does_not_run(tmp_path: Path, tier: Tier, backups: bool) -> None:
    of = watched(tier, backups)
    serves: Series = HEALTHY if of.replicas else CLUSTER
    smaller = {up(pod): None for pod in range(of.replicas, 6)} if of.replicas else {}
    there: Series = {**serves, **({AVAILABLE: of.replicas, **smaller} if of.replicas else {})}
    # In pilot light the objects exist without replicas, so the budget never allows a disruption.
    empty: Series = {} if of.replicas else {AVAILABLE: 0, ALLOWED: 0, WANTED: 1, OBSERVED: 1}
    samples = {name: value for name, value in {**there, **empty}.items() if value is not None}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value:g}x1440"} for name, value in samples.items()],
        "promql_expr_test": [firing(minute) for minute in (10, 60, 1439)],
    }

    evaluate(tmp_path, of, [test])


@pytest.mark.parametrize(
    ("role", "tier", "alerts"),
    [
        (Role.PRIMARY, Tier.PILOT, 13),
        (Role.RECOVERY, Tier.PILOT, 3),
        (Role.RECOVERY, Tier.WARM, 10),
        (Role.RECOVERY, Tier.ACTIVE, 10),
    ],
)
def test_prometheus_accepts_the_rules_of_every_tier_and_role(
    tmp_path: Path, role: Role, tier: Tier, alerts: int
) -> None:
    of = program.watched(topology(role, tier=str(tier)), role is Role.PRIMARY)
    output = promtool.run(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", rules=spec(of))

    assert f"SUCCESS: {alerts} rules found" in output


def test_backup_rules_exist_where_backups_run_and_use_their_names() -> None:
    active, idle = (program.watched(topology(Role.RECOVERY), backs_up) for backs_up in (True, False))

    assert (active.registry_backup, active.backup_schedule) == (REGISTRY, SCHEDULE)
    assert (idle.registry_backup, idle.backup_schedule) == (None, None)


def test_rule_on_the_model_registry_exists_where_the_stacks_deploy_one() -> None:
    settings = {"registry": "mlflow", "registryImage": "docker.io/registry:1"}

    assert program.watched(topology(Role.RECOVERY, **settings), backs_up=False).registry
    assert not program.watched(topology(Role.RECOVERY), backs_up=False).registry


def test_model_registry_that_is_stopped_does_not_alert(tmp_path: Path) -> None:
    stopped: Series = {**CLUSTER, REGISTRY_WANTED: 0, REGISTRY_READY: 0}
    test = {
        "interval": "1m",
        "input_series": [series(name, stopped, {}) for name in stopped],
        "promql_expr_test": [firing(END - 1)],
    }

    evaluate(tmp_path, watched(Tier.PILOT, backups=False), [test])


def test_a_backup_is_late_since_its_last_success_or_its_creation(tmp_path: Path) -> None:
    """In promtool time starts at 0, so a timestamp of 0 is the start."""
    hours, each_hour = 34, 12
    namespace = 'kube_namespace_created{namespace="velero"}'
    succeeds_at = 30

    measured, never = (f"{value}x{hours * each_hour}" for value in (1, 0))
    mended = f"0x{succeeds_at * each_hour - 1} {succeeds_at * 3600}x{(hours - succeeds_at) * each_hour}"
    cases = {
        "succeeded once, then again": {CRON_SUCCEEDED: mended, CRON_MADE: measured, SUCCEEDED: mended},
        "never": {CRON_MADE: never, namespace: never},
    }
    tests = [
        {
            "name": what,
            "interval": "5m",
            "input_series": [
                {"series": name, "values": values} for name, values in {MEASURES: measured, **cases[what]}.items()
            ],
            "promql_expr_test": [
                firing(12 * 60 + 10),
                firing(12 * 60 + 30, "RegistryBackupLate"),
                firing(26 * 60 + 10, "RegistryBackupLate"),
                firing(26 * 60 + 30, "RegistryBackupLate", "VolumeBackupLate"),
                firing(32 * 60, *(("RegistryBackupLate", "VolumeBackupLate") if what == "never" else ())),
            ],
        }
        for what in cases
    ]
    of = watched(Tier.PILOT)
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": tests}
    rendered = spec(of)
    del rendered["groups"][0]["interval"]
    promtool.run(tmp_path, "test", "rules", "test.yaml", rules=rendered, test=content)


@pytest.mark.parametrize(("failed", "shares"), [(3, False), (10, True)])
def test_errors_alert_as_a_share_of_requests_also_without_successes(tmp_path: Path, failed: int, shares: bool) -> None:
    def counted(outcome: str, each_minute: int) -> dict[str, str]:
        of = 'job="ml-serving/inference-service", pod="inference-service-1", model="default"'
        return {"series": f"model_infer_request_{outcome}_total{{{of}}}", "values": f"0+{each_minute}x30"}

    healthy = [series(name, HEALTHY, {}) for name in HEALTHY]
    tests = [
        {
            "interval": "1m",
            "input_series": [*healthy, counted("failure", failed), *([counted("success", 100)] if answered else [])],
            "promql_expr_test": [fires("InferenceErrors", 20, shares or not answered)],
        }
        for answered in (True, False)
    ]

    evaluate(tmp_path, watched(), tests)


def test_an_alert_states_fact_region_value_and_runbook(tmp_path: Path) -> None:
    of = watched(runbook_url="https://runbooks.example.com/ml-dr")
    broken: Series = {up(pod): 0 for pod in range(1, 6)}
    expected = {
        "exp_labels": {"severity": "critical", "runbook": "inference-service-down", "region": "us-west-2"},
        "exp_annotations": {
            "summary": "Inference is down in us-west-2",
            "description": "1 replicas are up; the floor is 6, fewer than 2 are an outage.",
            "runbook_url": "https://runbooks.example.com/ml-dr#inference-service-down",
        },
    }
    test = {
        "interval": "1m",
        "input_series": [series(name, HEALTHY, broken) for name in HEALTHY],
        "alert_rule_test": [{"alertname": "InferenceServiceDown", "eval_time": "20m", "exp_alerts": [expected]}],
    }

    evaluate(tmp_path, of, [test])
    assert "runbook_url" not in spec(watched())["groups"][0]["rules"][0]["annotations"]
