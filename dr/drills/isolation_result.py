"""The document of a drill of isolation, calculated from the pod's status. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dr.drills import isolation_spec
from dr.drills.catalog import DRILLS, ISOLATION
from dr.drills.document import DrillDocument, DrillStep, Judgement, Requests, Verdict, overall
from dr.drills.isolation_spec import ASKER, ISOLATED, Object
from dr.operations.fingerprint import Fingerprint
from dr.topology.serving import FETCHER, SERVER
from dr.topology.supply import registry
from dr.topology.tiers import Tier

STEPS = {
    "node": "Find a GPU, on a node that may have to start",
    "images": "Pull the images, and start the pod",
    "isolation": "Reach the own region's S3, and no other endpoint",
    "models": "Fetch the newest model set that is whole here",
    "answers": "Load the models, and answer",
}


@dataclass(frozen=True)
class Ran:
    """What is known of a container.

    Args:
        started: Its start; None if it has not started.
        finished: Its end; None if it has not ended.
        exit_code: Its exit code; None while it runs.
        message: Its termination message, or why it waits.
        ready: Whether it is ready.
    """

    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    message: str = ""
    ready: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.exit_code not in (None, 0)


@dataclass
class Seen:
    """What the drill has seen.

    Args:
        run: ID of the run.
        tier: Deployed tier of the recovery region.
        region: The region of the pod.
        home: The other region.
        account: The AWS account's twelve digits.
        started: Start of the drill.
        modelled: Whether an emulator runs the pods.
    """

    run: str
    tier: Tier
    region: str
    home: str
    account: str
    started: datetime
    modelled: bool
    images: Mapping[str, str] = field(default_factory=dict)
    """Images of a replica by container."""
    pod: Object | None = None
    """The pod as last read; None if it was not created."""
    waits_for: str = ""
    """What the pod waited for when it was last read."""
    before: object = None
    after: object = None
    """The incident state before and after: what decides on traffic. None if it was not read."""
    removed: bool = False
    """Whether all objects of the drill are deleted."""
    problems: list[str] = field(default_factory=list)

    def ran(self, container: str) -> Ran:
        """Return what is known of a container."""
        return containers(self.pod).get(container, Ran())


def document(seen: Seen, marks: Fingerprint, ended: datetime) -> DrillDocument:
    """Return the result of the drill.

    Args:
        seen: What it has seen.
        marks: What is deployed.
        ended: Its end.
    """
    found = (isolation(seen), images(seen), models(seen), answers(seen), traffic(seen), operation(seen))
    return DrillDocument(
        drill=ISOLATION,
        run=seen.run,
        verdict=overall(found),
        tier=str(seen.tier),
        fingerprint=marks.value,
        started=_text(seen.started),
        ended=_text(ended),
        fault=DRILLS[ISOLATION].title,
        fault_at=_text(seen.started),
        rto_seconds=None,
        rto_error_seconds=None,
        rpo_seconds=None,
        objectives=None,
        requests=requests(seen),
        judgements=found,
        steps=tuple(steps(seen)),
        modelled=("steps",) if seen.modelled else (),
        measured=("requests",) if seen.modelled else ("requests", "steps"),
        versions=marks.versions,
        problems=tuple(seen.problems),
        region=seen.region,
    )


def isolation(seen: Seen) -> Judgement:
    """Judge whether the pod could reach nothing but its region's S3."""
    objective = f"{isolation_spec.own_host(seen.region)} is reached; {seen.home} and global endpoints are not"
    ran = seen.ran(ISOLATED)
    if ran.exit_code is None:
        return Judgement("isolation", Verdict.UNKNOWN, _not_run(seen, ISOLATED), objective)
    if ran.failed:
        return Judgement("isolation", Verdict.MISSED, _last(ran.message), objective)
    others = len(isolation_spec.hosts(seen.home))
    return Judgement("isolation", Verdict.MET, f"0 of {others} other hosts are reached", objective)


def images(seen: Seen) -> Judgement:
    """Judge whether a node pulls the images in its own region. It does so outside of the pod's network."""
    objective = f"each image is in the registry of {seen.region}"
    host = f"{registry(seen.account, seen.region)}/"
    outside = {name: image for name, image in seen.images.items() if not image.startswith(host)}
    if not seen.images:
        return Judgement("images", Verdict.UNKNOWN, "the Deployment was not read", objective)
    if outside:
        name, image = next(iter(outside.items()))
        fact = f"{len(outside)} of {len(seen.images)} come from elsewhere, first {name}: {image}"
        return Judgement("images", Verdict.MISSED, fact, objective)
    return Judgement("images", Verdict.MET, f"{len(seen.images)} of {len(seen.images)}", objective)


def models(seen: Seen) -> Judgement:
    """Judge whether the models were fetched."""
    ran, objective = seen.ran(FETCHER), f"fetched from {seen.region} alone"
    if ran.exit_code is None:
        return Judgement("models", Verdict.UNKNOWN, _not_run(seen, FETCHER), objective)
    if ran.failed:
        return Judgement("models", Verdict.MISSED, _last(ran.message), objective)
    return Judgement("models", Verdict.MET, "fetched", objective)


