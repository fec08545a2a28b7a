"""Print results: tables that fit the terminal without cutting a value, and lines without trailing blanks."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

UNLIMITED = 10_000
"""Width where there is no terminal: logs and pipes get each row on one line."""
INDENT = 4
GAP = "  "


class Rows:
    """Rows of values in columns; where a row is wider than the terminal, its last value stands below the others.

    A value is never cut or broken: it wraps at blanks only, so that names can be copied.

    Args:
        rows: The rows, of equal length.
        headers: Titles of the columns; none for a list of names and values.
    """

    def __init__(self, rows: Iterable[Sequence[str | Text]], headers: Sequence[str] = ()) -> None:
        self.headers = headers
        self.rows = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render for rich."""
        wide = self._table(self.headers, self.rows)
        if Measurement.get(console, options.update(width=UNLIMITED), wide).maximum <= options.max_width:
            yield wide
            return
        narrow = self._table(self.headers[:-1], [row[:-1] for row in self.rows])
        lines = [Text.assemble(*((part.text, part.style or "") for part in line)) for line in _lines(console, narrow)]
        if self.headers:
            yield Text.assemble(lines.pop(0), GAP, (self.headers[-1], "table.header"))
        for line, row in zip(lines, self.rows, strict=True):
            if line.cell_len + len(GAP) + row[-1].cell_len <= options.max_width:
                yield Text.assemble(line, GAP, row[-1])
                continue
            yield line
            yield Paragraph(row[-1].plain, row[-1].style, INDENT)

    def _table(self, headers: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
        table = Table(*headers, box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, show_header=bool(headers))
        for row in rows:
            table.add_row(*row)
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ignore"
        return table


@dataclass(frozen=True)
class Paragraph:
    """A text that wraps at blanks only.

    Args:
        text: The text.
        style: Its style.
        indent: Blanks before each line.
    """

    text: str
    style: str | Style = ""
    indent: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render for rich."""
        margin = " " * self.indent
        lines = textwrap.wrap(
            self.text,
            max(options.max_width, 2 * INDENT),
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            yield Text(line, style=self.style, overflow="ignore")


def _lines(console: Console, renderable: RenderableType, width: int = UNLIMITED) -> Iterable[list[Segment]]:
    return Segment.split_lines(console.render(renderable, console.options.update(width=width)))


def output(*, stderr: bool = False) -> Console:
    """The console that results go to: as wide as the terminal or COLUMNS, without limit elsewhere."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, highlight=False, width=UNLIMITED)


def show(renderable: RenderableType, console: Console | None = None) -> None:
    """Print to standard output.

    Args:
        renderable: What to print.
        console: Where to print instead.
    """
    console = console or output()
    for line in _lines(console, renderable, console.width):
        console.print(_Line(_without_trailing_blanks(line)), soft_wrap=True, end="")


class _Line:
    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.segments
        yield Segment.line()


def _without_trailing_blanks(line: Sequence[Segment]) -> list[Segment]:
    blank = len(list(takewhile(lambda segment: not segment.text.strip(), reversed(line))))
    kept = list(line[: len(line) - blank])
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept
