"""Monitoring: heartbeat and replication alarms (primary region), prober and failover alarms (recovery region)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_aws import s3

from components import iam
from components.compute.automation import Automation
from components.compute.automation_iam import start_builds
from components.data.replicated_bucket import rule_id
from components.monitoring import alarm_rules
from components.monitoring.backup_notices import BackupNotices, BackupNoticesArgs
from components.monitoring.dr_alarms import DrAlarms, DrAlarmsArgs, FleetScaling
from components.monitoring.event_function import RESTORE_TESTS, EventFunction, EventFunctionArgs
from components.monitoring.group_metrics import GroupMetrics, GroupMetricsArgs
from components.monitoring.scheduled_function import ScheduledFunction, ScheduledFunctionArgs
from components.tagging import tags_of
from dr.control import incident_state, levers
from dr.functions import prober
from dr.names import CONTROL, SENTINEL_KEY, SERVING_KEY, TRIGGER, VELERO, automation_project_name
from dr.topology.backups import always_copied
from dr.topology.topology import RestoreTests, Role, Topology
from stacks.region import Region, place_of


def heartbeat(
    topology: Topology, here: Region, bucket: pulumi.Output[str], key_arn: pulumi.Output[str]
) -> ScheduledFunction:
    """Create the heartbeat; its replicated object shows the age of the newest replicated write.

    Args:
        topology: The topology to deploy.
        here: Components of the primary region.
        bucket: Name of the primary region's control bucket; resolves when replication is configured.
        key_arn: ARN of the KMS key that encrypts that bucket.
    """
    region = topology.primary.region
    return scheduled(
        topology,
        here,
        "heartbeat",
        {"CONTROL_BUCKET": bucket},
        pulumi.Output.all(bucket, key_arn).apply(
            lambda values: iam.write_object(iam.EncryptedBucket(str(values[0]), region, str(values[1])), SENTINEL_KEY)
        ),
        # The schedule used to write the object itself; it is updated in place.
        pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="dr:monitoring:Heartbeat")]),
    )


def expectation(topology: Topology, serves: pulumi.Input[bool]) -> s3.BucketObjectv2:
    """Write whether the recovery region is expected to serve, which the prober reads before it measures the endpoint.

    Args:
        topology: The topology to deploy.
        serves: Whether it is; resolves when the region's replicas are ready.
    """
    return s3.BucketObjectv2(
        "serving",
        bucket=topology.bucket(CONTROL, Role.RECOVERY),
        key=SERVING_KEY,
        content=pulumi.Output.json_dumps({"serves": serves}),
        content_type="application/json",
        region=topology.recovery.region,
    )


def backup_notices(topology: Topology, here: Region) -> BackupNotices:
    """Report failed backup, copy and restore jobs of this stack's region to its alert topic."""
    return BackupNotices(
        "backup-jobs",
        BackupNoticesArgs(
            name=topology.backup_notices,
            region=topology.here.region,
            topic_arn=here.alerts.arn,
            dead_letters_arn=here.dead_letters.arn,
            tags=tags_of(topology),
        ),
    )


def restore_validation(topology: Topology, here: Region, key_arn: pulumi.Output[str]) -> EventFunction | None:
    """Validate what restore tests have restored in the recovery region, if they are configured.

    Args:
        topology: The topology to deploy.
        here: Components of the recovery region.
        key_arn: ARN of the KMS key that encrypts the region's data.
    """
    if topology.restore_tests is RestoreTests.NONE:
        return None
    region, pairs = topology.recovery.region, [each for each in topology.pairs if each.name != VELERO]
    sides = {topology.bucket(each, Role.PRIMARY): topology.bucket(each, Role.RECOVERY) for each in pairs}

    def statements(known: list[str]) -> list[dict[str, Any]]:
        data_key, topic, topic_key = known
        replicas = [iam.EncryptedBucket(name, region, data_key) for name in sides.values()]
        allowed = iam.validate_restores(region, topology.account, replicas, list(sides))
        return [*allowed, *iam.publish_to(topic, topic_key, region)]

    return EventFunction(
        "restore-validation",
        EventFunctionArgs(
            function="restore_validation",
            name=f"{topology.bucket_prefix}-restore-validation",
            account=topology.account,
            log_key_arn=here.key_arn,
            dead_letters_arn=here.dead_letters.arn,
            region=region,
            variables={
                "PRIMARY_REGION": topology.primary.region,
                "REPLICAS": json.dumps(sides),
                "TOPIC_ARN": here.alerts.arn,
            },
            statements=pulumi.Output.all(key_arn, here.alerts.arn, here.key_arn).apply(statements),
            pattern=RESTORE_TESTS,
            purpose="Restore tests of AWS Backup that have completed",
            tags=tags_of(topology),
        ),
    )


