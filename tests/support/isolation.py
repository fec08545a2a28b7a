"""A compliant example of the pod of a drill of isolation, of which tests change one thing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from dr.control.incident_state import IncidentState
from dr.drills.isolation_result import Seen
from dr.topology.tiers import Tier

RUN, HOST = "20261129T120000Z-a1b2c3", "123456789012.dkr.ecr.us-west-2.amazonaws.com"
ANSWERED = json.dumps({"sent": 6, "failed": 0, "wrong": 0, "fact": "predicts [[1]]"})


def at(second: int) -> str:
    """Return a time of the example, as Kubernetes writes it."""
    return f"2026-11-29T12:{second // 60:02}:{second % 60:02}Z"


def ended(name: str, began: int, end: int, code: int = 0, message: str = "") -> dict[str, Any]:
    """Return the status of a container that has ended."""
    state = {"exitCode": code, "startedAt": at(began), "finishedAt": at(end), "message": message}
    return {"name": name, "ready": False, "state": {"terminated": state}}


def pod(*changed: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    """Return the pod after its answer; containers given replace those of their name."""
    runs = {"name": "server", "ready": True, "state": {"running": {"startedAt": at(150)}}}
    given = [ended("isolated", 100, 103), ended("fetch-models", 104, 140), runs, ended("ask", 150, 180, 0, ANSWERED)]
    known = {each["name"]: each for each in (*given, *changed)}
    return {
        "metadata": {"name": "region-isolation", "creationTimestamp": at(0)},
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(80)}],
            "initContainerStatuses": [known["isolated"], known["fetch-models"]],
            "containerStatuses": [known["server"], known["ask"]],
        },
    }


def seen(**changes: Any) -> Seen:
    """Return what a drill has seen that met everything; keywords replace fields."""
    made = Seen(
        RUN, Tier.PILOT, "us-west-2", "us-east-1", "123456789012", datetime(2026, 11, 29, 12, tzinfo=UTC), False
    )
    made.images = {"server": f"{HOST}/ml-dr/serving:1", "fetch-models": f"{HOST}/ml-dr/serving:2"}
    made.pod, made.removed = pod(), True
    made.before = made.after = IncidentState()
    for name, value in changes.items():
        setattr(made, name, value)
    return made
