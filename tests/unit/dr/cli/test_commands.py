"""The `dr` command against moto, with both regions' resources as deployed by the stacks."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.main import get_command
from typer.testing import CliRunner, Result

from dr.cli.main import app
from dr.clients import Unreachable
from dr.control import contract, incident_state
from dr.control.incident_state import Incident, IncidentState
from dr.errors import Exit, Problem
from dr.preflight import running_nodes
from dr.topology.topology import Role
from tests.support.buckets import make_bucket
from tests.support.builders import half

ROOT = Path(__file__).parents[4]
REGIONS = {Role.PRIMARY: "us-east-1", Role.RECOVERY: "us-west-2"}
PAIRS = ("datasets", "models", "registry", "control", "velero")


def bucket(role: Role, pair: str) -> str:
    return f"ml-dr-123456789012-{REGIONS[role]}-{pair}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(ROOT)])


@pytest.fixture
def empty() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def deployed(empty: None) -> dict[Role, Any]:
    """Both regions as deployed: buckets, replication rules, contract, health checks and alarms."""
    checks, clients = boto3.client("route53", "us-east-1"), {}
    for role, region in REGIONS.items():
        s3 = clients[role] = boto3.client("s3", region)
        for pair in PAIRS:
            make_bucket(s3, bucket(role, pair))
    for role, s3 in clients.items():
        other = Role.RECOVERY if role is Role.PRIMARY else Role.PRIMARY
        for pair in PAIRS:
            rule = {
                "Status": "Enabled",
                "Priority": 1,
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Disabled"},
                "Destination": {"Bucket": f"arn:aws:s3:::{bucket(other, pair)}"},
            }
            configuration = {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [rule]}
            s3.put_bucket_replication(Bucket=bucket(role, pair), ReplicationConfiguration=configuration)
        config = {"Type": "HTTPS", "FullyQualifiedDomainName": "serving.example.com"}
        check = checks.create_health_check(CallerReference=str(role), HealthCheckConfig=config)["HealthCheck"]["Id"]
        alarm = f"ml-dr-lever-{role}"
        boto3.client("cloudwatch", "us-west-2").put_metric_alarm(
            AlarmName=alarm, ComparisonOperator="LessThanThreshold", EvaluationPeriods=1, Threshold=1
        )
        written = half(role).to_dict()
        written["dns"] |= {"endpoint_check_id": check, "lever_alarm": alarm}
        for each in REGIONS:
            clients[each].put_object(
                Bucket=bucket(each, "control"), Key=contract.key_of(role), Body=json.dumps(written)
            )
    return clients


@pytest.mark.usefixtures("deployed")
def test_status_is_met_if_everything_is_as_deployed() -> None:
    result = run("status", "--json")

    report = json.loads(result.output)
    assert result.exit_code == Exit.OK, result.output
    assert report["tier"] == "pilot"
    assert report["objectives"] == {"rto_seconds": 1800.0, "rpo_seconds": 3600.0}
    assert {finding["status"] for finding in report["findings"]} == {"met", "info"}
    assert "replication of datasets" in {finding["name"] for finding in report["findings"]}


@pytest.mark.usefixtures("deployed")
def test_status_as_text_shows_the_expected_lines() -> None:
    output = run("status").output

    assert "pilot (objectives: RTO 30 min, RPO 1 h)" in output
    assert "enabled both ways" in output


def test_removed_replication_rule_is_missed_with_the_command_that_restores_it(deployed: dict[Role, Any]) -> None:
    deployed[Role.RECOVERY].delete_bucket_replication(Bucket=bucket(Role.RECOVERY, "models"))
    result = run("status")

    assert result.exit_code == Exit.FAILED
    assert f"no enabled rule {bucket(Role.RECOVERY, 'models')}" in result.output
    assert "pulumi up -s primary" in result.output


def test_status_shows_an_open_incident(deployed: dict[Role, Any]) -> None:
    day = IncidentState(incident=Incident("i-7", "2026-11-23T03:00:00+00:00", "drill"))
    deployed[Role.RECOVERY].put_object(
        Bucket=bucket(Role.RECOVERY, "control"), Key=incident_state.KEY, Body=day.to_json()
    )

    assert "i-7 since 2026-11-23" in run("status").output


@pytest.mark.usefixtures("deployed")
def test_status_is_unknown_and_never_met_if_the_primary_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    from dr import clients
    from dr.control import control_bucket
    from dr.operations import probes

    def dead(subject: str, region: str) -> Any:
        if "us-east-1" in region:
            raise Unreachable(Problem(subject, f"{region} does not answer", "look at the region's health"))
        return clients.calls(subject, region)

    monkeypatch.setattr(probes, "calls", dead)
    monkeypatch.setattr(control_bucket, "read_object", _read_with_primary_dead(clients.read_object))
    result = run("status", "--json")

    report = json.loads(result.output)
    assert result.exit_code == Exit.UNKNOWN
    assert report["read_from"] == "us-west-2"
    status = {finding["name"]: finding["status"] for finding in report["findings"]}
    assert status["control bucket of us-east-1"] == "unknown"
    assert status["control bucket of us-west-2"] == "met"
    assert status["replication of datasets"] == "unknown"
    assert status["endpoint of us-west-2"] == "unknown"


def _read_with_primary_dead(read: Any) -> Any:
    def read_object(region: str, name: str, key: str) -> bytes:
        if region == "us-east-1":
            raise Unreachable(Problem(name, f"{region} does not answer", "look at the region's health"))
        return bytes(read(region, name, key))

    return read_object


@pytest.mark.usefixtures("empty")
def test_status_before_anything_is_deployed_is_refused() -> None:
    result = run("status")

    assert result.exit_code == Exit.REFUSED
    assert "run `pulumi up -s primary`" in " ".join(result.output.split())


@pytest.mark.usefixtures("deployed")
def test_contract_is_printed_with_its_source() -> None:
    result = run("contract")

    assert result.exit_code == Exit.OK
    assert f"read from s3://{bucket(Role.RECOVERY, 'control')} (us-west-2)" in result.output
    assert bucket(Role.PRIMARY, "datasets") in result.output


@pytest.mark.usefixtures("deployed")
def test_contract_as_json_has_one_entry_per_role() -> None:
    assert set(json.loads(run("contract", "--json").output)) == {"primary", "recovery"}
    assert set(json.loads(run("contract", "--json", "--role", "recovery").output)) == {"recovery"}


def test_missing_contract_half_exits_with_failure(deployed: dict[Role, Any]) -> None:
    where = {"Bucket": bucket(Role.RECOVERY, "control"), "Key": contract.key_of(Role.RECOVERY)}
    deployed[Role.RECOVERY].delete_object(**where)
    result = run("contract", "--role", "recovery")

    assert result.exit_code == Exit.FAILED
    assert "does not have it" in result.output


def test_error_is_json_with_the_json_option() -> None:
    result = run("status", "--json", "--stack", "no-such-stack")

    answer = json.loads(result.output)
    assert result.exit_code == answer["exit_code"] == Exit.INVALID
    assert answer["problems"][0]["remedy"].startswith("`pulumi stack init no-such-stack`")


def test_an_unknown_option_is_invalid_input() -> None:
    assert run("status", "--no-such-option").exit_code == Exit.INVALID


@pytest.mark.usefixtures("deployed")
def test_project_is_found_from_a_subfolder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "docs" / "adr")

    assert CliRunner().invoke(app, ["status"]).exit_code == Exit.OK


def test_folder_outside_a_project_is_invalid_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--project", str(tmp_path)])

    assert result.exit_code == Exit.INVALID
    assert f"Pulumi.yaml: neither {tmp_path} nor a folder above it has this file" in result.output


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("command", ["status", "contract"])
def test_output_fits_80_columns_and_has_no_trailing_blanks(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(command).output.splitlines()

    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if len(line) > 80] == []


def test_version_option_prints_the_projects_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert CliRunner().invoke(app, ["--version"]).output == f"dr {project['version']}\n"


@pytest.mark.parametrize("arguments", [(), *((name,) for name in get_command(app).commands)])  # type: ignore[attr-defined]
def test_help_is_shown_by_both_options_without_trailing_blanks(arguments: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(app, [*arguments, option]).output for option in ("-h", "--help"))

    assert short == long
    assert [line for line in long.splitlines() if line != line.rstrip()] == []
    assert "..." not in long.replace("[ARGS]...", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed_for_a_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    result = CliRunner().invoke(app, ["--show-completion"], prog_name="dr")

    assert result.exit_code == Exit.OK
    assert "_DR_COMPLETE" in result.output


@pytest.mark.usefixtures("deployed")
def test_preflight_lists_each_finding_with_its_status_without_an_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state?region=us-east-1")
    monkeypatch.setenv("PATH", str(tmp_path))
    # moto's EKS does not report a missing cluster as AWS does.
    monkeypatch.setattr(running_nodes, "find", lambda *_: running_nodes.RunningNodes())
    result = run("preflight", "--json")

    report = json.loads(result.output)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert (result.exit_code, report["exit_code"], report["region"]) == (Exit.FAILED, 1, "us-west-2")
    assert {found[name]["status"] for name in ("configuration", "account", "region us-east-1")} == {"met"}
    assert {found[name]["status"] for name in ("dr command", "state backend")} == {"missed"}
    text = run("preflight").output
    assert "missed   state backend" in text
    assert "-> copy the state to a bucket in us-west-2" in text


def test_preflight_of_an_invalid_configuration_lists_each_problem(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.dr.yaml").write_text("config:\n  aws:region: us-west-2\n  dr:role: recovery\n  dr:tier: wram\n")
    result = CliRunner().invoke(app, ["preflight", "--project", str(tmp_path)])

    assert result.exit_code == Exit.FAILED
    assert '"wram" is not a valid tier' in result.output
