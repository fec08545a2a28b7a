"""The timeline of a report as shapes, in one width for wide pages and one for narrow ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dr.evidence.text import seconds_text
from dr.evidence.timeline import Timeline, Track
from dr.evidence.traffic import Period

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Possible distances of marks on the time axis in seconds."""
CHARACTER = 6.6
"""Width of a character of a label, in pixels."""


@dataclass(frozen=True)
class Layout:
    """Measures of a drawing in pixels.

    Args:
        name: Its name, a part of its CSS class.
        width: Width of the drawing.
        gutter: Space left of the time axis, for labels.
        panel: Height of a curve.
        ticks: Most marks on the time axis.
        names_inside: Whether names of steps stand above their bars, not beside them.
    """

    name: str
    width: int
    gutter: int
    panel: int
    ticks: int
    names_inside: bool


WIDE = Layout("wide", 1040, 140, 92, 8, False)
NARROW = Layout("narrow", 335, 38, 76, 4, True)
LAYOUTS = (WIDE, NARROW)
RIGHT, HEAD, TITLE, GAP, BAR = 10, 26, 20, 18, 12


@dataclass(frozen=True)
class Shape:
    """A shape, as SVG has it.

    Args:
        kind: "rect", "line", "path" or "text".
        css: Its CSS class.
        x: Left side, or start of a line.
        y: Top, or start of a line, or base of a text.
        x2: Width of a rectangle, or end of a line.
        y2: Height of a rectangle, or end of a line.
        text: A text, the tooltip of a rectangle, or the data of a path.
        anchor: "start", "middle" or "end" of a text.
    """

    kind: str
    css: str
    x: float = 0
    y: float = 0
    x2: float = 0
    y2: float = 0
    text: str = ""
    anchor: str = "start"


@dataclass(frozen=True)
class Drawing:
    """A drawing.

    Args:
        name: Name of its layout.
        width: Its width in pixels.
        height: Its height in pixels.
        shapes: Its shapes, from back to front.
    """

    name: str
    width: int
    height: int
    shapes: tuple[Shape, ...]


def regions_of(timeline: Timeline) -> list[str]:
    """Return the regions that answered, in the order of their first answer."""
    return list(dict.fromkeys(region for each in timeline.periods for region in each.regions))


def drawings(timeline: Timeline) -> tuple[Drawing, ...]:
    """Return the timeline in each layout."""
    return tuple(_Canvas(timeline, layout).drawing() for layout in LAYOUTS)


