"""A region, as large as its tier: network, way in, cluster, and whom its alarms tell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pulumi

from components.compute.cluster_roles import DataBucket
from components.compute.gpu_inference_cluster import GpuInferenceCluster, GpuInferenceClusterArgs
from components.data.region_key import RegionKey, RegionKeyArgs
from components.monitoring.alert_topic import AlertTopic, AlertTopicArgs
from components.network.network import Network, NetworkArgs
from components.tagging import tags_of
from components.traffic.certificate import Certificate, CertificateArgs
from components.traffic.inference_endpoint import InferenceEndpoint, InferenceEndpointArgs
from dr.preflight import existing_cluster, existing_vpc, quotas, running_nodes
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Region:
    """What both regions have."""

    network: Network
    endpoint: InferenceEndpoint
    cluster: GpuInferenceCluster
    alerts: AlertTopic


def region(topology: Topology, certificate: Certificate, key_arn: pulumi.Input[str]) -> Region:
    """What both regions have, each as large as its tier: network, way in, cluster, and whom alarms tell.

    Args:
        topology: What is to exist.
        certificate: The region's.
        key_arn: ARN of the key that data in this region is encrypted with.
    """
    here, tags = topology.here, tags_of(topology)
    nodes = gpu_nodes(topology)
    key = RegionKey(
        "region",
        RegionKeyArgs(
            alias=f"{topology.bucket_prefix}-region",
            account=topology.account,
            region=here.region,
            protect=topology.protect_data,
            tags=tags,
        ),
    )
    network = region_network(topology)
    endpoint = InferenceEndpoint(
        "inference",
        InferenceEndpointArgs(
            label=topology.bucket_prefix,
            region=here.region,
            vpc_id=network.vpc_id,
            vpc_cidr=here.cidr,
            public_subnet_ids=network.public_subnet_ids,
            certificate_arn=certificate.arn,
            client_cidrs=topology.client_cidrs,
            protect=topology.protect_data,
            tags=tags,
        ),
        # An address that faces the internet needs the VPC's way out.
        pulumi.ResourceOptions(depends_on=[network]),
    )
    cluster_name, vpc_id = topology.existing_cluster, topology.existing_vpc
    cluster = GpuInferenceCluster(
        "cluster",
        GpuInferenceClusterArgs(
            name=topology.bucket_prefix,
            account=topology.account,
            region=here.region,
            zones=here.zones,
            private_subnet_ids=network.private_subnet_ids,
            key_arn=key.arn,
            running=topology.tier_here.spec.cluster,
            capacity=topology.capacity_here,
            gpu_types=topology.workload.gpu_types,
            gpu_disk_gib=topology.workload.node_disk_gib,
            data=data_buckets(topology, key_arn),
            target_group_arn=endpoint.target_group_arn,
            topic_arn=topology.alert_topic_arn(topology.role),
            clients_group_id=endpoint.security_group_id,
            gpu_nodes=nodes,
            reserved_nodes=topology.reserved_gpu_nodes,
            api_cidrs=topology.api_cidrs,
            operator_roles=topology.operator_roles,
            karpenter=topology.karpenter,
            existing=existing_cluster.find(cluster_name, vpc_id, here) if cluster_name and vpc_id else None,
            tags=tags,
        ),
        # Nodes that start before their route out cannot join.
        pulumi.ResourceOptions(depends_on=[network]),
    )
    alerts = AlertTopic(
        "alerts",
        AlertTopicArgs(
            name=topology.alert_topic,
            account=topology.account,
            region=here.region,
            key_arn=key.arn,
            addresses=topology.alert_addresses,
            tags=tags,
        ),
    )
    return Region(network, endpoint, cluster, alerts)


def data_buckets(topology: Topology, key_arn: pulumi.Input[str]) -> dict[str, DataBucket]:
    """Buckets of this stack's region by pair: an adopted one keeps its own key, and its replica has ours."""
    primary = topology.role is Role.PRIMARY
    return {
        pair.name: DataBucket(topology.bucket(pair, topology.role), (primary and pair.existing_key) or key_arn)
        for pair in topology.pairs
    }


def gpu_nodes(topology: Topology) -> int:
    """GPU nodes to deploy with: those that run, where they may; warns of what a quota forbids, and of what is unknown.

    Raises:
        Invalid: a quota is below what is to run.
    """
    capacity, region = topology.capacity_here, topology.here.region
    with ThreadPoolExecutor(max_workers=1) as pool:
        warned = pool.submit(quotas.check, capacity, region)
        nodes, warnings = capacity.nodes, list[str]()
        if nodes:
            cluster = topology.existing_cluster or topology.bucket_prefix
            nodes, warnings = running_nodes.wanted(capacity, cluster, topology.bucket_prefix, region)
        warnings = [*warned.result(), *warnings]
    for warning in warnings:
        pulumi.warn(warning)
    return nodes


def region_certificate(topology: Topology, zone_id: pulumi.Input[str] | None = None) -> Certificate:
    """The same names in both regions, proved once: by the stack that owns the zone."""
    dns = topology.dns
    names = (dns.public_name, dns.regional_name(Role.PRIMARY), dns.regional_name(Role.RECOVERY))
    return Certificate("inference", CertificateArgs(names, topology.here.region, zone_id, tags_of(topology)))


def region_network(topology: Topology) -> Network:
    """The VPC of this stack's region, or the one that is named."""
    here = topology.here
    return Network(
        "network",
        NetworkArgs(
            label=topology.bucket_prefix,
            account=topology.account,
            region=here.region,
            cidr=here.cidr,
            zones=here.zones,
            nat=topology.nat_here,
            private_endpoints=topology.private_endpoints_here,
            existing=existing_vpc.find(topology.existing_vpc, here) if topology.existing_vpc else None,
            tags=tags_of(topology),
        ),
    )
