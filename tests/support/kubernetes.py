"""Compliant examples of the Kubernetes objects in a cluster, and programs that deploy them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pulumi

from components.compute.node_groups import GPU_LABELS
from components.kubernetes import (
    code_pod_spec,
    inference_objects_spec,
    inference_spec,
    jobs_spec,
    mesh_spec,
    namespace_spec,
    protection_spec,
    registry_backup_spec,
)
from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.jobs_spec import ProcessingSpec
from components.kubernetes.labels import SERVING, service_account
from components.kubernetes.mlflow_spec import MlflowSpec
from components.kubernetes.node_pool_spec import NodePoolSpec
from components.kubernetes.protection_spec import ProtectionSpec
from components.kubernetes.registry_backup_spec import RegistryBackupSpec
from components.pod_code import PodCode
from dr.topology.capacity import Workload, capacity
from dr.topology.serving import SERVICE, Serving
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.mocks import Cloud, deploy

ARN = "arn:aws:eks:us-west-2:123456789012:cluster/ml-dr"
TARGET_GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/pods/0123456789abcdef"
BLOCKS = ("10.1.224.0/22", "10.1.228.0/22", "10.1.232.0/22")
ZONES = 3
CODE = PodCode(
    "fetch_models", {"dr.pods.fetch_models.py": "pass\n"}, {"dr.pods.fetch_models.py": "dr/pods/fetch_models.py"}
)
POOL = NodePoolSpec(
    instance_types=("g5.2xlarge", "g6.2xlarge"),
    zones=("us-west-2a", "us-west-2b"),
    gpus=7,
    subnets=[{"id": "subnet-0a"}],
    security_group_id="sg-0a",
    instance_profile="nodes",
    disk_gib=200,
    device="/dev/xvda",
    labels=GPU_LABELS,
    reserved={"Name": "ml-dr GPU nodes"},
    tags={"project": "ml-dr"},
)
"""Karpenter's GPU nodes."""


def spec(tier: Tier = Tier.ACTIVE, **changes: Any) -> InferenceSpec:
    """Return the specification of inference in a tier; keywords replace fields."""
    workload = changes.pop("workload", Workload())
    made = InferenceSpec(
        region="us-west-2",
        workload=workload,
        capacity=capacity(workload, max(tier, Tier.WARM), ZONES),
        runs=tier > Tier.PILOT,
        serving=Serving(),
        models_bucket="ml-dr-123456789012-us-west-2-models",
        registry_bucket="ml-dr-123456789012-us-west-2-registry",
        code=CODE,
    )
    return replace(made, **changes)


IMAGE = Serving().tools_image
CUSTOM = ("elbv2.k8s.aws", "networking.istio.io", "snapshot.storage.k8s.io", "velero.io")
"""API groups of custom resources, which are validated by their definitions."""


def registry_backup(role: Role = Role.PRIMARY) -> RegistryBackupSpec:
    """Return the specification of a region's registry backup."""
    return RegistryBackupSpec(role is Role.PRIMARY, "us-west-2", "ml-dr-123456789012-us-west-2-registry", IMAGE, CODE)


def processing(**changes: Any) -> ProcessingSpec:
    """Return the specification of dataset processing; keywords replace fields."""
    return ProcessingSpec("us-west-2", "ml-dr-123456789012-us-west-2-datasets", IMAGE, CODE, **changes)


def mlflow(**changes: Any) -> MlflowSpec:
    """Return the specification of a region's MLflow server; keywords replace fields."""
    made = MlflowSpec(
        serves=True,
        region="us-west-2",
        bucket="ml-dr-123456789012-us-west-2-registry",
        secret="ml-dr-database",
        host="ml-dr-recovery.cluster-c0.us-west-2.rds.amazonaws.com",
        database_block="10.1.0.0/16",
        image="docker.io/registry:1",
        tools_image=IMAGE,
        code=CODE,
    )
    return replace(made, **changes)


def protection(role: Role = Role.PRIMARY) -> ProtectionSpec:
    """Return the specification of a cluster's protection."""
    return ProtectionSpec(role is Role.PRIMARY, "us-west-2", "ml-dr-123456789012-us-west-2-velero")


def manifests(tier: Tier = Tier.ACTIVE, version: str = "1.35") -> Iterator[Mapping[str, Any]]:
    """Yield every object, dependencies first."""
    of = spec(tier)
    spaces = namespace_spec.namespaces(of.capacity, ZONES, 1)
    yield from (namespace_spec.namespace(each, version) for each in spaces)
    yield from (manifest for each in spaces for manifest in namespace_spec.contents(each).values())
    yield from namespace_spec.priorities().values()
    yield service_account(SERVICE, SERVING)
    yield inference_objects_spec.code(of)
    yield inference_objects_spec.service()
    yield inference_objects_spec.budget(of)
    yield inference_objects_spec.autoscaler(of)
    yield inference_objects_spec.ingress_policy(BLOCKS, mesh=True)
    yield inference_objects_spec.binding(TARGET_GROUP)
    yield inference_spec.deployment(of)
    yield mesh_spec.destination_rule(("us-east-1", "us-west-2"), shared=True)
    yield mesh_spec.virtual_service()
    yield from protecting()


def protecting(role: Role = Role.PRIMARY) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of backups and dataset processing."""
    for pod in (registry_backup(role).pod, processing().pod):
        yield service_account(pod.name, pod.namespace)
        yield code_pod_spec.code(pod)
    yield registry_backup_spec.cron_job(registry_backup(role))
    yield jobs_spec.cron_job(processing())
    yield protection_spec.storage_class()
    yield protection_spec.snapshot_class()
    yield protection_spec.location(protection(role))
    yield protection_spec.schedule(protection(role))


def inside(build: Callable[[ClusterAccess], object]) -> Cloud:
    """Run code that deploys objects to a cluster."""

    def program() -> None:
        cluster = pulumi.ComponentResource("test:index:Cluster", "cluster")
        args = ClusterAccessArgs("ml-dr", "us-west-2", ARN, "https://ml-dr.example", "UEVN", None, [cluster])
        build(ClusterAccess("access", args))

    return deploy(program)
