"""Readiness checks of equality: both regions have the same contract, configuration, versions and images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from dr.clients import Missing, Unreachable, calls, client
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.control.contract import ClusterRecord, Half
from dr.control.control_bucket import read_control
from dr.findings import Finding, Status
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.operations.status import CLUSTER_CONNECT, CLUSTER_READ
from dr.topology.supply import registry
from dr.topology.tiers import highest
from dr.topology.topology import Role, Topology

WAIT = "`pulumi up` of that stack; if it is deployed, wait for replication"


def contract(inspected: Inspected) -> Iterator[Finding]:
    """Check that both regions hold the same contract."""
    scene = inspected.scene
    name, objective = "contract", f"the same in {scene.home} and {inspected.region}"
    here = f"{inspected.region} holds both halves"
    pending = inspected.ask_primary(name, lambda: read_control(scene.topology, Role.PRIMARY).halves)
    try:
        other = pending.result(PRIMARY_BY)
    except Unreachable as error:
        yield not_compared(name, here, error, objective)
        return
    yield judge_contract(name, scene.halves, other, objective)


def judge_contract(name: str, here: Mapping[Role, Half], there: Mapping[Role, Half], objective: str) -> Finding:
    """Compare the halves of the contract that both regions hold. Pure.

    Args:
        name: Name of the finding.
        here: Halves in the recovery region.
        there: Halves in the primary region.
        objective: Objective of the finding.
    """
    differing = []
    for role, half in here.items():
        if role not in there:
            differing.append(f"the half of {role} is missing in the primary region")
        elif fields := _differing(asdict(half), asdict(there[role])):
            differing.append(f"the half of {role} differs in {', '.join(fields)}")
    if differing:
        return Finding(name, Status.MISSED, "; ".join(differing), WAIT, objective)
    return Finding(name, Status.MET, "both halves are equal in both regions", "", objective)


def configuration(inspected: Inspected) -> Iterator[Finding]:
    """Check that what is deployed is what is configured here."""
    scene = inspected.scene
    tier = highest(scene.topology.tier, scene.state().activation)
    yield judge_configuration(scene.topology.with_activation(tier), scene.halves)


def judge_configuration(topology: Topology, halves: Mapping[Role, Half]) -> Finding:
    """Compare what is configured with the contract. Pure.

    Args:
        topology: The topology of the recovery stack.
        halves: Halves of the contract.
    """
    name, primary, recovery = "configuration", halves[Role.PRIMARY], halves[Role.RECOVERY]
    recorded = {name: f"{sides.primary} and {sides.recovery}" for name, sides in primary.buckets.items()}
    buckets = {each.name: " and ".join(topology.bucket(each, role) for role in Role) for each in topology.pairs}
    pairs = {
        "primary region": (topology.primary.region, primary.region),
        "recovery region": (topology.recovery.region, recovery.region),
        "tier": (str(topology.running_tier), str(recovery.tier)),
        "network": (topology.network_here, recovery.network or topology.network_here),
        "public name": (topology.dns.public_name, recovery.dns.public_name),
        **{
            f"buckets of {name}": (buckets.get(name, "none"), recorded.get(name, "none"))
            for name in {**buckets, **recorded}
        },
    }
    differing = [
        f"{what}: {configured} configured, {deployed} deployed"
        for what, (configured, deployed) in pairs.items()
        if configured != deployed
    ]
    objective = "deployed as configured"
    if differing:
        hint = f"`pulumi up -s {recovery.stack}` deploys what is configured; or configure what is deployed"
        return Finding(name, Status.MISSED, "; ".join(differing), hint, objective)
    return Finding(name, Status.MET, "regions, tier, network, public name and buckets are as configured", "", objective)


def kubernetes(inspected: Inspected) -> Iterable[Finding]:
    """Check that the clusters of both regions have the same version of Kubernetes."""
    scene, name = inspected.scene, "Kubernetes version"
    objective = f"the same in {scene.home} and {inspected.region}"
    here, there = scene.recovery.cluster, scene.primary.cluster
    if here is None or there is None:
        return [Finding(name, Status.INFO, "not compared: one region has no cluster of this project")]
    other = inspected.ask_primary(name, lambda: _version(scene.home, there))
    version = _version(inspected.region, here)
    try:
        found = other.result(PRIMARY_BY)
    except Unreachable as error:
        return [not_compared(name, f"{version} in {inspected.region}", error, objective)]
    return [judge_equal(name, {"the cluster": version}, {"the cluster": found}, objective)]


def _version(region: str, cluster: ClusterRecord) -> str:
    with calls(f"cluster {cluster.name}", region):
        return str(client("eks", region).describe_cluster(name=cluster.name)["cluster"]["version"])


def images(inspected: Inspected) -> Iterable[Finding]:
    """Check that inference has the same images in both regions."""
    scene, name = inspected.scene, "images of inference"
    objective = f"the same in {scene.home} and {inspected.region}"
    here, there = scene.recovery.cluster, scene.primary.cluster
    if here is None or there is None:
        return [Finding(name, Status.INFO, "not compared: one region has no cluster of this project")]
    other = inspected.ask_primary(name, lambda: read_images(scene.home, there, scene.primary.account))
    try:
        found = read_images(inspected.region, here, scene.recovery.account)
    except Missing as error:
        fact = f"{inspected.region}: {error.problems[0].fact}"
        return [Finding(name, Status.MISSED, fact, f"`pulumi up -s {scene.recovery.stack}`", objective)]
    try:
        return [judge_equal(name, found, other.result(PRIMARY_BY), objective)]
    except Unreachable as error:
        return [not_compared(name, f"{len(found)} in {inspected.region}", error, objective)]


def read_images(region: str, cluster: ClusterRecord, account: str) -> dict[str, str]:
    """Return the images of inference by container, without the host of the region's own registry."""
    address = ClusterAddress(cluster.name, region, cluster.endpoint, cluster.ca_data)
    api = ClusterApi(address, CLUSTER_CONNECT, CLUSTER_READ)
    deployment = api.get(f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/{cluster.deployment}")
    host = f"{registry(account, region)}/"
    return {name: image.removeprefix(host) for name, image in images_of(deployment).items()}


def images_of(deployment: Mapping[str, Any]) -> dict[str, str]:
    """Return the images of a Deployment by container. Pure."""
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return {each["name"]: each["image"] for each in (*spec.get("initContainers", ()), *spec["containers"])}


def judge_equal(name: str, here: Mapping[str, str], there: Mapping[str, str], objective: str) -> Finding:
    """Compare named values of both regions. Pure.

    Args:
        name: Name of the finding.
        here: Values in the recovery region, by name.
        there: Values in the primary region, by name.
        objective: Objective of the finding.
    """
    differing = [
        f"{each}: {here.get(each, 'none')} in the recovery region, {there.get(each, 'none')} in the primary region"
        for each in _differing(here, there)
    ]
    if differing:
        return Finding(name, Status.MISSED, "; ".join(differing), "`pulumi up` of both stacks", objective)
    return Finding(name, Status.MET, ", ".join(f"{each} {value}" for each, value in here.items()), "", objective)


def not_compared(name: str, here: str, error: Unreachable, objective: str) -> Finding:
    """Return the finding of a comparison that the primary region's answer lacks. Pure."""
    fact = f"{here}; not compared: {error.problems[0].fact}"
    return Finding(name, Status.UNKNOWN, fact, "a failover does not need this comparison", objective)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
