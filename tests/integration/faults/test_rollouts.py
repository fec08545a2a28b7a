"""Waiting for a rollout with the real engine: what ends the wait, and the output of `dr rollout` meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from dr.errors import Exit, Failed
from tests.support.rollout_command import rollout
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

BROKEN = "registry.example.com/mlserver:3-broken"
GRACE_SECONDS = 3600
"""Grace period of a rollout, longer than any test: only what a test does ends the wait."""


@pytest.fixture(scope="module")
def broken(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The primary stack with an image that cannot be pulled and a long grace period; restored after all tests."""
    with deployment.configured("primary", inferenceImage=BROKEN, rolloutGraceSeconds=str(GRACE_SECONDS)):
        yield deployment
    deployment.engine.up("primary")
    # The state records a node of the rollout; the first update after its removal corrects the state.
    wait_for(lambda: deployment.engine.up("primary").none)


@pytest.fixture
def waiting(broken: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same stack; its faults are removed after the test."""
    yield broken
    broken.repair()


def test_failure_of_another_resource_ends_an_update_that_waits_for_a_rollout(
    waiting: SandboxUnderTest,
) -> None:
    assert rollout(waiting)[0] == Exit.OK  # before the image is rolled out
    waiting.fault(kind="operation", operation="backup:UpdateBackupPlan", error="AccessDeniedException")
    began = time.monotonic()
    with waiting.configured("primary", backupRetentionDays="36"), pytest.raises(Failed) as caught:
        waiting.engine.up("primary")

    assert time.monotonic() - began < GRACE_SECONDS
    assert "UpdateBackupPlan" in str(caught.value)


def programs(sandbox: SandboxUnderTest) -> list[psutil.Process]:
    """Return processes that run the program of this sandbox, without zombies."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if "pulumi-language-python-exec" in command and str(sandbox.local.folder) in command and not ended:
            found.append(process)
    return found


def test_interrupt_ends_the_wait_for_a_rollout_and_the_program(waiting: SandboxUnderTest) -> None:
    command = [str(waiting.engine.toolchain.pulumi), "up", "-s", "primary", "--skip-preview", "--yes"]
    variables = {**os.environ, **waiting.engine.variables}
    with subprocess.Popen(
        [*command, "--non-interactive"],
        cwd=waiting.local.project,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    ) as engine:
        wait_for(lambda: rollout(waiting)[1]["state"] == "progressing")
        assert programs(waiting)
        engine.send_signal(signal.SIGINT)
        assert engine.wait(PATIENCE_SECONDS) != 0
    wait_for(lambda: not programs(waiting))

    code, found = rollout(waiting)
    assert (code, found["state"]) == (Exit.UNKNOWN, "progressing")
