"""The pod of the MLflow server, on this machine: its init container, then its server, as its specification says.

Other than in a cluster, the server listens on a free port of this machine, and both containers get what the network of
a pod gives: the address of the database's name, the endpoint of AWS, credentials, and the authority of the sandbox in
place of that of RDS. Modules may be compiled, as those of an image are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from dr.topology.registry import DATABASE_HOST, PORT
from sandbox.clusters.pod_processes import ConfigMaps, Process
from tests.support.mlflow import answers, free_port
from tests.support.waiting import wait_for

LOGIN_SECONDS = 300.0
MIB = 1 << 20


@contextmanager
def running(pod: dict[str, Any], config_map: ConfigMaps, given: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run the containers of a pod until the block ends, and return the server's URL.

    Args:
        pod: The pod.
        config_map: Reads a ConfigMap by namespace and name.
        given: What its network gives (`network`).
        folder: A folder that does not exist yet: the root of the pod's file system.
    """
    (login,), (server,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    folder.mkdir()
    environment = {**given, "TMPDIR": str(folder / "tmp")}
    host = {"DATABASE_HOST": host_of(pod)}
    done = Process(pod, login, config_map, folder, {**environment, **host}).wait(LOGIN_SECONDS)
    assert done.exit_code == 0, done.output
    before = {each.name for each in folder.iterdir()}
    port = free_port()
    process = Process(pod, moved(server, port), config_map, folder, environment)
    url = f"http://127.0.0.1:{port}"
    most = 0

    def loaded() -> int:
        nonlocal most
        most = max(most, memory(process) // MIB)
        return most

    try:
        wait_for(lambda: answers(url) or process.ended, "MLflow", progress=loaded)
        assert not process.ended, process.wait().output
        yield url
        assert {each.name for each in folder.iterdir()} == before, "the root file system of the pod is read-only"
    finally:
        end(process)


def host_of(pod: Mapping[str, Any]) -> str:
    """Return the name of a pod's database."""
    return str(pod["metadata"]["annotations"][DATABASE_HOST])


def network(endpoint: str, authority: Path, address: str) -> dict[str, str]:
    """Return the variables that a container gets besides those of its specification.

    Args:
        endpoint: Endpoint of AWS.
        authority: Certificate of the authority that signs those of databases.
        address: IP address of the database.
    """
    compiled = os.environ.get("PYTHONPYCACHEPREFIX")
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DATABASE_AUTHORITY": str(authority),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PGHOSTADDR": address,
        "PYTHONDONTWRITEBYTECODE": "",
        **({"PYTHONPYCACHEPREFIX": compiled} if compiled else {}),
    }


def moved(server: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return the container of the server with an address of this machine."""
    places = {"--host=0.0.0.0": "--host=127.0.0.1", f"--port={PORT}": f"--port={port}"}
    assert places.keys() <= set(server["args"])
    return {**server, "args": [places.get(each, each) for each in server["args"]]}


def tree(process: Process) -> list[psutil.Process]:
    """Return a process that runs, and its workers."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    return []


def memory(process: Process) -> int:
    """Return the resident memory of a process and its workers, in bytes."""
    total = 0
    for each in tree(process):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total


def end(process: Process) -> None:
    """Kill a process and its workers."""
    for each in tree(process)[1:] if not process.ended else []:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.kill()
    process.wait()