@dataclass
class _Canvas:
    """Draws from top to bottom."""

    timeline: Timeline
    layout: Layout
    y: float = HEAD
    shapes: list[Shape] = field(default_factory=list)

    def drawing(self) -> Drawing:
        timeline = self.timeline
        if timeline.periods:
            self._share()
            self._latency()
            self._answers()
        if timeline.tracks:
            self._tracks()
        bottom = self.y
        back = list(self._axis(bottom))
        front = list(self._marks(bottom))
        # Texts are in front: a mark that crosses one leaves it readable.
        shapes = sorted((*back, *self.shapes, *front), key=lambda each: each.kind == "text")
        return Drawing(self.layout.name, self.layout.width, math.ceil(bottom + 24), tuple(shapes))

    # Measures

    @property
    def _left(self) -> float:
        return self.layout.gutter

    @property
    def _right(self) -> float:
        return self.layout.width - RIGHT

    def _x(self, seconds: float) -> float:
        span = self.timeline.end - self.timeline.start
        inside = min(max(seconds, self.timeline.start), self.timeline.end) - self.timeline.start
        return round(self._left + inside / span * (self._right - self._left), 1)

    def _title(self, text: str) -> None:
        self.shapes.append(
            Shape("text", "title", 0 if self.layout.names_inside else self._left, self.y + 12, text=text)
        )
        self.y += TITLE

    # Panels

    def _share(self) -> None:
        self._title("Requests that failed or got a wrong answer, %")
        top, height = self.y, self.layout.panel
        self._grid(top, height, ("100", "50", "0"))
        for each in self.timeline.periods:
            x, width = self._bar(each)
            wrong, failed = (height * count / each.sent for count in (each.wrong, each.failed))
            about = f"{each.start:g} s: {each.sent} sent, {each.failed} failed, {each.wrong} wrong"
            for css, bar, base in (("failed", failed, 0.0), ("wrong", wrong, failed)):
                if bar:
                    y = round(top + height - base - bar, 1)
                    self.shapes.append(Shape("rect", css, x, y, width, round(bar, 1), about))
        self.y = top + height + GAP

    def _latency(self) -> None:
        self._title("Latency of answers, ms")
        top, height = self.y, self.layout.panel
        most = max((each.p95_ms for each in self.timeline.periods if each.p95_ms is not None), default=1.0)
        limit = _round_up(most)
        self._grid(top, height, (f"{limit:g}", f"{limit / 2:g}", "0"))
        for css, values in (
            ("p95", [each.p95_ms for each in self.timeline.periods]),
            ("p50", [each.p50_ms for each in self.timeline.periods]),
        ):
            points = [
                None if value is None else (self._middle(each), round(top + height * (1 - value / limit), 1))
                for each, value in zip(self.timeline.periods, values, strict=True)
            ]
            if data := _path(points):
                self.shapes.append(Shape("path", f"line {css}", text=data))
        self.y = top + height + GAP

    def _answers(self) -> None:
        """Draw the region that most answers of each period came from."""
        self._title("Answered by")
        regions = regions_of(self.timeline)
        for region, start, end in _runs(self.timeline.periods, self.timeline.width):
            x, x2 = self._x(start), self._x(end)
            css = f"region region-{regions.index(region) % 3}" if region in regions else "region silent"
            self.shapes.append(Shape("rect", css, x, self.y, round(max(x2 - x, 1), 1), 18, region or "no answer"))
            label = region or "no answer"
            if x2 - x > len(label) * CHARACTER + 8:
                self.shapes.append(
                    Shape("text", f"in-{css}", round((x + x2) / 2, 1), self.y + 13, text=label, anchor="middle")
                )
        self.y += 18 + GAP

    def _tracks(self) -> None:
        self._title("Steps")
        for track in self.timeline.tracks:
            label = f"{track.number} {track.name}"
            if self.layout.names_inside:
                self.shapes.append(
                    Shape("text", "step", 0, self.y + 11, text=label + (" (slow)" if track.slow else ""))
                )
                self.y += 16
            else:
                self.shapes.append(Shape("text", "step", self._left - 8, self.y + 10, text=label, anchor="end"))
            self._track(track)
            self.y += BAR + 8

    def _track(self, track: Track) -> None:
        if track.p75_seconds is not None:
            start = track.spans[-1].start
            x, x2 = self._x(start), self._x(start + track.p75_seconds)
            about = f"expected: at most {seconds_text(track.p75_seconds)} (p75)"
            self.shapes.append(Shape("rect", "expected", x, self.y, round(max(x2 - x, 2), 1), BAR, about))
        for span in track.spans:
            x, x2 = self._x(span.start), self._x(span.end)
            css = f"bar {span.outcome.replace(' ', '-')}{' slow' if track.slow else ''}"
            about = f"{track.name}: {span.outcome}, {seconds_text(max(0.0, span.end - span.start))}"
            self.shapes.append(Shape("rect", css, x, self.y + 2, round(max(x2 - x, 3), 1), BAR - 4, about))
        end = self._x(track.spans[-1].end)
        note = "slow" if track.slow else track.spans[-1].outcome
        if note not in ("done", "unneeded") and not self.layout.names_inside:
            near = end + len(note) * CHARACTER + 8 < self._right
            x, anchor = (end + 5, "start") if near else (self._x(track.spans[-1].start) - 5, "end")
            self.shapes.append(
                Shape("text", f"note {note.replace(' ', '-')}", x, self.y + 10, text=note, anchor=anchor)
            )

    # Axis and marks

    def _grid(self, top: float, height: float, labels: Sequence[str]) -> None:
        for number, label in enumerate(labels):
            y = round(top + height * number / (len(labels) - 1), 1)
            self.shapes.append(Shape("line", "grid", self._left, y, self._right, y))
            self.shapes.append(Shape("text", "tick", self._left - 6, y + 4, text=label, anchor="end"))

    def _axis(self, bottom: float) -> Iterator[Shape]:
        start, end = self.timeline.start, self.timeline.end
        step = next((each for each in STEPS if (end - start) / each <= self.layout.ticks), STEPS[-1])
        for number in range(math.ceil(start / step), math.floor(end / step) + 1):
            x = self._x(number * step)
            yield Shape("line", "grid", x, HEAD, x, bottom)
            yield Shape("text", "tick", x, bottom + 16, text=_tick(number * step), anchor="middle")

    def _marks(self, bottom: float) -> Iterator[Shape]:
        taken = -math.inf
        for mark in self.timeline.marks:
            x, width = self._x(mark.at), len(mark.name) * CHARACTER
            anchor = "start" if x + width < self._right else "end"
            y = 12 if x > taken else 24
            taken = x + width + 10
            yield Shape("line", f"mark {mark.name}", x, 16 if y == 12 else 28, x, bottom)
            yield Shape("text", f"mark-name {mark.name}", x, y, text=mark.name, anchor=anchor)

    def _bar(self, period: Period) -> tuple[float, float]:
        x, x2 = self._x(period.start), self._x(period.start + self.timeline.width)
        # Bars overlap, so that no seam is visible at another scale.
        return x, round(min(x2 - x + 0.8, self.layout.width - x), 1)

    def _middle(self, period: Period) -> float:
        return self._x(period.start + self.timeline.width / 2)


def _tick(seconds: float) -> str:
    return "0" if not seconds else f"{'+' if seconds > 0 else '-'}{seconds_text(abs(seconds))}"


def _round_up(value: float) -> float:
    """Return the next value of 1, 2, 5, 10, 20, 50, ..."""
    power = 10 ** math.floor(math.log10(max(value, 1.0)))
    return float(next(power * each for each in (1, 2, 5, 10) if power * each >= value))


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return the data of a line that is interrupted where a value is missing; a single value is a short line."""
    parts, before = [], None
    for point in points:
        if point is not None:
            parts.append(f"{'L' if before else 'M'}{point[0]} {point[1]}")
            parts += [] if before else ["h0.1"]
        before = point
    return "".join(parts)


def _runs(periods: Sequence[Period], width: int) -> list[tuple[str, float, float]]:
    """Return region, start and end of each time range in which one region gave most answers; "" without an answer."""
    found: list[tuple[str, float, float]] = []
    for each in periods:
        region = max(each.regions, key=each.regions.__getitem__, default="")
        if found and found[-1][0] == region and each.start - found[-1][2] <= width:
            found[-1] = (region, found[-1][1], each.start + width)
        else:
            found.append((region, each.start, each.start + width))
    return [(region, start, min(end, after[1])) for (region, start, end), after in pairwise(found)] + found[-1:]
