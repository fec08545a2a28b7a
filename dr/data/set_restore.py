"""`dr sets restore`: a version of a model set in a region, from the copies that either region holds.

The copies have the hashes of the manifest, or the restore fails. The manifest of the new version is written last. An
interrupted restore left a marker with the ID of the new version; the same command continues it, and copies what is
missing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from dr.clients import Denied, Unreachable, limited, write_once
from dr.data import hashes, parallel
from dr.data.key_access import explained, explained_copy
from dr.data.model_sets import Entry, Report, digest_of, folder
from dr.data.object_copy import LIMITS, Source, copy
from dr.data.publication import part_bytes
from dr.data.set_restore_plan import MARKER, PROBLEMS, WORKERS, Piece, SetRestore, Wanted, entry_of, matches
from dr.errors import DrError, Failed, Problem
from dr.names import REGISTRY


def execute(found: SetRestore, report: Report) -> SetRestore:
    """Do what a plan found.

    Raises:
        Refused: The plan cannot be executed.
        Failed: Some objects could not be copied; the manifest was not written, and the same command continues.
        Unreachable: A region does not answer; the same command continues.
    """
    if refusal := found.refusal:
        raise refusal
    wanted, bucket = found.wanted, found.wanted.place.buckets[REGISTRY]
    if found.target_id and not found.resumes:
        marker = json.dumps({"source": wanted.set_id}).encode()
        write_once(wanted.place.region, bucket, f"{folder(wanted.name, found.target_id)}{MARKER}", marker)
    problems, written = list[Problem](), dict[str, Entry]()
    with limited(LIMITS):
        for piece, result in parallel.each(found.to_copy, lambda each: _copied(wanted, each), WORKERS):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                written[piece.target] = result
            report(f"{len(written):,} of {len(found.to_copy):,} objects", len(written) / max(1, len(found.to_copy)))
    if problems:
        raise Failed(*problems[:PROBLEMS])
    entries = tuple(each.held or written[each.target] for each in found.pieces)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    done = replace(found.manifest, set_id=found.target_id, created=now, entries=entries, source=wanted.set_id)
    if found.target_id:
        done = replace(done, digest=digest_of(done.hashes))
        write_once(wanted.place.region, bucket, done.key, done.to_json().encode())
    return replace(found, done=done)


def _copied(wanted: Wanted, piece: Piece) -> tuple[Piece, Entry | Problem]:
    """Copy an object, and return its entry after its bytes were compared, or the problem."""
    entry, target = piece.entry, wanted.place
    if piece.source is None:
        raise ValueError(f"{entry.key} has no source")
    bucket = target.buckets[entry.pair]
    source = Source(piece.source.region, piece.source.buckets[entry.pair], entry.key, entry.version_id, entry.size)
    try:
        made = copy(
            source,
            target.region,
            bucket,
            piece.target,
            {"ChecksumAlgorithm": "SHA256"},
            part_bytes(entry.size) if entry.checksum else 0,
        )
        found = hashes.current(target.region, bucket, piece.target)
        written = found is not None and found.version_id == made.version_id
        if found and written and matches(target.region, bucket, piece.target, found, entry):
            return piece, entry_of(piece, found.version_id, found.stored.parts)
        fact = f"version {made.version_id} does not have the bytes of the manifest, or was replaced"
        return piece, Problem(f"s3://{bucket}/{piece.target}", fact, "find what else writes there, and repeat")
    except Unreachable:
        raise
    except Denied as error:
        read = explained(source.region, source.bucket, source.key, source.version_id, error)
        return piece, explained_copy(target.region, read, bucket, error)
    except DrError as error:
        return piece, error.problems[0]
