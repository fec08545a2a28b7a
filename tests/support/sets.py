"""Both regions' buckets as deployed, with replication from the primary region, for tests of model sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from dr.cli.main import app
from dr.data import publication
from dr.data.model_sets import Manifest
from dr.data.publication import Item
from sandbox.server import Running
from tests.support.buckets import make_bucket, replicate_all
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
PRIMARY, RECOVERY = "us-east-1", "us-west-2"
PAIRS = ("datasets", "models", "registry", "control")
PARTS = {"data": "datasets", "parameters": "registry", "metrics": "registry", "model": "models"}


def bucket(region: str, pair: str) -> str:
    """Return the name of a region's bucket."""
    return f"ml-dr-123456789012-{region}-{pair}"


def run(*arguments: str) -> tuple[int, Any]:
    """Run `dr` with `--json`, and return its exit code and its document."""
    done = CliRunner().invoke(app, [*arguments, "--json", "--project", str(ROOT)])
    return done.exit_code, json.loads(done.output)


def text(*arguments: str) -> str:
    """Run `dr`, and return its text without line breaks."""
    return " ".join(CliRunner().invoke(app, [*arguments, "--project", str(ROOT)]).output.split())


class Regions:
    """Both regions.

    Args:
        aws: The emulator.
    """

    def __init__(self, aws: Running) -> None:
        self.aws = aws
        self.s3 = {region: aws.client("s3", region) for region in (PRIMARY, RECOVERY)}
        for region, client in self.s3.items():
            for pair in PAIRS:
                make_bucket(client, bucket(region, pair))
        self.replicate()

    def replicate(self) -> None:
        """Replicate each pair from the primary region; delete markers stay where they are, as deployed."""
        for pair in PAIRS:
            replicate_all(self.s3[PRIMARY], bucket(PRIMARY, pair), bucket(RECOVERY, pair))

    def stop_replication(self) -> None:
        """Remove the rules."""
        for pair in PAIRS:
            self.s3[PRIMARY].delete_bucket_replication(Bucket=bucket(PRIMARY, pair))

    def publish(self, folder: Path, content: str = "", region: str = PRIMARY) -> Manifest:
        """Publish a set with one file a part, of which the content is a part of each file."""
        folder.mkdir(parents=True, exist_ok=True)
        items = []
        for part, pair in PARTS.items():
            (folder / f"{part}.bin").write_text(f"{part} {content}")
            items.append(Item(part, pair, folder / f"{part}.bin"))
        buckets = {pair: bucket(region, pair) for pair in PAIRS}
        return publication.publish(region, buckets, "digits", items)

    def settle(self) -> None:
        """Wait until no copies are pending."""
        wait_for(lambda: not self.aws.emulator.replication.counts()["pending"])

    def lose(self, region: str, manifest: Manifest, part: str) -> None:
        """Delete an object version of a set for good."""
        entry = next(each for each in manifest.entries if each.part == part)
        name = bucket(region, entry.pair)
        self.s3[region].delete_object(Bucket=name, Key=entry.key, VersionId=entry.version_id)

    def hashes(self, region: str, manifest: Manifest) -> dict[str, str]:
        """Read each object of a set by boto3, and return its SHA-256 by part."""
        return dict(self._hashes(region, manifest))

    def _hashes(self, region: str, manifest: Manifest) -> Iterator[tuple[str, str]]:
        for each in manifest.entries:
            name = bucket(region, each.pair)
            answer = self.s3[region].get_object(Bucket=name, Key=each.key, VersionId=each.version_id)
            yield each.part, hashlib.sha256(answer["Body"].read()).hexdigest()
