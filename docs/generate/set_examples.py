"""Samples of `dr sets` for docs/cli.md."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from dr.control.contract import DatabaseRecord
from dr.data.backfill import Backfill, Filled, Gap
from dr.data.batch_jobs import Wanted as JobWanted
from dr.data.listing import Held, Listed, Listing
from dr.data.model_sets import Entry, Manifest, digest_of, folder
from dr.data.prefix_restore import Outcome, Restore, Wanted
from dr.data.regions import Place
from dr.data.registry_agreement import Agreement, Unnamed
from dr.data.registry_agreement import Lack as ArtifactLack
from dr.data.registry_restore import RegistryRestore
from dr.data.registry_restore import Wanted as RegistryWanted
from dr.data.restore_rules import Item as RestoreItem
from dr.data.restore_rules import Kind
from dr.data.set_publishing import Published
from dr.data.set_restore_plan import Piece, SetRestore
from dr.data.set_restore_plan import Wanted as SetWanted
from dr.data.verification import Lack, RegionSets, Verified
from dr.data.versions import Version
from dr.topology.topology import Role

PRIMARY, RECOVERY = "us-east-1", "us-west-2"
BEFORE, NEWEST = "20261127T181204.501877Z-0b7e2f5c", "20261128T090310.112233Z-61832178"
FILES = {"data": "datasets", "parameters": "registry", "metrics": "registry", "model": "models"}


def manifest(set_id: str) -> Manifest:
    """Return a manifest with an object in each part."""
    entries = tuple(
        Entry(
            part,
            pair,
            f"{folder('digits', set_id)}{part}.bin",
            f"3sL4kqtJlcpXroDTDmJ{number}",
            1 << 20,
            f"{number:064x}",
        )
        for number, (part, pair) in enumerate(FILES.items())
    )
    found = Manifest("digits", set_id, "2026-11-28T09:03:10+00:00", "", entries)
    return Manifest("digits", set_id, found.created, digest_of(found.hashes), entries)


LISTING = Listing(
    tuple(
        Listed("digits", each, manifest(each), (Held(PRIMARY, 0), Held(RECOVERY, lacks)))
        for each, lacks in ((NEWEST, 1), (BEFORE, 0))
    ),
    left_out=0,
    silent=(),
)


def _plan() -> Outcome:
    found, at = Outcome(), datetime(2026, 11, 28, 11, tzinfo=UTC)
    counts = ((Kind.UNCHANGED, 8102, "train/0000.csv"), (Kind.DELETED, 411, "train/0203.csv"))
    for kind, number, key in (*counts, (Kind.CREATED, 1, "train/README")):
        item = RestoreItem(kind, Version(key, "v", at, latest=False, size=52_011), key)
        for _ in range(number):
            found.tally.add(kind, item)
    return found


AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
BUCKETS = f"ml-dr-123456789012-{PRIMARY}-{{}}"
RESTORE = Restore(Wanted(PRIMARY, BUCKETS.format("datasets"), "train/", AT, records=BUCKETS.format("control")), _plan())
PLACES = {
    region: Place(role, region, {pair: f"ml-dr-123456789012-{region}-{pair}" for pair in ("datasets", "models")})
    for role, region in ((Role.PRIMARY, PRIMARY), (Role.RECOVERY, RECOVERY))
}
SET_RESTORE = SetRestore(
    SetWanted(PLACES[PRIMARY], PLACES[RECOVERY], "digits", BEFORE, overwrite=True),
    manifest(BEFORE),
    tuple(
        Piece(entry, PLACES[RECOVERY if entry.part == "model" else PRIMARY], entry.key)
        for entry in manifest(BEFORE).entries
    ),
    "20261128T124132.870114Z-0b7e2f5c",
    newer=(NEWEST,),
)
BACKFILL = Backfill(
    RECOVERY,
    tuple(
        Filled(
            Gap(
                pair,
                JobWanted("123456789012", "ml-dr", PRIMARY, f"ml-dr-123456789012-{PRIMARY}-{pair}", RECOVERY, pair, ""),
                Counter(statuses),
                size,
            )
        )
        for pair, statuses, size in (("datasets", {"NONE": 48_210}, 96_420_000_000), ("models", {"PENDING": 2}, 0))
    ),
)
PUBLISHED = Published(PRIMARY, manifest(NEWEST), kept=False)
MODEL = manifest(NEWEST).entries[-1]
VERIFIED = Verified(
    "digits",
    (
        RegionSets(Role.PRIMARY, PRIMARY, NEWEST, NEWEST, objects=4),
        RegionSets(
            Role.RECOVERY,
            RECOVERY,
            NEWEST,
            BEFORE,
            missing=(
                Lack(
                    NEWEST,
                    f"ml-dr-123456789012-{RECOVERY}-models",
                    MODEL.key,
                    MODEL.version_id,
                    f"this version does not exist; {PRIMARY} holds it, its replication is PENDING",
                ),
            ),
            objects=8,
        ),
    ),
)
AGREEMENT = Agreement(
    PRIMARY,
    BUCKETS.format("registry"),
    {"run": 214, "logged model": 38, "model version": 12},
    1806,
    (
        ArtifactLack(
            "model version digits 12",
            "mlflow/1/models/m-0b7e2f5c/artifacts/MLmodel",
            "3sL4kqtJlcpXroDTDmJ",
            "deleted since the backup of 2026-11-28T06:00:04Z",
        ),
    ),
    (Unnamed("mlflow/1/61832178/artifacts/plot.png", "aPp3x0qtJlcpXroDTDm", 52_011),),
    "2026-11-28T06:00:04Z",
)
REGISTRY_RESTORE = RegistryRestore(
    RegistryWanted(
        Wanted(PRIMARY, BUCKETS.format("registry"), "mlflow/", AT, records=BUCKETS.format("control")),
        DatabaseRecord("ml-dr", "ml-dr-primary", "", "17.7", "db.r6g.large"),
    ),
    Restore(Wanted(PRIMARY, BUCKETS.format("registry"), "mlflow/", AT, records=BUCKETS.format("control")), _plan()),
    AT - timedelta(days=7),
    AT + timedelta(hours=1),
)
