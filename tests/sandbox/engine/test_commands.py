"""`python -m sandbox` as run by a user: up, up again, killed, down. It has its own folder, beside other sandboxes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import dns.resolver
import psutil
import pytest

from dr.operations import client_log
from dr.topology.topology import STANDARD_PAIRS
from sandbox.local import ROOT, Local, read_json
from sandbox.up import steps
from tests.support.client import client
from tests.support.sandbox import copy_project
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine


class Checkout:
    """A project folder with its own sandbox."""

    def __init__(self, folder: Path) -> None:
        self.local = Local(folder / "state of it", copy_project(folder / "project"))
        self.variables = {
            # pytest-xdist sets COLUMNS, and output would wrap at it.
            **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
            "DR_SANDBOX_STATE": str(self.local.folder),
            "DR_PROJECT": str(self.local.project),
        }

    def run(self, *arguments: str, code: int = 0, program: str = "sandbox", **variables: str) -> str:
        command = [sys.executable, "-m", program, *arguments]
        environment = {**self.variables, **variables}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def env(self) -> dict[str, str]:
        words = (shlex.split(line) for line in self.run("env").splitlines())
        return dict(pair.split("=", 1) for command, pair in words if command == "export")

    @property
    def pid(self) -> int:
        return int(read_json(self.local.emulator)["pid"])


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path)
    try:
        yield made
    finally:
        made.run("down", "--force")


def test_up_is_repeatable_restarts_a_killed_emulator_and_down_stops_it(checkout: Checkout) -> None:
    first = checkout.run("up")
    assert "4 of 4 objects intact in us-west-2" in first
    assert "Tier pilot (objectives: RTO 30 min, RPO 1 h)" in first
    checkout.run("clock", "advance", "5m")
    subjects = [each["subject"] for each in json.loads(checkout.run("messages", "--json"))]
    assert [each for each in subjects if not each.startswith("OK: ")] == [], "a first deployment fires no alarm"

    entries = len(checkout.local.journal.read_text().splitlines())
    again = checkout.run("up")
    made = read_json(checkout.local.backend / ".pulumi/stacks/dr/primary.json")["checkpoint"]["latest"]["resources"]
    assert f"Deploy the primary stack: {len(made)} resources\n" in again
    events = [json.loads(line)["event"] for line in checkout.local.journal.read_text().splitlines()[entries:]]
    assert events == ["run.started", *["step.unneeded"] * len(steps()), "run.finished"]

    os.kill(checkout.pid, signal.SIGKILL)
    again = checkout.run("up")
    assert "4 of 4 objects intact in us-west-2" in again

    pid = checkout.pid
    checkout.run("down")
    assert not psutil.pid_exists(pid)
    assert "was not running" in checkout.run("down")


def test_up_continues_after_a_mistake_is_fixed(checkout: Checkout) -> None:
    stack = checkout.local.project / "Pulumi.dr.yaml"
    right = stack.read_text()
    stack.write_text(right.replace("dr:tier: pilot", "dr:tier: wram"))
    output = checkout.run("up", code=1)
    assert 'did you mean "warm"?' in output
    assert "an unhandled error" not in output
    emulator = checkout.pid

    stack.write_text(right)
    assert "4 of 4 objects intact in us-west-2" in checkout.run("up")
    assert checkout.pid == emulator


def test_killed_first_deployment_starts_again(checkout: Checkout) -> None:
    command = [sys.executable, "-m", "sandbox", "up"]
    up = subprocess.Popen(command, cwd=ROOT, env=checkout.variables, stdout=subprocess.DEVNULL, start_new_session=True)
    mark = checkout.local.folder / "deploying-without-checkpoints"
    wait_for(mark.exists)
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()

    again = checkout.run("up")
    assert "the local stacks were created again" in again
    assert "4 of 4 objects intact in us-west-2" in again


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A running sandbox, for tests that do not stop it."""
    made = Checkout(tmp_path_factory.mktemp("running"))
    try:
        made.run("up")
        yield made
    finally:
        made.run("down", "--force")


