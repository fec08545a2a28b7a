"""Check whether a region holds a version of the model set it serves."""

from __future__ import annotations

from dr.clients import Missing
from dr.data import model_sets
from dr.names import REGISTRY, SETS
from dr.topology.topology import Topology


def find(topology: Topology) -> tuple[bool, list[str]]:
    """Look up the model set in this stack's region.

    Args:
        topology: The topology to deploy.

    Returns:
        Whether the region holds a version of the model set or runs no replica, and warnings. Replicas cannot become
        ready without a version.

    Raises:
        Unreachable: The region does not answer.
        Failed: S3 refused the request.
    """
    if not topology.tier_here.spec.serves:
        return True, []
    region, registry = topology.here.region, topology.bucket(REGISTRY, topology.role)
    name = topology.serving.model_set
    try:
        found = name in model_sets.names(region, {REGISTRY: registry})
    except Missing:
        found = False
    if found:
        return True, []
    return False, [
        f"dr:modelSet: {region} holds no version of the model set {name}. Replicas become ready after one is published "
        f"(`dr sets publish`) in s3://{registry}/{SETS}{name}/; this deployment does not wait for them"
    ]
