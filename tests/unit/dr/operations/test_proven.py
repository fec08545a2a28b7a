"""What the last drill proves: one proof that is met, and a change for each other result."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.control.proofs import Proof
from dr.findings import Status
from dr.operations import proven
from dr.operations.fingerprint import Fingerprint

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
DEPLOYED = Fingerprint({"code": "1", "configuration": "2", "tier": "pilot", "model_set": "set"})
PROOF = Proof("region-loss", "run", "met", "pilot", "2026-11-20T09:14:00+00:00", DEPLOYED.value, 61.7, 3.0)
MET = "region-loss met on 2026-11-20 09:14 UTC: RTO 62 s, RPO 3 s"


def test_recent_proof_of_what_is_deployed_is_met() -> None:
    found = proven.judge(PROOF, DEPLOYED, MONTH, NOW)

    assert (found.status, found.measured, found.hint) == (Status.MET, MET, "")
    assert found.objective == "region-loss met, with what is deployed, in the last 30 days"
    assert found.at == PROOF.at


def test_missing_proof_is_unknown_with_the_drill_to_run() -> None:
    found = proven.judge(None, None, MONTH, NOW)

    assert (found.status, found.measured) == (Status.UNKNOWN, "no drill has run")
    assert found.hint == "`dr drill region-loss`"


def test_missed_proof_is_missed_also_when_it_is_old() -> None:
    found = proven.judge(replace(PROOF, verdict="missed", rpo_seconds=None), DEPLOYED, timedelta(days=1), NOW)

    assert (found.status, found.measured) == (
        Status.MISSED,
        "region-loss missed on 2026-11-20 09:14 UTC: RTO 62 s",
    )
    assert "`dr report run` shows what was missed" in found.hint


def test_proof_that_measured_nothing_is_unknown() -> None:
    found = proven.judge(replace(PROOF, verdict="unknown", rto_seconds=None, rpo_seconds=None), DEPLOYED, MONTH, NOW)

    assert (found.status, found.measured) == (Status.UNKNOWN, "region-loss unknown on 2026-11-20 09:14 UTC")


@pytest.mark.parametrize(
    ("part", "name"),
    [("code", "code"), ("configuration", "configuration"), ("tier", "tier"), ("model_set", "model set")],
)
def test_proof_is_stale_once_a_part_of_what_it_proved_has_changed(part: str, name: str) -> None:
    found = proven.judge(PROOF, Fingerprint({**DEPLOYED.parts, part: "other"}), MONTH, NOW)

    assert (found.status, found.measured) == (Status.STALE, f"{MET}; changed since then: {name}")
    assert found.hint == "`dr drill region-loss` proves it again"


def test_proof_is_stale_once_it_is_older_than_the_setting() -> None:
    found = proven.judge(PROOF, DEPLOYED, timedelta(days=8), NOW)
    assert (found.status, found.measured) == (Status.STALE, f"{MET}; 8 d old")

    assert proven.judge(PROOF, DEPLOYED, timedelta(days=9), NOW).status is Status.MET
