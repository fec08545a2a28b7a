"""The time axis of a report: periods, clocks, phases and shapes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dr.drills.document import DrillDocument
from dr.evidence import clock, phases
from dr.evidence.drawing import LAYOUTS, Drawing, drawings
from dr.evidence.page import page_of, recorded_run
from dr.evidence.reading import Evidence, read
from dr.evidence.run_record import Attempt, StepRecord
from dr.evidence.text import seconds_text
from dr.evidence.timeline import Timeline, timeline
from dr.evidence.traffic import MOST_PERIODS, periods, width_for
from tests.support.evidence import FAULT, OUTAGE, PRIMARY, RATE, RECOVERY, RUN, at, drill_document, journal, requests

SPEED = 20


def made(document: DrillDocument | None = None) -> Timeline:
    found = Evidence(RUN, document or drill_document(), tuple(journal()), tuple(requests()))
    line = timeline(found, recorded_run(found))
    assert line
    return line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (4.25, "4.2 s"), (59.94, "59.9 s"), (60, "1 min"), (252.4, "4 min 12 s"), (4800, "1 h 20 min")],
)
def test_duration_has_the_precision_of_a_measurement(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_short_outages_have_periods_of_a_second() -> None:
    line = made()

    assert line.width == 1
    assert (line.periods[0].start, line.periods[0].sent) == (-30, RATE)
    assert {each.bad_share for each in line.periods if 0 <= each.start < OUTAGE} == {1.0}
    assert {each.bad_share for each in line.periods if not 0 <= each.start < OUTAGE} == {0.0}


@pytest.mark.parametrize("seconds", [1, 100, 240, 241, 3600, 86_400, 10_000_000])
def test_periods_fit_the_width_of_a_chart(seconds: float) -> None:
    assert seconds / width_for(seconds) <= MOST_PERIODS


def test_period_counts_answers_by_region_and_their_latency() -> None:
    log = [replace(each, seconds=0.1 * (number + 1)) for number, each in enumerate(requests()[:RATE])]
    (period,) = periods([*log[:3], replace(log[3], right=False), replace(log[4], status=503)], FAULT, 60)

    assert (period.sent, period.failed, period.wrong, period.regions) == (5, 1, 1, {PRIMARY: 4})
    assert (period.p50_ms, period.p95_ms) == (200.0, 400.0)


def test_modelled_recovery_is_marked_at_its_time_of_the_machine() -> None:
    log = [replace(each, sent_modelled=FAULT + SPEED * (each.sent - FAULT)) for each in requests()]

    assert clock.after(FAULT, SPEED * OUTAGE, True, log) == FAULT + timedelta(seconds=OUTAGE)
    assert clock.after(FAULT, OUTAGE, False, log) == FAULT + timedelta(seconds=OUTAGE)
    assert clock.after(FAULT, OUTAGE, True, []) == FAULT + timedelta(seconds=OUTAGE)


def test_fault_and_recovery_are_marked() -> None:
    assert [(each.name, each.at) for each in made().marks] == [("fault", 0), ("recovered", OUTAGE)]


@pytest.mark.parametrize("rto", [None, 5000.0])
def test_recovery_that_no_request_shows_is_not_marked(rto: float | None) -> None:
    assert [each.name for each in made(drill_document(rto_seconds=rto)).marks] == ["fault"]


def test_time_without_a_fault_is_counted_from_the_start_of_the_run() -> None:
    found = Evidence(RUN, entries=tuple(journal()))
    line = timeline(found, recorded_run(found))

    assert line
    assert (line.origin, line.marks, line.periods) == (at(18.1), (), ())


def test_phases_add_up_and_belong_to_the_step_that_ends_last() -> None:
    def step(phase: str, start: float, end: float) -> StepRecord:
        return StepRecord(phase, phase, phase, attempts=(Attempt(at(start), at(end), "done"),))

    found = phases.phases([step("decide", 0, 1), step("DNS", 1, 4), step("capacity", 1, 10), step("verify", 12, 13)])

    assert found == {"decide": 1, "capacity": 9, "no step": 2, "verify": 1}


# Shapes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drawing", drawings(made()), ids=lambda each: each.name)
def test_shapes_are_inside_the_drawing(drawing: Drawing) -> None:
    for each in drawing.shapes:
        assert 0 <= each.x <= drawing.width
        assert 0 <= each.y <= drawing.height
        if each.kind == "rect":
            assert each.x + each.x2 <= drawing.width
            assert each.y + each.y2 <= drawing.height


def test_drawing_has_a_bar_for_each_step_and_each_bad_period() -> None:
    line = made()
    for drawing in drawings(line):
        bars = [each for each in drawing.shapes if each.css.startswith("bar ")]
        failed = [each for each in drawing.shapes if each.css == "failed"]
        assert len(bars) == len(line.tracks)
        assert len(failed) == OUTAGE
        assert {each.text for each in drawing.shapes} >= {"fault", "recovered", "no answer", f"1 {line.tracks[0].name}"}
        assert {each.text for each in drawing.shapes if each.css.startswith("region")} == {
            PRIMARY,
            RECOVERY,
            "no answer",
        }


def test_line_is_interrupted_where_no_answer_has_a_latency() -> None:
    (curve,) = [each for each in drawings(made())[0].shapes if each.css == "line p50"]

    assert curve.text.count("M") == 2


def test_each_layout_has_at_most_its_marks_on_the_axis() -> None:
    for layout, drawing in zip(LAYOUTS, drawings(made()), strict=True):
        marks = [each for each in drawing.shapes if each.css == "tick" and each.anchor == "middle"]
        assert 2 <= len(marks) <= layout.ticks + 1


def test_run_of_one_moment_can_be_drawn(tmp_path: Path) -> None:
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "journal.jsonl").write_text("".join(f"{each.to_json()}\n" for each in journal()[:2]))
    line = page_of(read(tmp_path / RUN)).timeline

    assert line
    assert all(each.shapes for each in drawings(line))
