"""Checks of a deployment: each compliant case, and each case that is missed or unknown."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from dr.clients import Unreachable
from dr.errors import Failed, Invalid, Problem, Problems, Refused
from dr.findings import Finding, Status
from dr.preflight import (
    backup_settings,
    backup_vaults,
    checks,
    command,
    credentials,
    global_planes,
    leftovers,
    offered_versions,
    regions,
    state,
    subscribers,
    supply,
)
from dr.preflight.check import Check, Subject
from dr.topology.topology import Role
from stacks.preflight import judge
from tests.support.builders import topology

MET = Finding("a", Status.MET, "as it should be")


def subject(role: Role = Role.RECOVERY, /, tier: str = "pilot", **changes: Any) -> Subject:
    return Subject(topology(role, tier=tier), "dr", Path("/project"), **changes)


def only(findings: Any) -> Finding:
    (found,) = findings
    return found


# The table -----------------------------------------------------------------------------------------------------------


def refuse(error: Exception) -> Any:
    def look(_: Subject) -> Any:
        raise error

    return look


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid(Problem("zone", "is wrong", "change it")), Status.MISSED),
        (Refused(Problem("zone", "is wrong", "change it")), Status.MISSED),
        (Failed(Problem("zone", "AccessDenied", "allow it")), Status.UNKNOWN),
    ],
)
def test_error_of_a_check_is_a_finding_with_its_fix(error: Exception, status: Status) -> None:
    check = Check("zones", refuse(error))

    found = only(checks.run(subject(), [check])[check])
    assert (found.status, found.name) == (status, "zones")
    assert found.hint in ("change it", "allow it")


def test_check_that_does_not_end_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LONGEST_SECONDS", 0.05)
    ends = threading.Event()
    check = Check("zones", lambda _: [MET] if ends.wait(60) else [])

    found = only(checks.run(subject(), [check])[check])
    ends.set()
    assert (found.name, found.status) == ("zones", Status.UNKNOWN)


def test_program_refuses_what_a_required_check_misses_and_warns_of_the_rest() -> None:
    missed, unknown = Finding("b", Status.MISSED, "is wrong", "change it"), Finding("c", Status.UNKNOWN, "no answer")
    problems = Problems()
    warnings = judge(
        {
            Check("required", lambda _: []): [MET, missed, unknown],
            Check("other", lambda _: [], required=False): [missed],
        },
        problems,
    )

    with pytest.raises(Refused) as caught:
        problems.raise_all()
    assert str(caught.value) == "refused: b: is wrong\n    -> change it"
    assert warnings == ["c: unknown, no answer\n    -> run `dr preflight`", "b: is wrong\n    -> change it"]


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_program_runs_the_checks_that_its_operation_needs(preview: bool, first: bool) -> None:
    names = {each.name for each in checks.of_program(preview=preview, first=first)}

    assert names >= {"dr command", "regions", "zones"}
    assert ("delegation" in names) is first
    assert ("credentials" in names) is preview, "an update shows no warnings"
    assert "global control planes" not in names, "a change of tier calls neither IAM nor Route 53"


# The dr command ------------------------------------------------------------------------------------------------------


def script(folder: Path, text: str) -> str:
    file = folder / "dr"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(folder)


def test_dr_that_is_not_on_path_is_missed_with_the_commands_that_provide_it(tmp_path: Path) -> None:
    found = only(command.look(subject(search_path=str(tmp_path))))

    assert found.status is Status.MISSED
    assert found.measured.startswith("is not on PATH")
    assert found.hint == '`make install && export PATH="/project/.local/venv/bin:$PATH"`'


def test_dr_of_this_checkout_is_met() -> None:
    assert only(command.look(subject(search_path=os.environ["PATH"]))).status is Status.MET


def test_another_dr_that_path_finds_first_is_missed_with_its_answer(tmp_path: Path) -> None:
    path = script(tmp_path, "echo 'dr: unknown device eks-token' >&2; exit 1")
    found = only(command.look(subject(search_path=os.pathsep.join([path, os.environ["PATH"]]))))

    assert found.status is Status.MISSED
    assert f"{tmp_path}/dr, which PATH finds first, is not this project's command" in found.measured
    assert "unknown device" in found.measured


def test_dr_is_not_needed_by_a_tier_without_cluster(tmp_path: Path) -> None:
    assert only(command.look(subject(tier="backup", search_path=str(tmp_path)))).status is Status.INFO


def test_folder_that_the_language_host_prepends_is_not_on_the_path_of_plugins() -> None:
    assert command.engine_path({"PATH": "/p/venv/bin:/usr/bin", "VIRTUAL_ENV": "/p/venv"}) == "/usr/bin"
    assert command.engine_path({"PATH": "/p/venv/bin:/p/venv/bin", "VIRTUAL_ENV": "/p/venv"}) == "/p/venv/bin"
    assert command.engine_path({"PATH": "/usr/bin:/bin"}) == "/usr/bin:/bin"


# Regions -------------------------------------------------------------------------------------------------------------


class Ec2:
    def __init__(self, status: str) -> None:
        self.status = status

    def describe_regions(self, AllRegions: bool, RegionNames: list[str]) -> Any:  # noqa: N803
        return {"Regions": [{"RegionName": name, "OptInStatus": self.status} for name in RegionNames]}


@pytest.mark.parametrize(
    ("status", "found"),
    [("opt-in-not-required", Status.MET), ("opted-in", Status.MET), ("not-opted-in", Status.MISSED)],
)
def test_region_has_to_be_enabled(status: str, found: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "client", lambda *_: Ec2(status))
    primary, recovery = regions.look(subject())

    assert (primary.name, recovery.name) == ("region us-east-1", "region us-west-2")
    assert {primary.status, recovery.status} == {found}
    if found is Status.MISSED:
        assert "`aws account enable-region --region-name us-west-2`" in recovery.hint


# State and secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("s3://state?region=us-west-2", Status.MET),
        ("s3://state?region=us-east-1", Status.MISSED),
        ("s3://state", Status.UNKNOWN),
        ("file:///state", Status.MET),
        ("gs://state", Status.MET),
        ("https://api.pulumi.com", Status.UNKNOWN),
        ("", Status.UNKNOWN),
    ],
)
def test_state_has_to_be_outside_the_primary_region(url: str, status: Status) -> None:
    assert only(state.backend(subject(backend=url))).status is status


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("awskms://alias/pulumi?region=us-west-2", Status.MET),
        ("awskms://alias/pulumi?region=us-east-1", Status.MISSED),
        ("awskms://alias/pulumi", Status.UNKNOWN),
        ("awskms:///arn:aws:kms:us-east-1:111122223333:key/1", Status.MISSED),
        ("", Status.MET),
        ("gcpkms://projects/p", Status.MET),
        ("hashivault://key", Status.UNKNOWN),
    ],
)
def test_secrets_provider_has_to_be_outside_the_primary_region(url: str, status: Status) -> None:
    found = only(state.secrets(subject(secrets_provider=url, backend="file:///state")))

    assert found.status is status
    if status is Status.MISSED:
        assert "change-secrets-provider 'awskms://<alias of a key in us-west-2>?region=us-west-2' -s dr" in found.hint


def test_secrets_of_a_service_without_a_provider_are_unknown() -> None:
    assert only(state.secrets(subject(backend="https://api.pulumi.com"))).status is Status.UNKNOWN


# Credentials ---------------------------------------------------------------------------------------------------------

SESSION = """
[sso-session work]
sso_region = {region}
sso_start_url = https://example.awsapps.com/start
[profile work]
sso_session = work
sso_account_id = 123456789012
sso_role_name = deploy
[profile through]
role_arn = arn:aws:iam::123456789012:role/deploy
source_profile = work
"""
OTHER = """
[profile break-glass]
role_arn = arn:aws:iam::123456789012:role/break-glass
source_profile = keys
"""


def configuration(text: str, profile: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return settings of a profile, and all settings, as botocore reads them."""
    from botocore.configloader import load_config

    file = Path(os.environ["AWS_CONFIG_FILE"])
    file.write_text(text)
    full = load_config(str(file))
    return full["profiles"][profile], full


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.mark.parametrize("profile", ["work", "through"])
def test_identity_center_in_the_primary_region_is_missed_with_the_guide(profile: str) -> None:
    found = credentials._identity_center(*configuration(SESSION.format(region="us-east-1"), profile), "us-east-1")

    assert found.status is Status.MISSED
    assert "`aws sso login` fails" in found.measured
    assert "docs/how-to/break-glass.md" in found.hint


