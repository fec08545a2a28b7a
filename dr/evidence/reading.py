"""What the evidence folder of a run holds.

A file that is missing or incomplete makes the facts in it unknown. It is never an error on the day of an incident.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from dr.control.journal import Entry, parsed
from dr.drills import document
from dr.drills.document import DrillDocument
from dr.errors import DrError
from dr.evidence.clock import moment
from dr.operations import client_log
from dr.operations.client_log import Request
from dr.operations.measurements import Alarm

Value = TypeVar("Value")

JOURNAL = "journal.jsonl"
REQUESTS = "requests.jsonl"
WRITES = "writes.jsonl"
ALARMS = "alarms.json"
VERSIONS = "versions.json"


class FileState(StrEnum):
    """Whether a file of the folder could be used."""

    READ = "read"
    MISSING = "missing"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class EvidenceFile:
    """A file of the folder.

    Args:
        name: Its name.
        state: Whether it could be used.
        fact: What it holds, or why it could not be used.
    """

    name: str
    state: FileState
    fact: str


@dataclass(frozen=True)
class Write:
    """A write that the primary region acknowledged.

    Args:
        name: Its object: "s3://bucket/key".
        acknowledged: Time of the acknowledgement.
        survived: Whether the recovery region has it; None if that is unknown.
    """

    name: str
    acknowledged: datetime
    survived: bool | None


@dataclass(frozen=True)
class Evidence:
    """What the folder of a run holds.

    Args:
        run: ID of the run.
        document: Document of the drill; None without one.
        entries: The journal.
        requests: Requests of the clients.
        writes: Writes that were looked for; None if no file has them.
        before: Alarms before the run; None if they are unknown.
        after: Alarms after the run; None if they are unknown.
        versions: Versions of what ran, by name.
        files: The files.
    """

    run: str
    document: DrillDocument | None = None
    entries: tuple[Entry, ...] = ()
    requests: tuple[Request, ...] = ()
    writes: tuple[Write, ...] | None = None
    before: tuple[Alarm, ...] | None = None
    after: tuple[Alarm, ...] | None = None
    versions: Mapping[str, str] | None = None
    files: tuple[EvidenceFile, ...] = ()


def read(folder: Path) -> Evidence:
    """Return what an evidence folder holds. A missing or incomplete file is listed as such in `files`."""
    reader = _Reader(folder)
    alarms = reader.file(ALARMS, _alarms)
    return Evidence(
        run=folder.name,
        document=reader.file(document.FILE, _document),
        entries=tuple(reader.file(JOURNAL, lambda text: _lines(text, parsed, "entries")) or ()),
        requests=tuple(reader.file(REQUESTS, _requests) or ()),
        writes=reader.file(WRITES, _writes),
        before=alarms["before"] if alarms else None,
        after=alarms["after"] if alarms else None,
        versions=reader.file(VERSIONS, _versions),
        files=tuple(reader.files),
    )


class _Reader:
    """Reads files, and notes whether each could be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[EvidenceFile] = []

    def file(self, name: str, parse: Callable[[str], tuple[Value, str, bool]]) -> Value | None:
        """Return the value of a file; None if it is missing or cannot be used.

        Args:
            name: Its name.
            parse: Returns the value, what it holds as text, and whether it is complete.
        """
        try:
            value, fact, complete = parse((self._folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._note(name, FileState.MISSING, "not recorded by this run")
            return None
        except DrError as error:
            self._note(name, FileState.INCOMPLETE, error.problems[0].fact)
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._note(name, FileState.INCOMPLETE, f"{type(error).__name__}: {error}")
            return None
        self._note(name, FileState.READ if complete else FileState.INCOMPLETE, fact)
        return value

    def _note(self, name: str, state: FileState, fact: str) -> None:
        self.files.append(EvidenceFile(name, state, fact))


def _document(text: str) -> tuple[DrillDocument, str, bool]:
    found = document.parse(text, document.FILE)
    return found, f"verdict {found.verdict}", True


def _lines(text: str, parse: Callable[[str], Value | None], what: str) -> tuple[tuple[Value, ...], str, bool]:
    """Return the values of the lines that can be parsed; a killed process may have written a part of its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    found = tuple(value for line in lines if (value := parse(line)) is not None)
    bad = len(lines) - len(found)
    return found, f"{len(found)} {what}" + (f", {bad} lines cannot be read" if bad else ""), not bad


def _requests(text: str) -> tuple[tuple[Request, ...], str, bool]:
    def one(line: str) -> Request | None:
        try:
            (found,) = client_log.parse(f"{line}\n")
        except DrError:
            return None
        return found

    found, fact, complete = _lines(text, one, "requests")
    return tuple(sorted(found, key=lambda each: each.sent)), fact, complete


def _writes(text: str) -> tuple[tuple[Write, ...], str, bool]:
    def one(line: str) -> Write | None:
        try:
            values = json.loads(line)
            survived = values.get("survived")
            at = moment(values["acknowledged"])
            return Write(str(values["name"]), at, survived if isinstance(survived, bool) else None)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    return _lines(text, one, "writes")


def _alarms(text: str) -> tuple[dict[str, tuple[Alarm, ...] | None], str, bool]:
    values = json.loads(text)
    found = {
        name: None if values.get(name) is None else tuple(_alarm(each) for each in values[name])
        for name in ("before", "after")
    }
    facts = [f"{name} {'unknown' if alarms is None else len(alarms)}" for name, alarms in found.items()]
    return found, ", ".join(facts), None not in found.values()


def _alarm(values: Mapping[str, Any]) -> Alarm:
    return Alarm(
        values["name"],
        values["region"],
        values["state"],
        moment(values["since"]),
        values.get("description", ""),
    )


def _versions(text: str) -> tuple[dict[str, str], str, bool]:
    found = {str(name): str(value) for name, value in json.loads(text).items()}
    return found, f"{len(found)} versions", True
