"""Components of a region, sized by its tier: network, inference endpoint, cluster, alert topic and dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, vpc

from components.compute.automation import Automation, AutomationArgs, automation_role
from components.compute.automation_iam import Place
from components.compute.cluster_roles import DataBucket, LoginSecret
from components.compute.gpu_inference_cluster import GpuInferenceCluster, GpuInferenceClusterArgs
from components.compute.runner import HTTPS, Runner, RunnerArgs, runner_role
from components.compute.worker_fleet import WorkerFleet
from components.data.region_key import RegionKey, RegionKeyArgs
from components.monitoring.alert_topic import AlertTopic, AlertTopicArgs
from components.monitoring.dead_letters import DeadLetters, DeadLettersArgs
from components.network.network import Network, NetworkArgs
from components.tagging import tags_of
from components.traffic.certificate import Certificate
from components.traffic.inference_endpoint import InferenceEndpoint, InferenceEndpointArgs
from dr.names import CONTROL, VELERO, database_secret_name
from dr.preflight.deployment import Found
from dr.preflight.existing_vpc import ExistingVpc
from dr.topology.topology import Role, Topology
from dr.topology.workers import group_name
from stacks.workers import worker_fleets


@dataclass(frozen=True)
class Region:
    """Components that both regions have."""

    network: Network
    endpoint: InferenceEndpoint
    certificate_arn: pulumi.Output[str]
    cluster: GpuInferenceCluster
    alerts: AlertTopic
    key_arn: pulumi.Output[str]
    """ARN of the KMS key for data that stays in the region."""
    dead_letters: DeadLetters
    automation: Automation | None = None
    """What the failover trigger starts; None if automation only notifies."""
    fleets: Mapping[str, WorkerFleet] = field(default_factory=dict)
    """Worker fleets by name."""


def region(
    topology: Topology,
    found: Found,
    certificate: Certificate,
    key_arn: pulumi.Input[str],
    images: Mapping[str, pulumi.Input[str]],
    after: Sequence[pulumi.Resource] = (),
) -> Region:
    """Create network, inference endpoint, cluster, alert topic and dead-letter queue of this stack's region.

    Args:
        topology: The topology to deploy.
        found: Facts of AWS that the deployment depends on.
        certificate: Certificate of the region's inference endpoint.
        key_arn: ARN of the KMS key that encrypts data in this region.
        images: ID of the machine image of each worker fleet in this region.
        after: Resources that the cluster waits for.
    """
    here, tags = topology.here, tags_of(topology)
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
    network = region_network(topology, found.vpc, key.arn)
    endpoint = InferenceEndpoint(
        "inference",
        InferenceEndpointArgs(
            label=topology.bucket_prefix,
            region=here.region,
            vpc_id=network.vpc_id,
            vpc_cidr=here.cidr,
            public_subnet_ids=network.public_subnet_ids,
            certificate_arn=certificate.arn,
            ready_path=topology.serving.ready_path,
            client_cidrs=topology.client_cidrs,
            checkers=found.checkers,
            protect=topology.protect_data,
            tags=tags,
        ),
        # AWS creates an internet-facing load balancer only in a VPC with an internet gateway.
        pulumi.ResourceOptions(depends_on=[network]),
    )
    makers = {"runner": runner_role} if topology.runner else {}
    makers |= {"automation": automation_role} if topology.automates else {}
    roles = {
        name: make(name, topology.account, here.region, topology.bucket_prefix, tags) for name, make in makers.items()
    }
    cluster = GpuInferenceCluster(
        "cluster",
        GpuInferenceClusterArgs(
            name=topology.bucket_prefix,
            account=topology.account,
            region=here.region,
            zones=here.zones,
            control_plane_subnet_ids=control_plane_subnets(network, found),
            private_subnet_ids=network.private_subnet_ids,
            zone_subnets=network.zone_subnets,
            key_arn=key.arn,
            running=topology.tier_here.spec.cluster,
            capacity=topology.capacity_here,
            gpu_types=topology.workload.gpu_types,
            gpu_disk_gib=topology.workload.node_disk_gib,
            data=data_buckets(topology, key_arn),
            target_group_arn=endpoint.target_group_arn,
            topic_arns=[topology.alert_topic_arn(topology.role), topology.watchdog_topic_arn(topology.role)],
            load_balancer_group_id=endpoint.security_group_id,
            nodes=found.nodes,
            reserved_zones=topology.reserved_zones,
            api_cidrs=topology.api_cidrs,
            # EKS creates the entry of a cluster's creator, and refuses a second one.
            operator_roles=[role for role in topology.operator_roles if role not in found.own.foreign_roles],
            karpenter=topology.karpenter,
            registry_login=LoginSecret(database_secret_name(topology.bucket_prefix), key_arn)
            if topology.registry
            else None,
            existing=found.cluster,
            versions=found.own.versions,
            # Tier `backup` deletes the cluster of the recovery region by one setting, which protection would refuse.
            protect=topology.protect_data and topology.role is Role.PRIMARY,
            tags=tags,
        ),
        # Nodes that start before their route to the internet exists cannot join the cluster.
        pulumi.ResourceOptions(depends_on=[network, *after, *roles.values()]),
    )
    fleets = worker_fleets(topology, network, images, key_arn)
    automation = None
    if "runner" in roles:
        passed = [*cluster.passed_roles, *(fleet.role_arn for fleet in fleets.values())]
        runner = region_runner(topology, roles["runner"], network, cluster, passed, key.arn, key_arn)
        if "automation" in roles:
            automation = region_automation(topology, roles["automation"], network, runner, key.arn, key_arn)
    topics = {
        topic: AlertTopic(
            topic,
            AlertTopicArgs(
                name=name,
                account=topology.account,
                region=here.region,
                key_arn=key.arn,
                addresses=addresses,
                events=topic == "alerts",
                tags=tags,
            ),
        )
        # The topic for Watchdog has no subscribers: an alarm reports when no message arrives.
        for topic, name, addresses in (
            ("alerts", topology.alert_topic, topology.alert_addresses),
            ("watchdog", topology.watchdog_topic, ()),
        )
    }
    letters = DeadLetters(
        "dead-letters",
        DeadLettersArgs(
            name=topology.dead_letters,
            account=topology.account,
            region=here.region,
            rules=[topology.backup_notices],
            tags=tags,
        ),
    )
    return Region(network, endpoint, certificate.arn, cluster, topics["alerts"], key.arn, letters, automation, fleets)


def control_plane_subnets(network: Network, found: Found) -> pulumi.Input[Sequence[pulumi.Input[str]]]:
    """Return the IDs of the control plane's subnets: those of its zones, or all private ones of a new cluster."""
    if not found.own.zones:
        return network.private_subnet_ids
    return [id for zone, id in network.private_subnets.items() if zone in found.own.zones]


