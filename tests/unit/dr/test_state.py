import json

import pytest

from dr import state
from dr.errors import Invalid, Refused
from dr.objectives import Tier
from dr.state import DayState, Incident, Lease, Levers
from dr.topology import Role
from tests.support.builders import topology

INCIDENT = Incident("2026-11-23-a", "2026-11-23T03:00:00+00:00", "us-east-1 does not answer")
BAD_DAY = DayState(
    Levers(engaged=True, admitted=True), Tier.WARM, INCIDENT, Lease("ada@ops", "2026-11-23T04:00:00+00:00")
)


@pytest.mark.parametrize("day", [DayState(), BAD_DAY])
def test_a_state_survives_being_written_and_read(day: DayState) -> None:
    assert state.parse(day.to_json(), "test") == day


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": "x"}', "not json"])
def test_a_broken_state_is_never_taken_for_an_ordinary_day(text: str) -> None:
    with pytest.raises(Invalid, match=r"s3://bucket/control/state\.json"):
        state.parse(text, "s3://bucket/control/state.json")


def test_a_state_of_a_newer_version_is_refused() -> None:
    text = json.dumps({**json.loads(BAD_DAY.to_json()), "version": 2})
    with pytest.raises(Invalid, match="version 2; this program reads 1"):
        state.parse(text, "test")


def test_a_lower_tier_is_refused_while_an_incident_is_open() -> None:
    with pytest.raises(Refused) as caught:
        state.guard_tier(Tier.PILOT, Tier.WARM, BAD_DAY)

    assert "incident 2026-11-23-a is open" in str(caught.value)
    assert "pulumi config set dr:tier warm -s dr" in str(caught.value)


@pytest.mark.parametrize(
    ("requested", "deployed"), [(Tier.WARM, Tier.WARM), (Tier.ACTIVE, Tier.WARM), (Tier.PILOT, None)]
)
def test_the_same_or_a_higher_tier_goes_on_in_an_incident(requested: Tier, deployed: Tier | None) -> None:
    state.guard_tier(requested, deployed, BAD_DAY)


def test_a_lower_tier_is_fine_on_an_ordinary_day() -> None:
    state.guard_tier(Tier.BACKUP, Tier.ACTIVE, DayState())


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("activation", [None, *Tier])
def test_what_runs_is_the_tier_or_what_was_brought_up_whichever_is_more(tier: Tier, activation: Tier | None) -> None:
    made = topology(Role.RECOVERY, tier=str(tier)).with_activation(activation)

    assert made.running_tier is max(tier, activation or Tier.BACKUP)
