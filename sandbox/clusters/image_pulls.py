"""Image pulls of one cluster's nodes, as the kubelet makes them: from the registry that an image names.

A pod starts when its images are on its node. An image of the account's registries must be in its repository, and the
registry's region must be reachable; an image of a publisher needs the publisher. An image that was pulled stays on its
node. A failed pull is `ErrImagePull`, and is tried again after 10, 20, 40 seconds and so on up to 300 (Kubernetes
documentation, "ImagePullBackOff").
"""

from __future__ import annotations

import re
import time

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.faults import Faults
from sandbox.aws.world import Clients
from sandbox.clusters.api import Api, RefusedError, Thing, Watched
from sandbox.clusters.nodes import pod_path

OWN = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^@:]+)(?::[^@]+)?@(?P<digest>.+)")
"""An image of the account's registries, by digest."""
ECR = re.compile(r"\d{12}\.dkr\.ecr\.")
PULLED, PROBLEM = "sandbox/pulled", "sandbox/pull-problem"
"""Annotations that stages/pod.yaml reads."""
FIRST_SECONDS, LONGEST_SECONDS = 10.0, 300.0


class ImagePulls:
    """Pulls of the pods' images.

    Args:
        api: Client of the cluster's API server.
        pods: Pods of the cluster.
        client: Creates boto3 clients for the emulator.
        faults: Injected faults.
        speed: Modelled seconds per real second.
    """

    def __init__(self, api: Api, pods: Watched, client: Clients, faults: Faults, speed: float) -> None:
        self._api, self._pods, self._client, self._faults, self._speed = api, pods, client, faults, speed
        self._held: set[tuple[str, str]] = set()
        self._again: dict[str, tuple[float, float]] = {}

    def step(self) -> None:
        """Pull the images of scheduled pods that have not started. Raises as `Api.call`."""
        now, waiting = time.monotonic(), dict[str, tuple[float, float]]()
        for pod in self._pods.all():
            about, node = pod["metadata"], pod["spec"].get("nodeName")
            notes = about.get("annotations", {})
            if not node or pod["status"].get("phase") != "Pending" or notes.get(PULLED) or "deletionTimestamp" in about:
                continue
            delay, due = self._again.get(about["uid"], (FIRST_SECONDS, now))
            if now < due:
                waiting[about["uid"]] = (delay, due)
                continue
            images = images_of(pod)
            problem = next(filter(None, (self._problem(node, image) for image in images)), "")
            # The fault of a publisher matters to stages only while it lasts; most pods need no annotation.
            if problem:
                waiting[about["uid"]] = (min(2 * delay, LONGEST_SECONDS), now + delay / self._speed)
                self._annotate(about, {PROBLEM: problem})
            elif PROBLEM in notes or any(map(ECR.match, images)):
                self._annotate(about, {PULLED: "yes", PROBLEM: None})
        self._again = waiting

    def _problem(self, node: str, image: str) -> str:
        if (node, image) in self._held:
            return ""
        if reason := self._refusal(image):
            return f'failed to pull image "{image}": {reason}'
        self._held.add((node, image))
        return ""

    def _refusal(self, image: str) -> str:
        """Return why a registry does not provide an image; "" if it does."""
        if not ECR.match(image):
            return "connection reset" if self._faults.publishers_down() else ""
        match = OWN.fullmatch(image)
        if match is None:
            return "the sandbox pulls from ECR by digest only"
        if self._faults.unreachable(match["region"]):
            return f"the registry of {match['region']} does not answer"
        try:
            found = self._client("ecr", match["region"]).batch_get_image(
                repositoryName=match["name"], imageIds=[{"imageDigest": match["digest"]}]
            )
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return "" if found["images"] else "not found"

    def _annotate(self, about: Thing, notes: dict[str, str | None]) -> None:
        if {name: about.get("annotations", {}).get(name) for name in notes} == notes:
            return
        try:
            self._api.patch(pod_path(about), {"metadata": {"annotations": notes}})
        except RefusedError as error:
            if error.status != 404:
                raise


def images_of(pod: Thing) -> list[str]:
    """Return the images of a pod's containers."""
    spec = pod["spec"]
    return list(dict.fromkeys(each["image"] for each in (*spec.get("initContainers", ()), *spec["containers"])))
