import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dr.control.journal import LocalJournal
from dr.errors import Failed, Problem, Refused
from dr.operations.step_runner import Decision, Intervention, Quiet, StepRunner, measured_durations, new_run
from dr.operations.steps import (
    Expected,
    Report,
    State,
    Step,
    Verdict,
    critical_path,
    dependencies,
    expected_from,
    modelled,
)


@dataclass
class Lamp:
    """State of the world in these tests: one lamp."""

    on: bool = False
    looks_until_on: int = 0
    log: list[str] = field(default_factory=list)


def look(lamp: Lamp) -> Verdict:
    if lamp.looks_until_on > 1:
        lamp.looks_until_on -= 1
        return Verdict(State.UNKNOWN, "it flickers")
    return Verdict(State.DONE, "it is on") if lamp.on else Verdict(State.NEEDED, "it is off")


def switch(lamp: Lamp, report: Report) -> None:
    report("switching", 0.5)
    lamp.log.append("switched")
    lamp.on = True


def step(**changes: object) -> Step[Lamp]:
    values = {"name": "light", "title": "Light", "evaluate": look, "act": switch, "poll": timedelta(0), **changes}
    return Step(**values)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> LocalJournal:
    return LocalJournal(tmp_path / "journal.jsonl")


def events(journal: LocalJournal) -> list[tuple[str, str]]:
    return [(entry.event, entry.step) for entry in journal.entries()]


def test_needed_step_acts_and_is_verified(journal: LocalJournal) -> None:
    lamp = Lamp()
    (outcome,) = StepRunner[Lamp](journal).execute("test", [step()], lamp)

    assert outcome.changed
    assert outcome.detail == "it is on"
    assert events(journal) == [
        ("run.started", ""),
        ("step.started", "light"),
        ("step.done", "light"),
        ("run.finished", ""),
    ]


def test_first_entry_of_a_run_has_its_author_reason_and_expected_durations(journal: LocalJournal) -> None:
    about = {"by": "ada@laptop", "reason": "us-east-1 is lost", "region": "us-west-2"}
    StepRunner[Lamp](journal, about=about).execute("test", [step(expected=timedelta(seconds=4))], Lamp())
    first = next(journal.entries())

    assert about.items() <= first.data.items()
    assert expected_from(first.data["expected"]["light"]) == modelled(step(expected=timedelta(seconds=4)))


@pytest.mark.parametrize("values", [{}, {"p50_seconds": "?"}, {"p50_seconds": 1, "p75_seconds": 2}])
def test_incomplete_expected_duration_is_unknown(values: dict[str, object]) -> None:
    assert expected_from(values) is None


def test_completed_step_is_skipped(journal: LocalJournal) -> None:
    lamp = Lamp(on=True)
    (outcome,) = StepRunner[Lamp](journal).execute("test", [step()], lamp)

    assert not outcome.changed
    assert lamp.log == []
    assert ("step.unneeded", "light") in events(journal)


def test_step_in_unknown_state_acts(journal: LocalJournal) -> None:
    lamp = Lamp(on=True, looks_until_on=2)
    (outcome,) = StepRunner[Lamp](journal).execute("test", [step()], lamp)

    assert outcome.changed


def test_verification_polls_until_the_change_is_visible(journal: LocalJournal) -> None:
    lamp = Lamp(looks_until_on=4)
    StepRunner[Lamp](journal).execute("test", [step()], lamp)

    assert lamp.log == ["switched"]
    assert lamp.looks_until_on == 1


def test_ineffective_step_fails_with_the_observed_state(journal: LocalJournal) -> None:
    broken = step(act=lambda lamp, report: None, timeout=timedelta(0))
    with pytest.raises(Failed, match="not confirmed after 0 s: it is off"):
        StepRunner[Lamp](journal).execute("test", [broken, step(name="later")], Lamp())

    assert events(journal)[-1] == ("step.failed", "light")


def test_interrupted_step_is_journaled_and_completed_by_the_next_run(journal: LocalJournal) -> None:
    def cut(lamp: Lamp, report: Report) -> None:
        raise KeyboardInterrupt

    lamp = Lamp()
    with pytest.raises(KeyboardInterrupt):
        StepRunner[Lamp](journal).execute("test", [step(act=cut)], lamp)
    assert events(journal)[-1] == ("step.interrupted", "light")

    StepRunner[Lamp](journal).execute("test", [step()], lamp)
    assert lamp.on


