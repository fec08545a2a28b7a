"""Status of a pod with containers that run on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters.pod_processes import Outcome
from sandbox.clusters.pod_statuses import running, status, terminated

AT, LATER = "2026-11-29T10:00:00Z", "2026-11-29T10:01:00Z"
FETCHED = terminated(running(AT), Outcome(0, "", ""), LATER)


def pod(**changes: Any) -> dict[str, Any]:
    """A pod with an init container, a sidecar and two containers; `changes` replaces its status."""
    names = {"initContainers": ["fetch-models", "proxy"], "containers": ["server", "asker"]}
    spec: dict[str, Any] = {kind: [{"name": name, "image": f"{name}:1"} for name in of] for kind, of in names.items()}
    spec["initContainers"][1]["restartPolicy"] = "Always"
    return {"spec": spec, "status": changes}


def states(**changes: Any) -> dict[str, Any]:
    """States of a pod in which all runs; keywords replace those of server and asker."""
    return {"fetch-models": FETCHED, **{name: running(LATER) for name in ("proxy", "server", "asker")}, **changes}


def met(found: dict[str, Any]) -> dict[str, bool]:
    return {each["type"]: each["status"] == "True" for each in found["conditions"]}


def test_a_pod_is_pending_while_an_init_container_runs() -> None:
    found = status(pod(), {"fetch-models": running(AT)}, (), AT)

    assert found["phase"] == "Pending"
    assert met(found) == {"Initialized": False, "Ready": False, "ContainersReady": False}
    assert found["initContainerStatuses"][1]["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_a_pod_is_initialized_when_its_init_containers_ended_and_its_sidecar_runs() -> None:
    found = status(pod(), states(), ("server",), LATER)

    assert found["phase"] == "Running"
    assert met(found) == {"Initialized": True, "Ready": False, "ContainersReady": False}
    assert [each["ready"] for each in found["containerStatuses"]] == [False, True]
    assert met(status(pod(), states(), (), LATER))["Ready"]


def test_a_failed_init_container_fails_the_pod_with_its_message() -> None:
    failed = terminated(running(AT), Outcome(3, "", "no set"), LATER)
    found = status(pod(), {"fetch-models": failed}, (), LATER)

    assert found["phase"] == "Failed"
    assert found["initContainerStatuses"][0]["state"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "message": "no set",
        "startedAt": AT,
        "finishedAt": LATER,
    }
    assert all("waiting" in each["state"] for each in found["containerStatuses"])


@pytest.mark.parametrize("code", [0, 1])
def test_a_pod_runs_and_is_not_ready_when_one_of_two_containers_has_ended(code: int) -> None:
    found = status(pod(), states(asker=terminated(running(AT), Outcome(code, "", ""), LATER)), (), LATER)

    assert (found["phase"], met(found)["Ready"]) == ("Running", False)
    assert [each["ready"] for each in found["containerStatuses"]] == [True, False]


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (1, "Failed")])
def test_exit_codes_decide_the_phase_of_a_pod_with_ended_containers(code: int, phase: str) -> None:
    ended = {"server": FETCHED, "asker": terminated(running(AT), Outcome(code, "", ""), LATER)}

    assert status(pod(), states(**ended), (), LATER)["phase"] == phase


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    before = status(pod(), {"fetch-models": running(AT)}, (), AT)
    times = {
        each["type"]: each["lastTransitionTime"] for each in status(pod(**before), states(), (), LATER)["conditions"]
    }

    assert times == {"Initialized": LATER, "Ready": LATER, "ContainersReady": LATER}
    again = status(pod(**before), {"fetch-models": running(AT)}, (), LATER)
    assert {each["lastTransitionTime"] for each in again["conditions"]} == {AT}
