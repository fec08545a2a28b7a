from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from components.compute.cluster_iam import BATCH, REGISTRY_BACKUP, RESULTS
from components.kubernetes import code_pod_spec, jobs_spec, registry_backup_spec
from components.kubernetes.code_pod_spec import CodePod
from components.kubernetes.labels import BATCH_PRIORITY, service_account
from components.kubernetes.scheduled_pod import ScheduledPod, ScheduledPodArgs
from dr.errors import Exit
from dr.topology.topology import Role
from tests.support.kubernetes import inside, processing, registry_backup

BACKUP, PROCESSING = registry_backup_spec.cron_job(registry_backup()), jobs_spec.cron_job(processing())
BOTH = pytest.mark.parametrize(
    ("pod", "cron_job"), [(registry_backup().pod, BACKUP), (processing().pod, PROCESSING)], ids=["backup", "processing"]
)


def job(cron_job: Mapping[str, Any]) -> Any:
    return cron_job["spec"]["jobTemplate"]["spec"]


def pod_of(cron_job: Mapping[str, Any]) -> Any:
    return job(cron_job)["template"]["spec"]


def variables(cron_job: Mapping[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(cron_job)["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@BOTH
def test_a_pod_is_restricted_and_writes_only_to_a_scratch_volume(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    spec = pod_of(cron_job)
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    writable = [each["name"] for each in container["volumeMounts"] if not each.get("readOnly")]
    assert writable == ["scratch"]
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


@BOTH
def test_a_pod_mounts_its_config_map_in_the_python_path(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    (container,) = pod_of(cron_job)["containers"]
    volume = next(each["configMap"] for each in pod_of(cron_job)["volumes"] if each["name"] == "code")
    made = code_pod_spec.code(pod)

    assert volume["name"] == made["metadata"]["name"] == f"{pod.name}-{pod.code.digest[:10]}"
    assert {each["key"] for each in volume["items"]} == set(made["data"])
    assert made["immutable"] is True
    mount = next(each["mountPath"] for each in container["volumeMounts"] if each["name"] == "code")
    assert variables(cron_job)["PYTHONPATH"] == mount


@BOTH
def test_a_pod_has_the_service_account_that_its_role_trusts(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    account, role = (
        service_account(pod.name, pod.namespace),
        {each.service_account: each for each in (REGISTRY_BACKUP, BATCH)},
    )
    trusted = role[pod.name]

    assert account["metadata"]["name"] == pod_of(cron_job)["serviceAccountName"] == trusted.service_account
    assert account["metadata"]["namespace"] == cron_job["metadata"]["namespace"] == trusted.namespace


@BOTH
def test_pods_store_no_credentials(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    assert not [name for name in variables(cron_job) if "KEY" in name or "SECRET" in name or "TOKEN" in name]
    assert not [each for each in pod_of(cron_job)["volumes"] if "secret" in each]


@BOTH
def test_invalid_input_fails_a_job_and_evictions_do_not_count(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    invalid, disrupted = job(cron_job)["podFailurePolicy"]["rules"]

    assert (invalid["action"], invalid["onExitCodes"]["values"]) == ("FailJob", [Exit.INVALID])
    assert invalid["onExitCodes"]["containerName"] == pod_of(cron_job)["containers"][0]["name"]
    assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert pod_of(cron_job)["restartPolicy"] == "Never"


@BOTH
def test_a_pod_runs_on_system_nodes(pod: CodePod, cron_job: Mapping[str, Any]) -> None:
    assert pod_of(cron_job)["nodeSelector"] == {"pool": "system"}
    assert "tolerations" not in pod_of(cron_job)


def test_the_registry_backup_runs_every_six_hours_without_overlap() -> None:
    spec = BACKUP["spec"]

    assert (BACKUP["metadata"]["namespace"], BACKUP["metadata"]["name"]) == ("mlflow", "registry-backup")
    assert (spec["schedule"], spec["timeZone"]) == ("0 */6 * * *", "Etc/UTC")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["successfulJobsHistoryLimit"] == spec["failedJobsHistoryLimit"] == 3
    assert spec["startingDeadlineSeconds"] == 3600


def test_a_hanging_run_is_ended_before_the_next_one() -> None:
    assert job(BACKUP)["activeDeadlineSeconds"] < 6 * 3600


def test_the_registry_backup_is_suspended_in_the_recovery_region() -> None:
    suspended = {
        role: registry_backup_spec.cron_job(registry_backup(role))["spec"]["suspend"]
        for role in (Role.PRIMARY, Role.RECOVERY)
    }

    assert suspended == {Role.PRIMARY: False, Role.RECOVERY: True}


def test_processing_is_a_suspended_cron_job() -> None:
    assert (PROCESSING["metadata"]["namespace"], PROCESSING["metadata"]["name"]) == ("ml-training", "process-datasets")
    assert PROCESSING["spec"]["suspend"] is True


def test_a_shard_is_retried_separately_and_has_batch_priority() -> None:
    made = job(PROCESSING)

    assert made["completionMode"] == "Indexed"
    assert (made["completions"], made["parallelism"]) == (12, 4)
    assert made["backoffLimitPerIndex"] == 3
    assert made["ttlSecondsAfterFinished"] == 7 * 24 * 3600
    assert pod_of(PROCESSING)["priorityClassName"] == BATCH_PRIORITY


def test_shards_match_completions_and_the_run_is_named_by_its_job() -> None:
    made = jobs_spec.cron_job(processing(shards=5, parallelism=2, processor="own:count"))

    assert variables(made)["SHARDS"] == str(job(made)["completions"]) == "5"
    assert variables(made)["RUN"] == {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}
    assert variables(made)["PROCESSOR"] == "own:count"


def test_results_are_written_below_the_roles_prefix_outside_the_datasets() -> None:
    variables_ = variables(PROCESSING)

    assert variables_["RESULTS_PREFIX"] == f"{RESULTS}/us-west-2"
    assert not f"{RESULTS}/".startswith(variables_["DATASETS_PREFIX"])


def test_a_parallelism_above_the_number_of_shards_is_refused() -> None:
    with pytest.raises(ValueError, match="parallelism 4 for 3 shards"):
        processing(shards=3)


def test_the_cron_job_depends_on_its_code_and_service_account() -> None:
    of = registry_backup()
    cloud = inside(lambda access: ScheduledPod("backup", ScheduledPodArgs(access, of.pod, BACKUP)))

    made = {each.name: each.type.rpartition(":")[2] for each in cloud.resources if each.type.startswith("kubernetes:")}
    assert made == {
        "backup-account": "ServiceAccount",
        f"backup-{of.pod.code_name}": "ConfigMap",
        "backup": "CronJob",
    }
    assert list(made)[-1] == "backup"
