import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from dr.errors import Failed, Refused
from sandbox import server_process
from sandbox.engine.environment import environment, foreign
from sandbox.engine.launchers import install_launchers
from sandbox.engine.locks import drop_dead_locks
from sandbox.local import ROOT, Local, read_json, write_json
from sandbox.server_process import Server
from sandbox.toolchain import Toolchain
from tests.support.waiting import wait_for

SERVER = Server(1, "http://127.0.0.1:4566", "run", "2026-11-23T03:00:00+00:00")


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path / "a folder", tmp_path)


@pytest.fixture
def toolchain(tmp_path: Path) -> Toolchain:
    return Toolchain(tmp_path / "tool chain/bin/pulumi", "3.276.0", "cached", tmp_path / "tool chain/bin/runner")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def write(local: Local, pid: int) -> None:
    write_json(local.emulator, {"pid": pid, "endpoint": "http://127.0.0.1:1", "id": "x", "started": "now"})


def test_command_without_a_started_sandbox_is_refused(local: Local) -> None:
    assert server_process.find(local) is None
    with pytest.raises(Refused, match="`make up` starts it"):
        server_process.require(local)


def test_reused_pid_is_not_taken_for_the_sandbox_and_not_killed(
    local: Local, stranger: subprocess.Popen[bytes]
) -> None:
    write(local, stranger.pid)

    assert server_process.find(local) is None
    assert not server_process.stop(local)
    assert stranger.poll() is None


def test_incomplete_state_file_is_read_as_empty(local: Local) -> None:
    local.folder.mkdir()
    local.emulator.write_text('{"pid": 1')

    assert read_json(local.emulator) == {}
    assert server_process.find(local) is None


def test_failed_start_of_the_emulator_is_reported_with_its_log(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "MODULE", "no_such_module")
    with pytest.raises(Failed, match="No module named no_such_module"):
        server_process.start(local)


def test_emulator_ends_with_its_owner_even_if_that_is_killed(local: Local, stranger: subprocess.Popen[bytes]) -> None:
    server = server_process.start(local, owner=stranger.pid)
    stranger.kill()
    stranger.wait()

    wait_for(lambda: not psutil.pid_exists(server.pid) or psutil.Process(server.pid).status() == psutil.STATUS_ZOMBIE)
    assert server_process.find(local) is None
    assert not local.emulator.exists()


def test_written_json_file_leaves_no_temporary_file(local: Local) -> None:
    write_json(local.deployed, {"a": 1})

    assert json.loads(local.deployed.read_text()) == {"a": 1}
    assert [file.name for file in local.folder.iterdir()] == ["deployed.json"]


def test_environment_excludes_the_users_aws_and_pulumi_settings(
    local: Local, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.setenv(name, "theirs")
    variables = environment(local, SERVER, toolchain)

    assert set(foreign(variables)) >= {
        *("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE")
    }
    assert str(Path.home() / ".aws") not in json.dumps(variables)
    assert variables["PULUMI_HOME"].startswith(str(local.folder))


def test_sandbox_commands_are_first_on_path(local: Local, toolchain: Toolchain) -> None:
    path = environment(local, SERVER, toolchain)["PATH"].split(os.pathsep)

    assert path[:3] == [str(local.commands), str(Path(sys.executable).parent), str(toolchain.pulumi.parent)]


def test_requests_to_the_emulator_bypass_the_users_proxy() -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        # Proxies are read from the environment when an opener is created, so this needs a separate process.
        server = Server(1, f"http://127.0.0.1:{http.server_port}", "run", "now")
        code = f"from sandbox.emulator_client import *; print(ask({server!r}, 'GET', 'health'))"
        variables = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True)
        http.shutdown()
    assert done.stdout == "{}\n", done.stderr


def test_environment_excludes_loopback_from_the_users_proxy(
    local: Local, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "corp.example")
    variables = environment(local, SERVER, toolchain)

    assert variables["no_proxy"] == variables["NO_PROXY"] == "127.0.0.1,localhost,corp.example"


def test_launchers_work_with_spaces_in_their_path(local: Local, toolchain: Toolchain) -> None:
    install_launchers(local, toolchain)
    inside = {**os.environ, "AWS_ENDPOINT_URL": SERVER.endpoint}
    done = subprocess.run([local.commands / "dr", "--help"], capture_output=True, text=True, check=True, env=inside)
    assert "status" in done.stdout
    plugins = local.pulumi_home / "plugins"
    assert "language-python-v3.276.0" in {path.name for path in plugins.iterdir()}
    (launcher,) = plugins.glob("resource-aws-*/pulumi-resource-aws")

    with subprocess.Popen([launcher], stdout=subprocess.PIPE, text=True) as plugin:
        assert plugin.stdout
        assert int(plugin.stdout.readline()) > 0
        plugin.terminate()
    assert plugin.returncode == 0


def test_language_host_of_the_toolchain_is_not_replaced(local: Local, tmp_path: Path) -> None:
    install_launchers(local, Toolchain(tmp_path / "pulumi", "3.300.0", "PATH", None))

    plugins = {path.name.partition("-v")[0] for path in (local.pulumi_home / "plugins").iterdir()}
    assert plugins == {"resource-aws", "resource-kubernetes"}


def test_stale_stack_locks_are_removed_and_locks_of_running_engines_kept(
    local: Local, stranger: subprocess.Popen[bytes]
) -> None:
    locks = local.backend / ".pulumi/locks/organization/dr/primary"
    for name, pid in (("dead", 2**22 + 1), ("living", stranger.pid)):
        write_json(locks / f"{name}.json", {"pid": pid})

    assert drop_dead_locks(local) == [stranger.pid]
    assert [lock.name for lock in locks.iterdir()] == ["living.json"]