def test_identity_center_in_another_region_is_met() -> None:
    settings = configuration(SESSION.format(region="us-west-2"), "work")

    assert credentials._identity_center(*settings, "us-east-1").status is Status.MET


def test_break_glass_profile_outside_identity_center_is_met() -> None:
    settings = configuration(SESSION.format(region="us-east-1") + OTHER, "work")

    assert credentials._identity_center(*settings, "us-east-1").status is Status.MET


def test_break_glass_profile_through_the_same_identity_center_is_missed() -> None:
    text = SESSION.format(region="us-east-1") + OTHER.replace("= keys", "= work")

    assert credentials._identity_center(*configuration(text, "work"), "us-east-1").status is Status.MISSED


def test_global_sts_endpoint_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.session import get_session

    assert credentials._sts(get_session(), "env", "us-east-1", "us-west-2").status is Status.MET
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    assert credentials._sts(get_session(), "env", "us-east-1", "us-west-2").status is Status.MISSED


def test_role_that_is_assumed_in_the_primary_region_is_missed() -> None:
    from botocore.session import get_session

    found = credentials._sts(get_session(), "assume-role", "us-east-1", "us-west-2")

    assert found.status is Status.MISSED
    assert "`export AWS_REGION=us-west-2`" in found.hint


class Held:
    def __init__(self, method: str, minutes: int | None = None) -> None:
        self.method = method
        if minutes is not None:
            self._expiry_time = NOW + timedelta(minutes=minutes)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "token", "status"),
    [
        (Held("sso"), "t", Status.MET),
        (Held("env"), None, Status.MET),
        (Held("env"), "t", Status.UNKNOWN),
        (Held("env", 59), "t", Status.MISSED),
        (Held("env", 61), "t", Status.MET),
    ],
)
def test_credentials_have_to_last_for_a_deployment(held: Held, token: str | None, status: Status) -> None:
    assert credentials._lifetime(held, token, NOW).status is status


