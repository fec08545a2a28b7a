"""What is seen from outside while something breaks: pods, targets and requests, sampled all along, as a timeline.

Three witnesses that know nothing of each other: the Kubernetes API, the load balancer's target health, and a client
that asks for predictions through the region's address and counts what fails.
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
from sandbox.cli.predict import Way
from sandbox.local import read_json
from sandbox.model_set import NAME
from tests.support.sandbox import SandboxUnderTest

EVERY_SECONDS = 0.1
REQUESTS_A_SECOND = 10
NAMESPACE, APP = "ml-serving", "app=inference"
ROW = {"inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [0.0] * 64}]}
MODEL = f"/v2/models/{NAME}/infer"


@dataclass(frozen=True)
class Sample:
    """How things are at a moment.

    Args:
        ready: Ready pods by zone.
        waiting: Pods that no node was found for.
        healthy: Targets that the load balancer sends requests to.
        allowed: Disruptions that the budget allows.
        free_gpus: GPUs on ready nodes that no pod has.
    """

    ready: Mapping[str, int]
    waiting: int
    healthy: int
    allowed: int | None
    free_gpus: int

    @property
    def available(self) -> int:
        """Ready pods."""
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
    """A timeline in the making."""

    sandbox: SandboxUnderTest
    region: str
    began: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, Sample]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    sent: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)

    def event(self, text: str) -> None:
        """Note what was done."""
        self.events.append((self.now, text))

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    @property
    def latest(self) -> Sample:
        """The newest sample."""
        return self.samples[-1][1]

    @property
    def least_available(self) -> int:
        """The fewest ready pods of any moment."""
        return min(sample.available for _, sample in self.samples)

    def until(self, met: Callable[[Sample], bool], what: str, seconds: float = 120) -> None:
        """Wait for a state of things, and note when it came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.samples and met(self.latest):
                self.event(what)
                return
            time.sleep(EVERY_SECONDS)
        raise AssertionError(f"not within {seconds:g} s: {what}\n{self}")

    def __str__(self) -> str:
        """What changed, and when; then what became of the requests."""
        lines, before = [], ""
        told = [(at, f"* {text}") for at, text in self.events]
        for at, sample in self.samples:
            if (text := str(sample)) != before:
                told.append((at, text))
            before = text
        lines = [f"{at:7.1f} s  {text}" for at, text in sorted(told)]
        reasons = Counter(reason for _, reason in self.failed)
        why = f": {', '.join(f'{count} {reason}' for reason, count in reasons.items())}" if reasons else ""
        return "\n".join([*lines, f"requests   {self.sent} sent, {len(self.failed)} failed{why}"])


class Cluster:
    """A region's cluster, seen with an operator's own kubeconfig."""

    def __init__(self, sandbox: SandboxUnderTest, region: str) -> None:
        from kubernetes import client, config

        api = config.new_client_from_config(str(sandbox.local.kubeconfig), context=region)
        self.api, self.core, self.policy = api, client.CoreV1Api(api), client.PolicyV1Api(api)
        self.apps, self.autoscaling = client.AppsV1Api(api), client.AutoscalingV2Api(api)
        self._elb = sandbox.client("elbv2", region)
        (group,) = self._elb.describe_target_groups()["TargetGroups"]
        self._targets = group["TargetGroupArn"]

    def nodes(self, pool: str = "gpu") -> list[Any]:
        """Nodes of a pool."""
        return list(self.core.list_node(label_selector=f"pool={pool}").items)

    def pods(self) -> list[Any]:
        """Inference pods that are not on their way out."""
        found = self.core.list_namespaced_pod(NAMESPACE, label_selector=APP).items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def sample(self) -> Sample:
        """How things are now."""
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


def way_to(sandbox: SandboxUnderTest, name: str) -> Way:
    """How a client reaches a host name of the deployment, over TLS."""
    return Way(name, sandbox.server.endpoint, Path(read_json(sandbox.local.emulator)["authority"]))


@contextmanager
def drill(sandbox: SandboxUnderTest, region: str, name: str) -> Iterator[Drill]:
    """Watch a region, with requests all along, until the block ends.

    Args:
        sandbox: Where.
        region: Which region.
        name: The host name that requests go to.
    """
    seen, cluster, way = Drill(sandbox, region), Cluster(sandbox, region), way_to(sandbox, name)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_SECONDS):
            seen.samples.append((seen.now, cluster.sample()))

    def ask() -> None:
        while not ended.wait(1 / REQUESTS_A_SECOND):
            at = seen.now
            seen.sent += 1
            try:
                way.send("POST", MODEL, ROW)
            except Failed as error:
                seen.failed.append((at, error.problems[0].fact.rpartition(MODEL)[2].strip(": ")))

    threads = [threading.Thread(target=work, daemon=True) for work in (watch, ask)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        print(f"\n{seen}")
