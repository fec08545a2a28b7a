from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from dr.clients import Unreachable
from dr.control.contract import Half
from dr.control.incident_state import Incident, IncidentState, Levers
from dr.errors import Problem, Refused
from dr.preflight import guards
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import half, topology

INCIDENT = IncidentState(incident=Incident("2026-11-23-a", "2026-11-23T03:00:00+00:00", "us-east-1 does not answer"))
ORDINARY = IncidentState()
WELL = {"primary-down": "OK", "recovery-down": "OK", "prober-failing": "OK"}


def not_asked() -> guards.States:
    raise AssertionError("the alarm states were read")


def needed(deployed: Tier = Tier.WARM, day: IncidentState = ORDINARY, **states: str) -> str:
    names = {name.replace("_", "-"): state for name, state in states.items()}
    found = guards.why_needed(topology(Role.RECOVERY), deployed, day, lambda: {**WELL, **names})
    return " / ".join(found or ())


def test_tier_may_be_lowered_while_the_recovery_region_serves_no_traffic() -> None:
    assert needed() == ""


def test_open_incident_prevents_lowering_the_tier_without_reading_alarms() -> None:
    found = guards.why_needed(topology(Role.RECOVERY), Tier.PILOT, INCIDENT, not_asked)

    assert found is not None
    assert "incident 2026-11-23-a is open since 2026-11-23T03:00:00+00:00 (us-east-1 does not answer)" in found[0]


def test_engaged_lever_prevents_lowering_the_tier() -> None:
    assert "the lever engage keeps clients away from us-east-1" in needed(
        day=IncidentState(levers=Levers(engaged=True))
    )


def test_recovery_region_serving_for_a_failed_primary_prevents_lowering_the_tier() -> None:
    assert "us-west-2 serves: us-east-1 has not answered for minutes" in needed(primary_down="ALARM")


def test_tier_may_be_lowered_if_the_recovery_region_is_down_too() -> None:
    assert needed(primary_down="ALARM", recovery_down="ALARM") == ""


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"prober_failing": "ALARM"}, "the prober that measures it fails / once it runs; its log is the log group"),
        ({"primary_down": "INSUFFICIENT_DATA"}, "alarm ml-dr-primary-down is INSUFFICIENT_DATA"),
        ({"primary_down": "ALARM", "recovery_down": "missing"}, "alarm ml-dr-recovery-down is missing"),
    ],
)
def test_unmeasured_alarm_is_unknown_and_prevents_lowering_the_tier(states: dict[str, str], says: str) -> None:
    reason = needed(Tier.WARM, ORDINARY, **states)
    assert "whether us-west-2 serves is unknown" in reason
    assert says in reason


def test_tier_may_be_lowered_while_the_primary_answers_and_the_recovery_endpoint_was_never_measured() -> None:
    """It is measured only once its region is expected to serve, which needs a published model set."""
    assert needed(Tier.WARM, recovery_down="INSUFFICIENT_DATA") == ""


def test_unreadable_alarms_prevent_lowering_the_tier() -> None:
    def silence() -> guards.States:
        raise Unreachable(Problem("alarms", "us-west-2 does not answer", "wait"))

    found = guards.why_needed(topology(Role.RECOVERY), Tier.ACTIVE, ORDINARY, silence)
    assert found == ("whether us-west-2 serves is unknown: us-west-2 does not answer", "once that can be asked")


def test_pilot_tier_may_be_lowered_without_reading_alarms() -> None:
    assert guards.why_needed(topology(Role.RECOVERY), Tier.PILOT, ORDINARY, not_asked) is None


@pytest.mark.parametrize(
    ("wanted", "deployed"), [("warm", Tier.WARM), ("active", Tier.WARM), ("pilot", None), ("backup", Tier.BACKUP)]
)
def test_equal_or_higher_tier_is_allowed_during_an_incident(wanted: str, deployed: Tier | None) -> None:
    guards.tier(topology(Role.RECOVERY, tier=wanted), deployed, INCIDENT)


def test_activated_tier_is_not_treated_as_lowering_at_the_next_update() -> None:
    guards.tier(topology(Role.RECOVERY, tier="pilot").with_activation(Tier.WARM), Tier.WARM, INCIDENT)


def test_refusal_names_the_tier_to_keep_and_when_to_lower_it() -> None:
    with pytest.raises(Refused) as caught:
        guards.tier(topology(Role.RECOVERY, tier="pilot"), Tier.WARM, INCIDENT)

    assert '"pilot" is less than "warm", which is deployed, and incident 2026-11-23-a is open' in str(caught.value)
    assert "`pulumi config set dr:tier warm -s dr`, and lower it after failback" in str(caught.value)


@pytest.fixture
def alarms() -> Iterator[None]:
    with mock_aws():
        metrics = boto3.client("cloudwatch", "us-west-2")
        for name, state in {**WELL, "primary-down": "ALARM"}.items():
            metrics.put_metric_alarm(
                AlarmName=f"ml-dr-{name}",
                **{"Namespace": "n", "MetricName": "m", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1},
                **{"Statistic": "Minimum", "ComparisonOperator": "LessThanThreshold"},
            )
            metrics.set_alarm_state(AlarmName=f"ml-dr-{name}", StateValue=state, StateReason="a test")
        yield


@pytest.mark.usefixtures("alarms")
def test_guard_reads_alarm_states_in_the_recovery_region() -> None:
    with pytest.raises(Refused, match="us-west-2 serves: us-east-1 has not answered"):
        guards.tier(topology(Role.RECOVERY, tier="pilot"), Tier.WARM, IncidentState())


# The network -----------------------------------------------------------------------------------------------------


def deployed_in(role: Role, network: str) -> Half:
    return half(role, network=network)


@pytest.mark.parametrize("deployed", [None, deployed_in(Role.RECOVERY, ""), deployed_in(Role.RECOVERY, "10.1.0.0/16")])
def test_unchanged_or_new_network_is_allowed(deployed: Half | None) -> None:
    guards.same_network(topology(Role.RECOVERY), deployed)


@pytest.mark.parametrize(
    ("role", "before", "changes", "says"),
    [
        (Role.RECOVERY, "10.7.0.0/16", {}, "dr:recoveryCidr: us-west-2 is deployed in 10.7.0.0/16"),
        (Role.RECOVERY, "10.7.0.0/16", {}, "set dr:protectData to false, destroy the dr stack and deploy it again"),
        (Role.PRIMARY, "10.7.0.0/16", {}, "keep 10.7.0.0/16, or create another pair of stacks"),
        (Role.RECOVERY, "vpc-0a", {}, "dr:existingVpc: us-west-2 is deployed in vpc-0a"),
        (Role.RECOVERY, "10.1.0.0/16", {"existingVpc": "vpc-0123456789ab"}, "cannot move to vpc-0123456789ab"),
    ],
)
def test_moving_a_deployed_region_to_another_network_is_refused(
    role: Role, before: str, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(Refused) as caught:
        guards.same_network(topology(role, **changes), deployed_in(role, before))

    assert says in str(caught.value)
