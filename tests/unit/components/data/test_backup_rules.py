import pytest

from components.data.backup_rules import DAILY_AT_TWO, BackupRule, VaultLock, check_lock_allows
from dr.topology.topology import LockMode


def lock(**changes: object) -> VaultLock:
    return VaultLock(**{"min_days": 7, "max_days": 365, **changes})  # type: ignore[arg-type]


def rule(**changes: object) -> BackupRule:
    return BackupRule(**{"name": "daily", "retention_days": 30, **changes})  # type: ignore[arg-type]


def test_a_lock_is_a_governance_lock_by_default() -> None:
    assert lock().mode is LockMode.GOVERNANCE
    assert lock().changeable_for_days is None


@pytest.mark.parametrize("days", [2, 1, 0, -1])
def test_a_compliance_lock_with_a_grace_time_below_72_hours_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match=rf"grace too short: {days} days. AWS enforces at least 3 \(72 hours\)"):
        lock(mode=LockMode.COMPLIANCE, changeable_for_days=days)


@pytest.mark.parametrize("days", [3, 36_500])
def test_a_compliance_lock_accepts_a_grace_time_in_the_range_of_aws(days: int) -> None:
    assert lock(mode=LockMode.COMPLIANCE, changeable_for_days=days).changeable_for_days == days


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": LockMode.COMPLIANCE}, "AWS would make it a governance lock"),
        ({"mode": LockMode.COMPLIANCE, "changeable_for_days": 36_501}, "lock grace too long: 36501 days"),
        ({"changeable_for_days": 3}, "governance lock with changeable_for_days 3"),
        ({"min_days": 0}, "a retention of 0 to 365 days"),
        ({"max_days": 36_501}, "a retention of 7 to 36501 days"),
        ({"min_days": 36_501, "max_days": None}, "a retention of 36501 to unlimited days"),
        ({"max_days": 6}, "max_days 6 below min_days 7"),
    ],
)
def test_an_invalid_lock_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lock(**changes)


@pytest.mark.parametrize(("days", "allowed"), [(6, False), (7, True), (365, True), (366, False)])
def test_a_lock_allows_retention_from_its_minimum_to_its_maximum(days: int, allowed: bool) -> None:
    assert lock().allows(days) is allowed


def test_a_lock_without_max_days_allows_the_longest_retention_of_aws() -> None:
    assert lock(max_days=None).allows(36_500)


@pytest.mark.parametrize("days", [3, 400])
def test_a_retention_outside_the_lock_is_refused(days: int) -> None:
    message = f"backup rule daily has a retention of {days} days, but the vault's lock allows 7 to 365"
    with pytest.raises(ValueError, match=message):
        check_lock_allows("daily", days, lock())


def test_without_a_lock_any_retention_is_allowed() -> None:
    check_lock_allows("daily", 1, None)


def test_a_rule_runs_daily_at_two_by_default() -> None:
    assert (BackupRule().schedule, BackupRule().retention_days) == (DAILY_AT_TWO, 30)
    assert DAILY_AT_TWO == "cron(0 2 * * ? *)"


@pytest.mark.parametrize("schedule", ["cron(0 * * * ? *)", "cron(15 * ? * * *)", "cron(30 1,13 ? * MON-FRI *)"])
def test_schedules_that_aws_backup_accepts_are_accepted(schedule: str) -> None:
    assert rule(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "0 2 * * *",  # the form of Kubernetes
        "cron(0 2 * * *)",
        "cron(0 2 * * * *)",
        "cron(0 2 ? * ? *)",
        "cron(* 2 * * ? *)",
        "cron(0/30 * * * ? *)",
        "cron(60 2 * * ? *)",
        "rate(1 hour)",
        "",
    ],
)
def test_a_schedule_that_aws_backup_rejects_is_refused_with_a_valid_example(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"daily at 02:00 is cron\(0 2 \* \* \? \*\)"):
        rule(schedule=schedule)


@pytest.mark.parametrize("changes", [{"retention_days": 0}, {"copy_retention_days": 36_501}])
def test_a_retention_outside_the_range_of_aws_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="AWS Backup accepts 1 to 36500"):
        rule(**changes)


@pytest.mark.parametrize("name", ["", "a" * 51, "every day"])
def test_a_rule_name_that_aws_rejects_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rename the rule"):
        rule(name=name)


@pytest.mark.parametrize(("configured", "days"), [(None, 30), (90, 90)])
def test_a_copy_has_the_retention_of_the_backup_by_default(configured: int | None, days: int) -> None:
    assert rule(copy_retention_days=configured).copy_days == days


@pytest.mark.parametrize("changes", [{"retention_days": 119}, {"retention_days": 365, "copy_retention_days": 119}])
def test_fewer_than_90_days_in_cold_storage_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="requires 90 days in cold storage; raise the retention to 120 or more"):
        rule(cold_days=30, **changes)

    assert rule(cold_days=30, retention_days=120).copy_days == 120


def test_a_completion_window_that_ends_with_the_start_window_is_refused() -> None:
    with pytest.raises(ValueError, match="completion window of 1 h, which includes the start window of 1 h"):
        rule(complete_hours=1)
