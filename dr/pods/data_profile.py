"""Profile of a dataset file: the default processor of `process_shard`.

Tables are read once, as a stream, and validated by the rules of their format: a row has as many cells as the header, a
line is one JSON object, text is UTF-8. Violations are part of the result, because a dataset may be faulty without the
job having failed. For other formats the number of rows is unknown.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

MOST_EXAMPLES = 10
"""Number of problems described in the result; the count includes all."""
LONGEST_CELL = 16 << 20
"""Longest cell in characters; a longer one means that the file is not a table, and would exhaust memory."""


def profile(key: str, body: BinaryIO) -> dict[str, Any]:
    """Profile an object.

    Args:
        key: Its key; the suffix is its format: .csv, .tsv, .jsonl, .json, each optionally with .gz.
        body: Its bytes.

    Returns:
        `format`; `rows` and `columns` (number of non-empty cells by name), None if the format has none or is unknown;
        `problems`, their number; and `examples` of them.
    """
    path = PurePosixPath(key)
    if path.suffix == ".gz":
        path, body = path.with_suffix(""), cast(BinaryIO, gzip.GzipFile(fileobj=body))
    kind = path.suffix.lstrip(".").lower()
    found = _Profile()
    try:
        if kind in READERS:
            READERS[kind](io.TextIOWrapper(body, "utf-8", newline=""), found)
    except (ValueError, csv.Error, OSError, EOFError) as error:
        # Bytes that are not UTF-8, a stream that is not gzip or is truncated: the rest is unknown.
        found.problem(f"{type(error).__name__}: {error}")
        found.rows = None
    return {
        "format": kind if kind in READERS else "unknown",
        "rows": found.rows,
        "columns": dict(found.columns) if found.rows is not None else None,
        "problems": found.problems,
        "examples": found.examples,
    }


class _Profile:
    """The profile so far."""

    def __init__(self) -> None:
        self.rows: int | None = None
        self.columns: Counter[str] = Counter()
        self.problems = 0
        self.examples: list[str] = []

    def problem(self, text: str) -> None:
        self.problems += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(text)


def _delimited(delimiter: str) -> Callable[[io.TextIOWrapper, _Profile], None]:
    def read(text: io.TextIOWrapper, found: _Profile) -> None:
        csv.field_size_limit(LONGEST_CELL)
        rows: Iterator[list[str]] = csv.reader(text, delimiter=delimiter, strict=True)
        header = next(rows, None)
        if header is None:
            found.problem("the file has no header")
            return
        if len(set(header)) < len(header):
            found.problem(f"the header repeats names: {', '.join(n for n, c in Counter(header).items() if c > 1)}")
        found.rows, found.columns = 0, Counter(dict.fromkeys(header, 0))
        for number, row in enumerate(rows, 2):
            found.rows += 1
            if len(row) != len(header):
                found.problem(f"row {number} has {len(row)} cells, but the header has {len(header)}")
            found.columns.update(name for name, cell in zip(header, row, strict=False) if cell != "")

    return read


def _lines(text: io.TextIOWrapper, found: _Profile) -> None:
    found.rows = 0
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        found.rows += 1
        try:
            row = json.loads(line)
        except ValueError as error:
            found.problem(f"line {number} is not valid JSON: {error}")
            continue
        if isinstance(row, Mapping):
            found.columns.update({name: int(value is not None) for name, value in row.items()})
        else:
            found.problem(f"line {number} is not an object but {type(row).__name__}")


def _document(text: io.TextIOWrapper, found: _Profile) -> None:
    """Read a JSON document; only a list has rows."""
    document = json.load(text)
    if isinstance(document, list):
        found.rows = len(document)
        for row in document:
            if isinstance(row, Mapping):
                found.columns.update({name: int(value is not None) for name, value in row.items()})


READERS: Mapping[str, Callable[[io.TextIOWrapper, _Profile], None]] = {
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "jsonl": _lines,
    "json": _document,
}
