from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dr.clusters.pod_failures import Kind
from dr.clusters.rollouts import (
    CONFIRM_SECONDS,
    PLACEMENT_SECONDS,
    Limits,
    Look,
    Phase,
    Rollout,
    judge,
    limits,
)
from dr.topology.serving import ROLLOUT_GRACE_SECONDS
from tests.support.rollouts import (
    FLOOR,
    IMAGE,
    NOW,
    condition,
    deployment,
    pod,
    replica_set,
    rolling,
    starting,
    unscheduled,
    waiting,
)

PULL = waiting("ErrImagePull", 'failed to pull image "registry.example.com/mlserver:2": not found')
CONFIRMED = CONFIRM_SECONDS + 1


def complete(**status: Any) -> Look:
    return Look(NOW, deployment(**status), [replica_set(2)], [pod(number) for number in range(FLOOR)])


def watched(*pods: Any, seconds: float = CONFIRMED, allowed: Limits | None = None, **status: Any) -> Rollout:
    """Return the verdict after some seconds without a change."""
    allowed = allowed or Limits()
    before = judge(rolling(*pods, **status), FLOOR, allowed)
    return judge(rolling(*pods, after=seconds, **status), FLOOR, allowed, before)


def test_a_rollout_is_complete_when_all_replicas_are_updated_and_available() -> None:
    found = judge(complete(), FLOOR, Limits())

    assert (found.phase, found.rolled_out, found.reasons) == (Phase.COMPLETE, True, ())
    assert str(found.counts) == "6 of 6 replicas are updated, 6 of these are ready; 6 of 6 replicas serve"


@pytest.mark.parametrize(
    "status", [{"observedGeneration": 1}, {"updatedReplicas": 5}, {"replicas": 7}, {"availableReplicas": 5}]
)
def test_rollout_is_not_complete_while_one_replica_count_differs(status: dict[str, Any]) -> None:
    assert judge(complete(**status), FLOOR, Limits()).phase is Phase.PROGRESSING


def test_rollout_to_fewer_replicas_than_the_floor_is_not_complete() -> None:
    one = complete(replicas=1, updatedReplicas=1, availableReplicas=1)
    one.deployment["spec"]["replicas"] = 1

    assert judge(one, FLOOR, Limits()).phase is Phase.PROGRESSING
    assert judge(one, 1, Limits()).phase is Phase.COMPLETE


def test_rollout_does_not_wait_for_replicas_that_the_autoscaler_added() -> None:
    more = complete(replicas=9, updatedReplicas=9, availableReplicas=6)
    more.deployment["spec"]["replicas"] = 9

    assert judge(more, FLOOR, Limits()).phase is Phase.COMPLETE


def test_rollout_waits_for_all_replicas_while_the_revision_changes() -> None:
    conditions = [condition("Progressing", "True", "ReplicaSetUpdated")]
    more = complete(replicas=9, updatedReplicas=9, availableReplicas=6, conditions=conditions)
    more.deployment["spec"]["replicas"] = 9

    assert judge(more, FLOOR, Limits()).phase is Phase.PROGRESSING


def test_image_pull_failure_is_stuck_after_the_grace_period() -> None:
    found = watched(starting(1, scheduled=ROLLOUT_GRACE_SECONDS, **PULL))

    assert found.phase is Phase.STUCK
    (reason,) = found.reasons
    assert reason.subject == "container server of 1 pod (inference-service-2-1)"
    assert reason.fact == (
        f"image {IMAGE} could not be pulled for 201 s: ErrImagePull: "
        'failed to pull image "registry.example.com/mlserver:2": not found'
    )
    assert str(found.counts).endswith("5 of 6 replicas of the previous revision serve")


def test_image_pull_failure_is_progressing_during_the_grace_period() -> None:
    found = watched(starting(1, scheduled=ROLLOUT_GRACE_SECONDS - CONFIRMED - 1, **PULL))

    assert found.phase is Phase.PROGRESSING
    assert "waiting for container server of 1 pod" in found.progress