def answers(seen: Seen) -> Judgement:
    """Judge the answers of the model server."""
    objective, ran, asked = "every answer is the published model's", seen.ran(ASKER), _asked(seen)
    if ran.exit_code is None:
        return Judgement("answers", Verdict.UNKNOWN, _not_run(seen, ASKER), objective)
    if not asked:
        return Judgement("answers", Verdict.MISSED, _last(ran.message) or "it ended without an answer", objective)
    right = asked["sent"] - asked["failed"] - asked["wrong"]
    verdict = Verdict.MET if right == asked["sent"] > 0 else Verdict.MISSED
    return Judgement("answers", verdict, f"{right} of {asked['sent']} are right: {asked['fact']}", objective)


def traffic(seen: Seen) -> Judgement:
    """Judge whether what decides on traffic is unchanged. No client finds the pod: no Service selects it."""
    objective = "levers, activation and incident are unchanged"
    if seen.before is None or seen.after is None:
        return Judgement("traffic", Verdict.UNKNOWN, "the incident state was not read", objective)
    if seen.before != seen.after:
        return Judgement("traffic", Verdict.MISSED, "the incident state changed during the drill", objective)
    return Judgement("traffic", Verdict.MET, "the incident state is unchanged", objective)


def operation(seen: Seen) -> Judgement:
    """Judge the drill itself."""
    objective = "the drill ends without an error, and leaves nothing"
    if seen.problems:
        return Judgement("operation", Verdict.MISSED, seen.problems[0].splitlines()[0], objective)
    if not seen.removed:
        return Judgement("operation", Verdict.MISSED, "its objects are not deleted: `dr drill stop`", objective)
    return Judgement("operation", Verdict.MET, "its objects are deleted", objective)


def requests(seen: Seen) -> Requests:
    """Return the requests that the model server got."""
    asked = _asked(seen)
    return Requests(asked["sent"], asked["failed"], asked["wrong"]) if asked else Requests()


def steps(seen: Seen) -> Iterator[DrillStep]:
    """Yield the parts of the pod's start, with their times in its status."""
    if seen.pod is None:
        return
    created = _time(seen.pod["metadata"].get("creationTimestamp"))
    isolated, fetched, asked = seen.ran(ISOLATED), seen.ran(FETCHER), seen.ran(ASKER)
    placed = _scheduled(seen.pod)
    times = {
        "node": (created, placed, "" if placed else "failed"),
        "images": (placed, isolated.started, ""),
        "isolation": (isolated.started, isolated.finished, "failed" if isolated.failed else ""),
        "models": (fetched.started, fetched.finished, "failed" if fetched.failed else ""),
        "answers": (seen.ran(SERVER).started, asked.finished, "failed" if asked.failed else ""),
    }
    for name, (began, ended, outcome) in times.items():
        yield DrillStep(
            name=name,
            title=STEPS[name],
            started=_text(began) if began else None,
            ended=_text(ended) if ended else None,
            outcome=outcome or ("done" if ended else "failed"),
            expected={},
            evidence="" if ended else seen.waits_for,
        )


def containers(pod: Mapping[str, Any] | None) -> dict[str, Ran]:
    """Return what is known of a pod's containers, by name."""
    status = (pod or {}).get("status") or {}
    listed = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return {each["name"]: _ran(each) for each in listed}


def _ran(container: Mapping[str, Any]) -> Ran:
    state = container.get("state") or {}
    ended, runs = state.get("terminated") or {}, state.get("running") or {}
    waits = state.get("waiting") or {}
    return Ran(
        _time(ended.get("startedAt") or runs.get("startedAt")),
        _time(ended.get("finishedAt")),
        int(ended["exitCode"]) if "exitCode" in ended else None,
        str(ended.get("message") or waits.get("message") or waits.get("reason") or ""),
        bool(container.get("ready")),
    )


def _asked(seen: Seen) -> dict[str, Any]:
    """Return what the asking container reports; {} if it does not."""
    try:
        found = json.loads(seen.ran(ASKER).message)
        return {name: found[name] for name in ("sent", "failed", "wrong", "fact")}
    except (ValueError, KeyError, TypeError):
        return {}


def _not_run(seen: Seen, container: str) -> str:
    if seen.pod is None:
        return "the pod was not created"
    return f"container {container} did not end" + (f": {seen.waits_for}" if seen.waits_for else "")


def _last(message: str) -> str:
    """Return the last line of a container's output that is not indented: its error, without what to do."""
    lines = [line for line in message.splitlines() if line.strip() and not line.startswith(" ")]
    return lines[-1][:300] if lines else ""


def _scheduled(pod: Mapping[str, Any]) -> datetime | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    found = (each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "True")
    return next((_time(each.get("lastTransitionTime")) for each in found), None)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
