"""Read-only probes of `dr status`. Each returns a finding; a value that could not be measured is unknown, never met.

What is asked of the primary region only adds to what the recovery region holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import ceil

from dr.clients import Unreachable, calls, client
from dr.clusters import pod_failures
from dr.control.contract import BucketRecord, ClusterRecord
from dr.data.model_sets import Entry, Manifest
from dr.errors import DrError
from dr.findings import Finding, Status
from dr.topology.tiers import describe_duration

WHOLE = 3
"""Newest versions of a model set among which a whole one is looked for."""


def replicates(region: str, source: str, target: str) -> bool:
    """Return whether a bucket has an enabled replication rule to the other bucket of its pair.

    Args:
        region: Region of the bucket.
        source: The bucket.
        target: The other bucket.
    """
    try:
        with calls(f"s3://{source}", region):
            answer = client("s3", region).get_bucket_replication(Bucket=source)
    except DrError as error:
        if "ReplicationConfigurationNotFoundError" in str(error):
            return False
        raise
    rules = answer["ReplicationConfiguration"]["Rules"]
    return any(r["Status"] == "Enabled" and r["Destination"]["Bucket"] == f"arn:aws:s3:::{target}" for r in rules)


def holds(region: str, bucket: str) -> bool:
    """Return whether a bucket holds an object."""
    with calls(f"s3://{bucket}", region):
        return bool(client("s3", region).list_objects_v2(Bucket=bucket, MaxKeys=1).get("Contents"))


@dataclass(frozen=True)
class Replication:
    """State of a bucket pair; None where the primary region does not answer.

    Args:
        forth: Whether the primary region's bucket has an enabled rule.
        back: Whether the recovery region's bucket has an enabled rule.
        arrived: Whether the recovery region's bucket holds an object.
        source: Whether the primary region's bucket holds an object; None too where `arrived` makes it irrelevant.
    """

    forth: bool | None
    back: bool
    arrived: bool
    source: bool | None = None


def replica(pair: str, buckets: BucketRecord, found: Replication) -> Finding:
    """Judge a bucket pair: a rule without an object that arrived is missed, unless the source is empty too. Pure.

    Args:
        pair: Name of the pair.
        buckets: Buckets of the pair.
        found: State of the pair.
    """
    name, objective = f"replica of {pair}", "holds objects, and rules both ways"
    ways = {
        f"{buckets.primary} -> {buckets.recovery}": found.forth,
        f"{buckets.recovery} -> {buckets.primary}": found.back,
    }
    missing = [way for way, enabled in ways.items() if enabled is False]
    if missing:
        fact = f"no enabled rule {', '.join(missing)}"
        return Finding(name, Status.MISSED, fact, "`pulumi up -s primary` restores it", objective)
    if found.arrived:
        rules = "only the rule back is read" if found.forth is None else "rules both ways"
        return Finding(name, Status.MET, f"holds objects; {rules}", "", objective)
    if found.source is False:
        return Finding(name, Status.INFO, "empty, as is the primary region's bucket")
    other = "the primary region's bucket holds objects" if found.source else "the primary region's bucket is not read"
    hint = f"wait 15 minutes after the first write; then look at the alarm {pair}-replication-failed"
    return Finding(name, Status.MISSED, f"empty; {other}", hint, objective)


def newest_set(
    name: str,
    recovery: str,
    rpo: timedelta,
    manifests: Iterable[Manifest],
    lacking: Callable[[Manifest], Sequence[Entry]],
    original: Callable[[], Manifest | None],
    now: datetime,
) -> Finding:
    """Judge whether the recovery region holds the newest version of a model set completely.

    Args:
        name: Name of the model set.
        recovery: The recovery region.
        rpo: Maximum age of a version that is not replicated yet.
        manifests: Manifests in the recovery region, newest first.
        lacking: Returns the objects of a manifest that the recovery region lacks.
        original: Returns the primary region's newest manifest. Raises `Unreachable` if that region does not answer.
        now: The time.
    """
    title, objective = f"model set {name}", f"whole in {recovery} within {describe_duration(rpo)}"
    newest: Manifest | None = None
    whole: Manifest | None = None
    lost = ""
    for each in islice(manifests, WHOLE):
        newest = newest or each
        if not (gone := lacking(each)):
            whole = each
            break
        lost = lost or f"{each.set_id} lacks {len(gone)} objects, first {gone[0].key}"
    if newest is None:
        hint = f"publish the set with `dr sets publish`; a published one is in {recovery} within minutes"
        return Finding(title, Status.MISSED, f"none in {recovery}", hint, objective)
    if whole is not newest:
        held = f"{whole.set_id} before it is whole" if whole else f"none of the {WHOLE} newest is whole"
        return Finding(
            title, Status.MISSED, f"{lost}; {held}", "wait for replication, or use the set before", objective
        )
    held = f"{newest.set_id} is whole, {describe_duration(_age(newest, now))} old"
    try:
        other = original()
    except Unreachable:
        return Finding(title, Status.MET, f"{held}; the primary region's newest is not read", "", objective)
    if other and other.created > newest.created:
        late = f"{held}; {other.set_id} of {describe_duration(_age(other, now))} ago has not arrived"
        status = Status.MISSED if _age(other, now) > rpo else Status.MET
        return Finding(title, status, late, "`dr status` again in some minutes", objective)
    return Finding(title, Status.MET, held, "", objective)


def _age(manifest: Manifest, now: datetime) -> timedelta:
    return max(timedelta(0), now - datetime.fromisoformat(manifest.created))


@dataclass(frozen=True)
class Running:
    """What runs in a region's cluster.

    Args:
        ready: Ready replicas of inference.
        wanted: Replicas that the Deployment is to run.
        floor: Least number of replicas; 0 if none is to run.
        nodes: GPU nodes.
        ready_nodes: Ready GPU nodes.
    """

    ready: int
    wanted: int
    floor: int
    nodes: int
    ready_nodes: int


def running(cluster: ClusterRecord, region: str, serves: bool, connect: float, read: float) -> Running:
    """Return what runs in a region's cluster, from its API.

    Args:
        cluster: The cluster.
        region: Its region.
        serves: Whether inference is to run in normal operation.
        connect: Connection timeout in seconds.
        read: Read timeout in seconds.

    Raises:
        Missing: The cluster has no inference Deployment.
        Unreachable: The API server does not answer.
        Failed: The API server refused a request.
    """
    from dr.clusters.api_client import ClusterAddress, ClusterApi

    api = ClusterApi(ClusterAddress(cluster.name, region, cluster.endpoint, cluster.ca_data), connect, read)
    objects = f"namespaces/{cluster.namespace}"
    deployment = api.get(f"/apis/apps/v1/{objects}/deployments/{cluster.deployment}")
    wanted = int(deployment["spec"].get("replicas") or 0)
    floor = 0
    if serves or wanted:
        autoscaler = f"/apis/autoscaling/v2/{objects}/horizontalpodautoscalers/{cluster.deployment}"
        floor = int(api.get(autoscaler)["spec"].get("minReplicas") or 1)
    nodes = [each for each in api.get("/api/v1/nodes")["items"] if _has_gpu(each)]
    ready_nodes = sum(pod_failures.ready(each) for each in nodes)
    return Running(int(deployment["status"].get("readyReplicas") or 0), wanted, floor, len(nodes), ready_nodes)


def _has_gpu(node: Mapping[str, object]) -> bool:
    labels, allocatable = _inside(node, "metadata", "labels"), _inside(node, "status", "allocatable")
    return labels.get("pool") == "gpu" or str(allocatable.get("nvidia.com/gpu", "0")) != "0"


def _inside(node: Mapping[str, object], *path: str) -> Mapping[str, object]:
    found: object = node
    for name in path:
        found = found.get(name) or {} if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def running_names(region: str) -> tuple[str, str]:
    """Return the names of the findings about what runs in a region."""
    return f"replicas in {region}", f"GPU nodes in {region}"


def running_findings(region: str, found: Running, per_node: int) -> list[Finding]:
    """Judge what runs in a region's cluster: replicas against the floor, nodes against what the replicas need. Pure.

    Args:
        region: The region.
        found: What runs.
        per_node: Replicas that a node holds.
    """
    replicas, nodes = running_names(region)
    wanted = max(found.wanted, found.floor)
    if not wanted:
        idle = f"{found.nodes} run" if found.nodes else "none runs"
        return [
            Finding(replicas, Status.INFO, "none is to run in this tier"),
            Finding(nodes, Status.INFO, f"{idle}; none is needed in this tier"),
        ]
    hint = f"`dr rollout` shows what blocks inference in {region}"
    needed = ceil(wanted / per_node)
    return [
        Finding(
            replicas,
            Status.MET if found.ready >= found.floor else Status.MISSED,
            f"{found.ready} ready of {wanted} wanted",
            "" if found.ready >= found.floor else hint,
            f"at least {found.floor}",
        ),
        Finding(
            nodes,
            Status.MET if found.ready_nodes >= needed else Status.MISSED,
            f"{found.ready_nodes} ready of {max(needed, found.nodes)} wanted",
            "" if found.ready_nodes >= needed else hint,
            f"at least {needed}",
        ),
    ]