def test_first_observation_of_a_failure_is_progressing_at_any_pod_age() -> None:
    assert judge(rolling(starting(1, scheduled=9000, **PULL)), FLOOR, Limits()).phase is Phase.PROGRESSING


def test_single_observation_without_confirmation_decides_by_pod_age() -> None:
    single = replace(Limits(), confirm=timedelta(0))

    assert judge(rolling(starting(1, scheduled=9000, **PULL)), FLOOR, single).phase is Phase.STUCK


def test_image_pull_error_is_reported_during_image_pull_back_off() -> None:
    before = judge(rolling(starting(1, **PULL)), FLOOR, Limits())
    backing_off = starting(1, **waiting("ImagePullBackOff", "Back-off pulling image"))
    found = judge(rolling(backing_off, after=CONFIRMED), FLOOR, Limits(), before)

    assert "ErrImagePull: failed to pull image" in found.reasons[0].fact


def test_invalid_image_name_is_stuck_once_confirmed() -> None:
    found = watched(starting(1, scheduled=1, **waiting("InvalidImageName", "couldn't parse image name")))

    assert found.phase is Phase.STUCK


def test_pods_are_grouped_by_reason_and_every_reason_is_reported() -> None:
    crashing = waiting("CrashLoopBackOff")
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": "ValueError: no model"}}
    found = watched(
        *(starting(number, **PULL) for number in (1, 2)), starting(3, restarts=4, last=last, **crashing), updated=3
    )

    assert [(reason.kind, len(reason.pods)) for reason in found.reasons] == [(Kind.IMAGE, 2), (Kind.CRASH, 1)]


def test_crash_loop_is_stuck_with_exit_code_and_termination_message() -> None:
    last = {"terminated": {"exitCode": 3, "reason": "Error", "message": "ValueError: no model digits"}}
    found = watched(starting(1, restarts=4, last=last, **waiting("CrashLoopBackOff", "back-off 1m20s")))

    assert found.phase is Phase.STUCK
    assert "ended 5 times in 621 s" in found.reasons[0].fact
    assert found.reasons[0].fact.endswith("exit code 3: ValueError: no model digits")


def test_out_of_memory_container_is_reported_as_oomkilled() -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    found = watched(starting(1, restarts=3, last=last, **waiting("CrashLoopBackOff")))

    assert found.reasons[0].fact.endswith("OOMKilled")


def test_container_that_crashed_once_or_runs_again_is_progressing() -> None:
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    once = starting(1, restarts=0, last=last, **waiting("CrashLoopBackOff"))
    again = starting(1, restarts=5, last=last, running={})

    assert watched(once).phase is watched(again).phase is Phase.PROGRESSING


def test_failing_init_container_is_stuck_under_its_own_name() -> None:
    failing = starting(1, **waiting("PodInitializing"))
    status = {"name": "fetch-models", "ready": False, "restartCount": 6, "state": waiting("CrashLoopBackOff")}
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no set digits in the registry"}}
    failing["status"]["initContainerStatuses"] = [{**status, "lastState": ended}]
    found = watched(failing)

    assert found.phase is Phase.STUCK
    assert found.reasons[0].container == "fetch-models"
    assert "no set digits in the registry" in found.reasons[0].fact


def test_container_with_missing_configuration_is_stuck_after_the_grace_period() -> None:
    found = watched(starting(1, **waiting("CreateContainerConfigError", 'configmap "code" not found')))

    assert (found.phase, found.reasons[0].kind) == (Phase.STUCK, Kind.CONFIGURATION)


def test_unschedulable_pod_is_stuck_after_node_boot_time_and_grace_period() -> None:
    late = PLACEMENT_SECONDS + ROLLOUT_GRACE_SECONDS

    assert watched(unscheduled(1, late - CONFIRMED - 1)).phase is Phase.PROGRESSING
    found = watched(unscheduled(1, late))
    assert found.phase is Phase.STUCK
    assert "Unschedulable: 0/8 nodes are available: 8 Insufficient nvidia.com/gpu." in found.reasons[0].fact


