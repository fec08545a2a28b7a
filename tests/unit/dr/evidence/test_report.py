"""The report of an evidence folder: one compliant example, of which each test breaks one thing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dr.control.journal import Entry
from dr.drills.document import Judgement, LostWrite, Verdict
from dr.errors import Failed
from dr.evidence import folder
from dr.evidence.advice import MISSED
from dr.evidence.model import Page
from dr.evidence.page import page_of
from dr.evidence.reading import FileState, read
from tests.support import evidence as example
from tests.support.evidence import RUN, alarm, at, drill_document, iso, journal, write_line

FILES = ("drill.json", "journal.jsonl", "requests.jsonl", "writes.jsonl", "alarms.json", "versions.json")


class Document(HTMLParser):
    """Text, tags and attributes of a page."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return example.write_example(tmp_path)


def page(evidence: Path) -> Page:
    return page_of(read(evidence))


def document(evidence: Path) -> Document:
    return Document(folder.write_report(evidence).read_text(encoding="utf-8"))


def entry(after: float, event: str, step: str = "", **data: Any) -> Entry:
    return Entry(at(after), RUN, event, step, data)


def advised(found: Page) -> dict[str, str]:
    return {each.subject: f"{each.fact} -> {each.action}" for each in found.advice}


# The compliant example ---------------------------------------------------------------------------------------------


def test_report_of_a_drill_that_met_its_objectives_advises_nothing(evidence: Path) -> None:
    found = page(evidence)

    assert (found.verdict, found.headline, found.advice) == (Verdict.MET, "All objectives are met.", ())
    assert [each.state for each in found.files] == [FileState.READ] * len(FILES)
    assert found.requests == {"sent": 700, "failed": 310, "wrong": 0}
    assert not any(each.slow for each in found.steps)


def test_page_shows_every_value_of_the_document(evidence: Path) -> None:
    text = document(evidence).text
    drill = drill_document()

    for value in (drill.run, drill.drill, drill.fault, drill.tier, drill.fingerprint, *drill.versions.values()):
        assert value in text
    for judgement in drill.judgements:
        assert judgement.measured in text
        assert judgement.objective in text
    for step in drill.steps:
        assert step.title in text
        assert step.evidence in text
    for value in (
        "1 min 2 s",
        "error at most 0.2 s",
        "objective 20 min",
        "objective 1 h",
        "700",
        "310 failed (44.3 %)",
    ):
        assert value in text
    assert all(f"ml-dr-{name}" in text for name in ("region-impaired", "sentinel-late", "copies-late"))
    assert "Started by ada@laptop (process 4711)" in text
    assert f"{len(journal())} entries" in text


def test_page_loads_nothing(evidence: Path) -> None:
    html = folder.write_report(evidence).read_text(encoding="utf-8")
    found = Document(html)

    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [name for _, attributes in found.tags for name in attributes if name in ("src", "href", "srcset")]
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert "http" not in html.replace("http-equiv", "").replace("https://", "http")
    assert re.findall(r"url\((?!#)|@import|@font-face", html) == []
    assert "default-src 'none'" in html


def test_page_is_well_formed_and_accessible(evidence: Path) -> None:
    found = document(evidence)
    names = [tag for tag, _ in found.tags]

    assert found.open == []
    assert names.count("h1") == 1
    assert ("html", {"lang": "en"}) in found.tags
    assert all(attributes.get("scope") for tag, attributes in found.tags if tag == "th")
    assert names.count("caption") == names.count("table")
    drawings = [attributes for tag, attributes in found.tags if tag == "svg" and attributes.get("role") == "img"]
    assert {each["aria-labelledby"] for each in drawings} == {"title-wide", "title-narrow"}


def test_report_is_replaced_at_once_and_leaves_no_other_file(evidence: Path) -> None:
    folder.write_report(evidence)
    folder.write_report(evidence)

    assert sorted(each.name for each in evidence.iterdir()) == sorted([*FILES, "report.html"])


def test_report_that_cannot_be_written_fails_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Failed, match=r"report\.html: the file cannot be written"):
        folder.write_report(tmp_path / "file" / RUN)


