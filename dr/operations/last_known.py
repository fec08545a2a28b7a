"""Results of earlier reports, kept on this machine: what was known last where a region does not answer.

The file is in `.local/cache/status/` of the project's folder, which Git ignores. It holds findings, and no credentials.
A result from it is shown with its time, and never counts as met. A folder that cannot be written is not an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dr.findings import Finding, Status

FOLDER = Path(".local", "cache", "status")
"""Folder of the files, below the project's folder."""
KNOWN = (Status.MET, Status.MISSED, Status.INFO)
"""Statuses of results that are kept."""


@dataclass(frozen=True)
class LastKnown:
    """What earlier reports found.

    Args:
        account: The AWS account's twelve digits; "" if there was no report.
        findings: The newest result of each finding, by name, with its time.
    """

    account: str = ""
    findings: Mapping[str, Finding] = field(default_factory=dict)

    def updated(self, account: str, findings: Sequence[Finding], at: str, complete: bool) -> LastKnown:
        """Return the same with the results of a report.

        Args:
            account: The account.
            findings: Findings of the report; unknown ones keep the earlier result.
            at: Time of the report, ISO 8601, for findings without a time of their own.
            complete: Whether the report has every finding: results of others are dropped.
        """
        names = {each.name for each in findings} if complete else self.findings.keys()
        before = {name: each for name, each in self.findings.items() if account == self.account and name in names}
        new = {each.name: Finding(**{**asdict(each), "at": each.at or at}) for each in findings if each.status in KNOWN}
        return LastKnown(account, {**before, **new})


def path_of(folder: Path, stack: str, primary: str, recovery: str) -> Path:
    """Return the path of the file.

    Args:
        folder: The project's folder.
        stack: Name of the recovery stack.
        primary: The primary region.
        recovery: The recovery region.
    """
    # The endpoint and the profile, so that a sandbox's results never stand for those of AWS.
    where = [os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE")]
    key = hashlib.sha256("\n".join([stack, primary, recovery, *where]).encode()).hexdigest()[:12]
    return folder / FOLDER / f"{stack}-{key}.json"


def load(path: Path) -> LastKnown:
    """Return what the file holds; nothing if it does not exist or cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = [Finding(**{**each, "status": Status(each["status"])}) for each in values["findings"]]
        return LastKnown(str(values["account"]), {each.name: each for each in found})
    except (OSError, ValueError, KeyError, TypeError):
        return LastKnown()


def save(path: Path, known: LastKnown) -> None:
    """Replace the file."""
    text = json.dumps({"account": known.account, "findings": [asdict(each) for each in known.findings.values()]})
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