def test_shell_variables_point_every_tool_at_the_sandbox(running: Checkout) -> None:
    variables = running.env()

    s3 = boto3.client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"])
    assert len(s3.list_buckets()["Buckets"]) == 2 * len(STANDARD_PAIRS)
    person = {"AWS_PROFILE": "me", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "PULUMI_ACCESS_TOKEN": "x"}
    script = (
        'eval "$(%s -m sandbox env)"; set | grep -E "^(AWS_PROFILE|AWS_ENDPOINT_URL_S3|PULUMI_ACCESS)" || echo none'
    )
    shell = subprocess.run(
        ["sh", "-c", f"{script % shlex.quote(sys.executable)}; pulumi stack ls --json; dr status --json"],
        cwd=ROOT,
        env={**running.variables, **person},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.startswith("none\n"), shell.stdout + shell.stderr
    assert '"name": "primary"' in shell.stdout
    assert "holds both halves of the contract" in shell.stdout
    assert str(running.local.pulumi_home) == variables["PULUMI_HOME"]


def test_dns_server_of_the_shell_variables_resolves_the_public_name(running: Checkout) -> None:
    resolver = dns.resolver.Resolver(configure=False)
    host, _, port = running.env()["DR_RESOLVER"].partition(":")
    resolver.nameservers, resolver.port = [host], int(port)

    for tcp in (False, True):
        answer = resolver.resolve("inference.ml.example.com", "A", tcp=tcp)
        assert ".elb.us-east-1.amazonaws.com." in str(answer.canonical_name)
        assert answer.chaining_result.minimum_ttl == 60


def test_commands_without_a_sandbox_name_the_command_that_starts_one(checkout: Checkout) -> None:
    looks = (("env",), ("shell",), ("dns",), ("clock",), ("messages",), ("client", "--rate", "1", "--out", "log"))
    for arguments in (*looks, ("fault", "list"), ("fault", "region", "us-east-1", "--heal")):
        assert "`make up` starts it" in checkout.run(*arguments, code=3)
    assert json.loads(checkout.run("status", "--json", code=1)) == {"running": False}
    assert "was never started" in checkout.run("logs")
    dead = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    assert "`make up` starts a stopped sandbox" in checkout.run("status", program="dr", code=4, **dead)


def test_faults_are_set_listed_and_cleared_and_the_clock_advances(running: Checkout) -> None:
    running.run("fault", "region", "us-east-1", "--unreachable", "--with-global")
    running.run("fault", "operation", "s3:PutObject", "--error", "SlowDown", "--times", "3")
    listed = running.run("fault", "list")
    assert "us-east-1 is unreachable, global control planes too" in listed
    assert "s3:PutObject answers SlowDown, 3 more times" in listed
    # Velero, which is simulated, writes no backups: that is missed.
    status = running.run("status", program="dr", code=1, **running.env())
    assert "us-east-1 does not answer" in status
    for operation in ("s4:PutObject", "PutObject", "s3:PutObjct"):
        output = running.run("fault", "operation", operation, "--error", "SlowDown", code=2)
        assert output.startswith("invalid: ")
        assert "PutObject" in output
    assert running.run("fault", "clear") == "There are no faults.\n"
    table = running.run("dns")
    assert ".elb.us-east-1.amazonaws.com" in next(line for line in table.splitlines() if line.split()[:1] == ["yes"])

    # Alarms report their first data in the minute after the deployment.
    messages = json.loads(running.run("messages", "--json"))
    assert {each["topic"] for each in messages} <= {"ml-dr-alerts"}
    assert ("oncall@example.com" in running.run("messages")) == bool(messages)
    before = running.run("clock")
    assert running.run("clock", "advance", "20m") > before
    assert '"soon" is not a valid duration' in running.run("clock", "advance", "soon", code=2)


def test_client_logs_an_outage_and_all_requests_before_it_ends(running: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "log.jsonl"
    running.run("fault", "clear")
    with client(running.local, out, 5, "--json") as logged:
        wait_for(lambda: sum(each.good for each in logged()) > 10)
        running.run("fault", "region", "us-east-1", "--unreachable")
        fault = datetime.now(UTC)
        wait_for(lambda: sum(each.failed and each.sent > fault for each in logged()) > 10)
        running.run("fault", "clear")
        healed = datetime.now(UTC)
        wait_for(lambda: sum(each.good and each.sent > healed for each in logged()) > 20)
    requests = client_log.parse(out.read_text())
    outage = client_log.outage(requests, fault, timedelta(seconds=3))

    assert [each.number for each in requests] == list(range(len(requests)))
    assert client_log.summary(requests).wrong == 0
    assert {each.region for each in requests} == {"us-east-1"}
    assert outage.seconds is not None
    assert outage.seconds > 2
    assert outage.relapses == 0
    assert "exists" in running.run("client", "--rate", "1", "--out", str(out), code=2)
