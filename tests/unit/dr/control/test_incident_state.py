import json

import pytest

from dr.control import incident_state
from dr.control.incident_state import Incident, IncidentState, Lease, Levers
from dr.errors import Invalid
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import topology

INCIDENT = Incident("2026-11-23-a", "2026-11-23T03:00:00+00:00", "us-east-1 does not answer")
OPEN_INCIDENT = IncidentState(
    Levers(engaged=True, admitted=True), Tier.WARM, INCIDENT, Lease("ada@ops", "2026-11-23T04:00:00+00:00")
)


@pytest.mark.parametrize("state", [IncidentState(), OPEN_INCIDENT])
def test_an_incident_state_is_equal_after_writing_and_reading(state: IncidentState) -> None:
    assert incident_state.parse(state.to_json(), "test") == state


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": "x"}', "not json"])
def test_an_invalid_state_is_never_treated_as_normal_operation(text: str) -> None:
    with pytest.raises(Invalid, match=r"s3://bucket/control/state\.json"):
        incident_state.parse(text, "s3://bucket/control/state.json")


def test_an_incident_state_of_a_newer_version_is_refused() -> None:
    text = json.dumps({**json.loads(OPEN_INCIDENT.to_json()), "version": 2})
    with pytest.raises(Invalid, match="version 2; this program reads 1"):
        incident_state.parse(text, "test")


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.parametrize("activation", [None, *Tier])
def test_the_running_tier_is_the_higher_of_tier_and_activation(tier: Tier, activation: Tier | None) -> None:
    made = topology(Role.RECOVERY, tier=str(tier)).with_activation(activation)

    assert made.running_tier is max(tier, activation or Tier.BACKUP)
