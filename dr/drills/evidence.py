"""The evidence of a drill: its folder, its page, and the proof in the recovery region."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dr.control import proofs, shared_journal
from dr.control.proofs import Proof
from dr.drills import backup_restore_result, corruption_result, document, isolation_result, result
from dr.drills.document import DrillDocument
from dr.drills.isolation_result import Seen
from dr.drills.record import Record
from dr.evidence import folder as evidence
from dr.evidence.reading import REQUESTS, WRITES
from dr.operations import client_log, fingerprint
from dr.operations.client_log import Request
from dr.operations.scene import Scene

POD = "pod.json"
"""File of the evidence folder with the pod of a drill of isolation, as last read."""


@dataclass(frozen=True)
class Evidence:
    """What a drill leaves.

    Args:
        document: Its result.
        page: The report.
    """

    document: DrillDocument
    page: Path


def log_of(run: str) -> Path:
    """Return the file of the clients' requests, in a folder that exists.

    Args:
        run: ID of the run.
    """
    path = evidence.of_run(run) / REQUESTS
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(scene: Scene, record: Record) -> Evidence:
    """Write the evidence of a drill, and its proof to the recovery region.

    Args:
        scene: The recovery region.
        record: What the drill has seen.

    Raises:
        Invalid: The clients' log is not valid.
        Unreachable: The recovery region does not answer.
        Failed: A file cannot be written.
    """
    folder = evidence.of_run(record.run)
    marks = fingerprint.of(scene)
    found = result.document(record, _requests(folder), marks.value, marks.versions, datetime.now(UTC))
    evidence.write(folder, WRITES, "".join(each.line(record.bucket) for each in record.writes))
    evidence.write_alarms(folder, record.before, record.after)
    if record.made:
        journal = shared_journal.of_topology(scene.topology)
        evidence.write_journal(folder, journal.entries(record.made.run))
    return _keep(scene, found)


def write_isolation(scene: Scene, seen: Seen) -> Evidence:
    """Write the evidence of a drill of isolation, and its proof. Raises as `write`.

    Args:
        scene: The recovery region.
        seen: What the drill has seen.
    """
    found = isolation_result.document(seen, fingerprint.of(scene), datetime.now(UTC))
    if seen.pod:
        evidence.write(evidence.of_run(seen.run), POD, json.dumps(seen.pod, indent=2))
    return _keep(scene, found)


def write_corruption(scene: Scene, seen: corruption_result.Seen) -> Evidence:
    """Write the evidence of a drill of corrupted data, and its proof. Raises as `write`.

    Args:
        scene: The recovery region.
        seen: What the drill has seen.
    """
    return _keep(scene, corruption_result.document(seen, fingerprint.of(scene), datetime.now(UTC)))


def write_backups(scene: Scene, seen: backup_restore_result.Seen) -> Evidence:
    """Write the evidence of a drill of restores, and its proof. Raises as `write`.

    Args:
        scene: The recovery region.
        seen: What the drill has seen.
    """
    return _keep(scene, backup_restore_result.document(seen, fingerprint.of(scene), datetime.now(UTC)))


def _keep(scene: Scene, found: DrillDocument) -> Evidence:
    """Write the document, the versions, the report, and the proof."""
    folder = evidence.of_run(found.run)
    evidence.write(folder, document.FILE, found.to_json())
    evidence.write_versions(folder, found.versions)
    page = evidence.write_report(folder)
    proofs.write(
        scene.topology,
        Proof(
            found.drill,
            found.run,
            found.verdict.value,
            found.tier,
            found.ended,
            found.fingerprint,
            found.rto_seconds,
            found.rpo_seconds,
        ),
    )
    return Evidence(found, page)


def _requests(folder: Path) -> list[Request]:
    path = folder / REQUESTS
    return client_log.parse(path.read_text(encoding="utf-8")) if path.exists() else []
