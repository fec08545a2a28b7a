"""Waiting for a rollout, as an output: `pulumi up` fails with the rollout's error, and the state has the Deployment.

The plugin does not wait for the Deployment (ADR 9). The wait runs in a daemon thread, which ends with the process: the
SDK joins its own threads when a program fails, and this wait may take hours.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import pulumi

from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.objects import KubernetesObject
from dr.clusters import rollout_report, rollout_wait
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.clusters.rollouts import Phase, Rollout
from dr.errors import DrError

Report = Callable[[str], None]


def await_rollout(deployment: KubernetesObject, access: ClusterAccess, spec: InferenceSpec) -> pulumi.Output[str]:
    """Return the rollout's final phase, which resolves when it is complete; without a wait, "not awaited" at once.

    Args:
        deployment: The Deployment; the wait starts when it is applied.
        access: Access to its cluster.
        spec: Specification of inference.
    """
    if pulumi.runtime.is_dry_run() or not spec.awaited:
        return pulumi.Output.from_input("not awaited")
    return pulumi.Output.all(access.address, deployment.id).apply(lambda values: _wait(values[0], deployment, spec))


async def _wait(address: ClusterAddress, deployment: KubernetesObject, spec: InferenceSpec) -> str:
    loop = asyncio.get_running_loop()

    def show(line: str) -> None:
        pulumi.log.info(line, resource=deployment, ephemeral=True)

    def report(line: str) -> None:
        _call_in_loop(loop, lambda: show(line))

    try:
        rollout = await _in_thread(
            lambda: rollout_wait.wait(ClusterApi(address), spec.capacity.replicas, spec.patience, report)
        )
    except DrError as error:
        raise pulumi.RunError(str(error)) from error
    if rollout.phase is not Phase.COMPLETE:
        pulumi.log.warn(rollout_report.degraded(spec.region, rollout), resource=deployment)
    return str(rollout.phase)


async def _in_thread(work: Callable[[], Rollout]) -> Rollout:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Rollout] = loop.create_future()

    def run() -> None:
        try:
            rollout = work()
        except Exception as error:  # noqa: BLE001 - raised where the future is awaited
            _call_in_loop(loop, lambda raised=error: future.set_exception(raised))  # type: ignore[misc]
        else:
            _call_in_loop(loop, lambda: future.set_result(rollout))

    threading.Thread(target=run, name="rollout", daemon=True).start()
    return await future


def _call_in_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call a function in the loop's thread, unless the program has ended and closed the loop."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)
