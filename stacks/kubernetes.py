"""Kubernetes objects and Helm releases of a region's cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi

from components.compute.cluster_iam import REGISTRY_BACKUP
from components.compute.gpu_inference_cluster import reservation_name
from components.compute.node_groups import GPU_IMAGE, GPU_LABELS, IMAGES_WITHOUT_PLUGIN, ROOT_DEVICE
from components.kubernetes import jobs_spec, registry_backup_spec
from components.kubernetes.addons import Addons, AddonsArgs
from components.kubernetes.addons_spec import Cluster
from components.kubernetes.alert_rules import CronJob, MonitoredWorkloads
from components.kubernetes.alerts import Alerts, AlertsArgs
from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.inference import Inference, InferenceArgs
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.jobs_spec import ProcessingSpec
from components.kubernetes.mesh import Mesh, MeshArgs
from components.kubernetes.namespace_spec import namespaces
from components.kubernetes.namespaces import Namespaces, NamespacesArgs
from components.kubernetes.node_pool_spec import NodePoolSpec
from components.kubernetes.protection import Protection, ProtectionArgs
from components.kubernetes.protection_spec import ProtectionSpec
from components.kubernetes.registry_backup_spec import RegistryBackupSpec
from components.kubernetes.runbook import Runbook, RunbookArgs
from components.kubernetes.scheduled_pod import ScheduledPod, ScheduledPodArgs
from components.pod_code import pod_code
from components.tagging import tags_of
from dr.clusters.charts import BACKUP, BALANCER, MESH_BASE, PROMETHEUS, Chart
from dr.names import DATASETS, MODELS, REGISTRY, VELERO
from dr.operations import runbook
from dr.supply.mirror import Mirror
from dr.topology import writers
from dr.topology.gpu_types import GPU_TYPES
from dr.topology.network import zone_blocks
from dr.topology.topology import Topology
from stacks.region import Region
from stacks.registry import registry_server


def cluster_contents(
    topology: Topology,
    here: Region,
    published: bool,
    mirror: Mirror | None = None,
    backs_up: bool = False,
    database: pulumi.Output[dict[str, Any]] | None = None,
) -> pulumi.Output[bool]:
    """Deploy Kubernetes objects and Helm releases into the region's cluster, if its tier has one.

    Returns whether replicas serve, which resolves when their rollout is complete.

    Args:
        topology: The topology to deploy.
        here: Components of the region.
        published: Whether the region has the model set to serve, or serves none.
        mirror: The region's registry, of which charts and images are used; None: those of their publishers.
        backs_up: Whether backups are written in this region: clients use it.
        database: The region's part of the global database; None without one.
    """
    if mirror:
        topology = mirrored(topology, mirror)
    if (access := cluster_access(topology, here)) is None:
        return pulumi.Output.from_input(False)
    spec = inference_spec(topology, published)
    spaces = Namespaces(
        "namespaces",
        NamespacesArgs(
            access,
            here.cluster.kubernetes_version,
            namespaces(spec.capacity, len(topology.here.zones), topology.workload.gpus_per_replica),
        ),
    )
    releases = addons(topology, here, access, spaces.namespaces, mirror)

    def after(chart: Chart) -> Sequence[pulumi.Resource]:
        """Return the Helm release that installs the chart's CRDs; none in an existing cluster."""
        return [releases[chart.name]] if chart.name in releases else []

    scheduled(topology, access, spaces, backs_up)
    registry_server(topology, access, spaces, database, backs_up)
    # An existing cluster has its own default storage class, snapshots and Velero.
    if not topology.existing_cluster:
        protect(topology, access, spaces, after(BACKUP), backs_up)
    inference = Inference(
        "serving",
        InferenceArgs(
            access=access,
            spec=spec,
            target_group_arn=here.endpoint.target_group_arn,
            balancer_blocks=balancer_blocks(topology),
            after=spaces.ready,
            definitions=after(BALANCER),
        ),
    )
    if topology.serving.mesh:
        regions = (topology.primary.region, topology.recovery.region)
        Mesh("mesh", MeshArgs(access, regions, topology.serving.shared_mesh, [*spaces.ready, *after(MESH_BASE)]))
    Alerts("cluster-alerts", AlertsArgs(access, watched(topology, backs_up), [*spaces.ready, *after(PROMETHEUS)]))
    files = {runbook.FILE: runbook.render(topology)}
    Runbook("runbook", RunbookArgs(access, runbook.CONFIG_MAP, files, spaces.ready))
    return inference.rollout.apply(lambda phase: spec.awaited)


def mirrored(topology: Topology, mirror: Mirror) -> Topology:
    """Return the topology with each image of its settings from the region's registry."""
    registry = replace(topology.registry, image=mirror.image(topology.registry.image)) if topology.registry else None
    return replace(topology, serving=mirror.serving(topology.serving), registry=registry)


def addons(
    topology: Topology,
    here: Region,
    access: ClusterAccess,
    spaces: Mapping[str, pulumi.Resource],
    mirror: Mirror | None,
) -> Mapping[str, pulumi.Resource]:
    """Create the Helm releases and return them by name; none in an existing cluster."""
    if topology.existing_cluster:
        return {}
    cluster = Cluster(
        name=here.cluster.cluster_name,
        region=topology.here.region,
        vpc_id=here.network.vpc_id,
        topic_arn=here.alerts.arn,
        watchdog_arn=topology.watchdog_topic_arn(topology.role),
        device_plugin=GPU_IMAGE in IMAGES_WITHOUT_PLUGIN,
        mesh=topology.serving.mesh,
        karpenter=topology.karpenter,
    )
    pool = node_pool(topology, here) if topology.karpenter else None
    return Addons("addons", AddonsArgs(access, cluster, pool, spaces, mirror)).releases