def test_error_of_a_step_ends_the_run(journal: LocalJournal) -> None:
    def fail(lamp: Lamp, report: Report) -> None:
        raise Failed(Problem("lamp", "it is broken", "buy one"))

    with pytest.raises(Failed, match="it is broken"):
        StepRunner[Lamp](journal).execute("test", [step(act=fail)], Lamp())


def test_incomplete_journal_line_is_ignored(journal: LocalJournal) -> None:
    journal.append("run", "run.started")
    with journal.path.open("a") as file:
        file.write('{"at": "2026-')

    assert [entry.event for entry in journal.entries("run")] == ["run.started"]


def test_run_stops_if_the_journal_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = LocalJournal(tmp_path / "file" / "journal.jsonl")
    lamp = Lamp()
    with pytest.raises(Failed, match="the journal cannot be written"):
        StepRunner[Lamp](journal).execute("test", [step()], lamp)

    assert not lamp.on


# Order -----------------------------------------------------------------------------------------------------------


def test_independent_steps_run_together(journal: LocalJournal) -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(lamp: Lamp, report: Report) -> None:
        both.wait()
        lamp.on = True

    StepRunner[Lamp](journal).execute("test", [step(act=meet), step(name="beside", act=meet, after=())], Lamp())

    assert ("run.finished", "") in events(journal)


