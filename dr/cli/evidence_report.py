"""Text and JSON of runs and their reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from dr.cli.findings_layout import STYLES
from dr.cli.layout import INDENT, Paragraph, Rows
from dr.cli.operation_report import entry_dict
from dr.evidence.model import Page, StepRow
from dr.evidence.run_record import Result
from dr.evidence.runs import RunSummary
from dr.evidence.text import seconds_text
from dr.evidence.timeline import Timeline, Track
from dr.findings import Status

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDEST = 120
"""Width of the timeline where the output has no limit."""
RESULTS = {
    **{Result.DONE: "green", Result.FAILED: "bold red"},
    **{Result.INTERRUPTED: "yellow", Result.RUNNING: "cyan"},
}
BARS = {
    **{"done": "green", "unneeded": "dim", "skipped": "yellow", "forced": "yellow"},
    **{"failed": "bold red", "interrupted": "bold red", "stopped": "yellow", "unfinished": "yellow"},
}


def report_text(page: Page, path: Path) -> RenderableType:
    """Return a report for people: the verdict, the timeline of its steps, what to do next, and where the page is."""
    style = STYLES[Status(page.verdict.value)]
    word = page.verdict.value if page.kind == "drill" else page.result
    figures = Rows(
        [
            (
                each.name,
                Text(each.verdict.value if each.objective else "", style=STYLES[Status(each.verdict.value)]),
                each.value,
                each.objective or ("" if each.name == "Duration" else "unknown"),
                each.source + (f", error {each.error}" if each.error else ""),
            )
            for each in page.figures
        ],
        ("figure", "verdict", "value", "objective", "source"),
    )
    parts: list[RenderableType] = [
        Text.assemble(f"{page.name} {page.run}: ", (word, style)),
        Paragraph(" ".join((page.headline, *page.detail))),
        "",
        figures,
    ]
    if page.timeline and page.timeline.tracks:
        parts += ["", StepTimeline(page.timeline, page.steps)]
    if page.advice:
        parts += ["", "What to do next:"]
        for each in page.advice:
            parts += [Paragraph(f"{each.subject}: {each.fact}"), Paragraph(f"-> {each.action}", "bold", INDENT)]
    return Group(*parts, "", Text(f"Report: {path}", overflow="ignore", no_wrap=True))


@dataclass(frozen=True)
class StepTimeline:
    """Steps as bars on one time axis, as wide as the terminal.

    Args:
        timeline: The timeline.
        steps: The steps.
    """

    timeline: Timeline
    steps: Sequence[StepRow]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render for rich."""
        rows = {each.number: each for each in self.steps}
        tracks = self.timeline.tracks
        names = max(len(each.name) for each in tracks)
        notes = {each.number: _note(rows[each.number]) for each in tracks}
        width = min(options.max_width, WIDEST) - names - max(map(len, notes.values())) - 4
        start = min(span.start for each in tracks for span in each.spans)
        end = max(span.end for each in tracks for span in each.spans)
        axis = _Axis(start, max(end - start, 0.001), max(width, 10))
        for track in tracks:
            yield Text.assemble(f"{track.name:<{names}}  ", axis.bar(track), f"  {notes[track.number]}")
        last = f"+{seconds_text(end - start)}"
        yield Text(f"{'':<{names}}  0{last:>{axis.width - 1}}", style="dim")


@dataclass(frozen=True)
class _Axis:
    """Seconds as characters."""

    start: float
    seconds: float
    width: int

    def bar(self, track: Track) -> Text:
        """Return the attempts of a step as one line."""
        cells = [(" ", "")] * self.width
        for span in track.spans:
            first = min(int((span.start - self.start) / self.seconds * self.width), self.width - 1)
            last = max(first + 1, min(round((span.end - self.start) / self.seconds * self.width), self.width))
            style = "yellow" if track.slow else BARS[span.outcome]
            cells[first:last] = [("━", style)] * (last - first)
        return Text.assemble(*cells)


def _note(step: StepRow) -> str:
    took = "" if step.seconds is None or step.outcome == "skipped" else f"{seconds_text(step.seconds)} "
    return f"{took}{step.outcome}{', slow' if step.slow else ''}"


def report_dict(page: Page, path: Path) -> dict[str, Any]:
    """Return a report as JSON values."""
    values: dict[str, Any] = _plain(asdict(page))
    values["entries"] = [entry_dict(each) for each in page.entries]
    return {"report": str(path), **values}


def _plain(value: Any) -> Any:
    """Return a value with times as ISO 8601 text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat(timespec="milliseconds") if hasattr(value, "isoformat") else value


def incidents_text(runs: Sequence[RunSummary]) -> RenderableType:
    """Return the runs for people."""
    if not runs:
        return Text("No run: nothing was ever operated.")
    rows = Rows(
        [
            (
                "*" if each.open else "",
                each.run,
                each.operation or "unknown",
                Text(each.result.value, style=RESULTS[each.result]),
                f"{each.opened:%m-%d %H:%M}" if each.opened else "unknown",
                "" if each.seconds is None else seconds_text(each.seconds),
                f"{each.reason or 'no reason'}, by {each.by or 'unknown'}",
            )
            for each in runs
        ],
        ("", "run", "operation", "result", "UTC", "took", "reason"),
    )
    mark: list[RenderableType] = []
    if any(each.open for each in runs):
        mark = ["", Paragraph("* Its incident is open; `dr failback` closes it.")]
    return Group(rows, *mark, "", Paragraph("`dr report RUN` makes the report of a run."))


def incidents_list(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Return the runs as JSON values."""
    return [{**_plain(asdict(each)), "seconds": each.seconds} for each in runs]
