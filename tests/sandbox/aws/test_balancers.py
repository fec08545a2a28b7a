"""Health of a load balancer's endpoint for Route 53's health checkers."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.aws.answer import Answer
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours.balancers import Balancer, Flow, Probed
from sandbox.aws.behaviours.functions import Functions
from sandbox.aws.behaviours.messages import Messages
from sandbox.aws.faults import Faults, InferenceFault, RegionFault
from sandbox.aws.world import World

EAST, READY = "us-east-1", "/v2/models/digits/ready"


def balancer_with(tmp_path: Path, answering: int, targets: int = 6) -> tuple[Balancer, Faults]:
    """Create a load balancer with new targets, some of them healthy."""
    group: Any = SimpleNamespace(
        targets={f"10.0.0.{number}": {"Port": 8080} for number in range(targets)},
        health_check_interval_seconds=30,
        health_check_path=READY,
        healthy_threshold_count=5,
        unhealthy_threshold_count=2,
        attributes={"deregistration_delay.timeout_seconds": "300"},
    )
    kubernetes: Any = SimpleNamespace(
        on=True,
        speed=1.0,
        target_speed=1.0,
        ask=lambda region, address, method, path, headers, body: Answer.of_text(path),
        answers=lambda region, address, path: path == READY and int(address.rpartition(".")[2]) < answering,
    )
    databases: Any = SimpleNamespace(address_of=lambda name: None)
    faults = Faults()
    functions = Functions("http://127.0.0.1:9", Authority(tmp_path))
    world = World(faults, Messages(faults), functions, kubernetes, databases, functools.partial(dict))
    return Balancer(world, EAST, "inference.elb.us-east-1.amazonaws.com", group), faults


@pytest.mark.parametrize(("answering", "healthy"), [(6, True), (2, True), (1, False), (0, False)])
def test_an_endpoint_is_healthy_while_more_than_18_percent_of_its_targets_answer(
    tmp_path: Path, answering: int, healthy: bool
) -> None:
    balancer, _ = balancer_with(tmp_path, answering)

    found = balancer.probe(READY)
    assert found.healthy is healthy
    assert found.reason.endswith(f"{answering} of 6 targets answer {READY} with 200")


def test_an_endpoint_in_an_unreachable_region_is_unhealthy(tmp_path: Path) -> None:
    balancer, faults = balancer_with(tmp_path, answering=6)
    faults.add(RegionFault(EAST, unreachable=True))

    assert not balancer.has_healthy_target()
    assert balancer.probe(READY) == Probed((), f"{balancer.name} cannot be reached, as all of {EAST}")


@pytest.mark.parametrize(("targets", "answering", "met"), [(6, 1, True), (6, 0, False), (0, 0, False)])
def test_target_evaluation_needs_a_healthy_target(tmp_path: Path, targets: int, answering: int, met: bool) -> None:
    balancer, _ = balancer_with(tmp_path, answering, targets)
    group: Any = balancer.group
    group.healthy_threshold_count = 0  # healthy with the first check

    assert balancer.has_healthy_target() is met


def test_slow_inference_delays_its_share_of_the_predictions_and_no_health_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    balancer, faults = balancer_with(tmp_path, answering=6)
    faults.add(InferenceFault(EAST, slow=4.0, share=0.5))

    def send(method: str, path: str) -> None:
        Flow(balancer, "10.0.0.1").send({"REQUEST_METHOD": method, "REQUEST_URI": path}, b"")

    for _ in range(4):
        send("POST", "/v2/models/digits/infer")
    assert waited == [0.0, 4.0, 0.0, 4.0]
    waited.clear()
    send("GET", READY)
    assert waited == []
    assert balancer.probe(READY).healthy


def test_health_checks_of_targets_follow_a_change_of_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    balancer, _ = balancer_with(tmp_path, answering=6)
    kubernetes: Any = balancer.world.kubernetes
    assert not balancer.has_healthy_target()
    now[0] += 15.0  # five checks of 30 s are due after 150 s

    assert not balancer.has_healthy_target()
    kubernetes.target_speed = 10.0
    assert balancer.has_healthy_target()