def region_runner(
    topology: Topology,
    role: iam.Role,
    network: Network,
    cluster: GpuInferenceCluster,
    passed_roles: Sequence[pulumi.Input[str]],
    log_key_arn: pulumi.Input[str],
    data_key_arn: pulumi.Input[str],
) -> Runner:
    """Create the runner, and let it call the cluster's API.

    Args:
        topology: The topology to deploy.
        role: The runner's role.
        network: Network of the region.
        cluster: Cluster of the region.
        passed_roles: ARNs of the roles that a deployment passes to EKS and EC2.
        log_key_arn: ARN of the KMS key that encrypts logs.
        data_key_arn: ARN of the KMS key that encrypts data in this region.
    """
    here, tags = topology.here, tags_of(topology)
    runner = Runner(
        "runner",
        RunnerArgs(
            name=topology.bucket_prefix,
            account=topology.account,
            region=here.region,
            vpc_id=network.vpc_id,
            private_subnet_ids=network.private_subnet_ids,
            image=topology.runner_image,
            control=topology.bucket(CONTROL, topology.role),
            control_key_arn=data_key_arn,
            passed_roles=passed_roles,
            policies=topology.runner_policies,
            log_key_arn=log_key_arn,
            tags=tags,
        ),
        role,
    )
    if cluster.security_group_id is not None:
        vpc.SecurityGroupIngressRule(
            "cluster-from-runner",
            security_group_id=cluster.security_group_id,
            referenced_security_group_id=runner.security_group_id,
            description="calls of the Kubernetes API from the runner",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            region=here.region,
            tags=tags,
        )
    return runner


def region_automation(
    topology: Topology,
    role: iam.Role,
    network: Network,
    runner: Runner,
    log_key_arn: pulumi.Input[str],
    data_key_arn: pulumi.Input[str],
) -> Automation:
    """Create automation, with the image and the network access of the runner.

    Args:
        topology: The topology to deploy.
        role: The role of automation.
        network: Network of the region.
        runner: Runner of the region.
        log_key_arn: ARN of the KMS key that encrypts logs.
        data_key_arn: ARN of the KMS key that encrypts data in this region.
    """
    return Automation(
        "automation",
        AutomationArgs(
            name=topology.bucket_prefix,
            place=place_of(topology),
            stack=pulumi.get_stack(),
            config=pulumi.runtime.get_config_env(),
            vpc_id=network.vpc_id,
            private_subnet_ids=network.private_subnet_ids,
            security_group_id=runner.security_group_id,
            image=topology.runner_image,
            fleets=[group_name(topology.bucket_prefix, fleet.name) for fleet in topology.fleets],
            control=topology.bucket(CONTROL, topology.role),
            # Cluster backups hold Secrets, and a failover does not read them.
            data={
                pair.name: topology.bucket(pair, topology.role)
                for pair in topology.pairs
                if pair.name not in (CONTROL, VELERO)
            },
            data_key_arn=data_key_arn,
            log_key_arn=log_key_arn,
            tags=tags_of(topology),
        ),
        role,
    )


def place_of(topology: Topology) -> Place:
    """Return where automation of a topology runs."""
    cluster = topology.existing_cluster or topology.bucket_prefix
    database = (topology.bucket_prefix, topology.database_cluster(Role.RECOVERY)) if topology.database else ()
    return Place(topology.here.region, topology.account, cluster, *database)


def data_buckets(topology: Topology, key_arn: pulumi.Input[str]) -> dict[str, DataBucket]:
    """Return the buckets of this stack's region, by pair.

    An existing bucket keeps its own KMS key; its replica is encrypted with `key_arn`.
    """
    primary = topology.role is Role.PRIMARY
    return {
        pair.name: DataBucket(topology.bucket(pair, topology.role), (primary and pair.existing_key) or key_arn)
        for pair in topology.pairs
    }


def region_network(topology: Topology, existing: ExistingVpc | None, log_key_arn: pulumi.Input[str]) -> Network:
    """Create the VPC of this stack's region, or use an existing one.

    Args:
        topology: The topology to deploy.
        existing: The existing VPC; None creates one.
        log_key_arn: ARN of the KMS key that encrypts flow logs.
    """
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
            existing=existing,
            log_key_arn=log_key_arn,
            tags=tags_of(topology),
        ),
    )
