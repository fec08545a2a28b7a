"""A Kubernetes control plane: five processes on loopback, which end with the process that started them."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr.errors import Failed, Problem
from sandbox.control_plane import commands
from sandbox.control_plane.certificates import MASTERS, ORGANIZATION
from sandbox.control_plane.commands import Plan, Ports
from sandbox.control_plane.door import CLOSED, OPEN
from sandbox.control_plane.supervised import Supervised
from sandbox.local import read_json
from sandbox.toolchain.kubernetes_binaries import Binaries

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

START_SECONDS = 120.0
STAGES = Path(__file__).parent / "stages"


class ControlPlane:
    """etcd, kube-apiserver, kube-scheduler, kube-controller-manager and kwok of one cluster.

    Args:
        region: The cluster's region.
        folder: Folder of its data, keys and logs; created if absent.
        binaries: The programs.
        webhook: URL of the token review (TokenReview, authentication.k8s.io/v1).
        speed: Modelled seconds per real second.
    """

    def __init__(self, region: str, folder: Path, binaries: Binaries, webhook: str, speed: float) -> None:
        self.region = region
        self._lock = threading.Lock()
        # Bound but not listening: this reserves the ports, and connections go to the process that listens.
        self._held = [_held_port() for _ in range(4)]
        ports = Ports(*(held.getsockname()[1] for held in self._held))
        self.plan = Plan(folder, binaries.folder, ports, webhook, speed)
        self._processes = Supervised(folder / "processes.json")

    @property
    def endpoint(self) -> str:
        """URL of the API server for programs outside the sandbox; it may refuse them (`admit`)."""
        return f"https://127.0.0.1:{self.plan.ports.door}"

    @property
    def internal(self) -> str:
        """URL of the API server for the sandbox's own processes."""
        return f"https://127.0.0.1:{self.plan.ports.api}"

    def admit(self, admitted: bool) -> None:
        """Admit or refuse new connections to the endpoint."""
        draft = self.plan.access.with_suffix(".new")
        draft.write_text(OPEN if admitted else CLOSED)
        draft.replace(self.plan.access)

    @property
    def ca_data(self) -> str:
        """Certificate to trust: PEM, in base64."""
        return base64.b64encode(self.plan.certificates.authority.read_bytes()).decode()

    @property
    def admin_kubeconfig(self) -> Path:
        """Kubeconfig of the sandbox's administrator."""
        return self.plan.kubeconfig("admin")

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._processes.started

    def start(self) -> None:
        """Start, and wait until it is ready.

        Raises:
            Failed: It does not become ready; the message has the end of the log.
        """
        with self._lock:
            if self.running:
                return
            self._write_files()
            self._processes.start()
            try:
                self._processes.add(commands.foundation(self.plan))
                self._wait()
                self._processes.add(commands.controllers(self.plan))
            except BaseException:
                self._processes.stop()
                raise

    def stop(self) -> None:
        """Stop and release the ports. The folder stays."""
        with self._lock:
            self._processes.stop()
            for held in self._held:
                held.close()

    def pause(self) -> None:
        """Stop until `resume`, as in a region that is unreachable."""
        with self._lock:
            self._processes.stop()

    def resume(self) -> None:
        """Start again with the same address and data. Raises Failed, as `start`."""
        self.start()

    def processes(self) -> dict[str, int]:
        """Process id by name, of the running processes."""
        return {name: each["pid"] for name, each in read_json(self._processes.state).items() if each["pid"]}

    def api(self) -> ApiClient:
        """Make a client with the rights of the sandbox's administrator."""
        from kubernetes.client import ApiClient, Configuration

        keys = self.plan.certificates
        configuration = Configuration()
        configuration.host = self.internal
        configuration.ssl_ca_cert = str(keys.authority)
        configuration.cert_file, configuration.key_file = str(keys.certificate("admin")), str(keys.key("admin"))
        return ApiClient(configuration)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            state = read_json(self._processes.state)
            # An API server may end once because etcd is not ready yet.
            died = [name for name, process in state.items() if process["pid"] is None or process["ended"] > 1]
            if died or time.monotonic() > deadline or not self._processes.alive:
                raise Failed(self._problem(died[0] if died else "kube-apiserver", bool(died)))
            time.sleep(0.03)

    def _problem(self, name: str, died: bool) -> Problem:
        log = self.plan.folder / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join(lines[-5:]) or "its log is empty"
        fact = f"{name} {'ended' if died else f'was not ready after {START_SECONDS:g} s'}: {tail}"
        return Problem(f"the Kubernetes of {self.region}", fact, f"read {log}, then start again")

    def _ready(self) -> bool:
        try:
            with self._opener.open(f"{self.internal}/readyz", timeout=5) as answer:
                ready = bool(answer.status == 200)
            socket.create_connection(("127.0.0.1", self.plan.ports.door), timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return ready

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        keys = self.plan.certificates
        context = ssl.create_default_context(cafile=str(keys.authority))
        context.load_cert_chain(keys.certificate("admin"), keys.key("admin"))
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def _write_files(self) -> None:
        plan, keys = self.plan, self.plan.certificates
        (plan.folder / "pki").mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("etcd", "kube-apiserver", "service-account"):
            keys.make(name, name)
        keys.make("kube-apiserver-etcd", "kube-apiserver")
        # kwok acts as all kubelets and deletes pods, which needs these rights. For lesser rights each controller would
        # need a service account; no test reads which controller did what.
        clients = {
            "admin": ("sandbox", MASTERS),
            "kwok": ("system:kwok", MASTERS),
            "kube-controller-manager": ("system:kube-controller-manager", MASTERS),
            "kube-scheduler": ("system:kube-scheduler", ORGANIZATION),
        }
        for name, (user, group) in clients.items():
            keys.make(name, user, group)
            _write(plan.kubeconfig(name), self._kubeconfig(name))
        _write(plan.folder / "webhook.json", _kubeconfig({"server": plan.webhook}, {}))
        _write(plan.folder / "scheduler.json", _scheduler(plan))
        stages = [path.read_text().replace("SPEED", f"{plan.speed:g}") for path in sorted(STAGES.glob("*.yaml"))]
        (plan.folder / "stages.yaml").write_text("---\n".join(stages))

    def _kubeconfig(self, name: str) -> dict[str, Any]:
        keys = self.plan.certificates
        cluster = {"server": self.internal, "certificate-authority": str(keys.authority)}
        return _kubeconfig(
            cluster, {"client-certificate": str(keys.certificate(name)), "client-key": str(keys.key(name))}
        )


def _held_port() -> socket.socket:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _write(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))


def _kubeconfig(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "sandbox", "user": user}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        "current-context": "sandbox",
    }


def _scheduler(plan: Plan) -> dict[str, Any]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(plan.kubeconfig("kube-scheduler")), "qps": 200, "burst": 400},
        "leaderElection": {"leaderElect": False},
        "enableProfiling": False,
        # In whole seconds; the default maximum of 10 s is too long at the sandbox's speed.
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 1,
    }
