"""Readiness checks of serving: a correct inference in the recovery region, or all that it would take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dr.clients import Missing, calls, client
from dr.data.model_sets import Probe
from dr.errors import Failed
from dr.findings import Finding, Status, unknown
from dr.operations import inference_probe, prechecks, probes, promises
from dr.operations.capacity_steps import GpuGroup, gpu_groups
from dr.operations.data_steps import newest_whole
from dr.operations.inference_probe import Answer
from dr.operations.inspected import Inspected
from dr.operations.measurements import read_measurements
from dr.operations.status import CLUSTER_CONNECT, CLUSTER_READ
from dr.preflight import quotas
from dr.preflight.quotas import Need
from dr.topology.backups import DataClass
from dr.topology.tiers import Tier, highest

REQUESTS = 4
"""Inference requests, sent together on connections of their own, so that more than one replica is asked."""
ANSWER_SECONDS = 2.5


def inference(inspected: Inspected) -> Iterator[Finding]:
    """Check that the recovery region answers requests as the published model does, if it is to serve."""
    scene, name = inspected.scene, f"inference in {inspected.region}"
    tier = highest(scene.tier, scene.state().activation)
    if not tier.spec.serves:
        yield Finding(name, Status.INFO, idle(tier))
        return
    manifest, _ = newest_whole(scene)
    if manifest is None or manifest.probe is None:
        fact = "no model set with a known answer is whole there, so no answer can be judged"
        yield Finding(name, Status.UNKNOWN, fact, "publish the set with a probe", "predicts as published")
        return
    yield judge_answers(name, _asked(inspected, manifest.probe), scene.topology.serving.answer_seconds)


def idle(tier: Tier) -> str:
    """Return the fact of a tier that runs no inference. Pure."""
    return f"tier {tier} runs none; what a failover needs is checked instead"


def _asked(inspected: Inspected, probe: Probe) -> list[Answer]:
    scene, serving = inspected.scene, inspected.scene.topology.serving
    where, model = scene.recovery.dns.regional_name, serving.model or serving.model_set
    limit = min(ANSWER_SECONDS, serving.answer_seconds)
    return inference_probe.ask_all(where, model, probe, REQUESTS, REQUESTS, limit)


def judge_answers(name: str, answers: Sequence[Answer], limit: float) -> Finding:
    """Judge answers to requests with a known answer. Pure.

    Args:
        name: Name of the finding.
        answers: The answers, of which each had at most `ANSWER_SECONDS`.
        limit: Seconds within which clients expect a prediction.
    """
    objective = "predicts as published"
    late = [each for each in answers if each.late]
    if late and limit > ANSWER_SECONDS and len(late) == sum(not each.right for each in answers):
        fact = f"{len(late)} of {len(answers)} requests got no answer within {ANSWER_SECONDS:g} s"
        hint = f"dr:answerSeconds allows {limit:g} s, which is longer than this check asks"
        return Finding(name, Status.UNKNOWN, fact, hint, objective)
    if wrong := [each for each in answers if not each.right]:
        fact = f"{len(wrong)} of {len(answers)} answers are wrong: {wrong[0].fact}"
        hint = "`dr rollout --role recovery` shows what blocks its replicas"
        return Finding(name, Status.MISSED, fact, hint, objective)
    return Finding(name, Status.MET, f"{len(answers)} of {len(answers)} answers are right", "", objective)


def replicas(inspected: Inspected) -> Iterable[Finding]:
    """Check the replicas and the GPU nodes that run in the recovery region's cluster."""
    scene, cluster = inspected.scene, inspected.scene.recovery.cluster
    if cluster is None:
        return _without_cluster(probes.running_names(inspected.region)[0], scene.tier)
    try:
        found = probes.running(cluster, inspected.region, scene.recovery.serves, CLUSTER_CONNECT, CLUSTER_READ)
    except Missing as error:
        name, hint = probes.running_names(inspected.region)[0], f"`pulumi up -s {scene.recovery.stack}` creates it"
        return [Finding(name, Status.MISSED, error.problems[0].fact, hint, "a Deployment of inference")]
    return probes.running_findings(inspected.region, found, scene.topology.workload.per_node)


def cluster(inspected: Inspected) -> Iterable[Finding]:
    """Check that the recovery region's cluster is ready."""
    scene, name = inspected.scene, f"cluster in {inspected.region}"
    if scene.recovery.cluster is None:
        return _without_cluster(name, scene.tier)
    found = prechecks.recovery_ready(scene)
    return [Finding(name, found.status, found.measured, found.hint, "ready")]


