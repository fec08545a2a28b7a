"""The run of a drill of isolation: one replica starts in the recovery region with nothing but that region.

It moves no traffic, and runs on AWS as on the sandbox. A dependency on the lost region would show on the day of the
loss, when it cannot be corrected: a bucket, an image or an endpoint of the other region in what a replica loads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from dr.clients import Missing, calls, client
from dr.clusters.api_client import ClusterApi
from dr.clusters.pod_failures import Failure, Kind, failures
from dr.data.model_sets import Probe
from dr.drills import guards, isolation_spec, running
from dr.drills.attempts import attempt
from dr.drills.catalog import ISOLATION
from dr.drills.isolation_result import Seen
from dr.drills.isolation_spec import ASKER, SELECTOR
from dr.drills.running import Process, Running
from dr.errors import Failed, Problem, Refused
from dr.names import DRILL
from dr.operations.capacity_steps import DEPLOYMENT
from dr.operations.data_steps import newest_whole
from dr.operations.readiness_equality import images_of
from dr.operations.scene import Scene
from dr.topology.serving import NAMESPACE

PATIENCE = timedelta(minutes=35)
"""Time limit for the pod to answer: those of the failover's steps that start nodes and replicas."""
REMOVAL_PATIENCE = timedelta(minutes=2)
POLL_SECONDS = 1.0
SPACE = f"/api/v1/namespaces/{DRILL}"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{DRILL}/networkpolicies"
OBJECTS = (f"{SPACE}/pods", f"{SPACE}/configmaps", POLICIES)
"""Lists of the objects that the drill creates; the pod first, so that it is never without its policy."""
IN_CLUSTER = tuple(
    (verb, group, resource, "", DRILL)
    for group, resource in (("", "pods"), ("", "configmaps"), ("networking.k8s.io", "networkpolicies"))
    for verb in ("create", "deletecollection")
)
"""What the drill does in the cluster: verb, API group, resource, subresource, namespace."""