def early_warnings(topology: Topology, here: Region, heart: ScheduledFunction) -> DrAlarms:
    """Create the alarms on replication and on the heartbeat in the primary region; they do not survive its loss.

    Args:
        topology: The topology to deploy.
        here: Components of the primary region.
        heart: The heartbeat.
    """
    rules = [
        rule
        for pair in topology.pairs
        for rule in alarm_rules.replication(
            pair.name,
            topology.bucket(pair, Role.PRIMARY),
            topology.bucket(pair, Role.RECOVERY),
            rule_id(topology.recovery.region),
        )
    ]
    return alarms(topology, here, [*rules, alarm_rules.heartbeat_failing(heart.name)], functions=[heart])


def watch(topology: Topology, here: Region, key_arn: pulumi.Output[str]) -> DrAlarms:
    """Create the failover alarms in the recovery region, the prober that measures them and the lever republisher."""
    region_here = topology.recovery.region
    control, metrics = topology.bucket(CONTROL, Role.RECOVERY), iam.publish_metrics(levers.NAMESPACE)
    looks = ["backup:ListRecoveryPointsByBackupVault", "backup:DescribeBackupVault"]
    vault = topology.copies_vault_arn(Role.RECOVERY)
    copies = {"Sid": "Copies", "Effect": "Allow", "Action": looks, "Resource": vault}
    shared = {"WORKLOAD": topology.bucket_prefix, "CONTROL_BUCKET": control}

    def reads(documents: Sequence[str], *more: dict[str, Any]) -> pulumi.Output[list[dict[str, Any]]]:
        """Return the IAM statements of a function that reads documents of the control bucket."""
        return key_arn.apply(
            lambda key: [*iam.read_documents(iam.EncryptedBucket(control, region_here, str(key)), *documents), *more]
        )

    primary, recovery_ = topology.primary.region, topology.recovery.region
    copied = always_copied(topology.database is not None)
    functions = {
        alarm_rules.PROBER: scheduled(
            topology,
            here,
            "prober",
            {
                **shared,
                "COPIES_VAULT": topology.copies_vault(Role.RECOVERY),
                "COPIED_CLASSES": " ".join(copied),
                "PRIMARY_REGION": topology.primary.region,
                "PRIMARY_TARGET": target(topology, Role.PRIMARY),
                "RECOVERY_TARGET": target(topology, Role.RECOVERY),
            },
            reads([SENTINEL_KEY, SERVING_KEY], copies, metrics),
        ),
        alarm_rules.LEVERS: scheduled(
            topology,
            here,
            "republisher",
            {**shared, "DNS_FAILOVER": str(topology.dns.failover)},
            reads([incident_state.KEY], metrics),
        ),
    }
    if here.automation:
        functions[alarm_rules.AUTOMATION] = failover_trigger(topology, here, here.automation, key_arn)
    names = {subject: function.name for subject, function in functions.items()}
    copies_rpo = {backups.data: backups.rpo for backups in topology.backups}
    rules = alarm_rules.recovery_region_rules(topology.bucket_prefix, primary, recovery_, names, copies_rpo, copied)
    replicated = topology.database_instances is not None
    if replicated:
        cluster = topology.database_cluster(Role.RECOVERY)
        rules.append(alarm_rules.database_late(cluster, primary, recovery_))
    decisive = alarm_rules.composites(primary, recovery_, names, database=replicated)
    return alarms(topology, here, rules, decisive, list(functions.values()))


