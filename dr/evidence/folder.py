"""The evidence folder of a run: where it is, and what writes it.

A file is replaced at once, so a reader never sees a part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dr.control import local_state
from dr.control.journal import Entry
from dr.errors import Failed, Problem
from dr.evidence.reading import ALARMS, JOURNAL, VERSIONS, read
from dr.operations.measurements import Alarm

REPORT = "report.html"


def root() -> Path:
    """Return the folder of all evidence folders."""
    return local_state.folder() / "evidence"


def of_run(run: str) -> Path:
    """Return the evidence folder of a run."""
    return root() / run


def runs() -> list[str]:
    """Return the runs with an evidence folder on this machine, the newest last."""
    try:
        return sorted(each.name for each in root().iterdir() if each.is_dir())
    except OSError:
        return []


def write(folder: Path, name: str, text: str) -> Path:
    """Replace a file of the folder at once: a reader sees the old or the new content.

    Raises:
        Failed: The file cannot be written.
    """
    path, part = folder / name, folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        fact = f"the file cannot be written: {error.strerror}"
        raise Failed(Problem(str(path), fact, "free some disk space or make the folder writable")) from error
    return path


def write_journal(folder: Path, entries: Iterable[Entry]) -> Path:
    """Write the journal of a run. Raises as `write`."""
    return write(folder, JOURNAL, "".join(f"{each.to_json()}\n" for each in entries))


def write_alarms(folder: Path, before: Sequence[Alarm] | None, after: Sequence[Alarm] | None) -> Path:
    """Write the alarms before and after a run; None for unknown ones. Raises as `write`."""
    values = {
        name: None if alarms is None else [{**asdict(each), "since": each.since.isoformat()} for each in alarms]
        for name, alarms in (("before", before), ("after", after))
    }
    return write(folder, ALARMS, json.dumps(values, indent=2))


def write_versions(folder: Path, versions: Mapping[str, str]) -> Path:
    """Write the versions of what ran. Raises as `write`."""
    return write(folder, VERSIONS, json.dumps(dict(versions), indent=2))


def write_report(folder: Path) -> Path:
    """Write the report of a run from what its folder holds, and return the path of the page.

    Raises:
        Failed: The page cannot be written.
    """
    # Imported here: the template engine is needed for the page only.
    from dr.evidence.page import page_of
    from dr.evidence.render import render

    return write(folder, REPORT, render(page_of(read(folder))))
