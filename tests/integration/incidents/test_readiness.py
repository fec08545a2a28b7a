"""`dr check` on a whole sandbox: healthy, and with us-east-1 and the global control planes lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.config.project import load_topology
from dr.control import proofs
from dr.control.proofs import REGION_LOSS, Proof
from dr.operations import fingerprint
from dr.operations.scene import Options, Scene, read_scene
from sandbox.emulator_client import ask
from tests.support.dr_command import dr, forget_proofs
from tests.support.network import EAST, WEST
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

Findings = dict[str, dict[str, Any]]
ADDED = {"contract", "Kubernetes version", "images of inference"}
"""Findings that compare both regions."""
SIMULATED = "permissions in AWS"
"""The sandbox does not simulate policies."""
OF_PRIMARY = {f"volumes in {EAST}", "replica of the database login"}
"""Findings that the primary region alone can answer: tags of its volumes, and the replication of its secret."""
UPSTREAM = "images and charts"
"""Missed until `dr:supply` is `mirror`."""


def scene(sandbox: SandboxUnderTest) -> Scene:
    return read_scene(load_topology(sandbox.local.project, "dr"), Options("a test", ""))


@pytest.fixture
def measured(inside: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The sandbox with measurements of the prober; proofs are removed before and after the test."""
    forget_proofs(inside)
    inside.advance(3)
    yield inside
    inside.repair()
    forget_proofs(inside)


def checked(sandbox: SandboxUnderTest, *arguments: str) -> tuple[int, Findings]:
    """Return the exit code, and the findings by name."""
    code, found = dr(sandbox, "check", *arguments)
    return code, {each["name"]: each for each in found["findings"]}


def of_status(findings: Findings, status: str) -> set[str]:
    return {name for name, each in findings.items() if each["status"] == status}


def test_healthy_region_meets_all_that_is_measured_and_a_lost_primary_region_makes_only_comparisons_unknown(
    measured: SandboxUnderTest,
) -> None:
    code, healthy = checked(measured)

    assert (of_status(healthy, "missed"), code) == ({UPSTREAM}, 1)
    assert of_status(healthy, "unknown") == {SIMULATED, "proof"}
    assert {*ADDED, "model-set", "journal and lease", f"cluster in {WEST}"} <= of_status(healthy, "met")
    assert {f"certificate in {WEST}", f"data in {WEST}", f"newest copy in {WEST}"} <= of_status(healthy, "met")
    assert healthy[f"inference in {WEST}"]["measured"].startswith("tier pilot runs none")
    assert all(each["fix"] for each in healthy.values() if each["status"] in ("missed", "unknown"))

    measured.lose(EAST)
    since = measured.mark()
    code, lost = checked(measured)

    assert (of_status(lost, "missed"), code) == ({UPSTREAM}, 1)
    assert of_status(lost, "unknown") == {SIMULATED, "proof", *OF_PRIMARY, *ADDED}
    assert of_status(lost, "met") == of_status(healthy, "met") - ADDED - OF_PRIMARY
    assert all("not compared" in lost[name]["measured"] for name in ADDED)
    calls = [call for call in measured.calls(since) if "app/ml-dr" in call["agent"]]
    answered = {call["region"] for call in calls if call["status"]}  # 0 is a cut connection
    assert answered == {WEST}


def test_quota_below_a_failover_and_a_control_bucket_that_refuses_writes_are_found(measured: SandboxUnderTest) -> None:
    quota = {"region": WEST, "service": "ec2", "code": "L-DB2E81BA"}
    ask(measured.server, "POST", "quotas", {**quota, "value": 8})
    measured.fault(kind="operation", operation="s3:PutObject", error="AccessDenied", times=4)
    code, found = checked(measured)
    ask(measured.server, "POST", "quotas", {**quota, "value": 768})

    assert (code, of_status(found, "missed")) == (
        1,
        {UPSTREAM, f"quota L-DB2E81BA in {WEST}", "journal and lease"},
    )
    assert "--desired-value 80" in found[f"quota L-DB2E81BA in {WEST}"]["fix"]
    assert "AccessDenied" in found["journal and lease"]["measured"]


def test_guards_of_one_operation_are_checked_alone(measured: SandboxUnderTest) -> None:
    code, healthy = checked(measured, "--operation", "failover")
    assert (code, of_status(healthy, "missed")) == (1, {"primary-lost"})

    measured.lose(EAST)
    measured.advance(5)
    code, lost = checked(measured, "--operation", "failover")

    assert (code, of_status(lost, "met")) == (
        0,
        {"account", "primary-lost", "recovery-ready", "model-set", "data-loss", "database"},
    )


def test_proof_is_met_until_what_it_proved_has_changed(measured: SandboxUnderTest) -> None:
    found = scene(measured)
    value, at = fingerprint.of(found).value, datetime.now(UTC) - timedelta(days=1)
    proof = Proof(REGION_LOSS, "20261128T120000Z-a1b2c3", "met", str(found.tier), at.isoformat(), value, 61.0, 2.0)
    proofs.write(found.topology, proof)

    def shown() -> dict[str, Any]:
        """Return the proof as `dr status` shows it. On a busy machine it may be late, and unknown."""
        return dict(wait_for(lambda: (it := dr(measured, "status")[1]["proof"])["status"] != "unknown" and it))

    proven = [checked(measured)[1]["proof"], shown()]
    with measured.configured("dr", runbookUrl="https://wiki.example.com/ml-dr"):
        changed = checked(measured)[1]["proof"]
    with measured.configured("dr", drillEvery=1):
        old = shown()

    assert [each["status"] for each in proven] == ["met", "met"], proven
    assert [each["status"] for each in (changed, old)] == ["stale", "stale"]
    assert changed["measured"].endswith("; changed since then: configuration")
    assert old["measured"].endswith("; 1 d old")
