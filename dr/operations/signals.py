"""Reads the signals that the primary region is lost, as seen from the recovery region.

Three independent ones are compared: the prober's witness of the endpoint, its witness of replication, and a request of
this machine, which also asks for predictions. `dr.operations.quorum` decides.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dr.data.model_sets import Probe
from dr.errors import DrError
from dr.operations import data_steps, grey
from dr.operations.quorum import Sight, Signal, of_alarms
from dr.operations.scene import Scene
from dr.topology.detection import SILENT, STALE

ANSWER_SECONDS = 5.0


def read(scene: Scene) -> list[Signal]:
    """Read all signals in parallel. A signal that cannot be read is unknown."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        alarms, asked = pool.submit(witnesses, scene), pool.submit(request, scene)
        return [*alarms.result(), asked.result()]


def witnesses(scene: Scene) -> list[Signal]:
    """Return the signals of the prober's two witnesses."""
    try:
        return of_alarms(scene.alarms(), scene.topology.bucket_prefix)
    except DrError as error:
        return [Signal(name, Sight.UNKNOWN, error.problems[0].fact) for name in (SILENT, STALE)]


def request(scene: Scene) -> Signal:
    """Return the signal of requests of this machine to the primary region's endpoint: readiness, then inference."""
    dns = scene.primary.dns
    try:
        seen = grey.look(dns.regional_name, scene.topology.serving, lambda: _probe(scene), ANSWER_SECONDS)
    except DrError as error:
        return Signal(f"request to {dns.regional_name}", Sight.UNKNOWN, error.problems[0].fact)
    sight = Sight.WELL if seen.ready and not seen.failing else Sight.LOST
    return Signal(f"request to {dns.regional_name}", sight, seen.fact, grey=seen.grey)


def _probe(scene: Scene) -> Probe | None:
    found, _ = data_steps.newest_whole(scene)
    return found.probe if found else None
