"""The record of the drill that runs on this machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dr.control import local_state
from dr.drills import running
from dr.drills.running import Process, Running
from dr.errors import Refused


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_state, "folder", lambda: tmp_path)


def test_drill_is_read_as_it_was_noted() -> None:
    noted = Running("region-loss", "20261129T120000Z-a1b2c3", Process.this(), Process(1, 2.5))
    noted.note()

    assert running.read() == noted
    running.forget()
    assert running.read() is None


def test_drill_that_runs_is_refused_with_its_process() -> None:
    Running("region-loss", "run", Process.this()).note()
    with pytest.raises(Refused, match=r"drill region-loss run: it runs \(pid \d+\)\n    -> `dr drill stop`"):
        running.check()


def test_drill_whose_process_died_is_refused_until_it_is_cleaned_up() -> None:
    Running("region-loss", "run", replace(Process.this(), started=1.0)).note()
    with pytest.raises(Refused, match="its process died, and nothing was cleaned up"):
        running.check()
    running.forget()
    running.check()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"drill": "region-loss"}'])
def test_damaged_record_is_no_drill(text: str, tmp_path: Path) -> None:
    (tmp_path / "drill.json").write_text(text)

    assert running.read() is None


def test_process_is_ended_and_another_one_with_its_number_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        process = Process.of(child.pid)
        assert process.running()
        assert not replace(process, started=process.started - 1).running()
        process.end(30)
        child.wait()

    assert not process.running()
