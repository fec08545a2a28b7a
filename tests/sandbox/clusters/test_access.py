"""Which callers an API server answers, by the endpoint settings of its cluster."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.world import Operator
from sandbox.clusters.clusters import admitted
from sandbox.control_plane import door
from tests.support.waiting import wait_for

OUTSIDE, INSIDE = Operator("203.0.113.10"), Operator("203.0.113.10", inside=1)


def network(public: bool = True, private: bool = True, *blocks: str) -> dict[str, Any]:
    return {
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": list(blocks) if public else [],
    }


@pytest.mark.parametrize(
    ("about", "operator", "answers"),
    [
        (network(True, True, "203.0.113.0/24"), OUTSIDE, True),
        (network(True, True, "198.51.100.0/24"), OUTSIDE, False),
        (network(True, True, "198.51.100.0/24"), INSIDE, True),
        (network(False, True), OUTSIDE, False),
        (network(False, True), INSIDE, True),
        (network(True, False, "198.51.100.0/24"), INSIDE, False),
    ],
)
def test_caller_is_admitted_by_the_endpoint_settings(about: dict[str, Any], operator: Operator, answers: bool) -> None:
    assert admitted(about, operator) is answers


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_door_relays_until_it_is_closed(server: socket.socket, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        command = [sys.executable, "-I", "-S", door.__file__, str(port), str(server.getsockname()[1])]
        with subprocess.Popen([*command, str(tmp_path / "access")]) as process:
            try:
                wait_for(lambda: _connects(port))
                with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
                    caller.sendall(b"hello")
                    # The first connection is that of the wait.
                    connections = [server.accept()[0] for _ in range(2)]
                    assert connections[-1].recv(5) == b"hello"
                (tmp_path / "access").write_text(door.CLOSED)
                with (
                    pytest.raises(ConnectionResetError),
                    socket.create_connection(("127.0.0.1", port), timeout=10) as caller,
                ):
                    caller.recv(1)
            finally:
                process.kill()


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
