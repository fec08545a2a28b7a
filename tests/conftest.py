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
    """Return one worker per core, limited by memory."""
    return max(1, min(os.cpu_count() or 1, psutil.virtual_memory().available // WORKER_BYTES))


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
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "DR_PROJECT"):
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
    clients.client.cache_clear()
    yield
    clients.client.cache_clear()


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
        clients.client.cache_clear()
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


LONGEST = (
    *("test_tiers.py", "test_drills.py", "test_cluster_preflight.py", "test_killed.py"),
    *("test_policies.py", "test_named.py", "test_primary_destroyed.py"),
    *("test_deployment_ends.py", "test_rollouts.py", "test_stacks.py", "test_network.py", "test_changes.py"),
    *("test_nodes.py", "test_commands.py", "test_kubernetes_plugin.py"),
)
"""Files that take minutes, the longest first: started last, one would occupy a single worker at the end."""

TOGETHER = {
    f"tests/integration/engine/{name}": "primary_alone"
    for name in ("test_policies.py", "test_named.py", "test_primary_destroyed.py")
}
"""Files that run on one worker, in the order of `LONGEST`, by the deployment that they share."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, then the others with the real engine."""

    def turn(item: pytest.Item) -> tuple[int, bool]:
        engine = item.get_closest_marker("engine") is not None
        return LONGEST.index(item.path.name) if engine and item.path.name in LONGEST else len(LONGEST), not engine

    items.sort(key=turn)


class FileScheduling(LoadFileScheduling):
    """Distributes whole files, and gives files that share a deployment to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Replace the scheduler that `--dist` names."""
    return FileScheduling(config, log)
