from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from dr.control.journal import LocalJournal
from dr.errors import Failed, Problem
from dr.operations.steps import Report, Runner, State, Step, Verdict


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
    (outcome,) = Runner[Lamp](journal).execute("test", [step()], lamp)

    assert outcome.changed
    assert outcome.detail == "it is on"
    assert events(journal) == [
        ("run.started", ""),
        ("step.started", "light"),
        ("step.done", "light"),
        ("run.finished", ""),
    ]


def test_completed_step_is_skipped(journal: LocalJournal) -> None:
    lamp = Lamp(on=True)
    (outcome,) = Runner[Lamp](journal).execute("test", [step()], lamp)

    assert not outcome.changed
    assert lamp.log == []
    assert ("step.skipped", "light") in events(journal)


def test_step_in_unknown_state_acts(journal: LocalJournal) -> None:
    lamp = Lamp(on=True, looks_until_on=2)
    (outcome,) = Runner[Lamp](journal).execute("test", [step()], lamp)

    assert outcome.changed


def test_verification_polls_until_the_change_is_visible(journal: LocalJournal) -> None:
    lamp = Lamp(looks_until_on=4)
    Runner[Lamp](journal).execute("test", [step()], lamp)

    assert lamp.log == ["switched"]
    assert lamp.looks_until_on == 1


def test_ineffective_step_fails_with_the_observed_state(journal: LocalJournal) -> None:
    broken = step(act=lambda lamp, report: None, timeout=timedelta(0))
    with pytest.raises(Failed, match="not done after 0 s: it is off"):
        Runner[Lamp](journal).execute("test", [broken, step(name="later")], Lamp())

    assert events(journal)[-1] == ("step.failed", "light")


def test_interrupted_step_is_journaled_and_completed_by_the_next_run(journal: LocalJournal) -> None:
    def cut(lamp: Lamp, report: Report) -> None:
        raise KeyboardInterrupt

    lamp = Lamp()
    with pytest.raises(KeyboardInterrupt):
        Runner[Lamp](journal).execute("test", [step(act=cut)], lamp)
    assert events(journal)[-1] == ("step.interrupted", "light")

    Runner[Lamp](journal).execute("test", [step()], lamp)
    assert lamp.on


def test_dry_run_evaluates_every_step_and_changes_nothing(journal: LocalJournal) -> None:
    lamp = Lamp()
    planned = Runner[Lamp](journal).plan([step(), step(name="again")], lamp)

    assert [verdict.state for _, verdict in planned] == [State.NEEDED, State.NEEDED]
    assert not lamp.on
    assert events(journal) == []


def test_error_of_a_step_ends_the_run(journal: LocalJournal) -> None:
    def fail(lamp: Lamp, report: Report) -> None:
        raise Failed(Problem("lamp", "it is broken", "buy one"))

    with pytest.raises(Failed, match="it is broken"):
        Runner[Lamp](journal).execute("test", [step(act=fail)], Lamp())


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
        Runner[Lamp](journal).execute("test", [step()], lamp)

    assert not lamp.on
