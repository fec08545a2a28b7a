"""The alarms of both stacks: the promise that each watches, where it is, what to do, and the test of its cause. Pure.

Every alarm that the program deploys has an entry, and every entry a test that causes it: a test of this project fails
otherwise. The alerts inside a cluster have their own table (`components/kubernetes/alert_rules.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dr.topology.backups import DataClass
from dr.topology.topology import Role

BOTH = (Role.PRIMARY, Role.RECOVERY)
PAIR, ZONE, FLEET = "<pair>", "<zone>", "<fleet>"
"""Parts of names that stand for a bucket pair, for the letter of a zone, and for a worker fleet."""


@dataclass(frozen=True)
class CatalogEntry:
    """An alarm, or one for each bucket pair, zone or worker fleet.

    Args:
        name: Name after the deployment's prefix, with `PAIR`, `ZONE` or `FLEET`.
        roles: Regions that have it: those that have to act.
        promise: The promise that it watches.
        remedy: What to do, as a link or a command.
        test: Name of the test that drives it to ALARM by its cause.
        fed: What the sandbox has no cause of, so that the test publishes the metric; "" if it has the cause.
    """

    name: str
    roles: tuple[Role, ...]
    promise: str
    remedy: str
    test: str
    fed: str = ""

    def is_of(self, name: str) -> bool:
        """Return whether an alarm of this name, without the deployment's prefix, has this entry."""
        pattern = re.escape(self.name).replace(re.escape(ZONE), "[a-z]")
        for part in (PAIR, FLEET):
            pattern = pattern.replace(re.escape(part), "[a-z0-9-]+")
        return re.fullmatch(pattern, name) is not None


RESTART = "[Dead letters](how-to/dead-letters.md)"
FAIL_OVER = "[Fail over](how-to/failover.md)"
FILL = "[Fill a replica](how-to/backfill.md)"
JOBS = "`dr check`, then the jobs of AWS Backup in the primary region"
FUNCTION_CAUSE = "test_function_that_aws_refuses_a_call_raises_its_alarm_and_leaves_its_events_in_the_dead_letter_queue"
LOSS = "test_loss_of_the_primary_region_raises_region_impaired_within_the_detection_budget_of_every_tier"
STOPPED = "test_replication_that_stopped_for_15_minutes_raises_recovery_at_risk"
WAITING = "test_objects_that_wait_for_a_region_that_does_not_answer_raise_replication_late_and_pending"
LEVER = "test_engaged_lever_keeps_its_alarm_firing_and_sends_one_message"
LATE = "test_class_of_data_of_which_no_copy_arrives_for_longer_than_its_objective_raises_copies_late"
PRIMARY, RECOVERY = (Role.PRIMARY,), (Role.RECOVERY,)


def catalog() -> Iterator[CatalogEntry]:
    """Yield the entry of each alarm."""
    yield CatalogEntry(f"{PAIR}-replication-late", PRIMARY, "RPO of objects", FILL, WAITING)
    yield CatalogEntry(f"{PAIR}-replication-pending", PRIMARY, "RPO of objects", FILL, WAITING)
    yield CatalogEntry(
        f"{PAIR}-replication-failed",
        PRIMARY,
        "model sets are recoverable",
        FILL,
        "test_object_that_s3_cannot_replicate_raises_replication_failed",
    )
    yield CatalogEntry("heartbeat-failing", PRIMARY, "the RPO is measured", RESTART, FUNCTION_CAUSE)
    yield CatalogEntry("dead-letters", BOTH, "no event is lost", RESTART, FUNCTION_CAUSE)
    yield CatalogEntry(
        "certificate-expiring",
        BOTH,
        "clients can connect",
        "`dr check`: the zone is delegated, and has the validation records",
        "test_certificate_that_is_not_renewed_raises_certificate_expiring",
    )
    yield CatalogEntry(
        "alerting-silent",
        BOTH,
        "alerts of the cluster arrive",
        "pods of the namespace `monitoring`",
        "test_alerting_of_a_cluster_that_stops_is_reported_by_cloudwatch",
        "Alertmanager does not run",
    )
    yield CatalogEntry(
        f"nodes-busy-{ZONE}",
        BOTH,
        "capacity follows demand",
        "`dr rollout`",
        "test_busy_gpu_nodes_raise_an_alarm_after_two_periods",
        "instances use no CPU",
    )
    yield CatalogEntry(
        f"nodes-short-{ZONE}",
        BOTH,
        "capacity is available",
        "[Instance type](how-to/instance-type.md)",
        "test_alarm_fires_after_five_minutes_of_missing_instances_and_resolves_with_them",
    )
    yield CatalogEntry(
        f"workers-{FLEET}-busy",
        BOTH,
        "capacity follows demand",
        "[Workers](how-to/workers.md)",
        "test_busy_workers_raise_the_alarm_of_their_region_and_get_an_instance",
    )
    yield CatalogEntry("primary-silent", RECOVERY, "a loss is detected: first witness", FAIL_OVER, LOSS)
    yield CatalogEntry("sentinel-stale", RECOVERY, "a loss is detected: second witness", FAIL_OVER, LOSS)
    yield CatalogEntry("region-impaired", RECOVERY, "a loss is detected", FAIL_OVER, LOSS)
    yield CatalogEntry("primary-down", RECOVERY, "the primary region serves", "`dr status`", LOSS)
    yield CatalogEntry(
        "recovery-down",
        RECOVERY,
        "RTO: the recovery region can serve",
        "`dr rollout`",
        "test_endpoint_of_the_recovery_region_that_is_to_serve_and_does_not_answer_raises_recovery_down",
    )
    yield CatalogEntry("sentinel-late", RECOVERY, "RPO of replicated data", "`dr status`", STOPPED)
    yield CatalogEntry("recovery-at-risk", RECOVERY, "RTO and RPO of a failover", "`dr check`", STOPPED)
    for data in DataClass:
        name = "copies-late" if data is DataClass.OBJECTS else f"copies-late-{data}"
        yield CatalogEntry(name, RECOVERY, f"RPO of backups: {data}", JOBS, LATE)
    yield CatalogEntry(
        "database-late",
        RECOVERY,
        "RPO of the database",
        "`dr check`, then the writer's load",
        "test_database_that_falls_behind_for_longer_than_its_objective_raises_database_late",
    )
    yield CatalogEntry(
        "unmeasured",
        RECOVERY,
        "promises are measured",
        "log of the prober",
        "test_control_bucket_that_the_prober_may_not_read_raises_unmeasured",
    )
    yield CatalogEntry("prober-failing", RECOVERY, "promises are measured", RESTART, FUNCTION_CAUSE)
    yield CatalogEntry("levers-failing", RECOVERY, "DNS follows the levers", RESTART, FUNCTION_CAUSE)
    yield CatalogEntry(
        "automation-failing", RECOVERY, "automation can act", "[Automate](how-to/automate.md)", FUNCTION_CAUSE
    )
    yield CatalogEntry("lever-engage", RECOVERY, "the primary record is open", "`dr status`", LEVER)
    yield CatalogEntry(
        "lever-admit",
        RECOVERY,
        "the recovery record is as decided",
        "`dr status`",
        "test_recovery_record_that_no_operator_opened_raises_lever_admit",
    )


def entry_of(name: str) -> CatalogEntry | None:
    """Return the entry of an alarm; None without.

    Args:
        name: The alarm's name without the deployment's prefix.
    """
    return next((each for each in catalog() if each.is_of(name)), None)
