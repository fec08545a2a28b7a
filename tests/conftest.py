"""Settings of all tests: an event loop, and no access to the user's AWS profile, Pulumi home or real endpoints."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest
from xdist.scheduler import LoadFileScheduling

from dr import clients

if TYPE_CHECKING:
    from sandbox.control_plane.control_plane import ControlPlane
    from sandbox.server import Running
    from sandbox.toolchain.kubernetes_binaries import Binaries

WORKER_BYTES = 3 * 1024**3
"""Memory of a worker: a sandbox with a Kubernetes in each region (2.4 GiB, measured), and a running engine."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one worker more than cores, limited by memory: a test with the real engine waits a fifth of its time."""
    return max(1, min((os.cpu_count() or 1) + 1, psutil.virtual_memory().available // WORKER_BYTES))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", help="also the sandbox's tests, every change of tier and every kill of the engine"
    )


def pytest_configure(config: pytest.Config) -> None:
    """With --all and no path on the command line, collect all of tests/: testpaths has only the product's tests."""
    if config.getoption("all") and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args[:] = [str(config.rootpath / "tests")]


@pytest.fixture(scope="session")
def everything(pytestconfig: pytest.Config) -> bool:
    """Whether every case is tested, instead of a sample that reaches each tier."""
    return bool(pytestconfig.getoption("all"))


@pytest.fixture(autouse=True)
def _no_aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    nowhere = tmp_path_factory.getbasetemp() / "nowhere"
    for name in (
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_SESSION_TOKEN",
        "PULUMI_CONFIG_PASSPHRASE",
        "DR_PROJECT",
        "MLFLOW_TRACKING_URI",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(nowhere),
        "AWS_SHARED_CREDENTIALS_FILE": str(nowhere),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    clients.forget()
    yield
    clients.forget()


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    """Give the thread an event loop: the Pulumi SDK's outputs need one, and `asyncio.run` in any test removes it."""
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An emulated AWS over real HTTP, which `dr` finds by environment variables, as it finds a sandbox or AWS."""
    from sandbox.server import running

    with running() as started:
        monkeypatch.setenv("AWS_ENDPOINT_URL", started.endpoint)
        clients.forget()
        yield started


@pytest.fixture
def control(aws: Running) -> Callable[..., Any]:
    """Call the emulator's control API: control("GET", "health"); errors are returned as JSON."""

    def call(method: str, path: str, content: Any = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
        connection.request(method, f"/_sandbox/{path}", json.dumps(content) if content is not None else None)
        return json.load(connection.getresponse())

    return call


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    from sandbox.toolchain.kubernetes_binaries import KUBERNETES

    return KUBERNETES.ensure(lambda text, share: None)


@pytest.fixture(scope="session")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane, shared by the tests of a process: each test has its own namespace and nodes."""
    from tests.support.control_plane import control_plane_in

    with control_plane_in(tmp_path_factory.mktemp("kubernetes"), binaries) as plane:
        yield plane


FOLDERS = tuple(f"tests/integration/{name}/" for name in ("changes", "faults", "incidents", "primary"))
"""Folders with one deployment for all their files, which therefore run on one worker. They take minutes and start
first: started last, one would occupy a single worker at the end."""
LATER = (
    "tests/integration/alarms/",  # builds promtool the first time
    *("tests/sandbox/engine/", "tests/integration/clusters/", "tests/sandbox/clusters/"),
)
"""Folders that start next; each of their files may run on any worker."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the longest files first; without --all, skip the tests that are marked `thorough`."""
    for item in items:
        if item.get_closest_marker("thorough") and not config.getoption("all"):
            item.add_marker(pytest.mark.skip(reason="with --all"))
    longest = (*FOLDERS, *LATER)

    def turn(item: pytest.Item) -> int:
        return next((turn for turn, start in enumerate(longest) if item.nodeid.startswith(start)), len(longest))

    items.sort(key=turn)


class Scheduling(LoadFileScheduling):
    """Distributes folders that share a deployment, and single files of the others."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in FOLDERS if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Replace the scheduler that `--dist` names."""
    return Scheduling(config, log)