def failover_trigger(
    topology: Topology, here: Region, automation: Automation, key_arn: pulumi.Output[str]
) -> ScheduledFunction:
    """Create the function that starts automation.

    Args:
        topology: The topology to deploy.
        here: Components of the recovery region.
        automation: What it starts.
        key_arn: ARN of the KMS key that encrypts the region's data.
    """
    control, project = topology.bucket(CONTROL, Role.RECOVERY), automation_project_name(topology.bucket_prefix)
    return scheduled(
        topology,
        here,
        TRIGGER,
        {
            "WORKLOAD": topology.bucket_prefix,
            "CONTROL_BUCKET": control,
            "PROJECT": automation.project,
            "AUTOMATION": str(topology.automation),
            "TIER": str(topology.running_tier),
        },
        key_arn.apply(
            lambda key: start_builds(
                place_of(topology), project, iam.EncryptedBucket(control, topology.here.region, str(key))
            )
        ),
    )


def target(topology: Topology, role: Role) -> str:
    """Return what the prober measures of a region's endpoint.

    The addresses of functions change, so an endpoint that admits only some addresses does not admit the prober. It then
    asks DNS what Route 53's health checkers find, which are always admitted.
    """
    dns = topology.dns
    if topology.open_to_all:
        return f"https://{dns.regional_name(role)}{topology.serving.ready_path}"
    return f"{prober.BY_DNS}{dns.status_name(role)}"


def scheduled(
    topology: Topology,
    here: Region,
    function: str,
    variables: dict[str, pulumi.Input[str]],
    statements: pulumi.Input[Sequence[dict[str, Any]]],
    opts: pulumi.ResourceOptions | None = None,
) -> ScheduledFunction:
    """Create a scheduled Lambda function in this stack's region."""
    return ScheduledFunction(
        function,
        ScheduledFunctionArgs(
            function=function.replace("-", "_"),
            name=f"{topology.bucket_prefix}-{function}",
            account=topology.account,
            log_key_arn=here.key_arn,
            dead_letters_arn=here.dead_letters.arn,
            region=topology.here.region,
            variables=variables,
            statements=statements,
            tags=tags_of(topology),
        ),
        opts,
    )


def alarms(
    topology: Topology,
    here: Region,
    rules: Sequence[alarm_rules.AlarmRule],
    composites: Sequence[alarm_rules.CompositeRule] = (),
    functions: Sequence[ScheduledFunction] = (),
) -> DrAlarms:
    """Create a stack's alarms, which notify its region's topic, and enable the Auto Scaling group metrics they use.

    Args:
        topology: The topology to deploy.
        here: Components of the stack's region.
        rules: Metric alarms, besides those of the cluster.
        composites: Composite alarms.
        functions: Functions whose metrics the alarms use. Alarms are created after the first run of each.
    """
    GroupMetrics(
        "group-metrics",
        GroupMetricsArgs(
            name=f"{topology.bucket_prefix}-group-metrics",
            account=topology.account,
            region=topology.here.region,
            cluster=topology.existing_cluster or topology.bucket_prefix,
            groups=here.cluster.gpu_groups,
            tags=tags_of(topology),
        ),
    )
    # An existing cluster has its own Prometheus.
    own_cluster = topology.tier_here.spec.cluster and not topology.existing_cluster
    watchdog = [alarm_rules.alerting_silent(topology.watchdog_topic)] if own_cluster else []
    return DrAlarms(
        "alarms",
        DrAlarmsArgs(
            prefix=topology.bucket_prefix,
            region=topology.here.region,
            topic_arn=here.alerts.arn,
            certificate_arn=here.certificate_arn,
            rules=[*rules, alarm_rules.dead_letters(here.dead_letters.name), *watchdog],
            composites=composites,
            gpu_groups=here.cluster.gpu_groups,
            fleets={name: FleetScaling(fleet.group, fleet.grow_arn) for name, fleet in here.fleets.items()},
            tags=tags_of(topology),
        ),
        # A new alarm on a function that has not run yet would fire at once.
        pulumi.ResourceOptions(depends_on=[*functions, here.endpoint, here.cluster]),
    )
