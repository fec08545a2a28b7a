"""The wait for a rollout, as an output: `pulumi up` ends with its error, while the Deployment is in the state.

The Deployment is applied without a wait of the plugin's (ADR 9). The wait runs in a thread of its own that ends with
the process: the SDK's own threads are waited for when a program fails, and this one may have hours to go.
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


def followed(deployment: KubernetesObject, access: ClusterAccess, spec: InferenceSpec) -> pulumi.Output[str]:
    """The rollout's end, known once it is complete; known at once where nothing is to be waited for.

    Args:
        deployment: The Deployment, which the output waits for.
        access: Its cluster.
        spec: What inference is there.
    """
    if pulumi.runtime.is_dry_run() or not spec.awaited:
        return pulumi.Output.from_input("not awaited")
    return pulumi.Output.all(access.address, deployment.id).apply(lambda known: _follow(known[0], deployment, spec))


async def _follow(address: ClusterAddress, deployment: KubernetesObject, spec: InferenceSpec) -> str:
    loop = asyncio.get_running_loop()

    def show(line: str) -> None:
        pulumi.log.info(line, resource=deployment, ephemeral=True)

    def report(line: str) -> None:
        _hand_over(loop, lambda: show(line))

    try:
        found = await _in_thread(
            lambda: rollout_wait.wait(ClusterApi(address), spec.capacity.replicas, spec.patience, report)
        )
    except DrError as error:
        raise pulumi.RunError(str(error)) from error
    if found.phase is not Phase.COMPLETE:
        pulumi.log.warn(rollout_report.degraded(spec.region, found), resource=deployment)
    return str(found.phase)


async def _in_thread(work: Callable[[], Rollout]) -> Rollout:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Rollout] = loop.create_future()

    def run() -> None:
        try:
            found = work()
        except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
            _hand_over(loop, lambda raised=error: future.set_exception(raised))  # type: ignore[misc]
        else:
            _hand_over(loop, lambda: future.set_result(found))

    threading.Thread(target=run, name="rollout", daemon=True).start()
    return await future


def _hand_over(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Act in the loop's thread; do nothing where the program has ended meanwhile, and its loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)