# What is missing is unknown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [None, "", "{", "[1]", "\x00\n{}\n"], ids=["missing", "empty", "cut", "list", "other"]
)
def test_missing_or_damaged_file_is_named_and_never_an_error(evidence: Path, name: str, content: str | None) -> None:
    (evidence / name).unlink()
    if content is not None:
        (evidence / name).write_text(content)
    states = {each.name: each.state for each in page(evidence).files}

    assert document(evidence).open == []
    assert states.keys() == set(FILES)
    assert (
        states[name] is FileState.MISSING if content is None else states[name] in (FileState.INCOMPLETE, FileState.READ)
    )


def test_bytes_that_are_not_text_make_a_file_incomplete(evidence: Path) -> None:
    (evidence / "journal.jsonl").write_bytes(b"\xff\xfe")

    assert {each.name: each.state for each in page(evidence).files}["journal.jsonl"] is FileState.INCOMPLETE


def test_empty_folder_makes_everything_unknown(tmp_path: Path) -> None:
    (tmp_path / RUN).mkdir()
    found, text = page(tmp_path / RUN), document(tmp_path / RUN).text

    assert (found.verdict, found.result, found.timeline, found.steps) == (Verdict.UNKNOWN, "unknown", None, ())
    assert "The journal of this run is unknown." in text
    assert "met" not in text.split()


def test_without_requests_errors_and_latency_are_unknown(evidence: Path) -> None:
    (evidence / "requests.jsonl").unlink()
    found = page(evidence)

    assert found.timeline
    assert found.timeline.periods == ()
    assert "No client measured this run, so errors and latency are unknown." in document(evidence).text


def test_cut_last_line_of_the_requests_is_counted(evidence: Path) -> None:
    with (evidence / "requests.jsonl").open("a") as file:
        file.write('{"number": 700, "sen')
    found = {each.name: each for each in page(evidence).files}["requests.jsonl"]

    assert (found.state, found.fact) == (FileState.INCOMPLETE, "700 requests, 1 lines cannot be read")


def test_without_a_journal_the_steps_are_those_of_the_document(evidence: Path) -> None:
    (evidence / "journal.jsonl").unlink()
    found = page(evidence)

    assert [each.name for each in found.steps] == [each.name for each in drill_document().steps]
    assert found.steps[4].seconds == pytest.approx(18.5)
    assert "Unknown: the journal was not recorded." in document(evidence).text


def test_figure_of_a_clock_that_is_not_named_is_unknown(evidence: Path) -> None:
    folder.write(evidence, "drill.json", drill_document(measured=("rpo",), modelled=("rto_seconds",)).to_json())

    assert [(each.name, each.source) for each in page(evidence).figures] == [("RTO", "modelled"), ("RPO", "measured")]
    assert page(evidence).phases_source == "unknown"


# An operation without a drill --------------------------------------------------------------------------------------


@pytest.fixture
def operated(tmp_path: Path) -> Path:
    """The folder of an operation that was made from its journal."""
    folder.write_journal(tmp_path / RUN, journal())
    return tmp_path / RUN


def test_report_of_an_operation_is_made_from_its_journal_alone(operated: Path) -> None:
    found = page(operated)

    assert (found.kind, found.name, found.result, found.region) == ("operation", "failover", "done", "us-west-2")
    assert found.headline == "Failover is done."
    assert [(each.name, each.value) for each in found.figures][1:] == [("RTO", "unknown"), ("RPO", "unknown")]
    assert found.steps[0].title == "Open the incident and disarm automation"
    assert found.steps[4].p50_seconds == 120
    assert sum(each.seconds for each in found.phases) == pytest.approx(66.8 - 18.2)
    assert "`dr failback`" in advised(found)["failover"]


def test_objectives_of_an_operation_are_those_of_its_tier(operated: Path) -> None:
    folder.write_versions(operated, {"fingerprint": "a-b-c-d"})
    found = page(operated)

    assert [each.objective for each in found.figures[1:]] == ["5 min", "15 min"]
    assert found.fingerprint == "a-b-c-d"