def node_groups(inspected: Inspected) -> Iterable[Finding]:
    """Check that the cluster has a GPU node group in each zone."""
    scene, name = inspected.scene, f"GPU node groups in {inspected.region}"
    if scene.recovery.cluster is None:
        return _without_cluster(name, scene.tier)
    wanted = dict(zip(scene.topology.recovery.zones, scene.needed.zone_nodes, strict=True))
    return [judge_groups(name, gpu_groups(scene), wanted, scene.recovery.stack)]


def judge_groups(name: str, groups: Sequence[GpuGroup], wanted: Mapping[str, int], stack: str) -> Finding:
    """Judge the GPU node groups of a cluster. Pure.

    Args:
        name: Name of the finding.
        groups: The groups.
        wanted: Nodes that a failover needs, by zone.
        stack: Stack that creates the groups.
    """
    zones = {group.zone for group in groups}
    objective = f"one in each of {len(wanted)} zones, for {sum(wanted.values())} nodes"
    missing = [zone for zone, size in wanted.items() if size and zone not in zones]
    if missing:
        fact = f"none in {', '.join(missing)}"
        return Finding(name, Status.MISSED, fact, f"`pulumi up -s {stack}` creates them", objective)
    running = sum(group.desired for group in groups)
    return Finding(name, Status.MET, f"{len(groups)}, with {running} nodes", "", objective)


def vcpus(inspected: Inspected) -> Iterator[Finding]:
    """Check the vCPU quotas against what a failover needs, up to the most that the region may scale to."""
    scene = inspected.scene
    topology = scene.topology.with_activation(scene.serving_tier)
    for need in quotas.needs(topology.capacity_here, topology.system_zones):
        yield judge_quota(need, quotas.value_of(need.quota, inspected.region), inspected.region)


def judge_quota(need: Need, value: float | Failed, region: str) -> Finding:
    """Judge the value of a quota. Pure.

    Args:
        need: What a failover needs.
        value: The value in vCPUs, or why it is unknown.
        region: The region.
    """
    name, objective = f"quota {need.quota.code} in {region}", f"at least {need.most} vCPUs: {need.failover}"
    if isinstance(value, Failed):
        found = unknown(name, value)
        return Finding(name, found.status, found.measured, found.hint, objective)
    fact = f"{value:g} vCPUs of {need.quota.name}"
    if value < need.most:
        hint = f"`{quotas.request_for(need.quota, region, need.most)}`, which takes days"
        return Finding(name, Status.MISSED, fact, hint, objective)
    return Finding(name, Status.MET, fact, "", objective)


def reserved(inspected: Inspected) -> Iterator[Finding]:
    """Check the reserved GPU capacity. On-demand capacity is known only once it is requested."""
    topology, name = inspected.scene.topology, f"reserved GPU capacity in {inspected.region}"
    if not topology.reserved_gpu_nodes:
        fact = "none: on-demand capacity is known only once it is requested; dr:reservedGpuNodes reserves some"
        yield Finding(name, Status.INFO, fact)
        return
    filters = {"instance-type": list(topology.workload.gpu_types), "state": ["active"]}
    with calls("capacity reservations", inspected.region):
        pages = client("ec2", inspected.region).get_paginator("describe_capacity_reservations")
        found = [
            each
            for page in pages.paginate(Filters=[{"Name": key, "Values": values} for key, values in filters.items()])
            for each in page["CapacityReservations"]
        ]
    yield judge_reserved(name, found, topology.reserved_gpu_nodes, topology.recovery.zones)


def judge_reserved(name: str, found: Sequence[Mapping[str, Any]], wanted: int, zones: Sequence[str]) -> Finding:
    """Judge active capacity reservations. Pure.

    Args:
        name: Name of the finding.
        found: The reservations, as EC2 describes them.
        wanted: Nodes with reserved capacity: `dr:reservedGpuNodes`.
        zones: The region's zones.
    """
    nodes = sum(each["TotalInstanceCount"] for each in found if each["AvailabilityZone"] in zones)
    objective, fact = f"at least {wanted} nodes", f"{nodes} nodes"
    if nodes < wanted:
        return Finding(name, Status.MISSED, fact, "`pulumi up` of the recovery stack reserves them", objective)
    return Finding(name, Status.MET, fact, "", objective)


def data(inspected: Inspected) -> Iterator[Finding]:
    """Check the replication lag against the RPO, and the age of the newest backup copy."""
    scene, workload = inspected.scene, inspected.scene.topology.bucket_prefix
    now = scene.alarms().at
    seen = read_measurements(workload, scene.home, inspected.region, now)
    yield promises.data_finding(seen.sentinel, inspected.region, scene.tier.spec.rpo, now)
    yield promises.copies_finding(seen.copies, inspected.region, scene.topology.backups_of(DataClass.OBJECTS).rpo, now)


def _without_cluster(name: str, tier: Tier) -> list[Finding]:
    return [Finding(name, Status.INFO, f"tier {tier} has no cluster: a failover first deploys one, with `pulumi up`")]
