"""The program: what `pulumi up` deploys, by stack.

The primary stack owns its region and all data pairs, both halves; the dr stack owns what runs in the recovery region,
and calls no API of the primary region. `dr:role` in Pulumi.<stack>.yaml says which one this is.
"""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
from pulumi_aws import s3

from components.data.data_keys import DataKeys, DataKeysArgs
from components.data.replicated_bucket import BucketSide, ReplicatedBucket, ReplicatedBucketArgs
from components.tagging import tags_of
from components.traffic.hosted_zone import HostedZone, HostedZoneArgs
from components.traffic.route53_failover import Route53Failover, Route53FailoverArgs
from dr import clients
from dr.config import reader
from dr.control import contract, control_bucket
from dr.errors import DrError
from dr.operations import adopt
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import guards
from dr.topology.tiers import PRIMARY_DNS_WEIGHT
from dr.topology.topology import CONTROL, Role, Topology
from stacks.backups import backup_plan, backup_vault
from stacks.kubernetes import cluster_contents
from stacks.monitoring import early_warnings, heartbeat, watch
from stacks.names import name_resources
from stacks.preflight import ClusterPreflight
from stacks.region import Region, region, region_certificate


def primary(topology: Topology, cluster: ClusterPreflight) -> None:
    """Layer 1, data: keys, bucket pairs, backups. Layer 2: the region. Layer 3, failover: zone and record."""
    guards.same_network(topology, control_bucket.read_own_half(topology))
    cluster.require(topology)
    tags = tags_of(topology)
    keys = DataKeys(
        "data",
        DataKeysArgs(
            alias=topology.bucket_prefix,
            source_region=topology.primary.region,
            replica_region=topology.recovery.region,
            protect=topology.protect_data,
            tags=tags,
        ),
    )
    pairs = {
        pair.name: ReplicatedBucket(
            pair.name,
            ReplicatedBucketArgs(
                pair=pair,
                source=BucketSide(topology.bucket(pair, Role.PRIMARY), topology.primary.region),
                replica=BucketSide(topology.bucket(pair, Role.RECOVERY), topology.recovery.region),
                keys=keys,
                protect=topology.protect_data,
                tags=tags,
            ),
        )
        for pair in topology.pairs
    }
    keys_by_role = {Role.PRIMARY: keys.source_arn, Role.RECOVERY: keys.replica_arn}
    vaults = {role: backup_vault(topology, role, key_arn) for role, key_arn in keys_by_role.items()}
    backup_plan(topology, vaults[Role.PRIMARY].vault_name, copy_to=vaults[Role.RECOVERY].arn)
    zone = HostedZone(
        "zone",
        HostedZoneArgs(
            domain=topology.dns.domain, existing=topology.dns.zone_id, protect=topology.protect_data, tags=tags
        ),
    )
    certificate = region_certificate(topology, zone.zone_id)
    here = region(topology, certificate, keys.source_arn)
    cluster_contents(topology, here)
    heartbeat(topology, pairs[CONTROL].source_name, keys.source_arn)
    early_warnings(topology, here)
    failover = Route53Failover(
        "primary",
        Route53FailoverArgs(
            role=Role.PRIMARY,
            dns=topology.dns,
            endpoint=topology.primary.endpoint or here.endpoint.dns_name,
            weight=PRIMARY_DNS_WEIGHT,
            lever_region=topology.recovery.region,
            lever_prefix=topology.bucket_prefix,
            zone_id=zone.zone_id,
            alert_topic_arn=topology.alert_topic_arn(Role.RECOVERY),
            tags=tags,
        ),
    )
    publish_contract(topology, here, failover, pairs[CONTROL].source_name)
    pulumi.export("primary_bucket", pairs["datasets"].source_name)
    pulumi.export("secondary_bucket", pairs["datasets"].replica_name)
    pulumi.export("buckets", {name: [pair.source_name, pair.replica_name] for name, pair in pairs.items()})
    pulumi.export("replica_key_arn", keys.replica_arn)
    pulumi.export("vpc_id", here.network.vpc_id)
    pulumi.export("zone_id", zone.zone_id)
    pulumi.export("name_servers", zone.name_servers)


def recovery(topology: Topology, cluster: ClusterPreflight) -> None:
    """Layer 1: backups made here. Layer 2: the region. Layer 3: the recovery record. The tier says what runs."""
    deployed = control_bucket.read_control(topology, Role.RECOVERY)
    half = deployed.halves.get(Role.RECOVERY)
    topology = topology.with_activation(deployed.day.activation)
    guards.tier(topology, half.tier if half else None, deployed.day)
    guards.same_network(topology, half)
    cluster.require(topology)

    of_primary = pulumi.StackReference("primary", stack_name=f"{pulumi.get_organization()}/dr/{topology.primary_stack}")
    backup_plan(topology, topology.backup_vault)
    certificate = region_certificate(topology)
    key_arn = of_primary.require_output("replica_key_arn")
    here = region(topology, certificate, key_arn)
    cluster_contents(topology, here)
    watch(topology, here, key_arn)
    failover = Route53Failover(
        "recovery",
        Route53FailoverArgs(
            role=Role.RECOVERY,
            dns=topology.dns,
            endpoint=topology.recovery.endpoint or here.endpoint.dns_name,
            weight=topology.tier.spec.dns_weight,
            lever_region=topology.recovery.region,
            lever_prefix=topology.bucket_prefix,
            zone_id=of_primary.require_output("zone_id"),
            alert_topic_arn=here.alerts.arn,
            tags=tags_of(topology),
        ),
    )
    publish_contract(topology, here, failover, pulumi.Output.from_input(deployed.bucket))
    pulumi.export("primary_bucket", of_primary.require_output("primary_bucket"))
    pulumi.export("secondary_bucket", of_primary.require_output("secondary_bucket"))
    pulumi.export("vpc_id", here.network.vpc_id)
    pulumi.export("tier", str(topology.running_tier))


def publish_contract(topology: Topology, here: Region, failover: Route53Failover, bucket: pulumi.Output[str]) -> None:
    """Write this stack's half where `dr` finds it, and export it."""
    half = pulumi.Output.all(failover.record, here.cluster.record).apply(
        lambda known: contract.document(topology, pulumi.get_stack(), *known)
    )
    s3.BucketObjectv2(
        "contract",
        bucket=bucket,
        key=contract.key_of(topology.role),
        content=pulumi.Output.json_dumps(half, indent=2),
        content_type="application/json",
        region=topology.here.region,
    )
    pulumi.export("contract", half)


def main() -> None:
    """Deploy the stack that is selected."""
    # All that is made here lives until the end; looking through it again and again is a tenth of every preview.
    gc.disable()
    if "PULUMI_OPTION_DEBUG" not in os.environ:
        # Five messages a resource that only `--debug` shows, each a call of the engine: a twelfth of every preview.
        pulumi.log.debug = lambda *_, **__: None
    raw, stack = pulumi.runtime.get_config_env(), PulumiStack(Path.cwd(), pulumi.get_stack())
    with ThreadPoolExecutor(max_workers=1) as pool:
        unfinished = None if pulumi.runtime.is_dry_run() else pool.submit(adopt.refuse_unfinished, stack)
        settings = reader.read(raw)
        topology = settings.topology(clients.account_id(settings.regions[settings.role]))
        cluster = ClusterPreflight(topology)
    if unfinished:
        unfinished.result()
    name_resources()
    {Role.PRIMARY: primary, Role.RECOVERY: recovery}[topology.role](topology, cluster)


try:
    main()
except DrError as error:
    # A RunError is shown as its text alone, without a traceback.
    raise pulumi.RunError(str(error)) from error