# AWS Backup ----------------------------------------------------------------------------------------------------------


class BackupSettings:
    """AWS Backup with opt-in settings by region; a region without any refuses the call."""

    def __init__(self, **by_region: dict[str, bool]) -> None:
        self.by_region = by_region

    def __call__(self, service: str, region: str) -> Any:
        self.region = region.replace("-", "_")
        return self

    def describe_region_settings(self) -> Any:
        if self.region not in self.by_region:
            raise Failed(Problem(self.region, "AccessDenied", "allow backup:DescribeRegionSettings"))
        return {"ResourceTypeOptInPreference": self.by_region[self.region]}


ALL = dict.fromkeys(backup_settings.NEEDED, True)


def test_region_that_opted_in_to_all_types_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_settings, "client", BackupSettings(us_east_1=ALL, us_west_2=ALL))

    found = list(backup_settings.look(subject(Role.PRIMARY)))
    assert [each.status for each in found] == [Status.MET, Status.MET]


def test_region_that_did_not_opt_in_to_s3_is_shown_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = BackupSettings(us_east_1=ALL, us_west_2={**ALL, "S3": False})
    monkeypatch.setattr(backup_settings, "client", settings)

    _, shown = backup_settings.look(subject(Role.PRIMARY))
    assert (shown.status, shown.name) == (Status.INFO, "AWS Backup in us-west-2")
    assert shown.measured.startswith("not opted in to S3; the plan of this project backs up buckets anyway")
    assert "--resource-type-opt-in-preference S3=true --region us-west-2" in shown.hint


