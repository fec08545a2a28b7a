import pytest

from components.data.backup_rules import DAILY_AT_TWO, BackupRule, VaultLock, refuse_what_a_lock_refuses
from dr.topology.topology import LockMode


def lock(**changes: object) -> VaultLock:
    return VaultLock(**{"min_days": 7, "max_days": 365, **changes})  # type: ignore[arg-type]


def rule(**changes: object) -> BackupRule:
    return BackupRule(**{"name": "daily", "retention_days": 30, **changes})  # type: ignore[arg-type]


def test_a_lock_is_a_governance_lock_unless_asked_otherwise() -> None:
    assert lock().mode is LockMode.GOVERNANCE
    assert lock().changeable_for_days is None


@pytest.mark.parametrize("days", [2, 1, 0, -1])
def test_a_compliance_lock_with_a_grace_below_72_hours_is_refused_with_the_number(days: int) -> None:
    with pytest.raises(ValueError, match=rf"lock grace too short: {days} days, and AWS enforces 3 \(72 hours\)"):
        lock(mode=LockMode.COMPLIANCE, changeable_for_days=days)


@pytest.mark.parametrize("days", [3, 36_500])
def test_a_compliance_lock_with_a_grace_that_aws_takes_is_made(days: int) -> None:
    assert lock(mode=LockMode.COMPLIANCE, changeable_for_days=days).changeable_for_days == days


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": LockMode.COMPLIANCE}, "AWS makes a governance lock of it"),
        ({"mode": LockMode.COMPLIANCE, "changeable_for_days": 36_501}, "lock grace too long: 36501 days"),
        ({"changeable_for_days": 3}, "a governance lock that is changeable for 3 days"),
        ({"min_days": 0}, "a vault lock of 0 to 365 days"),
        ({"max_days": 36_501}, "a vault lock of 7 to 36501 days"),
        ({"min_days": 36_501, "max_days": None}, "a vault lock of 36501 to any number of days"),
        ({"max_days": 6}, "a longest retention of 6 days and a shortest of 7 days"),
    ],
)
def test_a_lock_that_cannot_be_meant_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lock(**changes)


@pytest.mark.parametrize(("days", "taken"), [(6, False), (7, True), (365, True), (366, False)])
def test_a_lock_takes_what_is_kept_neither_too_short_nor_too_long(days: int, taken: bool) -> None:
    assert lock().takes(days) is taken


def test_a_lock_without_a_longest_retention_takes_the_longest_of_aws() -> None:
    assert lock(max_days=None).takes(36_500)


@pytest.mark.parametrize(("days", "range_"), [(3, "takes 7 to 365"), (400, "takes 7 to 365")])
def test_a_retention_that_the_lock_would_fail_every_night_is_refused(days: int, range_: str) -> None:
    with pytest.raises(ValueError, match=f"backup rule daily keeps for {days} days, and the vault's lock {range_}"):
        refuse_what_a_lock_refuses("daily", days, lock())


def test_without_a_lock_any_retention_is_taken() -> None:
    refuse_what_a_lock_refuses("daily", 1, None)


def test_a_rule_is_daily_at_two_in_the_morning_unless_asked_otherwise() -> None:
    assert (BackupRule().schedule, BackupRule().retention_days) == (DAILY_AT_TWO, 30)
    assert DAILY_AT_TWO == "cron(0 2 * * ? *)"


@pytest.mark.parametrize("schedule", ["cron(0 * * * ? *)", "cron(15 * ? * * *)", "cron(30 1,13 ? * MON-FRI *)"])
def test_schedules_that_aws_backup_takes_are_taken(schedule: str) -> None:
    assert rule(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "0 2 * * *",  # as Kubernetes writes it
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
def test_a_schedule_that_aws_backup_does_not_take_is_refused_with_one_that_it_takes(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"daily at 02:00 is cron\(0 2 \* \* \? \*\)"):
        rule(schedule=schedule)


@pytest.mark.parametrize("changes", [{"retention_days": 0}, {"copy_retention_days": 36_501}])
def test_a_retention_outside_what_aws_keeps_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="AWS keeps for 1 to 36500"):
        rule(**changes)


@pytest.mark.parametrize("name", ["", "a" * 51, "every day"])
def test_a_rule_name_that_aws_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="rename it"):
        rule(name=name)


@pytest.mark.parametrize(("chosen", "days"), [(None, 30), (90, 90)])
def test_a_copy_is_kept_as_long_as_the_backup_unless_asked_otherwise(chosen: int | None, days: int) -> None:
    assert rule(copy_retention_days=chosen).copy_days == days
