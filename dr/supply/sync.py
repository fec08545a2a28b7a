"""`dr supply sync`: resolve digests, and copy what a region's registry lacks.

A copy comes from the other region's registry if that holds it, else from the publisher. Only what is lacking is copied,
so an interrupted command continues where it ended. Replication from the primary region copies as well; a copy that
arrived meanwhile counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.clients import Missing
from dr.clusters.charts import Chart
from dr.config.image_references import parse
from dr.errors import DrError, Exit, Failed, Problem, Refused
from dr.operations.steps import Report
from dr.supply import lock as locks
from dr.supply import publisher
from dr.supply.catalog import chart_key, images_of, needed
from dr.supply.chart_artifact import Artifact, digest, reference
from dr.supply.crane import Crane, ready
from dr.supply.items import Item, items
from dr.supply.lock import Lock, LockedChart
from dr.supply.region_registry import Held, RegionRegistry
from dr.topology.supply import Kind
from dr.topology.topology import Role, Topology

COPIES = 4
"""Copies at a time; crane sends several layers of each."""


@dataclass(frozen=True)
class Copied:
    """A completed copy.

    Args:
        name: The image or chart.
        digest: Its digest.
        region: Region that it was copied to.
        source: Host or repository that it came from.
    """

    name: str
    digest: str
    region: str
    source: str


@dataclass(frozen=True)
class Synced:
    """Result of the command.

    Args:
        copied: What was copied.
        present: Number of copies that were there before.
        resolved: Names of what got its digest.
        problems: What could not be resolved or copied, and regions that do not answer.
    """

    copied: tuple[Copied, ...]
    present: int
    resolved: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        return Exit.FAILED if self.problems else Exit.OK


def run(topology: Topology, folder: Path, report: Report) -> Synced:
    """Resolve digests and copy what is lacking in each region that answers.

    Args:
        topology: The topology.
        folder: The folder of Pulumi.yaml, which gets the lock file.
        report: Receives the progress.

    Raises:
        Invalid: PATH has no crane, or the lock file is not valid.
        Refused: The repositories do not exist.
        Failed: No region answers.
    """
    lock = locks.read(folder)
    report("reading the registries of both regions", None)
    held, registries, authorizations, problems = _registries(topology)
    with ready(authorizations) as crane:
        work = _Work(topology, folder, report, crane, lock, held, registries, problems)
        work.resolve()
        return work.copy()


def _registries(
    topology: Topology,
) -> tuple[dict[str, Held], dict[str, RegionRegistry], dict[str, str], list[Problem]]:
    held: dict[str, Held] = {}
    registries: dict[str, RegionRegistry] = {}
    authorizations: dict[str, str] = {}
    problems: list[Problem] = []
    for role in Role:
        registry = RegionRegistry(topology.account, topology.site(role).region, topology.bucket_prefix)
        try:
            held[registry.region] = registry.held()
            authorizations[registry.host] = registry.authorization()
            registries[registry.region] = registry
        except Missing as error:
            fact = f"does not exist in {registry.region}; the primary stack creates it"
            remedy = "`pulumi up -s primary` with dr:supply upstream, then run the command again"
            raise Refused(Problem(error.problems[0].subject, fact, remedy)) from error
        except Failed as error:
            problems += error.problems
    if not registries:
        raise Failed(*problems)
    return held, registries, authorizations, problems


class _Work:
    def __init__(
        self,
        topology: Topology,
        folder: Path,
        report: Report,
        crane: Crane,
        lock: Lock,
        held: Mapping[str, Held],
        registries: Mapping[str, RegionRegistry],
        problems: list[Problem],
    ) -> None:
        self._needs, self._folder, self._report, self._crane = needed(topology), folder, report, crane
        self._held, self._registries, self._problems = held, registries, problems
        self._images, self._charts = dict(lock.images), dict(lock.charts)
        self._fetched: dict[str, Artifact] = {}
        self._resolved: list[str] = []

    @property
    def _lock(self) -> Lock:
        return Lock(self._images, self._charts)

    def resolve(self) -> None:
        """Give every image and chart its digest, and write the lock file."""
        before = self._lock.to_json()
        for chart in self._needs.charts:
            self._attempt(self._resolve_chart, chart)
        for item in items(self._needs, self._lock):
            if item.kind is not Kind.CHARTS and not item.digest:
                self._attempt(self._resolve_image, item)
        wanted = {item.name for item in items(self._needs, self._lock)}
        charts = {chart_key(chart) for chart in self._needs.charts}
        self._images = {name: found for name, found in self._images.items() if name in wanted}
        # An existing cluster needs no charts; those that were resolved stay for the other stack.
        self._charts = {key: found for key, found in self._charts.items() if not charts or key in charts}
        if self._lock.to_json() != before:
            locks.write(self._folder, self._lock)

    def copy(self) -> Synced:
        """Copy what each region lacks."""
        wanted = [item for item in items(self._needs, self._lock) if item.digest]
        lacking = {item: [region for region in self._registries if not self._holds(region, item)] for item in wanted}
        pending = [item for item, regions in lacking.items() if regions]
        copies = sum(map(len, lacking.values()))
        done: list[Copied] = []

        def one(item: Item) -> None:
            sources = [region for region in self._registries if region not in lacking[item]]
            for region in lacking[item]:
                self._report(f"copying {item.name} to {region} ({len(done)} of {copies} done)", len(done) / copies)
                done.append(self._copy(item, region, sources))
                sources.append(region)

        with ThreadPoolExecutor(max_workers=COPIES) as pool:
            list(pool.map(lambda item: self._attempt(one, item), pending))
        done.sort(key=lambda each: (each.region, each.name))
        present = len(wanted) * len(self._registries) - copies
        return Synced(tuple(done), present, tuple(self._resolved), tuple(self._problems))

    def _holds(self, region: str, item: Item) -> bool:
        return item.digest in self._held[region].digests[item.kind]

    def _attempt(self, act: Callable[[Any], None], subject: Any) -> None:
        try:
            act(subject)
        except DrError as error:
            self._problems += error.problems

    def _resolve_chart(self, chart: Chart) -> None:
        key = chart_key(chart)
        locked = self._charts.get(key)
        if locked and set(locked.images) == {image.path for image in images_of(chart)}:
            return
        self._report(f"reading chart {key}", None)
        found = self._fetch(chart)
        images = {image.path: reference(image, found.layer) for image in images_of(chart)}
        self._charts[key] = LockedChart(digest(found.manifest), digest(found.layer), images)
        self._resolved.append(key)

    def _resolve_image(self, item: Item) -> None:
        self._report(f"resolving {item.name}", None)
        self._images[item.name] = self._crane.digest(item.name)
        self._resolved.append(item.name)

    def _fetch(self, chart: Chart) -> Artifact:
        key = chart_key(chart)
        if key not in self._fetched:
            self._fetched[key] = publisher.fetch(chart, self._crane)
        return self._fetched[key]

    def _copy(self, item: Item, region: str, sources: Sequence[str]) -> Copied:
        registry = self._registries[region]
        target = f"{registry.repository(item.kind)}:{item.tag}"
        try:
            if sources:
                source = self._registries[sources[0]]
                self._crane.copy(source.reference(item.kind, item.digest), target)
                return Copied(item.name, item.digest, region, source.host)
            return Copied(item.name, item.digest, region, self._from_publisher(item, target))
        except Failed:
            # Replication may have been faster: a tag that exists is refused.
            if item.digest in registry.held().digests[item.kind]:
                return Copied(item.name, item.digest, region, "replication")
            raise

    def _from_publisher(self, item: Item, target: str) -> str:
        if item.kind is not Kind.CHARTS:
            image = parse(item.name)
            if image is None:
                raise Failed(Problem(item.name, "is not an image reference", "check the lock file"))
            self._crane.copy(f"{image.registry}/{image.name}@{item.digest}", target)
            return image.registry
        chart = next(chart for chart in self._needs.charts if chart_key(chart) == item.name)
        found = self._fetch(chart)
        if digest(found.manifest) != item.digest:
            fact = f"{chart.repository} now has {digest(found.manifest)}, and the lock file names {item.digest}"
            remedy = f"find out why the publisher replaced it; to accept it, remove it from {locks.FILE}"
            raise Failed(Problem(f"chart {item.name}", fact, remedy))
        self._crane.push(found, target)
        return chart.repository