def test_objectives_of_an_unknown_tier_are_unknown(operated: Path) -> None:
    entries = [replace(each, data={**each.data, "tier": "lukewarm"}) for each in journal()]
    folder.write_journal(operated, entries)

    assert [each.objective for each in page(operated).figures[1:]] == ["", ""]


def test_failed_run_says_how_to_resume_it(operated: Path) -> None:
    failed = [
        entry(20.5, "step.started", "nodes"),
        entry(30, "step.failed", "nodes", error="failed: no capacity in us-west-2a"),
    ]
    entries = [each for each in journal(nodes=failed) if each.at <= at(30)]
    folder.write_journal(operated, entries)
    found = page(operated)

    assert (found.result, found.verdict) == ("failed", Verdict.MISSED)
    assert advised(found)["failover"].startswith("no capacity in us-west-2a -> fix the reported problem; then")
    assert "`dr failover` shows what is left, and resumes this run" in advised(found)["failover"]


def test_resumed_step_shows_its_earlier_attempts(operated: Path) -> None:
    attempts = [
        entry(20.5, "step.started", "nodes"),
        entry(30, "step.failed", "nodes", error="failed: no capacity in us-west-2a"),
        entry(31, "run.started", operation="failover", by="grace@desk", reason="again"),
        entry(31.2, "step.started", "nodes"),
        entry(41, "step.done", "nodes", detail="3 nodes are ready", seconds=9.9),
    ]
    folder.write_journal(operated, journal(nodes=attempts))
    found = page(operated)
    step = found.steps[4]

    assert (found.result, step.outcome) == ("done", "done")
    assert step.seconds == pytest.approx(9.9)
    assert step.earlier == ("failed: no capacity in us-west-2a",)
    assert [by for _, by in found.processes] == [example.BY, "grace@desk"]


def test_attempt_of_a_killed_process_ends_where_the_next_one_starts(operated: Path) -> None:
    attempts = [
        entry(20.5, "step.started", "nodes"),
        entry(31, "run.started", operation="failover", by="grace@desk"),
        entry(31.2, "step.started", "nodes"),
        entry(41, "step.done", "nodes", seconds=9.9),
    ]
    folder.write_journal(operated, journal(nodes=attempts))
    found = page(operated)
    assert found.timeline
    spans = found.timeline.tracks[4].spans

    assert [(each.outcome, round(each.end - spans[0].start, 1)) for each in spans] == [
        ("interrupted", 10.5),
        ("done", 20.5),
    ]
    assert found.steps[4].earlier == ("interrupted",)


def test_run_without_an_end_is_not_called_failed(operated: Path) -> None:
    folder.write_journal(operated, [each for each in journal() if each.at < at(20)])
    found = page(operated)

    assert (found.result, found.verdict, found.seconds) == ("running", Verdict.UNKNOWN, None)
    assert found.headline == "Failover is not finished."
    assert {each.outcome for each in found.steps} == {"done", "unfinished", "not started"}


# What was missed, and what to do -----------------------------------------------------------------------------------


def test_missed_recovery_time_names_the_longest_phase(evidence: Path) -> None:
    missed = Judgement("rto", Verdict.MISSED, "25 min", "20 min")
    made = drill_document(verdict=Verdict.MISSED, rto_seconds=1500.0, judgements=(missed,))
    folder.write(evidence, "drill.json", made.to_json())
    found = page(evidence)

    assert found.headline == "Missed: rto."
    assert "the longest phase is capacity (24.6 s)" in advised(found)["rto"]
    assert found.figures[0].verdict is Verdict.MISSED


@pytest.mark.parametrize("name", ["effect", "detection", "operation", "one-region", "answers", "alarms"])
def test_each_missed_condition_says_what_to_look_at(evidence: Path, name: str) -> None:
    judgements = (Judgement(name, Verdict.MISSED, "it was not so", "it is so"),)
    folder.write(evidence, "drill.json", drill_document(verdict=Verdict.MISSED, judgements=judgements).to_json())

    assert advised(page(evidence))[name] == f"it was not so; objective it is so -> {MISSED[name]}"