def node_pool(topology: Topology, here: Region) -> NodePoolSpec:
    """Return the specification of the GPU nodes that Karpenter adds beyond the floor."""
    capacity, workload, name = topology.capacity_here, topology.workload, topology.bucket_prefix
    subnets = pulumi.Output.from_input(here.network.private_subnet_ids)
    return NodePoolSpec(
        instance_types=workload.gpu_types,
        zones=topology.here.zones,
        gpus=(capacity.max_nodes - capacity.nodes) * GPU_TYPES[workload.gpu_types[0]].gpus,
        subnets=subnets.apply(lambda ids: [{"id": id} for id in ids]),
        security_group_id=here.cluster.security_group_id,
        instance_profile=here.cluster.node_profile,
        disk_gib=workload.node_disk_gib,
        device=ROOT_DEVICE,
        labels=GPU_LABELS,
        reserved={"Name": reservation_name(name)} if topology.reserved_gpu_nodes else {},
        tags=tags_of(topology),
    )


def watched(topology: Topology, backs_up: bool) -> MonitoredWorkloads:
    """Return the workloads that alerts monitor in this stack's region.

    Args:
        topology: The topology to deploy.
        backs_up: Whether backups are written in this region. In the other one they are stopped, and not monitored.
    """
    capacity = topology.capacity_here
    return MonitoredWorkloads(
        region=topology.here.region,
        zones=topology.here.zones,
        replicas=capacity.replicas,
        min_available=capacity.min_available,
        registry_backup=CronJob(REGISTRY_BACKUP.namespace, REGISTRY_BACKUP.service_account) if backs_up else None,
        backup_schedule=writers.BACKUP_SCHEDULE if backs_up else None,
        registry=topology.registry is not None,
        runbook_url=topology.runbook_url,
    )


def scheduled(topology: Topology, access: ClusterAccess, spaces: Namespaces, backs_up: bool) -> None:
    """Create the CronJob for registry backups and the CronJob template for dataset processing.

    Args:
        topology: The topology to deploy.
        access: Access to the cluster.
        spaces: Its namespaces.
        backs_up: Whether backups are written in this region.
    """
    region, image = topology.here.region, topology.serving.tools_image
    registry, datasets = (topology.bucket(pair, topology.role) for pair in (REGISTRY, DATASETS))
    backup = RegistryBackupSpec(backs_up, region, registry, image, pod_code("copy_registry"))
    batch = ProcessingSpec(region, datasets, image, pod_code("process_shard"))
    for name, pod, cron_job in (
        ("registry-backup", backup.pod, registry_backup_spec.cron_job(backup)),
        ("process-datasets", batch.pod, jobs_spec.cron_job(batch)),
    ):
        ScheduledPod(name, ScheduledPodArgs(access, pod, cron_job, spaces.ready))


def protect(
    topology: Topology, access: ClusterAccess, spaces: Namespaces, velero: Sequence[pulumi.Resource], backs_up: bool
) -> Protection:
    """Create backups of volumes and cluster state with Velero.

    The snapshot controller is an EKS add-on, installed with the cluster.

    Args:
        topology: The topology to deploy.
        access: Access to the cluster.
        spaces: Its namespaces.
        velero: Velero's release.
        backs_up: Whether backups are written in this region.
    """
    spec = ProtectionSpec(backs_up, topology.here.region, topology.bucket(VELERO, topology.role))
    return Protection("protection", ProtectionArgs(access, spec, spaces.ready, velero))


def cluster_access(topology: Topology, here: Region) -> ClusterAccess | None:
    """Return the access to the region's cluster; None if the tier has no cluster."""
    cluster = here.cluster
    if cluster.cluster_name is None or cluster.arn is None or cluster.endpoint is None or cluster.ca_data is None:
        return None
    return ClusterAccess(
        "cluster-access",
        ClusterAccessArgs(
            cluster_name=cluster.cluster_name,
            region=topology.here.region,
            arn=cluster.arn,
            endpoint=cluster.endpoint,
            ca_data=cluster.ca_data,
            cluster=cluster.cluster,
            ready=cluster.ready,
        ),
    )


def inference_spec(topology: Topology, published: bool) -> InferenceSpec:
    """Return the specification of the inference workload in this stack's region."""
    return InferenceSpec(
        region=topology.here.region,
        workload=topology.workload,
        capacity=topology.capacity_ready,
        runs=topology.tier_here.spec.serves,
        serving=topology.serving,
        models_bucket=topology.bucket(MODELS, topology.role),
        registry_bucket=topology.bucket(REGISTRY, topology.role),
        code=pod_code("fetch_models"),
        published=published,
    )


def balancer_blocks(topology: Topology) -> Sequence[str]:
    """Return the CIDR blocks of the load balancer's subnets; for an existing VPC, its whole CIDR block."""
    here = topology.here
    if topology.existing_vpc:
        return [here.cidr]
    return [zone.public for zone in zone_blocks(here.cidr, here.zones)]
