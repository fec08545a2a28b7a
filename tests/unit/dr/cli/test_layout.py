"""Layout of results in the width of a terminal."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from dr.cli.layout import Paragraph, Rows, output, show

BUCKETS = "ml-dr-123456789012-us-east-1-datasets <-> ml-dr-123456789012-us-west-2-datasets"
ROWS: Sequence[Sequence[str | Text]] = [
    (Text("met", style="green"), "replication of datasets", "enabled both ways"),
    (Text("missed", style="bold red"), "replication of models", f"no enabled rule {BUCKETS}"),
    (Text("info", style="dim"), "lever", ""),
]
HEADERS = ("status", "subject", "finding")


def printed(renderable: object, width: int, *, terminal: bool = False) -> list[str]:
    file = io.StringIO()
    show(renderable, Console(file=file, width=width, force_terminal=terminal))  # type: ignore[arg-type]
    return file.getvalue().splitlines()


def test_rows_within_the_width_are_aligned_in_columns() -> None:
    assert printed(Rows(ROWS, HEADERS), 200) == [
        "status  subject                  finding",
        "met     replication of datasets  enabled both ways",
        f"missed  replication of models    no enabled rule {BUCKETS}",
        "info    lever",
    ]


def test_row_wider_than_the_terminal_shows_its_last_value_on_the_next_line() -> None:
    assert printed(Rows(ROWS, HEADERS), 80) == [
        "status  subject                  finding",
        "met     replication of datasets  enabled both ways",
        "missed  replication of models",
        "    no enabled rule ml-dr-123456789012-us-east-1-datasets <->",
        "    ml-dr-123456789012-us-west-2-datasets",
        "info    lever",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_names_are_never_truncated_or_wrapped(width: int) -> None:
    text = "\n".join(printed(Rows(ROWS, HEADERS), width))

    assert all(name in text for name in BUCKETS.split(" <-> "))
    assert "…" not in text


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_have_no_trailing_blanks(width: int, terminal: bool) -> None:
    for renderable in (Rows(ROWS, HEADERS), Rows([("tier", "pilot")]), Paragraph("a text of some words " * 9)):
        assert [line for line in printed(renderable, width, terminal=terminal) if line != line.rstrip()] == []


def test_paragraph_wraps_at_spaces() -> None:
    assert printed(Paragraph(f"-> {BUCKETS}"), 50) == [
        "-> ml-dr-123456789012-us-east-1-datasets <->",
        "ml-dr-123456789012-us-west-2-datasets",
    ]


def test_no_color_variable_removes_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    green = Rows([(Text("met", style="green"), "a")])
    assert "\x1b[32m" in printed(green, 80, terminal=True)[0]
    monkeypatch.setenv("NO_COLOR", "1")

    assert printed(green, 80, terminal=True) == ["met  a"]


def test_output_to_a_pipe_is_not_wrapped_unless_columns_sets_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output().width > 1_000
    monkeypatch.setenv("COLUMNS", "80")

    assert output().width == 80
