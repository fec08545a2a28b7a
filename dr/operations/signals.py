"""Reads the signals that the primary region is lost, as seen from the recovery region.

Three independent ones are compared: the prober's witness of the endpoint, its witness of replication, and a request of
this machine. `dr.operations.quorum` decides.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from dr.errors import DrError
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
    """Return the signal of a request of this machine to the primary region's endpoint."""
    name = f"request to {scene.primary.dns.regional_name}"
    url = f"https://{scene.primary.dns.regional_name}{scene.topology.serving.ready_path}"
    try:
        with urllib.request.build_opener().open(url, timeout=ANSWER_SECONDS) as answer:
            well = answer.status == HTTPStatus.OK
            return Signal(name, Sight.WELL if well else Sight.LOST, f"answered {answer.status}")
    except urllib.error.HTTPError as error:
        # An answer of the region: its endpoint exists, and does not serve.
        return Signal(name, Sight.LOST, f"answered {error.code}")
    except (OSError, http.client.HTTPException) as error:
        return Signal(name, Sight.LOST, f"no answer: {getattr(error, 'reason', error)}")