def test_rollout_refused_by_quota_is_stuck_with_the_quotas_message() -> None:
    refused = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: ml-serving", 500)
    found = watched(updated=0, conditions=[refused])

    assert found.phase is Phase.STUCK
    assert "FailedCreate: exceeded quota: ml-serving" in found.reasons[0].fact


def test_rollout_waits_for_quota_of_a_terminating_replica() -> None:
    refused = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: ml-serving", 100)

    assert watched(updated=0, conditions=[refused]).phase is Phase.PROGRESSING


def test_exceeded_progress_deadline_is_stuck_at_once_with_the_pods_states() -> None:
    over = condition("Progressing", "False", "ProgressDeadlineExceeded")
    found = judge(rolling(starting(1, running={}), conditions=[over]), FLOOR, Limits())

    assert found.phase is Phase.STUCK
    assert [reason.kind for reason in found.reasons] == ["deadline", Kind.UNREADY]
    assert "not ready for 600 s: container server: running" in found.reasons[1].fact


def test_cause_in_a_pod_is_listed_before_the_controllers_condition() -> None:
    over = condition("Progressing", "False", "ProgressDeadlineExceeded")
    failing = starting(1, waiting={"reason": "ErrImagePull", "message": "not found"})
    found = judge(rolling(failing, conditions=[over]), FLOOR, Limits(confirm=timedelta(0)))

    assert [reason.kind for reason in found.reasons] == [Kind.IMAGE, "deadline"]


def test_unmet_readiness_gate_is_named() -> None:
    running = starting(1, running={}, ready=True)
    running["spec"]["readinessGates"] = [{"conditionType": "target-health.elbv2.k8s.aws/pods"}]

    assert "readiness gate target-health.elbv2.k8s.aws/pods" in judge(rolling(running), FLOOR, Limits()).progress


@pytest.mark.parametrize(("field", "value", "kind"), [("paused", True, "paused"), ("replicas", 0, "scaled")])
def test_paused_or_scaled_to_zero_deployment_is_reported(field: str, value: Any, kind: str) -> None:
    look = rolling()
    look.deployment["spec"][field] = value

    assert [reason.kind for reason in judge(look, FLOOR, Limits()).reasons] == [kind]


def test_pods_count_as_previous_revision_until_the_new_replica_set_exists() -> None:
    look = rolling(updated=0, available=FLOOR - 1)
    paused = replace(look, replica_sets=[replica_set(1)])

    assert judge(paused, FLOOR, Limits()).counts.previous == FLOOR - 1


def test_deployment_without_minimum_replicas_is_complete_at_zero() -> None:
    look = Look(NOW, deployment(replicas=0, updatedReplicas=0, availableReplicas=0))
    look.deployment["spec"]["replicas"] = 0

    assert judge(look, 0, Limits()).phase is Phase.COMPLETE
    assert str(judge(look, 0, Limits()).counts) == "no replicas are to run"


def test_rolled_out_revision_with_a_later_unschedulable_pod_stays_rolled_out() -> None:
    conditions = [condition("Progressing", "True", "NewReplicaSetAvailable")]
    found = watched(unscheduled(1, 9000), updated=6, available=5, conditions=conditions)

    assert (found.phase, found.rolled_out) == (Phase.STUCK, True)


def test_terminating_pods_and_pods_of_earlier_revisions_are_ignored() -> None:
    leaving, earlier = starting(1, **PULL), pod(9, revision=1)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-28T11:59:00Z"
    earlier["status"]["containerStatuses"] = starting(9, **PULL)["status"]["containerStatuses"]

    assert watched(leaving, earlier).phase is Phase.PROGRESSING


def test_limits_follow_the_configured_grace_period() -> None:
    short = limits(5)

    assert (short.grace, short.confirm) == (timedelta(seconds=5), timedelta(seconds=5))
    assert short.placement == timedelta(seconds=PLACEMENT_SECONDS + 5)
    assert limits(ROLLOUT_GRACE_SECONDS) == Limits()