def test_failed_operation_of_a_drill_is_cleaned_up_first(evidence: Path) -> None:
    failed = [entry(20.5, "step.started", "nodes"), entry(30, "step.failed", "nodes", error="failed: no capacity")]
    folder.write_journal(evidence, [each for each in journal(nodes=failed) if each.at <= at(30)])

    assert "`dr drill stop` cleans up; then repeat the drill" in advised(page(evidence))["failover"]


def test_unmeasured_condition_is_unknown_and_to_be_repeated(evidence: Path) -> None:
    unknown = Judgement("rpo", Verdict.UNKNOWN, "no write was looked for", "1 h")
    made = drill_document(verdict=Verdict.UNKNOWN, rpo_seconds=None, judgements=(unknown,))
    folder.write(evidence, "drill.json", made.to_json())
    found = page(evidence)

    assert (found.headline, found.figures[1].value) == ("Not measured: rpo.", "unknown")
    assert "repeat the drill" in advised(found)["rpo"]


def test_lost_writes_are_counted_and_listed(evidence: Path) -> None:
    lines = [write_line(number, number < 28) for number in range(30)]
    folder.write(evidence, "writes.jsonl", "".join(lines))
    found = page(evidence)

    assert [each.age_seconds for each in found.writes.lost] == [2.0, 1.0]
    assert "2 acknowledged writes are not in the recovery region" in advised(found)["lost writes"]
    assert f"s3://{example.BUCKET}/drill/{RUN}/000029" in document(evidence).text


def test_lost_writes_of_the_document_are_listed_without_the_file(evidence: Path) -> None:
    (evidence / "writes.jsonl").unlink()
    made = drill_document(lost_writes=(LostWrite("s3://bucket/key", iso(-2), 2.0),))
    folder.write(evidence, "drill.json", made.to_json())

    assert [each.name for each in page(evidence).writes.lost] == ["s3://bucket/key"]


def test_write_of_unknown_fate_is_not_counted_as_kept(evidence: Path) -> None:
    folder.write(evidence, "writes.jsonl", write_line(0) + write_line(1, None))
    found = page(evidence)

    assert (found.writes.unknown, found.writes.lost) == (1, ())
    assert "it is unknown whether 1 writes are lost" in advised(found)["writes"]
    assert "None is known to be lost of 2 acknowledged writes." in document(evidence).text


@pytest.mark.parametrize(("kind", "event"), [("skipped", "step.skipped"), ("forced", "step.forced")])
def test_decision_about_a_step_has_its_author_reason_and_consequence(evidence: Path, kind: str, event: str) -> None:
    facts = {
        "by": "grace@desk",
        "reason": "I looked myself",
        "without": "answers may be wrong",
        "detail": "not confirmed",
    }
    folder.write_journal(evidence, journal(validate=[entry(45, event, "validate", **facts)]))
    found = page(evidence)
    (decision,) = found.decisions

    assert (decision.kind, decision.subject, decision.by, decision.reason) == (
        kind,
        "validate",
        "grace@desk",
        "I looked myself",
    )
    assert {step.name: step.outcome for step in found.steps}["validate"] == kind
    assert decision.consequence in advised(found)["validate"]
    assert "I looked myself" in document(evidence).text


def test_accepted_guard_has_its_author_and_reason(evidence: Path) -> None:
    accepted = entry(
        18, "guard.accepted", by="grace@desk", reason="known", guard="recovery-ready", fact="no GPU in a zone"
    )
    folder.write_journal(evidence, [accepted, *journal()])
    found = page(evidence)

    assert [(each.kind, each.subject, each.reason) for each in found.decisions] == [
        ("accepted", "recovery-ready", "known")
    ]
    assert "no GPU in a zone" in advised(found)["recovery-ready"]


def test_slow_step_is_marked_with_what_to_look_at(evidence: Path) -> None:
    steps = tuple(
        replace(each, ended=iso(20.4 + 500)) if each.name == "nodes" else each for each in drill_document().steps
    )
    folder.write(evidence, "drill.json", drill_document(steps=steps).to_json())
    found = page(evidence)

    assert [each.name for each in found.steps if each.slow] == ["nodes"]
    assert "slow: took 8 min 20 s; expected at most 3 min (p75) -> activities of the Auto" in advised(found)["nodes"]


