"""Findings from measurements, alarms and the incident state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dr.control.incident_state import IncidentState, Levers
from dr.findings import Finding, Status
from dr.operations import promises
from dr.operations.clients_dns import Answer, region_of
from dr.operations.measurements import Alarm, Alarms, Sample
from dr.operations.serving import Serving
from dr.topology.topology import Role
from tests.support.builders import half

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
EAST, WEST = "us-east-1", "us-west-2"
RPO = timedelta(minutes=15)


def sample(value: float, seconds_ago: int = 20) -> Sample:
    return Sample(NOW - timedelta(seconds=seconds_ago), value)


@pytest.mark.parametrize(
    ("series", "status", "measured"),
    [
        ([sample(900)], Status.MET, "15 min behind"),
        ([sample(901)], Status.MISSED, "15 min behind"),
        ([sample(12, 300)], Status.STALE, "12 s behind at 11:55:00 UTC; not measured since"),
        ([sample(901, 300)], Status.MISSED, "15 min behind at 11:55:00 UTC; not measured since"),
        ([], Status.UNKNOWN, "not measured"),
    ],
)
def test_age_of_the_newest_replicated_data_is_compared_with_the_rpo(
    series: list[Sample], status: Status, measured: str
) -> None:
    found = promises.data_finding(series, WEST, RPO, NOW)

    assert (found.name, found.status, found.measured) == ("data in us-west-2", status, measured)
    assert found.objective == "at most 15 min"


def test_copy_older_than_26_hours_is_missed() -> None:
    assert promises.copies_finding([sample(26 * 3600)], WEST, timedelta(hours=26), NOW).status is Status.MET
    assert promises.copies_finding([sample(26 * 3600 + 1)], WEST, timedelta(hours=26), NOW).status is Status.MISSED


def test_endpoint_that_is_to_serve_and_does_not_answer_is_missed_since_its_first_failure() -> None:
    found = promises.endpoint_finding(EAST, [sample(1, 60), sample(0, 40), sample(0, 20)], True, NOW)

    assert (found.status, found.measured) == (Status.MISSED, "does not answer since 11:59:20 UTC (40 s)")
    assert found.at == "2026-11-28T11:59:40+00:00"


def test_endpoint_that_is_not_to_serve_is_information() -> None:
    assert promises.endpoint_finding(WEST, [], False, NOW).status is Status.INFO
    assert promises.endpoint_finding(WEST, [], True, NOW).status is Status.UNKNOWN


def alarm(name: str, state: str) -> Alarm:
    return Alarm(name, WEST, state, NOW - timedelta(minutes=5))


def judged(*alarms: Alarm) -> Finding:
    return promises.alarms_finding(Alarms(NOW, alarms), WEST, frozenset({"ml-dr-lever-engage"}), NOW)


def test_firing_alarm_is_missed_with_its_time() -> None:
    found = judged(alarm("ml-dr-region-impaired", "ALARM"), alarm("ml-dr-unmeasured", "OK"))

    assert (found.status, found.measured) == (
        Status.MISSED,
        "1 of 2 fire, the first since 11:55:00 UTC (5 min)",
    )


def test_alarm_of_a_lever_is_not_counted_and_a_region_without_alarms_is_unknown() -> None:
    assert judged(alarm("ml-dr-lever-engage", "ALARM"), alarm("ml-dr-unmeasured", "OK")).status is Status.MET
    assert judged().status is Status.UNKNOWN


def test_alarms_without_data_are_counted_and_nothing_is_known_if_none_has_data() -> None:
    blind, ok, firing = (alarm(f"ml-dr-{each}", each) for each in ("INSUFFICIENT_DATA", "OK", "ALARM"))

    assert (judged(ok, blind).status, judged(ok, blind).measured) == (Status.MET, "none of 2 fires; 1 without data")
    assert judged(firing, blind).measured.startswith("1 of 2 fire, ")
    assert judged(firing, blind).measured.endswith("; 1 without data")
    assert (judged(blind, blind).status, judged(blind, blind).measured) == (Status.UNKNOWN, "none of 2 has data")


ENGAGE = half(Role.PRIMARY).dns


def lever(state: str, engaged: bool) -> Finding:
    day = IncidentState(Levers(engaged=engaged))
    return promises.lever_finding(ENGAGE, EAST, alarm(ENGAGE.lever_alarm, state), day, automatic=True)


def test_lever_that_is_in_effect_is_information() -> None:
    assert lever("OK", engaged=False) == Finding("lever engage", Status.INFO, "record of us-east-1 is open")
    assert lever("ALARM", engaged=True) == Finding("lever engage", Status.INFO, "record of us-east-1 is closed")


@pytest.mark.parametrize(("state", "engaged", "shown"), [("OK", True, "open"), ("ALARM", False, "closed")])
def test_lever_that_differs_from_the_incident_state_is_missed(state: str, engaged: bool, shown: str) -> None:
    found = lever(state, engaged)

    assert found.status is Status.MISSED
    assert found.measured == f"record of us-east-1 is {shown}, not as in the incident state"


def test_engaged_lever_without_data_is_unknown() -> None:
    assert lever("INSUFFICIENT_DATA", engaged=True).status is Status.UNKNOWN
    assert lever("INSUFFICIENT_DATA", engaged=False).status is Status.INFO


ENDPOINTS = {EAST: "one.elb.us-east-1.amazonaws.com", WEST: "two.elb.us-west-2.amazonaws.com"}
PUBLIC = "inference.example.com"


def test_dns_answer_leads_to_the_region_of_its_endpoint() -> None:
    found = region_of(Answer([PUBLIC, "Two.elb.us-west-2.amazonaws.com"]), ENDPOINTS)

    assert found.region == WEST
    assert promises.clients_finding(found, Serving((WEST,))) == Finding(
        "public name", Status.MET, "leads to us-west-2", objective="leads to a region that serves"
    )


def test_clients_of_a_region_that_does_not_serve_are_missed() -> None:
    found = promises.clients_finding(region_of(Answer([PUBLIC, ENDPOINTS[EAST]]), ENDPOINTS), Serving((WEST,)))

    assert found
    assert (found.status, found.measured) == (Status.MISSED, "leads to us-east-1, which does not serve")


def test_dns_answer_with_another_endpoint_is_unknown_with_the_answer() -> None:
    found = region_of(Answer([PUBLIC, "other.example.com"]), ENDPOINTS)

    assert found.region == ""
    assert promises.clients_finding(found, Serving((WEST,))) is None
    assert found.reason == "the DNS answer is other.example.com, which is not an endpoint of the contract"
    unread = region_of(Answer([PUBLIC, "other.example.com"]), {})
    assert unread.reason == "the DNS answer is other.example.com, and the contract is not read"
