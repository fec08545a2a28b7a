"""Containers of a pod as processes of this machine, without a cluster."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed
from sandbox.clusters import pod_processes
from sandbox.clusters.pod_processes import Outcome, Process

CODE = "import os, pathlib; import part.one; pathlib.Path(os.environ['MODELS_FOLDER'], 'it').write_text(part.one.WORD)"


def pod(*command: str, **changes: Any) -> dict[str, Any]:
    container = {
        "name": "fetch",
        "command": list(command),
        "env": [
            {"name": "MODELS_FOLDER", "value": "/models"},
            {"name": "PYTHONPATH", "value": "/opt/code"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
        ],
        "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}, {"name": "models", "mountPath": "/models"}],
    }
    source = {"name": "code", "items": [{"key": "one", "path": "part/one.py"}]}
    volumes = [{"name": "code", "configMap": source}, {"name": "models", "emptyDir": {}}]
    spec = {"initContainers": [container], "volumes": volumes} | changes
    return {"metadata": {"namespace": "ml-serving", "name": "inference-1"}, "spec": spec}


def code(namespace: str, name: str) -> dict[str, Any]:
    assert (namespace, name) == ("ml-serving", "code")
    return {"data": {"one": 'WORD = "fetched"', "unused": "x"}}


def test_an_init_container_runs_its_code_in_its_folders(tmp_path: Path) -> None:
    folder = pod_processes.fetch(pod("python", "-c", CODE), code, tmp_path, {})

    assert (folder / "it").read_text() == "fetched"
    assert folder == tmp_path / "models"
    assert json.dumps(sorted(each.name for each in (tmp_path / "opt/code/part").iterdir() if each.is_file())) == (
        '["one.py"]'
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (pod("python", "-c", "print('no such bucket'); raise SystemExit(3)"), "ended with 3: no such bucket"),
        (pod("no-such-program"), "did not run"),
        (pod("python", initContainers=[]), "it has no init container that fetches models"),
    ],
)
def test_a_failed_init_container_is_reported_with_the_end_of_its_output(
    tmp_path: Path, made: dict[str, Any], said: str
) -> None:
    with pytest.raises(Failed, match=said):
        pod_processes.fetch(made, code, tmp_path, {})


def ended(root: Path, text: str, **changes: Any) -> Outcome:
    made = pod("python", "-c", text)
    made["spec"]["initContainers"][0] |= changes
    return Process(made, made["spec"]["initContainers"][0], code, root, {}).wait()


WRITES = "import os; open(os.environ['TERMINATION_LOG'], 'w').write('x' * {}); print('log'); raise SystemExit({})"


@pytest.mark.parametrize("exit_code", [0, 1])
def test_the_termination_message_is_what_a_container_wrote_to_its_file(tmp_path: Path, exit_code: int) -> None:
    found = ended(tmp_path, WRITES.format(3, exit_code), terminationMessagePolicy="FallbackToLogsOnError")

    assert found == Outcome(exit_code, "log\n", "xxx")


def test_a_termination_message_is_at_most_4096_bytes_long(tmp_path: Path) -> None:
    assert ended(tmp_path, WRITES.format(5000, 0)).message == "x" * 4096


@pytest.mark.parametrize(
    ("policy", "exit_code", "message"),
    [("FallbackToLogsOnError", 1, "log\n"), ("FallbackToLogsOnError", 0, ""), ("File", 1, "")],
)
def test_the_log_is_the_message_of_a_failed_container_only_if_its_policy_says_so(
    tmp_path: Path, policy: str, exit_code: int, message: str
) -> None:
    assert ended(tmp_path, WRITES.format(0, exit_code), terminationMessagePolicy=policy).message == message


def test_the_end_of_a_long_log_has_at_most_80_lines_and_2048_bytes() -> None:
    assert pod_processes.log_end("".join(f"{n}\n" for n in range(100))).splitlines()[0] == "20"
    assert len(pod_processes.log_end("y" * 3000 + "\n")) == 2048


def test_a_killed_container_has_the_exit_code_of_its_signal(tmp_path: Path) -> None:
    made = pod("python", "-c", "import time; time.sleep(600)")
    process = Process(made, made["spec"]["initContainers"][0], code, tmp_path, {})
    threading.Timer(0.1, process.kill).start()

    assert process.wait().exit_code == 128 + signal.SIGKILL
