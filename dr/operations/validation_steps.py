"""Step that validates a region: sustained right answers in time under load, by the region's own name."""

from __future__ import annotations

from datetime import timedelta

from dr.data import model_sets
from dr.data.model_sets import Probe
from dr.errors import Failed, Problem
from dr.operations import inference_probe
from dr.operations.data_steps import newest_whole
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.topology import Role

SUSTAINED = timedelta(seconds=10)
"""Time for which every answer has to be right."""
REQUESTS, TOGETHER = 8, 4
"""Requests of one look, and those in flight together."""


def validate(name: str, role: Role, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that validates the region of a role.

    Args:
        name: Name of the step.
        role: Role of the region.
        after: Steps before it.
    """

    def evaluate(scene: Scene) -> Verdict:
        return Verdict(State.NEEDED, f"{scene.halves[role].region} has to be asked")

    def act(scene: Scene, report: Report) -> None:
        scene.probes[role] = probe_of(scene, role, name)

    def verify(scene: Scene) -> Verdict:
        serving = scene.topology.serving
        answers = inference_probe.ask_all(
            scene.halves[role].dns.regional_name,
            serving.model or serving.model_set,
            scene.probes[role],
            REQUESTS,
            TOGETHER,
            serving.answer_seconds,
        )
        wrong = [each for each in answers if not each.right]
        lasts = scene.lasts(name, not wrong)
        if wrong:
            return Verdict(State.NEEDED, f"{len(wrong)} of {len(answers)} answers are wrong: {wrong[0].fact}")
        if lasts < SUSTAINED.total_seconds():
            return Verdict(State.NEEDED, f"every answer right for {lasts:.0f} of {SUSTAINED.total_seconds():.0f} s")
        return Verdict(State.DONE, f"{answers[0].fact}; right for {lasts:.0f} s, {TOGETHER} requests at a time")

    return Step(
        name=name,
        title=f"Validate inference in the {role} region",
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=timedelta(minutes=5),
        expected=SUSTAINED,
        source="the time for which answers have to be right",
        after=after,
        phase=Phase.VERIFY,
        slow="`dr rollout`, and the log of a replica",
        without="clients may be sent to a region that answers wrongly",
    )


def probe_of(scene: Scene, role: Role, step: str) -> Probe:
    """Return the request with a known answer of the model set that a region serves.

    Args:
        scene: The recovery region.
        role: Role of the region. The primary region may serve a newer set than the recovery region holds.
        step: Name of the step that needs it, for the message.

    Raises:
        Failed: The region has no set, or its set has no such request.
        Unreachable: The region does not answer.
    """
    if role is Role.RECOVERY:
        manifest, _ = newest_whole(scene)
    else:
        buckets = {pair: sides.primary for pair, sides in scene.primary.buckets.items()}
        manifest = model_sets.newest(scene.home, buckets, scene.topology.serving.model_set)
    if manifest and manifest.probe:
        return manifest.probe
    what = f"model set {manifest.set_id}" if manifest else "no model set"
    raise Failed(
        Problem(
            f"validation of {scene.halves[role].region}",
            f"{what} has no request with a known answer, so no answer can be judged",
            f"publish the set with a probe, or look yourself and add `--skip {step}`",
        )
    )
