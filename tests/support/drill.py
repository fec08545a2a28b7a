"""Timeline of pods, targets and requests during a fault, observed from outside.

Three independent sources are sampled: the Kubernetes API, the load balancer's target health, and a client that sends
prediction requests to the region's address and counts failures.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dr.errors import Failed
from sandbox.cli.predict import ask, deployed_endpoint
from sandbox.client import open_loop
from sandbox.client.endpoint import ANSWER_SECONDS, Endpoint
from sandbox.client.predictions import INFER_PATH
from sandbox.local import read_json
from sandbox.model_set import infer_request
from sandbox.up import World
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import PATIENCE_SECONDS

EVERY_SECONDS = 0.1
REQUESTS_A_SECOND = 10
NAMESPACE, APP = "ml-serving", "app=inference"
ROW = [0.0] * 64


@dataclass(frozen=True)
class Sample:
    """State of a region at one time.

    Args:
        ready: Ready pods by zone.
        waiting: Unschedulable pods.
        healthy: Healthy targets of the load balancer.
        allowed: Disruptions that the budget allows.
        free_gpus: Unallocated GPUs on ready nodes.
    """

    ready: Mapping[str, int]
    waiting: int
    healthy: int
    allowed: int | None
    free_gpus: int

    @property
    def available(self) -> int:
        """Number of ready pods."""
        return sum(self.ready.values())

    def __str__(self) -> str:
        zones = " ".join(f"{zone[-1]}:{count}" for zone, count in sorted(self.ready.items()))
        budget = "no budget" if self.allowed is None else f"{self.allowed} disruptions allowed"
        return (
            f"{self.available} ready ({zones}), {self.waiting} waiting, {self.healthy} targets healthy, {budget}, "
            f"{self.free_gpus} GPUs free"
        )


@dataclass
class Drill:
    """A timeline that is being recorded."""

    sandbox: SandboxUnderTest
    region: str
    began: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, Sample]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    sent: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)

    def event(self, text: str) -> None:
        """Record an event."""
        self.events.append((self.now, text))

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def latest(self) -> Sample:
        """The newest sample."""
        return self.samples[-1][1]

    @property
    def least_available(self) -> int:
        """Lowest number of ready pods so far."""
        return min(sample.available for _, sample in self.samples)

    def until(self, met: Callable[[Sample], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition on the newest sample is met, and record the event."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.samples and met(self.latest):
                self.event(what)
                return
            time.sleep(EVERY_SECONDS)
        raise AssertionError(f"not within {seconds:g} s: {what}\n{self}")

    def __str__(self) -> str:
        """Return the changes with their times, and the results of the requests."""
        lines, before = [], ""
        changes = [(at, f"* {text}") for at, text in self.events]
        for at, sample in self.samples:
            if (text := str(sample)) != before:
                changes.append((at, text))
            before = text
        lines = [f"{at:7.1f} s  {text}" for at, text in sorted(changes)]
        reasons = Counter(reason for _, reason in self.failed)
        why = f": {', '.join(f'{count} {reason}' for reason, count in reasons.items())}" if reasons else ""
        return "\n".join([*lines, f"requests   {self.sent} sent, {len(self.failed)} failed{why}"])


class Cluster:
    """A region's cluster, accessed with the operator's kubeconfig."""

    def __init__(self, sandbox: SandboxUnderTest, region: str) -> None:
        from kubernetes import client, config

        api = config.new_client_from_config(str(sandbox.local.kubeconfig), context=region)
        self.api, self.core, self.policy = api, client.CoreV1Api(api), client.PolicyV1Api(api)
        self.apps, self.autoscaling = client.AppsV1Api(api), client.AutoscalingV2Api(api)
        self._elb = sandbox.client("elbv2", region)
        (group,) = self._elb.describe_target_groups()["TargetGroups"]
        self._targets = group["TargetGroupArn"]

    def nodes(self, pool: str = "gpu") -> list[Any]:
        """Return the nodes of a pool."""
        return list(self.core.list_node(label_selector=f"pool={pool}").items)

    def pods(self) -> list[Any]:
        """Return the inference pods that are not terminating."""
        pods = self.core.list_namespaced_pod(NAMESPACE, label_selector=APP).items
        return [pod for pod in pods if pod.metadata.deletion_timestamp is None]

    def sample(self) -> Sample:
        """Return the current state."""
        nodes = {node.metadata.name: node for node in self.nodes()}
        ready: Counter[str] = Counter()
        waiting, used = 0, 0
        for pod in self.pods():
            node = nodes.get(pod.spec.node_name or "")
            waiting += pod.spec.node_name is None
            used += node is not None and _is(node, "Ready")
            if node is not None and _is(pod, "Ready"):
                ready[node.metadata.labels["topology.kubernetes.io/zone"]] += 1
        gpus = sum(
            int(node.status.allocatable.get("nvidia.com/gpu", 0))
            for node in nodes.values()
            if _is(node, "Ready") and not node.spec.unschedulable
        )
        budgets = self.policy.list_namespaced_pod_disruption_budget(NAMESPACE).items
        health = self._elb.describe_target_health(TargetGroupArn=self._targets)["TargetHealthDescriptions"]
        healthy = sum(target["TargetHealth"]["State"] == "healthy" for target in health)
        allowed = budgets[0].status.disruptions_allowed if budgets and budgets[0].status else None
        return Sample(dict(ready), waiting, healthy, allowed, max(0, gpus - used))


def _is(thing: Any, condition: str) -> bool:
    return any(each.type == condition and each.status == "True" for each in thing.status.conditions or ())


def zones_with_nodes(cluster: Cluster) -> set[str]:
    """Return the zones with a ready GPU node."""
    nodes = [node for node in cluster.nodes() if _is(node, "Ready")]
    return {node.metadata.labels["topology.kubernetes.io/zone"] for node in nodes}


def even_out(cluster: Cluster, most: int) -> None:
    """Evict replicas of zones with more than a number of them; new ones start in the zones with fewer.

    Kubernetes does not move replicas back to a zone that recovered (docs/architecture.md, "Inside the cluster").
    """
    zones = {node.metadata.name: node.metadata.labels["topology.kubernetes.io/zone"] for node in cluster.nodes()}
    held: dict[str, list[str]] = {}
    for pod in cluster.pods():
        held.setdefault(zones[pod.spec.node_name], []).append(pod.metadata.name)
    for name in [name for names in held.values() for name in names[most:]]:
        eviction = {"metadata": {"name": name, "namespace": NAMESPACE}}
        cluster.core.create_namespaced_pod_eviction(name, NAMESPACE, eviction)


def endpoint_of(sandbox: SandboxUnderTest, name: str) -> Endpoint:
    """Return the endpoint with a host name of the deployment."""
    return Endpoint(name, sandbox.server.endpoint, Path(read_json(sandbox.local.emulator)["authority"]))


@contextmanager
def drill(sandbox: SandboxUnderTest, region: str, name: str) -> Iterator[Drill]:
    """Observe a region and send requests to it until the block ends.

    Args:
        sandbox: The sandbox.
        region: The region to observe.
        name: Host name of the requests.
    """
    timeline, cluster, endpoint = Drill(sandbox, region), Cluster(sandbox, region), endpoint_of(sandbox, name)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_SECONDS):
            timeline.samples.append((timeline.now, cluster.sample()))

    def send(number: int) -> None:
        at, timeline.sent = timeline.now, max(timeline.sent, number + 1)
        try:
            endpoint.send("POST", INFER_PATH, infer_request(ROW))
        except Failed as error:
            timeline.failed.append((at, error.problems[0].fact.rpartition(INFER_PATH)[2].strip(": ")))

    def load() -> None:
        open_loop.run(send, REQUESTS_A_SECOND, ended, ANSWER_SECONDS)

    threads = [threading.Thread(target=work, daemon=True) for work in (watch, load)]
    for thread in threads:
        thread.start()
    try:
        yield timeline
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        print(f"\n{timeline}")


def predicted(sandbox: SandboxUnderTest, region: str, count: int = 1) -> list[bool]:
    """Return whether the region's predictions equal those of the same model run here."""
    here = World(sandbox.local, sandbox.programs, server=sandbox.server, engine=sandbox.engine)
    return [each.equal for each in ask(deployed_endpoint(here, region, False), region, here.buckets(region), count)]
