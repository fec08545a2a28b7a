"""Step that validates a region: sustained right answers under load, by the region's own name."""

from __future__ import annotations

import time
from datetime import timedelta

from dr.data import model_sets
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
    key = f"{name} since"

    def look(scene: Scene) -> Verdict:
        half = scene.halves[role]
        # The primary region may serve a newer set than the recovery region holds.
        manifest = (
            newest_whole(scene)[0]
            if role is Role.RECOVERY
            else model_sets.newest(
                scene.home,
                {pair: sides.primary for pair, sides in scene.primary.buckets.items()},
                scene.topology.serving.model_set,
            )
        )
        if manifest is None or manifest.probe is None:
            what = f"model set {manifest.set_id}" if manifest else "no model set"
            raise Failed(
                Problem(
                    f"validation of {half.region}",
                    f"{what} has no request with a known answer, so no answer can be judged",
                    f"publish the set with a probe, or look yourself and add `--skip {name}`",
                )
            )
        serving = scene.topology.serving
        model = serving.model or serving.model_set
        answers = inference_probe.ask_all(half.dns.regional_name, model, manifest.probe, REQUESTS, TOGETHER)
        if wrong := [each for each in answers if not each.right]:
            scene.notes.pop(key, None)
            return Verdict(State.NEEDED, f"{len(wrong)} of {len(answers)} answers are wrong: {wrong[0].fact}")
        now = time.monotonic()
        held = now - float(scene.notes.setdefault(key, repr(now)))
        if held < SUSTAINED.total_seconds():
            return Verdict(State.NEEDED, f"every answer right for {held:.0f} of {SUSTAINED.total_seconds():.0f} s")
        return Verdict(State.DONE, f"{answers[0].fact}; right for {held:.0f} s, {TOGETHER} requests at a time")

    def evaluate(scene: Scene) -> Verdict:
        return Verdict(State.NEEDED, f"{scene.halves[role].region} has to be asked")

    def act(scene: Scene, report: Report) -> None:
        scene.notes.pop(key, None)

    return Step(
        name=name,
        title=f"Validate inference in the {role} region",
        evaluate=evaluate,
        act=act,
        verify=look,
        timeout=timedelta(minutes=5),
        expected=SUSTAINED,
        source="the time for which answers have to be right",
        after=after,
        phase=Phase.VERIFY,
        slow="`dr rollout`, and the log of a replica",
        without="clients may be sent to a region that answers wrongly",
    )