@pytest.mark.parametrize(("database", "status"), [("aurora", Status.MISSED), ("none", Status.INFO)])
def test_region_that_did_not_opt_in_to_aurora_does_not_back_up_the_database(
    monkeypatch: pytest.MonkeyPatch, database: str, status: Status
) -> None:
    settings = BackupSettings(us_east_1={**ALL, "Aurora": False}, us_west_2=ALL)
    monkeypatch.setattr(backup_settings, "client", settings)

    made = Subject(topology(Role.PRIMARY, database=database), "primary", Path("/project"))
    shown, _ = backup_settings.look(made)
    assert (shown.status, shown.name) == (status, "AWS Backup in us-east-1")
    assert shown.measured.endswith("the database of this project is not backed up") is (status is Status.MISSED)
    assert "--resource-type-opt-in-preference Aurora=true --region us-east-1" in shown.hint


def test_dr_stack_asks_only_its_own_region_for_backup_settings_and_a_refusal_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backup_settings, "client", BackupSettings())

    assert only(backup_settings.look(subject())).status is Status.UNKNOWN


# Alarm subscribers ---------------------------------------------------------------------------------------------------


def subscribed(monkeypatch: pytest.MonkeyPatch, **arns: str) -> None:
    """Replace SNS by one topic with the subscription ARN of each e-mail address, by its part before the @."""

    class Topic:
        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self, TopicArn: str) -> Any:  # noqa: N803 - boto3's name
            listed = [{"Endpoint": f"{name}@example.com", "SubscriptionArn": arn} for name, arn in arns.items()]
            return [{"Subscriptions": listed}]

    monkeypatch.setattr(subscribers, "client", lambda service, region: Topic())


def test_confirmed_subscribers_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribed(monkeypatch, oncall="arn:aws:sns:us-west-2:123456789012:ml-dr-alerts:1")

    assert only(subscribers.look(subject())).status is Status.MET


def test_subscriber_that_did_not_confirm_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribed(monkeypatch, oncall="PendingConfirmation")

    found = only(subscribers.look(subject()))
    assert (found.status, found.measured) == (
        Status.MISSED,
        "oncall@example.com did not confirm: no alarm reaches them",
    )


def test_subscriber_whose_subscription_expired_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribed(monkeypatch, other="arn:aws:sns:us-west-2:123456789012:ml-dr-alerts:1")

    found = only(subscribers.look(subject()))
    assert (found.status, found.measured) == (Status.MISSED, "oncall@example.com not subscribed: no alarm reaches them")
    assert "`pulumi up --refresh -s dr`" in found.hint


def test_table_has_every_check() -> None:
    assert {each.name for each in checks.CHECKS} == {
        *("dr command", "regions", "existing buckets", "AWS Backup", "zones", "alarm subscribers", "delegation"),
        *("global control planes", "credentials", "state backend", "secrets provider"),
        *(offered_versions.NAME, leftovers.NAME, supply.NAME, backup_vaults.NAME),
    }


def test_no_one_to_notify_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Subject(topology(Role.RECOVERY, alertAddresses='["none"]'), "dr", Path("/project"))

    assert "no one is notified" in only(subscribers.look(nobody)).measured


# Global control planes -----------------------------------------------------------------------------------------------


def test_control_planes_that_do_not_answer_are_unknown_with_what_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def lost(name: str, region: str) -> Iterator[None]:
        raise Unreachable(Problem(name, f"{region} does not answer", "check the region"))
        yield

    monkeypatch.setattr(global_planes, "calls", lost)
    monkeypatch.setattr(global_planes, "client", lambda *_: None)
    found = list(global_planes.look(subject()))

    assert [(each.name, each.status) for each in found] == [
        ("control plane of IAM", Status.UNKNOWN),
        ("control plane of Route 53", Status.UNKNOWN),
    ]
    assert "Deploy without `--refresh`" in found[0].hint


def test_control_plane_that_refuses_a_call_answers() -> None:
    with mock_aws():
        assert {each.status for each in global_planes.look(subject())} == {Status.MET}
