"""The model server's process and the init container's code, without a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dr.errors import Failed
from sandbox.clusters import init_container
from sandbox.clusters.serving import lacking
from sandbox.local import ROOT
from tests.support.waiting import wait_for

STARTER = (
    "from sandbox.clusters.serving import ModelServer; s = ModelServer(); print(s._process.pid, flush=True); input()"
)
CODE = "import os, pathlib; import part.one; pathlib.Path(os.environ['MODELS_FOLDER'], 'it').write_text(part.one.WORD)"


@pytest.mark.skipif(bool(lacking()), reason=lacking() or "it can")
def test_a_model_server_ends_with_its_killed_parent() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()

    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


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
    folder = init_container.run(pod("python", "-c", CODE), code, tmp_path, {})

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
        init_container.run(made, code, tmp_path, {})
