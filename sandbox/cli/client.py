"""The client population of `python -m sandbox client`: built from the deployment, run until a signal or a time."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dr.control import contract
from dr.errors import DrError, Invalid, Problem
from dr.operations import client_log
from sandbox.cli.predict import deployed_endpoint
from sandbox.client import open_loop
from sandbox.client.client import Client
from sandbox.client.clock import SandboxClock
from sandbox.client.endpoint import Endpoint
from sandbox.client.predictions import Predictions
from sandbox.client.resolver import LOOKUP_SECONDS, CachingResolver
from sandbox.server_process import Server
from sandbox.up import PRIMARY, RECOVERY, World

STEPS = 3
"""Steps of a connection with a time limit each: connect, TLS handshake, response."""


@dataclass(frozen=True)
class Plan:
    """What the population does.

    Args:
        rate: Requests a second.
        seconds: Duration; None until a signal.
        out: File of the log; it must not exist.
        resolvers: Number of caching resolvers.
        overshoot: Seconds beyond the time to live that each resolver keeps an answer.
        timeout: Time limit in seconds of each step of a connection.
    """

    rate: float
    seconds: float | None
    out: Path
    resolvers: int
    overshoot: float
    timeout: float


def run(world: World, server: Server, plan: Plan) -> client_log.Summary:
    """Send requests by the public name until the time is over or SIGTERM or SIGINT arrives. Returns their numbers.

    Raises:
        Invalid: The log exists or cannot be written, or a stack is not deployed.
        DrError: No region has a readable version of the model.
    """
    endpoint = deployed_endpoint(world, world.primary_region, public=True)
    predictions = _predictions(world)
    clock = SandboxClock(server)
    with _new_file(plan.out) as file, clock.followed(), _ended_by_signal() as ended:
        client = _client(world, server, plan, endpoint, predictions, clock, file)
        open_loop.run(client.send, plan.rate, ended, LOOKUP_SECONDS + STEPS * plan.timeout, plan.seconds)
    return client_log.summary(client_log.parse(plan.out.read_text()))


def _client(
    world: World,
    server: Server,
    plan: Plan,
    endpoint: Endpoint,
    predictions: Predictions,
    clock: SandboxClock,
    file: IO[str],
) -> Client:
    halves = [
        contract.parse(json.dumps(outputs["contract"]), stack)
        for stack in (PRIMARY, RECOVERY)
        if "contract" in (outputs := world.ready_engine.outputs(stack))
    ]
    regions = {half.dns.endpoint.lower(): half.region for half in halves}
    # The first answers expire one after the other, as those of resolvers that were asked at different times.
    resolvers = [
        CachingResolver(server.resolver, clock.time, plan.overshoot, (number + 1) / plan.resolvers)
        for number in range(plan.resolvers)
    ]
    return Client(
        endpoint, resolvers, predictions, clock.now, lambda name: regions.get(name.lower()), plan.timeout, file
    )


def _predictions(world: World) -> Predictions:
    """Read the published model from both regions, or from the one that answers."""
    regions = (world.primary_region, world.recovery_region)
    predictions = Predictions({region: world.buckets(region) for region in regions})
    errors = list[DrError]()
    for region in regions:
        try:
            predictions.prepare(region)
        except DrError as error:
            errors.append(error)
    if len(errors) == len(regions):
        raise errors[0]
    return predictions


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """Create the log; an existing one is evidence of another run."""
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise Invalid(Problem("--out", f"{path} exists", "name a new file")) from error
    except OSError as error:
        raise Invalid(
            Problem("--out", f"{path} cannot be written: {error.strerror}", "name a writable file")
        ) from error
    with file:
        yield file


@contextmanager
def _ended_by_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets."""
    ended = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: ended.set()) for number in numbers]
    try:
        yield ended
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
