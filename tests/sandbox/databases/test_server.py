"""Single servers of PostgreSQL, by their administrator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from sandbox.databases import programs
from sandbox.databases.server import SOCKET, Server
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Path], Server]]:
    """Make a server in a folder; all are deleted at the end."""
    made: list[Server] = []
    certificate = trustme.CA().issue_cert("db.example.com").private_key_and_cert_chain_pem.bytes()

    def create(folder: Path) -> Server:
        made.append(Server(programs.find(), folder / f"{len(made)}", folder / f"s{len(made)}", certificate))
        return made[-1]

    yield create
    for each in reversed(made):
        each.delete()


@pytest.mark.parametrize("name", ["plain", "a b", "it's"])
def test_standby_and_restored_server_have_the_rows_whatever_the_folder_is_called(
    make: Callable[[Path], Server], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    writer = make(folder)
    writer.create()
    writer.start()
    (relay := folder / "relay").mkdir()
    (relay / SOCKET).symlink_to(writer.socket)
    reader = make(folder)
    reader.copy(relay)
    reader.start()
    writer.sql("create table kept as select 7 as id")

    def has_rows(server: Server) -> bool:
        return server.sql("select to_regclass('kept') is not null") == "t" and server.sql("select id from kept") == "7"

    wait_for(lambda: has_rows(reader), "the row in the standby")
    restored = make(folder)
    restored.restore(writer, None)
    restored.start()
    wait_for(lambda: not restored.in_recovery, "the end of the restore")
    assert restored.sql("select id from kept") == "7"
