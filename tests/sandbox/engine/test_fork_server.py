"""Forked Python processes, which behave as if started by `python`."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.engine import fork_server
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every Python starts by itself")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a running server."""
    path = tmp_path_factory.mktemp("forks") / "forks.sock"
    server = fork_server.start(path)
    assert server
    wait_for(path.exists)
    yield path
    fork_server.stop(server, path)
    assert server.returncode == 0
    assert not path.exists()


def program(folder: Path, text: str, name: str = "program.py") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(text))
    return file


def begin(path: Path, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [*fork_server.command(path), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(path: Path, *arguments: object, **options: Any) -> tuple[int, str, str]:
    process = begin(path, *arguments, **options)
    output, wrong = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, wrong


ALL_OF_IT = """
    import os, sys
    print(sys.argv[1:], os.getcwd(), os.environ["GREETING"], sys.path[0], os.environ.get("HOME"), file=sys.stderr)
    print(sys.stdin.read())
    sys.exit(7)
"""


@pytest.mark.parametrize("forked", [True, False])
def test_a_process_has_arguments_folder_environment_streams_and_exit_code_forked_or_not(
    path: Path, tmp_path: Path, forked: bool
) -> None:
    file = program(tmp_path, ALL_OF_IT)
    process = begin(
        path if forked else tmp_path / "absent.sock",
        file,
        "a b",
        "-c",
        cwd=tmp_path,
        env={"GREETING": "hello"},
        stdin=subprocess.PIPE,
    )
    output, wrong = process.communicate("typed", timeout=PATIENCE_SECONDS)

    assert process.returncode == 7
    assert output == "typed\n"
    assert wrong == f"['a b', '-c'] {tmp_path} hello {tmp_path} None\n"


def test_module_is_found_in_the_working_folder_or_on_pythonpath_and_with_p_only_on_pythonpath(
    path: Path, tmp_path: Path
) -> None:
    program(tmp_path, "print(__name__, __spec__.name)", "of_ours.py")

    assert run(path, "-u", "-m", "of_ours", cwd=tmp_path) == (0, "__main__ of_ours\n", "")
    elsewhere = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run(path, "-P", "-m", "of_ours", cwd="/", env=elsewhere)[:2] == (0, "__main__ of_ours\n")
    code, _, wrong = run(path, "-P", "-m", "of_ours", cwd=tmp_path)
    assert code == 1
    assert "No module named of_ours" in wrong


def test_forked_process_reads_project_modules_from_disk_and_has_packages_preloaded(path: Path, tmp_path: Path) -> None:
    text = """
        import sys
        print(sorted({name.partition(".")[0] for name in sys.modules} & {"dr", "sandbox", "components", "stacks"}))
        print("Vpc" in vars(sys.modules["pulumi_aws.ec2"]), "boto3" in sys.modules)
        import changing
        print(changing.VALUE)
    """
    file = program(tmp_path, text)
    for value in (1, 22):
        program(tmp_path, f"VALUE = {value}", "changing.py")
        assert run(path, file)[1].splitlines() == ["[]", "True True", str(value)]


def test_exception_is_printed_and_exit_handlers_run(path: Path, tmp_path: Path) -> None:
    text = "import atexit\natexit.register(print, 'at exit')\nraise ValueError('of ours')"
    code, output, wrong = run(path, program(tmp_path, text))

    assert (code, output) == (1, "at exit\n")
    assert wrong.endswith("ValueError: of ours\n")


WAITS = """
    import os, signal, sys, time
    def end(*_):
        print("terminated", flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, end)
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_signal_is_passed_on(path: Path, tmp_path: Path) -> None:
    process = begin(path, program(tmp_path, WAITS))
    assert process.stdout
    assert int(process.stdout.readline()) != process.pid
    process.terminate()

    assert process.communicate(timeout=PATIENCE_SECONDS)[0] == "terminated\n"
    assert process.returncode == 3


def test_process_ends_with_its_client_and_with_the_clients_parent(path: Path, tmp_path: Path) -> None:
    file = program(tmp_path, WAITS)
    process = begin(path, file)
    assert process.stdout
    first = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    wait_for(lambda: not psutil.pid_exists(first))

    command = [*fork_server.command(path), str(file)]
    starter = f"import subprocess; subprocess.run({command!r})"
    engine = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    assert engine.stdout
    second = int(engine.stdout.readline())
    engine.kill()
    wait_for(lambda: not psutil.pid_exists(second))
    engine.communicate(timeout=PATIENCE_SECONDS)


def test_process_ended_by_a_signal_has_a_shells_exit_code(path: Path, tmp_path: Path) -> None:
    file = program(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")

    assert run(path, file)[0] == 128 + signal.SIGKILL


def test_client_that_disconnects_early_does_not_end_the_server(path: Path, tmp_path: Path) -> None:
    request = {"arguments": [str(program(tmp_path, WAITS))], "folder": str(tmp_path), "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client, open(os.devnull) as nowhere:
            client.connect(str(path))
            socket.send_fds(client, [struct.pack("!I", len(text))], [nowhere.fileno()] * 3)
            client.sendall(text)
    assert run(path, program(tmp_path, "print('still')", "after.py"))[1] == "still\n"


def test_malformed_request_does_not_end_the_server(path: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"\0\0\0\4oops")
        assert client.recv(1) == b""
    assert run(path, program(tmp_path, "print('still')"))[1] == "still\n"


def test_server_ends_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "forks.sock"
    starter = f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(fork_server.__file__).parents[2])!r})
        from sandbox.engine import fork_server
        print(fork_server.start(Path({str(path)!r})).pid, flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(starter)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    server = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait(PATIENCE_SECONDS)

    # The new parent of an orphaned process may leave it as a zombie.
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    process.stdout.close()


def test_socket_path_beyond_the_length_limit_starts_no_server(tmp_path: Path) -> None:
    assert fork_server.start(tmp_path / ("long" * 40) / "forks.sock") is None
