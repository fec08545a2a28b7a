"""Errors and warnings about rollouts, with all causes and their fixes. Pure."""

from __future__ import annotations

from dr.clusters.pod_failures import Kind
from dr.clusters.rollouts import Reason, Rollout
from dr.errors import Failed, Problem
from dr.topology.serving import IMAGE_KEYS, NAMESPACE, SERVICE

RESUME = "fix the causes below, then run `pulumi up` again: it checks the rollout even if nothing else changed"


def subject(region: str) -> str:
    """Return the subject of every message about a region's rollout."""
    return f"rollout of {NAMESPACE}/{SERVICE} in {region}"


def stuck(region: str, rollout: Rollout) -> Failed:
    """Return the error for a stuck rollout, with all reasons and their fixes."""
    overall = Problem(subject(region), f"stuck: {rollout.counts}", RESUME)
    return Failed(overall, *(problem(each, region) for each in rollout.reasons))


def out_of_time(region: str, rollout: Rollout, seconds: float) -> Failed:
    """Return the error for a rollout that exceeds the longest duration of a successful one.

    Args:
        region: Region of the cluster.
        rollout: Last observed state of the rollout.
        seconds: The time limit in seconds.
    """
    fact = f"not complete after {seconds:.0f} s: {rollout.progress}"
    remedy = f"`dr rollout` shows it, `kubectl -n {NAMESPACE} describe deployment {SERVICE}` its events"
    return Failed(Problem(subject(region), fact, remedy))


def unknown(region: str, error: Failed, seconds: float) -> Failed:
    """Return the error for a rollout with a state that cannot be read.

    Args:
        region: Region of the cluster.
        error: Error of the last request.
        seconds: How long requests have failed, in seconds.
    """
    cause = error.problems[0]
    fact = f"its state is unknown, requests fail for {seconds:.0f} s: {cause.fact}"
    return type(error)(Problem(subject(region), fact, cause.remedy))


def degraded(region: str, rollout: Rollout) -> str:
    """Return the warning for a revision that is rolled out while some of its replicas are not available."""
    why = "; ".join(f"{each.subject}: {each.fact}" for each in rollout.reasons)
    counts = rollout.counts
    return (
        f"{subject(region)}: the new revision is rolled out, but {counts.available} of {counts.wanted} replicas are "
        f"available: {why}"
    )


def problem(reason: Reason, region: str) -> Problem:
    """Return the problem that a reason describes, with its fix."""
    return Problem(reason.subject, reason.fact, _remedy(reason, region))


def _remedy(reason: Reason, region: str) -> str:
    kubectl = f"kubectl --context {region} -n {NAMESPACE}"
    pod = reason.pods[0] if reason.pods else ""
    match reason.kind:
        case Kind.IMAGE:
            key = IMAGE_KEYS.get(reason.container, "the image")
            return (
                f"set {key} to an image that the nodes can pull; if it exists by now, "
                f"`{kubectl} delete pod {' '.join(reason.pods)}` has it tried again at once"
            )
        case Kind.CONFIGURATION:
            return f"`{kubectl} describe pod {pod}` names what is missing; objects of this program `pulumi up` restores"
        case Kind.CRASH:
            return (
                f"`{kubectl} logs {pod} -c {reason.container} --previous` has the whole output; "
                "OOMKilled needs more memory: larger types in dr:gpuInstanceTypes"
            )
        case Kind.PLACEMENT:
            return (
                f"compare the scheduler's words with `kubectl --context {region} get nodes -l pool=gpu`; where AWS has "
                "no capacity, add types to dr:gpuInstanceTypes; where a quota is too low, raise it"
            )
        case Kind.UNREADY:
            return f"`{kubectl} describe pod {pod}` shows its probes and gates, `{kubectl} logs {pod}` its output"
        case "quota":
            return f"`{kubectl} describe resourcequota` shows what is used; end what is not needed, or raise the quota"
        case "paused":
            return f"`{kubectl} rollout resume deployment {SERVICE}`"
        case "scaled":
            return f"`{kubectl} scale deployment {SERVICE} --replicas=1`: the autoscaler lifts it to its floor"
        case _:
            return f"`{kubectl} describe deployment {SERVICE}` and `{kubectl} get pods` show why its pods are not ready"