def test_report_of_a_slow_step_counts_until_its_duration_is_known(evidence: Path) -> None:
    slow = entry(36, "step.slow", "nodes", seconds=15.6)
    folder.write_journal(evidence, sorted([*journal(), slow], key=lambda each: each.at))
    assert not page(evidence).steps[4].slow

    (evidence / "drill.json").unlink()
    folder.write_journal(evidence, [*[each for each in journal() if each.at <= at(36)], slow])
    assert page(evidence).steps[4].slow
    assert "slow: still running; expected at most 3 min" in advised(page(evidence))["nodes"]


def test_step_is_compared_by_the_clock_of_its_expected_duration(evidence: Path) -> None:
    measured = {"p50_seconds": 18.0, "p75_seconds": 19.0, "source": "2 earlier runs", "measured": True}
    steps = [replace(each, ended=iso(500)) for each in drill_document().steps]
    steps[4] = replace(steps[4], expected=measured)
    folder.write(evidence, "drill.json", drill_document(steps=tuple(steps), modelled=("steps",), measured=()).to_json())
    modelled, compared = page(evidence).steps[3:5]

    assert (modelled.source, modelled.slow, compared.source, compared.slow) == ("modelled", True, "measured", False)
    assert [modelled.seconds, compared.seconds] == pytest.approx([480.4, 18.5])


def test_alarm_that_fires_after_the_drill_comes_first(evidence: Path) -> None:
    folder.write_alarms(evidence, example.ALARMS, (*example.ALARMS[:-1], alarm("endpoint-down", "ALARM", 5)))
    found = page(evidence)

    assert found.alarms
    assert (found.alarms[0].name, found.alarms[0].before, found.alarms[0].after) == (
        "ml-dr-endpoint-down",
        "OK",
        "ALARM",
    )
    assert "fires in us-west-2 since 12:05:45 UTC" in advised(found)["ml-dr-endpoint-down"]


def test_alarms_that_were_read_once_are_unknown_at_the_other_time(evidence: Path) -> None:
    folder.write_alarms(evidence, example.ALARMS, None)
    found = page(evidence)

    assert found.alarms
    assert {each.after for each in found.alarms} == {"unknown"}


# Text from outside -------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>&\"'`<em>`"


def test_all_text_is_escaped(evidence: Path) -> None:
    made = drill_document(
        drill=HOSTILE,
        fault=HOSTILE,
        tier=HOSTILE,
        fingerprint=HOSTILE,
        versions={HOSTILE: HOSTILE},
        problems=(HOSTILE,),
    )
    lost = (LostWrite(HOSTILE, HOSTILE, 1.0),)
    judged = (Judgement(HOSTILE, Verdict.MISSED, HOSTILE, HOSTILE),)
    steps = tuple(replace(each, title=HOSTILE, evidence=HOSTILE) for each in made.steps)
    made = replace(made, lost_writes=lost, judgements=judged, steps=steps)
    folder.write(evidence, "drill.json", made.to_json())
    facts = {"by": HOSTILE, "reason": HOSTILE, "without": HOSTILE}
    folder.write_journal(evidence, journal(validate=[entry(45, "step.skipped", "validate", **facts)]))
    folder.write_alarms(
        evidence, None, (replace(alarm("a", "ALARM"), name=HOSTILE, description=HOSTILE, region=HOSTILE),)
    )
    folder.write_versions(evidence, {HOSTILE: HOSTILE})
    sent = [replace(each, region=HOSTILE) for each in example.requests()]
    folder.write(evidence, "requests.jsonl", "".join(each.line() for each in sent))
    found = document(evidence)

    assert not {tag for tag, _ in found.tags} & {"script", "em"}
    assert HOSTILE.replace("`", "") in found.text


def test_alarms_are_written_as_they_are_read(evidence: Path) -> None:
    folder.write_alarms(evidence, None, example.ALARMS)

    assert json.loads((evidence / "alarms.json").read_text())["before"] is None
    assert read(evidence).after == example.ALARMS