@dataclass
class Isolation:
    """One run of the drill.

    Args:
        scene: The recovery region.
        say: Shows a line of progress.
        modelled: Whether an emulator runs the pods.
        patience: Time limit for the pod to answer.
    """

    scene: Scene
    say: Callable[[str], None]
    modelled: bool
    patience: timedelta = PATIENCE
    _said: str = field(default="", init=False)

    @cached_property
    def seen(self) -> Seen:
        """What the drill has seen."""
        scene = self.scene
        run, account = scene.options.run, scene.recovery.account
        return Seen(run, scene.tier, scene.region, scene.home, account, datetime.now(UTC), self.modelled)

    @cached_property
    def _api(self) -> ClusterApi:
        return self.scene.cluster

    def execute(self) -> Seen:
        """Run the drill, and return what it has seen.

        Raises:
            Refused: The starting point is not fit for the drill. Nothing was changed.
            DrError: The starting point cannot be read.
        """
        running.check()
        deployment, probe = self._check()
        seen = self.seen
        seen.before, seen.images = self.scene.state(), images_of(deployment)
        Running(ISOLATION, seen.run, Process.this()).note()
        try:
            self._attempt(lambda: self._start(deployment, probe))
            self._attempt(self._follow)
        finally:
            self._attempt(self._remove)
        self._attempt(self._read_state)
        running.forget()
        return seen

    def _check(self) -> tuple[isolation_spec.Object, Probe]:
        """Return the Deployment and the request with its known answer."""
        manifest, _ = newest_whole(self.scene)
        problems, probe = list(self._problems()), manifest.probe if manifest else None
        if probe is None:
            region = self.scene.region
            lacks = (
                f"{manifest.set_id} has no request with a known answer"
                if manifest
                else f"no version is whole in {region}"
            )
            problems.append(Problem("model set", lacks, "publish the set with a probe; drill once it has arrived"))
        if problems or probe is None:
            raise Refused(*problems)
        return self._api.get(DEPLOYMENT), probe

    def _problems(self) -> Iterator[Problem]:
        yield from guards.no_incident(self.scene.state())
        try:
            self._api.get(SPACE)
        except Missing:
            fact = f"{self.scene.region} does not have it"
            yield Problem(f"namespace {DRILL}", fact, f"`pulumi up -s {self.scene.recovery.stack}` creates it")
            return
        if left := self._api.get(f"{SPACE}/pods")["items"]:
            fact = f"it has pods already: {', '.join(each['metadata']['name'] for each in left)}"
            yield Problem(f"namespace {DRILL}", fact, "`dr drill stop` deletes those of an earlier drill")
        for verb, group, resource, subresource, space in IN_CLUSTER:
            if not self._api.allows(verb, group, resource, space, subresource):
                fact = f"denied: {verb} {resource} in {space}"
                yield Problem("permissions in the cluster", fact, "allow it to the role in dr:operatorRoles")

    def _attempt(self, act: Callable[[], None]) -> None:
        attempt(act, self.seen.problems, self.say)

    def _start(self, deployment: isolation_spec.Object, probe: Probe) -> None:
        """Create the pod, its policy first."""
        scene, api, spec = self.scene, self._api, isolation_spec
        serving = scene.topology.serving
        api.create(POLICIES, spec.egress(s3_blocks(scene.region)))
        for name in spec.config_maps(deployment):
            api.create(f"{SPACE}/configmaps", spec.copied(api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")))
        api.create(f"{SPACE}/configmaps", spec.probe_map(probe))
        model = serving.model or serving.model_set
        pod = spec.pod(deployment, self.seen.run, scene.region, scene.home, model, serving.answer_seconds)
        self.seen.pod = api.create(f"{SPACE}/pods", pod)
        self.say(f"pod {pod['metadata']['name']} is created in {DRILL}; it may call S3 of {scene.region} only")

    def _follow(self) -> None:
        """Wait until the pod has answered, failed, or cannot start."""
        if self.seen.pod is None:
            return
        path, grace = f"{SPACE}/pods/{self.seen.pod['metadata']['name']}", self._grace
        deadline = time.monotonic() + self.patience.total_seconds()
        while True:
            pod = self.seen.pod = self._api.get(path)
            phase = (pod.get("status") or {}).get("phase")
            if self.seen.ran(ASKER).exit_code is not None or phase in ("Failed", "Succeeded"):
                return
            found = failures([pod])
            self.seen.waits_for = next((f"{each.reason}: {each.message}" for each in found), "")
            self._progress(found)
            stuck = [each for each in found if each.kind in (Kind.IMAGE, Kind.CONFIGURATION)]
            if any(self._api.now - each.since > grace for each in stuck):
                return
            if time.monotonic() > deadline:
                fact = f"it did not answer within {self.patience.total_seconds() / 60:.0f} min"
                raise Failed(Problem("the pod of the drill", fact, self.seen.waits_for or "see its containers"))
            time.sleep(POLL_SECONDS)

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self.scene.topology.serving.rollout_grace_seconds)

    def _progress(self, found: Sequence[Failure]) -> None:
        """Say what the pod waits for, once; nothing before the scheduler has seen it."""
        placement = any(each.kind is Kind.PLACEMENT for each in found)
        text = f"waiting for a GPU: {self.seen.waits_for}" if placement else self.seen.waits_for
        if text != self._said and (self.seen.pod or {}).get("status", {}).get("conditions"):
            self._said = text
            self.say(text)

    def _remove(self) -> None:
        remove(self._api)
        self.seen.removed = True

    def _read_state(self) -> None:
        self.seen.after = self.scene.state()


def remove(api: ClusterApi) -> list[str]:
    """Delete the objects of the drill, and return their names.

    Raises:
        Failed: The pod is not gone in time.
        DrError: As `ClusterApi.get`.
    """
    names = []
    for path in OBJECTS:
        with suppress(Missing):
            found = [each["metadata"]["name"] for each in api.get(path, labelSelector=SELECTOR)["items"]]
            if found:
                api.delete(path, labelSelector=SELECTOR)
            names += found
    deadline = time.monotonic() + REMOVAL_PATIENCE.total_seconds()
    while names and api.get(f"{SPACE}/pods", labelSelector=SELECTOR)["items"]:
        if time.monotonic() > deadline:
            fact = f"it is not deleted after {REMOVAL_PATIENCE.total_seconds():.0f} s"
            raise Failed(Problem("the pod of the drill", fact, "`kubectl -n dr-drill describe pods` shows why"))
        time.sleep(POLL_SECONDS)
    return names


def s3_blocks(region: str) -> list[str]:
    """Return the addresses of S3 in a region, as CIDR blocks.

    Raises:
        Failed: The region has no such prefix list.
        Unreachable: The region does not answer.
    """
    name = f"com.amazonaws.{region}.s3"
    with calls(f"prefix list {name}", region):
        answer = client("ec2", region).describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": [name]}])
    blocks = [block for each in answer["PrefixLists"] for block in each["Cidrs"]]
    if not blocks:
        raise Failed(Problem(f"prefix list {name}", f"{region} does not list it", "allow ec2:DescribePrefixLists"))
    return blocks
