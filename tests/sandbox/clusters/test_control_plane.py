"""A real control plane: access, isolation, pausing, and the end of its processes."""

from __future__ import annotations

import functools
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from kubernetes import client
from kubernetes.client import ApiException

from dr.errors import Failed
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.control_plane.supervisor import die_with
from sandbox.local import ROOT
from sandbox.toolchain.kubernetes_binaries import Binaries
from tests.support.control_plane import UNUSED_TOKENS
from tests.support.waiting import PATIENCE_SECONDS, wait_for

PROGRAMS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}


def code_of(url: str, **context: Any) -> int:
    """HTTP status of a request without credentials."""
    trusted = ssl.create_default_context(**context)
    try:
        with urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusted)).open(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_control_plane_emulates_the_version_of_the_stacks(control_plane: ControlPlane) -> None:
    version = client.VersionApi(control_plane.api()).get_code()

    assert (version.emulation_major, version.emulation_minor) == ("1", "35")
    assert version.git_version == f"v{version.major}.{version.minor}.3"


def test_requests_without_credentials_are_refused(control_plane: ControlPlane) -> None:
    authority = str(control_plane.plan.certificates.authority)

    assert code_of(f"{control_plane.endpoint}/readyz", cafile=authority) == 401
    assert code_of(f"{control_plane.endpoint}/api/v1/secrets", cafile=authority) == 401
    for port in (control_plane.plan.ports.etcd, control_plane.plan.ports.peer):
        with pytest.raises((urllib.error.URLError, OSError), match=r"(?i)certificate|alert|reset"):
            code_of(f"https://127.0.0.1:{port}/health", cafile=authority)


def test_keys_of_a_control_plane_are_readable_by_their_owner_only(control_plane: ControlPlane) -> None:
    folder = control_plane.plan.folder

    assert (folder / "pki").stat().st_mode & 0o777 == 0o700
    for file in (*folder.glob("*.kubeconfig"), *(folder / "pki").glob("*.key")):
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_control_plane_listens_on_four_loopback_ports_only(control_plane: ControlPlane) -> None:
    processes = control_plane.processes()
    listening = {
        each.laddr
        for pid in processes.values()
        for each in psutil.Process(pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }

    ports = control_plane.plan.ports
    assert processes.keys() == {*PROGRAMS, "door"}
    assert listening == {("127.0.0.1", port) for port in (ports.api, ports.etcd, ports.peer, ports.door)}


def test_rbac_applies_to_users_without_administrator_rights(control_plane: ControlPlane) -> None:
    access = client.AuthorizationV1Api(control_plane.api())
    attributes = {"verb": "list", "resource": "secrets", "namespace": "default"}

    review = access.create_subject_access_review({"spec": {"user": "someone", "resourceAttributes": attributes}})

    assert not review.status.allowed


def test_two_control_planes_are_independent(control_plane: ControlPlane, binaries: Binaries, tmp_path: Path) -> None:
    other = ControlPlane("us-west-2", tmp_path / "other", binaries, UNUSED_TOKENS, speed=60)
    other.start()
    try:
        client.CoreV1Api(control_plane.api()).create_namespace({"metadata": {"name": "here"}})
        with pytest.raises(ApiException) as raised:
            client.CoreV1Api(other.api()).read_namespace("here")
        assert raised.value.status == 404
        assert other.ca_data != control_plane.ca_data
    finally:
        other.stop()
        client.CoreV1Api(control_plane.api()).delete_namespace("here")


def test_a_paused_control_plane_resumes_with_its_data(binaries: Binaries, tmp_path: Path) -> None:
    plane = ControlPlane("us-west-2", tmp_path / "plane", binaries, UNUSED_TOKENS, speed=60)
    plane.start()
    try:
        core, endpoint = client.CoreV1Api(plane.api()), plane.endpoint
        core.create_namespaced_config_map("default", {"metadata": {"name": "kept"}, "data": {"a": "1"}})
        gone = list(plane.processes().values())

        plane.pause()

        assert not plane.running
        assert not any(map(psutil.pid_exists, gone))
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", plane.plan.ports.api)):
            pass

        plane.resume()

        assert plane.endpoint == endpoint
        assert core.read_namespaced_config_map("kept", "default").data == {"a": "1"}
        # Pausing and resuming are idempotent.
        plane.resume()
        plane.pause()
        plane.pause()
    finally:
        plane.stop()


def test_an_ended_process_is_restarted(control_plane: ControlPlane) -> None:
    before = wait_for(lambda: control_plane.processes().get("kube-scheduler"))
    os.kill(before, signal.SIGKILL)

    wait_for(lambda: control_plane.processes()["kube-scheduler"] != before)


def test_a_failed_start_is_reported_with_the_end_of_the_log(binaries: Binaries, tmp_path: Path) -> None:
    for name in PROGRAMS:
        (tmp_path / name).symlink_to(binaries.folder / name)
    (tmp_path / "kube-apiserver").unlink()
    (tmp_path / "kube-apiserver").write_text("#!/bin/sh\necho no room here >&2; exit 3\n")
    (tmp_path / "kube-apiserver").chmod(0o755)
    plane = ControlPlane(
        "us-west-2", tmp_path / "plane", Binaries(tmp_path, "1.36.3", "named"), UNUSED_TOKENS, speed=60
    )

    with pytest.raises(Failed, match=r"the Kubernetes of us-west-2: kube-apiserver ended: .*no room here"):
        plane.start()

    assert not plane.running
    plane.stop()


HOLDER = """
import sys, time
from pathlib import Path
from sandbox.toolchain.kubernetes_binaries import Binaries
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.control_plane.supervisor import die_with
plane = ControlPlane("us-west-2", Path(sys.argv[1]), Binaries(Path(sys.argv[2]), "", "named"), sys.argv[3], 60)
plane.start()
print("started", flush=True)
time.sleep(300)
"""


def test_no_process_survives_its_killed_parent(binaries: Binaries, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), str(binaries.folder), UNUSED_TOKENS]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout
        assert parent.stdout.readline() == "started\n"
        family = psutil.Process(parent.pid).children(recursive=True)
    finally:
        parent.kill()
        parent.wait()

    gone, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert not alive
    assert len(gone) >= 3


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the end of the parent")


@on_linux
def test_a_process_ends_if_its_parent_ended_during_the_start() -> None:
    started_by_another = functools.partial(die_with, os.getppid())
    process = subprocess.Popen(["sleep", "60"], preexec_fn=started_by_another)

    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL


@on_linux
def test_no_process_survives_its_killed_supervisor(binaries: Binaries, tmp_path: Path) -> None:
    plane = ControlPlane("us-west-2", tmp_path, binaries, UNUSED_TOKENS, speed=60)
    plane.start()
    try:
        supervisor = psutil.Process(psutil.Process(plane.processes()["etcd"]).ppid())
        family = supervisor.children()
        supervisor.kill()

        assert not psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1]
    finally:
        plane.stop()
