"""The program: what `pulumi up` deploys, by stack.

The primary stack owns its region and all data pairs, both halves; the dr stack owns what runs in the recovery region,
and calls no API of the primary region. `dr:role` in Pulumi.<stack>.yaml says which one this is.
"""

from __future__ import annotations

import pulumi
from pulumi_aws import s3

from components.backup_plan import BackupPlan, BackupPlanArgs
from components.backup_rules import BackupRule
from components.backup_vault import BackupVault, BackupVaultArgs
from components.data_keys import DataKeys, DataKeysArgs
from components.network import Network, NetworkArgs
from components.replicated_bucket import BucketSide, ReplicatedBucket, ReplicatedBucketArgs
from components.route53_failover import Route53Failover, Route53FailoverArgs
from components.tagging import tags_of
from dr import clients, config, contract, control, existing_vpc, state
from dr.errors import DrError
from dr.objectives import PRIMARY_DNS_WEIGHT, Tier
from dr.topology import CONTROL, Role, Topology

BACKUP_SCHEDULE = "cron(0 2/12 * * ? *)"
"""At 02:00 and 14:00 UTC: with one backup a day, the newest copy would be older than 24 h while the next is made."""


def primary(topology: Topology) -> None:
    """Layer 1, data: keys, bucket pairs, backups. Layer 2: the network. Layer 3, failover: zone and record."""
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
    network = region_network(topology)
    failover = Route53Failover(
        "primary",
        Route53FailoverArgs(
            role=Role.PRIMARY,
            dns=topology.dns,
            endpoint=topology.primary.endpoint,
            weight=PRIMARY_DNS_WEIGHT,
            lever_region=topology.recovery.region,
            lever_prefix=topology.bucket_prefix,
            zone_id=topology.dns.zone_id,
            protect=topology.protect_data,
            tags=tags,
        ),
    )
    publish_contract(topology, failover, pairs[CONTROL].source_name)
    pulumi.export("primary_bucket", pairs["datasets"].source_name)
    pulumi.export("secondary_bucket", pairs["datasets"].replica_name)
    pulumi.export("buckets", {name: [pair.source_name, pair.replica_name] for name, pair in pairs.items()})
    pulumi.export("vpc_id", network.vpc_id)
    pulumi.export("zone_id", failover.zone_id)
    pulumi.export("name_servers", failover.name_servers)


def recovery(topology: Topology) -> None:
    """Layer 1: backups made here. Layer 2: the network. Layer 3: the recovery record. The tier says what runs."""
    deployed = control.read_control(topology, Role.RECOVERY)
    half = deployed.halves.get(Role.RECOVERY)
    state.guard_tier(topology.tier, half.tier if half else None, deployed.day)
    topology = topology.with_activation(deployed.day.activation)

    of_primary = pulumi.StackReference("primary", stack_name=f"{pulumi.get_organization()}/dr/{topology.primary_stack}")
    backup_plan(topology, topology.backup_vault, running=topology.running_tier > Tier.BACKUP)
    network = region_network(topology)
    failover = Route53Failover(
        "recovery",
        Route53FailoverArgs(
            role=Role.RECOVERY,
            dns=topology.dns,
            endpoint=topology.recovery.endpoint,
            weight=topology.objective.dns_weight,
            lever_region=topology.recovery.region,
            lever_prefix=topology.bucket_prefix,
            zone_id=of_primary.require_output("zone_id"),
            tags=tags_of(topology),
        ),
    )
    publish_contract(topology, failover, pulumi.Output.from_input(deployed.bucket))
    pulumi.export("primary_bucket", of_primary.require_output("primary_bucket"))
    pulumi.export("secondary_bucket", of_primary.require_output("secondary_bucket"))
    pulumi.export("vpc_id", network.vpc_id)
    pulumi.export("tier", str(topology.running_tier))


def backup_vault(topology: Topology, role: Role, key_arn: pulumi.Output[str]) -> BackupVault:
    """A region's vault. The recovery region's outlives the primary; the primary's is emptied only by who means it."""
    return BackupVault(
        f"backup-{role}",
        BackupVaultArgs(
            name=topology.backup_vault,
            region=topology.site(role).region,
            key_arn=key_arn,
            protect=topology.protect_data and role is Role.RECOVERY,
            force_destroy=not topology.protect_data,
            tags=tags_of(topology),
        ),
    )


def backup_plan(
    topology: Topology,
    vault_name: pulumi.Input[str],
    copy_to: pulumi.Output[str] | None = None,
    running: bool = True,
) -> BackupPlan:
    """Back up what is tagged in this stack's region; the recovery region has a plan of its own for after a failover."""
    return BackupPlan(
        "backup",
        BackupPlanArgs(
            name=f"{topology.backup_vault}-{topology.role}",
            region=topology.here.region,
            vault_name=vault_name,
            copy_to=copy_to,
            rules=(BackupRule("twice-daily", BACKUP_SCHEDULE, topology.backup_retention_days),),
            running=running,
            tags=tags_of(topology),
        ),
    )


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


def publish_contract(topology: Topology, failover: Route53Failover, bucket: pulumi.Output[str]) -> None:
    """Write this stack's half where `dr` finds it, and export it."""
    half = failover.record.apply(lambda record: contract.document(topology, pulumi.get_stack(), record))
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
    raw = pulumi.runtime.get_config_env()
    topology = config.load(raw, clients.account_id(raw.get("aws:region", "us-east-1")))
    {Role.PRIMARY: primary, Role.RECOVERY: recovery}[topology.role](topology)


try:
    main()
except DrError as error:
    # A RunError is shown as its text alone, without a traceback.
    raise pulumi.RunError(str(error)) from error
