"""Preflight of a cluster: whether its API server is ready, and whether the credentials may deploy to it.

While the API server does not answer, Pulumi's Kubernetes plugin shows every object as unchanged; while it hangs, the
plugin waits for minutes. The preflight takes seconds and precedes the first resource.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from dr.clients import Missing, calls, client
from dr.clusters.api_client import ClusterAddress, ClusterApi, Denied
from dr.errors import DrError, Failed, Problem
from dr.topology.serving import NAMESPACE
from dr.topology.topology import Topology

CONNECT_SECONDS, READ_SECONDS = 2.0, 3.0
LONGEST_SECONDS = 6.0
"""Time limit of all requests together, including name resolution, which has no time limit of its own."""
RUNNING = ("ACTIVE", "UPDATING")
"""Cluster states in which the API server answers."""


@dataclass(frozen=True)
class Answer:
    """The result of a preflight.

    Args:
        problem: The problem with its fix; None if the preflight passed.
        refused: Whether an update is refused because of the problem; if not, the problem is a warning.
    """

    problem: Problem | None = None
    refused: bool = False


def begin(topology: Topology) -> Callable[[], Answer]:
    """Start the preflight of this stack's region in the background; the returned function waits for its result.

    Args:
        topology: The topology to deploy.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(check(topology))
        except Exception as error:  # noqa: BLE001 - the error is raised by answer()
            future.set_exception(error)

    # A daemon thread, so that hanging name resolution does not keep the process alive.
    threading.Thread(target=run, name="cluster-preflight", daemon=True).start()

    def answer() -> Answer:
        try:
            return future.result(timeout=LONGEST_SECONDS * 2)
        except TimeoutError:
            subject = f"EKS in {topology.here.region}"
            fact = f"does not say within {LONGEST_SECONDS * 2:.0f} s where the cluster's API is"
            return Answer(Problem(subject, fact, "check the network and the name resolution of this machine"))

    return answer


def check(topology: Topology) -> Answer:
    """Run the preflight of this stack's region. A region without a running cluster has no problem.

    Args:
        topology: The topology to deploy.
    """
    name, region = topology.existing_cluster or topology.bucket_prefix, topology.here.region
    try:
        with calls(f"cluster {name}", region):
            found = client("eks", region).describe_cluster(name=name)["cluster"]
    except Missing:
        return Answer()
    except Failed as error:
        return Answer(error.problems[0])
    if found.get("status") not in RUNNING or not found.get("endpoint"):
        return Answer()
    address = ClusterAddress(name, region, found["endpoint"], found["certificateAuthority"]["data"])
    problem = _within(LONGEST_SECONDS, address, lambda: probe(address))
    if problem is None:
        return Answer()
    changes = access_changes(found["resourcesVpcConfig"], topology)
    if changes:
        # Only a warning: if it were refused, the change that opens the API could never be deployed.
        return Answer(Problem(problem.subject, f"{problem.fact}; {changes}", problem.remedy))
    return Answer(problem, refused=True)


def probe(address: ClusterAddress) -> Problem | None:
    """Probe an API server for readiness and for the permission to deploy.

    Args:
        address: Address of the API server.

    Returns:
        The problem with its fix, or None.
    """
    api = ClusterApi(address, CONNECT_SECONDS, READ_SECONDS)
    try:
        api.ready()
        if not api.allows("patch", "apps", "deployments", NAMESPACE):
            return _denied(address, f"403 Forbidden: it may not patch Deployments in namespace {NAMESPACE}")
    except Denied as error:
        return _denied(address, error.problems[0].fact)
    except DrError as error:
        return error.problems[0]
    return None


def access_changes(network: dict[str, Any], topology: Topology) -> str:
    """Describe how this update changes the CIDR blocks allowed to call the API; "" if it does not change them.

    Args:
        network: `resourcesVpcConfig` of the cluster.
        topology: The topology to deploy.
    """
    if topology.existing_cluster:
        return ""
    before: Sequence[str] = network.get("publicAccessCidrs", ()) if network.get("endpointPublicAccess") else ()
    if set(before) == set(topology.api_cidrs):
        return ""
    return f"this update changes dr:apiCidrs from {_listed(before)} to {_listed(topology.api_cidrs)}"


def _listed(blocks: Sequence[str]) -> str:
    return ", ".join(sorted(blocks)) or "none"


def _within(seconds: float, address: ClusterAddress, work: Callable[[], Problem | None]) -> Problem | None:
    future: Future[Problem | None] = Future()
    threading.Thread(target=lambda: future.set_result(work()), name="cluster-api", daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        fact = f"the API server at {address.endpoint} does not answer within {seconds:.0f} s"
        return Problem(str(address), fact, "check the network and the name resolution of this machine")


def _denied(address: ClusterAddress, fact: str) -> Problem:
    caller = _caller(address.region)
    principal = principal_of(caller) or "<ARN of the role>"
    entry = f"--cluster-name {address.name} --principal-arn {principal} --region {address.region}"
    return Problem(
        str(address),
        f"the API server refuses the token of {caller or 'these credentials'}: {fact}",
        f"deploy as a principal that has access, with {principal} in dr:operatorRoles; or give it access now: "
        f"`aws eks create-access-entry {entry}`, then `aws eks associate-access-policy {entry} --access-scope "
        "type=cluster --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`",
    )


def _caller(region: str) -> str:
    try:
        with calls("the caller", region):
            return str(client("sts", region).get_caller_identity()["Arn"])
    except Failed:
        return ""


def principal_of(caller: str) -> str:
    """Return the principal ARN for an access entry; for an assumed-role session, the ARN of its role.

    Args:
        caller: Caller ARN from STS. For a session, it lacks the path of the role.
    """
    service, _, rest = caller.partition(":sts::")
    if not rest:
        return caller
    account, _, resource = rest.partition(":")
    return f"{service}:iam::{account}:role/{resource.split('/')[1]}" if "/" in resource else caller