def test_step_waits_for_the_steps_that_it_depends_on(journal: LocalJournal) -> None:
    order: list[str] = []

    def note(name: str, after: tuple[str, ...]) -> Step[Lamp]:
        return step(
            name=name,
            after=after,
            evaluate=lambda lamp: Verdict(State.NEEDED),
            act=lambda lamp, report: order.append(name),
            verify=lambda lamp: Verdict(State.DONE),
        )

    steps = [note("last", ("left", "right")), note("left", ("first",)), note("right", ("first",)), note("first", ())]
    outcomes = StepRunner[Lamp](journal).execute("test", steps, Lamp())

    assert (order[0], order[-1]) == ("first", "last")
    assert [each.step for each in outcomes] == ["last", "left", "right", "first"]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(), step()], "step names are not unique: light, light"),
        ([step(after=("lamp",))], "step light waits for lamp, which does not exist"),
        ([step(after=("b",)), step(name="b")], "steps wait for each other: "),
    ],
)
def test_impossible_order_is_an_error_of_the_program(steps: Sequence[Step[Lamp]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dependencies(steps)


def test_critical_path_is_the_longest_chain_of_steps() -> None:
    steps = [step(name="a"), step(name="slow"), step(name="b", after=("a",)), step(name="end", after=("slow", "b"))]
    durations = {
        name: timedelta(seconds=seconds) for name, seconds in zip(("a", "slow", "b", "end"), (1, 9, 2, 1), strict=True)
    }

    assert critical_path(steps, durations) == (("a", "slow", "end"), timedelta(seconds=11))


def test_error_of_one_step_lets_those_beside_it_end_and_starts_no_other(journal: LocalJournal) -> None:
    failed = threading.Event()

    def fail(lamp: Lamp, report: Report) -> None:
        failed.set()
        raise Failed(Problem("lamp", "it is broken", "buy one"))

    def wait(lamp: Lamp, report: Report) -> None:
        assert failed.wait(60)
        lamp.on = True

    steps = [step(act=fail), step(name="beside", act=wait, after=()), step(name="later", after=("light", "beside"))]
    with pytest.raises(Failed, match="it is broken"):
        StepRunner[Lamp](journal).execute("test", steps, Lamp())

    assert ("step.done", "beside") in events(journal)
    assert ("step.started", "later") not in events(journal)


def test_error_of_one_step_ends_the_waiting_of_another(journal: LocalJournal) -> None:
    waiting = threading.Event()

    def fail(lamp: Lamp, report: Report) -> None:
        assert waiting.wait(60)
        raise Failed(Problem("lamp", "it is broken", "buy one"))

    def never(lamp: Lamp) -> Verdict:
        waiting.set()
        return Verdict(State.NEEDED, "it is still dark")

    steps = [step(act=fail), step(name="beside", evaluate=never, timeout=timedelta(hours=1), after=())]
    with pytest.raises(Failed, match="it is broken"):
        StepRunner[Lamp](journal).execute("test", steps, Lamp())

    (stopped,) = [each for each in journal.entries() if each.event == "step.stopped"]
    assert (stopped.step, stopped.data["detail"]) == ("beside", "it is still dark")


# The operator's decisions ----------------------------------------------------------------------------------------

SKIP = Decision(Intervention.SKIP, "ada@laptop", "the light is not needed by day")
FORCE = Decision(Intervention.FORCE, "ada@laptop", "I see that it is on")


def test_skipped_step_does_not_run_and_the_journal_has_author_and_reason(journal: LocalJournal) -> None:
    lamp = Lamp()
    steps = [step(without="it stays dark")]
    (outcome,) = StepRunner[Lamp](journal, decisions={"light": SKIP}).execute("test", steps, lamp)

    assert (lamp.on, outcome.decision) == (False, SKIP)
    (entry,) = [each for each in journal.entries() if each.event == "step.skipped"]
    assert entry.data == {"by": SKIP.author, "reason": SKIP.reason, "without": "it stays dark"}


def test_forced_step_continues_without_its_confirmation(journal: LocalJournal) -> None:
    broken = step(act=lambda lamp, report: None)
    (outcome,) = StepRunner[Lamp](journal, decisions={"light": FORCE}).execute("test", [broken], Lamp())

    assert outcome.decision == FORCE
    (entry,) = [each for each in journal.entries() if each.event == "step.forced"]
    assert (entry.data["by"], entry.data["detail"]) == (FORCE.author, "it is off")


@pytest.mark.parametrize(
    ("name", "says"),
    [("light", "it cannot be skipped, because later steps rely on it"), ("lamp", "this operation has no step lamp")],
)
def test_impossible_decision_is_refused_before_any_step(journal: LocalJournal, name: str, says: str) -> None:
    lamp = Lamp()
    with pytest.raises(Refused, match=says):
        StepRunner[Lamp](journal, decisions={name: SKIP}).execute("test", [step()], lamp)

    assert (lamp.on, events(journal)) == (False, [])


def test_fence_is_asked_before_each_act(journal: LocalJournal) -> None:
    def closed() -> None:
        raise Refused(Problem("the lease", "it was taken over", "nothing more is done here"))

    lamp = Lamp()
    with pytest.raises(Refused, match="taken over"):
        StepRunner[Lamp](journal, fence=closed).execute("test", [step()], lamp)

    assert not lamp.on


# Durations -------------------------------------------------------------------------------------------------------


def test_durations_of_earlier_runs_give_the_expected_ones() -> None:
    found = measured_durations([{"light": 1.0}, {"light": 2.0, "other": 5.0}, {"light": 9.0}])

    assert (found["light"].p50, found["light"].p75) == (timedelta(seconds=2), timedelta(seconds=9))
    assert (found["light"].source, found["other"].source) == ("3 earlier runs", "1 earlier run")
    assert found["light"].measured


def test_upper_quartile_of_few_runs_is_an_estimate() -> None:
    few, enough = ([{"light": 2.0}] * count for count in (3, 4))

    assert measured_durations(few)["light"].p75 == timedelta(seconds=3)
    assert measured_durations(enough)["light"].p75 == timedelta(seconds=2)


def test_step_that_takes_longer_than_expected_is_reported_as_slow_once(journal: LocalJournal) -> None:
    done = threading.Event()

    class Slow(Quiet):
        def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
            done.set()

    def act(lamp: Lamp, report: Report) -> None:
        assert done.wait(60)
        lamp.on = True

    StepRunner[Lamp](journal, Slow()).execute("test", [step(act=act, expected=timedelta(0))], Lamp())

    assert events(journal).count(("step.slow", "light")) == 1


def test_ids_of_runs_sort_by_time() -> None:
    assert new_run(datetime(2026, 1, 2, tzinfo=UTC)) < new_run(datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC))
