import json

import pytest

from dr.control import incident_state
from dr.control.incident_state import DayState, Incident, Lease, Levers
from dr.errors import Invalid
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import topology

INCIDENT = Incident("2026-11-23-a", "2026-11-23T03:00:00+00:00", "us-east-1 does not answer")
BAD_DAY = DayState(
    Levers(engaged=True, admitted=True), Tier.WARM, INCIDENT, Lease("ada@ops", "2026-11-23T04:00:00+00:00")
)


@pytest.mark.parametrize("day", [DayState(), BAD_DAY])
def test_a_state_survives_being_written_and_read(day: DayState) -> None:
    assert incident_state.parse(day.to_json(), "test") == day


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": "x"}', "not json"])
def test_a_broken_state_is_never_taken_for_an_ordinary_day(text: str) -> None:
    with pytest.raises(Invalid, match=r"s3://bucket/control/state\.json"):
        incident_state.parse(text, "s3://bucket/control/state.json")


def test_a_state_of_a_newer_version_is_refused() -> None:
    text = json.dumps({**json.loads(BAD_DAY.to_json()), "version": 2})
    with pytest.raises(Invalid, match="version 2; this program reads 1"):
        incident_state.parse(text, "test")


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("activation", [None, *Tier])
def test_what_runs_is_the_tier_or_what_was_brought_up_whichever_is_more(tier: Tier, activation: Tier | None) -> None:
    made = topology(Role.RECOVERY, tier=str(tier)).with_activation(activation)

    assert made.running_tier is max(tier, activation or Tier.BACKUP)
