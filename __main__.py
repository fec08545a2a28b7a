"""The program that `pulumi up` runs: the table of contents of both stacks.

The primary stack owns its region and all data pairs, both halves. The dr stack owns what runs in the recovery region,
and calls no API of the primary region. `dr:role` in Pulumi.<stack>.yaml selects one.
"""

from __future__ import annotations

import pulumi

from dr.errors import DrError
from dr.names import CONTROL
from dr.topology.topology import Role
from stacks import preflight, runtime
from stacks.backups import backup_plans, restore_tests
from stacks.contract import write_contract
from stacks.data import data
from stacks.database import database_replica, global_database
from stacks.kubernetes import cluster_contents
from stacks.monitoring import backup_notices, early_warnings, expectation, heartbeat, restore_validation, watch
from stacks.names import name_resources
from stacks.preflight import Plan
from stacks.region import region
from stacks.traffic import hosted_zone, record, region_certificate
from stacks.workers import worker_image


def primary(plan: Plan) -> None:
    """Layer 1, data: keys, bucket pairs, backups. Layer 2: the region. Layer 3, failover: zone and record."""
    topology = plan.topology
    stored = data(topology, plan.found.replicates_images)
    zone = hosted_zone(topology)
    certificate = region_certificate(topology, zone.zone_id)
    images = {fleet.name: fleet.image for fleet in topology.fleets}
    here = region(topology, plan.found, certificate, stored.keys.source_arn, images)
    database = global_database(topology, here, stored.keys)
    cluster_contents(topology, here, plan.found.published, plan.found.mirror, plan.backs_up, database)
    heart = heartbeat(topology, here, stored.control_bucket, stored.keys.source_arn)
    early_warnings(topology, here, heart)
    backup_notices(topology, here)
    failover = record(topology, here, zone.zone_id)
    pulumi.export("contract", write_contract(topology, here, failover, stored.control_bucket, database))
    pulumi.export("primary_bucket", stored.datasets.source_name)
    pulumi.export("secondary_bucket", stored.datasets.replica_name)
    pulumi.export("buckets", stored.names)
    pulumi.export("replica_key_arn", stored.keys.replica_arn)
    pulumi.export(
        "worker_images",
        {fleet.name: {"source": fleet.image, "copy": stored.worker_images[fleet.name]} for fleet in topology.fleets},
    )
    pulumi.export("vpc_id", here.network.vpc_id)
    pulumi.export("zone_id", zone.zone_id)
    pulumi.export("name_servers", zone.name_servers)


def recovery(plan: Plan) -> None:
    """Layer 1, data: backups of this region. Layer 2: the region, as large as its tier. Layer 3: its record."""
    topology = plan.topology
    of_primary = pulumi.StackReference("primary", stack_name=f"{pulumi.get_organization()}/dr/{topology.primary_stack}")
    key_arn = of_primary.require_output("replica_key_arn")
    vault, copies = topology.local_vault(Role.RECOVERY), topology.copies_vault_arn(Role.PRIMARY)
    backup_plans(topology, vault, copies, plan.replicas_written)
    # Replicas are expected to serve once they are ready, and until the moment before they are stopped.
    withdrawn = [expectation(topology, False)] if plan.stops_serving else []
    images = {fleet.name: worker_image(of_primary, fleet) for fleet in topology.fleets}
    here = region(topology, plan.found, region_certificate(topology), key_arn, images, withdrawn)
    database = database_replica(topology, here, key_arn)
    restore_tests(topology, database)
    serves = cluster_contents(topology, here, plan.found.published, plan.found.mirror, plan.backs_up, database)
    if not plan.stops_serving:
        expectation(topology, serves)
    watch(topology, here, key_arn)
    backup_notices(topology, here)
    restore_validation(topology, here, key_arn)
    failover = record(topology, here, of_primary.require_output("zone_id"))
    pulumi.export(
        "contract", write_contract(topology, here, failover, topology.bucket(CONTROL, Role.RECOVERY), database)
    )
    pulumi.export("primary_bucket", of_primary.require_output("primary_bucket"))
    pulumi.export("secondary_bucket", of_primary.require_output("secondary_bucket"))
    pulumi.export("vpc_id", here.network.vpc_id)
    pulumi.export("tier", str(topology.running_tier))


def main() -> None:
    """Deploy the selected stack."""
    runtime.tune()
    plan = preflight.run()
    name_resources()
    {Role.PRIMARY: primary, Role.RECOVERY: recovery}[plan.topology.role](plan)


try:
    main()
except DrError as error:
    # Pulumi shows a RunError as its text alone, without a traceback.
    raise pulumi.RunError(str(error)) from error
