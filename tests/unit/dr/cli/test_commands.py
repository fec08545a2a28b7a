"""The `dr` command against the emulator, with both regions' resources as deployed by the stacks."""

import json
import threading
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from docs.generate import cli_examples
from dr.cli import status_report, watch
from dr.cli.main import app
from dr.clients import Limits
from dr.control import contract, incident_state, proofs
from dr.control.incident_state import Automation, Incident, IncidentState, Lease, Levers
from dr.control.proofs import Proof
from dr.data import model_sets, publication
from dr.data.publication import Item
from dr.errors import Exit
from dr.operations import last_known, status
from dr.preflight import running_nodes
from dr.topology.topology import Role
from sandbox.server import Running
from tests.support import builders
from tests.support.buckets import make_bucket, replicate_all
from tests.support.builders import half
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).parents[4]
REGIONS = {Role.PRIMARY: "us-east-1", Role.RECOVERY: "us-west-2"}
PAIRS = ("datasets", "models", "registry", "control", "velero")
FILLED = ("datasets", "velero")
"""Pairs that get an object; the others hold the model set and the contract."""


def bucket(role: Role, pair: str) -> str:
    return f"ml-dr-123456789012-{REGIONS[role]}-{pair}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(ROOT)])


@pytest.fixture(autouse=True)
def _alone_and_patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep results of reports in the test's own folder, and wait long for an emulator on a busy machine."""
    monkeypatch.setattr(last_known, "FOLDER", tmp_path / "last-known")
    for name in ("SECONDS", "CONTROL_BY", "PRIMARY_BY"):
        monkeypatch.setattr(status, name, PATIENCE_SECONDS)
    monkeypatch.setattr(status, "LIMITS", Limits(read=PATIENCE_SECONDS))


@pytest.fixture
def empty(aws: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty account, and the DNS server of the emulator."""
    monkeypatch.setenv("DR_RESOLVER", aws.names.address)


@pytest.fixture
def deployed(empty: None, tmp_path: Path) -> dict[Role, Any]:
    """Both regions as deployed: buckets, replication rules, contract, model set, levers, alarms and measurements."""
    clients = {}
    for role, region in REGIONS.items():
        s3 = clients[role] = boto3.client("s3", region)
        for pair in PAIRS:
            make_bucket(s3, bucket(role, pair))
    for role, s3 in clients.items():
        other = Role.RECOVERY if role is Role.PRIMARY else Role.PRIMARY
        for pair in PAIRS:
            replicate_all(s3, bucket(role, pair), bucket(other, pair))
        boto3.client("cloudwatch", REGIONS[role]).put_metric_alarm(**alarm("replication-late"))
        lever = LEVERS[role]
        boto3.client("cloudwatch", "us-west-2").put_metric_alarm(**alarm(f"lever-{lever}", Lever=lever))
        written = half(role).to_dict()
        written["dns"] |= {"lever": lever, "lever_alarm": f"ml-dr-lever-{lever}", "endpoint": f"{REGIONS[role]}.elb"}
        for each in REGIONS:
            clients[each].put_object(
                Bucket=bucket(each, "control"), Key=contract.key_of(role), Body=json.dumps(written)
            )
    for pair in FILLED:
        clients[Role.PRIMARY].put_object(Bucket=bucket(Role.PRIMARY, pair), Key="object", Body=b"content")
    publish_set(tmp_path / "model")
    for pair in FILLED:
        name = bucket(Role.RECOVERY, pair)
        wait_for(lambda name=name: clients[Role.RECOVERY].list_objects_v2(Bucket=name)["KeyCount"])  # type: ignore[misc]
    measure(us_east_1=1.0)
    return clients


LEVERS = {Role.PRIMARY: "engage", Role.RECOVERY: "admit"}


def alarm(name: str, **dimensions: str) -> dict[str, Any]:
    """An alarm that fires below 1, and with `engage` above 0."""
    above = dimensions.get("Lever") == "engage"
    return {
        "AlarmName": f"ml-dr-{name}",
        "Namespace": "DisasterRecovery",
        "MetricName": "Lever" if dimensions else "Fine",
        "Dimensions": [{"Name": key, "Value": value} for key, value in ({**dimensions, "Workload": "ml-dr"}).items()],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold" if above else "LessThanThreshold",
        "Threshold": 0 if above else 1,
        "TreatMissingData": "notBreaching",
    }


def publish_set(path: Path) -> None:
    """Publish a model set in the primary region, and wait until it is replicated."""
    path.write_bytes(b"weights")
    here, there = ({pair: bucket(role, pair) for pair in PAIRS} for role in REGIONS)
    published = publication.publish("us-east-1", here, "digits", [Item("model", "models", path)])
    wait_for(lambda: model_sets.newest("us-west-2", there, "digits") == published)
    wait_for(lambda: not model_sets.missing("us-west-2", there, published))


def measure(sentinel: float = 5.0, **healthy: float) -> None:
    """Publish what the prober measures, and the levers."""
    now, metrics = datetime.now(UTC), boto3.client("cloudwatch", "us-west-2")
    values: list[tuple[str, dict[str, str], float]] = [
        ("SentinelAgeSeconds", {}, sentinel),
        ("NewestCopyAgeSeconds", {}, 3600.0),
    ]
    values += [("EndpointHealthy", {"Region": name.replace("_", "-")}, value) for name, value in healthy.items()]
    values += [("Lever", {"Lever": "engage"}, 0.0), ("Lever", {"Lever": "admit"}, 1.0)]
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": each} for key, each in ({**dimensions, "Workload": "ml-dr"}).items()],
            "Value": value,
            "Timestamp": now,
        }
        for name, dimensions, value in values
    ]
    metrics.put_metric_data(Namespace="DisasterRecovery", MetricData=data)


def report_of(result: Result) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the report, and its findings by name."""
    report = json.loads(result.output)
    return report, {each["name"]: each for each in report["findings"]}


@pytest.mark.usefixtures("deployed")
def test_status_is_met_if_everything_is_as_deployed() -> None:
    result = run("status", "--json")

    report, findings = report_of(result)
    assert result.exit_code == Exit.OK, result.output
    assert (report["tier"], report["serving"]["regions"], report["silent"]) == ("pilot", ["us-east-1"], [])
    assert report["objectives"] == {"rto_seconds": 1800.0, "rpo_seconds": 3600.0}
    assert {each["status"] for each in findings.values()} == {"met", "info"}
    data = findings["data in us-west-2"]
    assert (data["measured"], data["objective"]) == ("5 s behind", "at most 1 h")
    assert data["at"] <= report["at"]
    assert " is whole, " in findings["model set digits"]["measured"]


@pytest.mark.usefixtures("deployed")
def test_status_shows_what_the_last_drill_proves_and_does_not_count_it() -> None:
    proof = Proof("region-loss", "run", "met", "pilot", "2026-11-20T09:14:00+00:00", "a-b-c-d", 61.7, 3.0)
    before = run("status", "--json")
    proofs.write(builders.topology(Role.RECOVERY), proof)
    after = run("status", "--json")

    assert (before.exit_code, after.exit_code) == (Exit.OK, Exit.OK)
    found = [json.loads(result.output)["proof"] for result in (before, after)]
    assert [(each["status"], each["measured"].partition(";")[0]) for each in found] == [
        ("unknown", "no drill has run"),
        ("stale", "region-loss met on 2026-11-20 09:14 UTC: RTO 62 s, RPO 3 s"),
    ]
    text = " ".join(run("status").output.split())  # the row is wrapped on a narrow terminal
    assert "proof stale: region-loss met on 2026-11-20 09:14 UTC" in text


@pytest.mark.usefixtures("deployed")
def test_status_as_text_shows_the_expected_lines() -> None:
    output = run("status").output

    assert "serving     us-east-1 for more than" in output
    assert "pilot (objectives: RTO 30 min, RPO 1 h)" in output
    assert "5 s behind (objective: at most 1 h)" in output


def test_removed_replication_rule_is_missed_with_the_command_that_restores_it(deployed: dict[Role, Any]) -> None:
    deployed[Role.RECOVERY].delete_bucket_replication(Bucket=bucket(Role.RECOVERY, "models"))
    result = run("status")

    assert result.exit_code == Exit.FAILED
    assert f"no enabled rule {bucket(Role.RECOVERY, 'models')}" in result.output
    assert "pulumi up -s primary" in result.output


def test_rule_without_a_replicated_object_is_missed(deployed: dict[Role, Any]) -> None:
    for role, pair in ((Role.RECOVERY, "datasets"), (Role.RECOVERY, "velero"), (Role.PRIMARY, "velero")):
        deployed[role].delete_object(Bucket=bucket(role, pair), Key="object")
    result = run("status", "--json")

    _, findings = report_of(result)
    assert result.exit_code == Exit.FAILED
    assert findings["replica of datasets"]["status"] == "missed"
    assert findings["replica of datasets"]["measured"] == "empty; the primary region's bucket holds objects"
    assert findings["replica of velero"]["measured"] == "empty, as is the primary region's bucket"


def test_model_set_that_lacks_an_object_is_missed(deployed: dict[Role, Any]) -> None:
    s3, name = deployed[Role.RECOVERY], bucket(Role.RECOVERY, "models")
    (version,) = s3.list_object_versions(Bucket=name, Prefix="sets/")["Versions"]
    s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    _, findings = report_of(run("status", "--json"))

    assert findings["model set digits"]["status"] == "missed"
    assert " lacks 1 objects, first sets/digits/" in findings["model set digits"]["measured"]


def test_status_shows_an_open_incident(deployed: dict[Role, Any]) -> None:
    day = IncidentState(
        Levers(engaged=True),
        incident=Incident("i-7", "2026-11-23T03:00:00+00:00", "us-east-1 lost"),
        lease=Lease("ana@laptop", "2126-11-23T03:00:00+00:00", 1, "run"),
        automation=Automation(armed=False),
    )
    deployed[Role.RECOVERY].put_object(
        Bucket=bucket(Role.RECOVERY, "control"), Key=incident_state.KEY, Body=day.to_json()
    )
    result = run("status")

    assert "i-7 since 2026-11-23 03:00:00 UTC" in result.output
    assert "us-east-1 lost" in result.output
    rows = {" ".join(line.split()) for line in result.output.splitlines()}
    assert {"levers engage set, admit not set", "automation notify, disarmed until failback"} <= rows
    assert "operator ana@laptop until 2126-11-23 03:00:00 UTC" in rows
    assert "record of us-east-1 is open, not as in the incident state" in result.output


@pytest.mark.usefixtures("deployed")
def test_status_shows_the_mode_of_automation_and_whether_it_may_act() -> None:
    report, _ = report_of(run("status", "--json"))

    assert report["automation"] == {"mode": "notify", "armed": True, "paused": ""}
    rows = {" ".join(line.split()) for line in run("status").output.splitlines()}
    assert "automation notify: an operator decides" in rows


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (IncidentState(), "automatic, armed"),
        (IncidentState(automation=Automation(paused="maintenance")), "automatic, paused: maintenance"),
        (IncidentState(automation=Automation(armed=False)), "automatic, disarmed until failback"),
        (None, "automatic; unknown whether it is armed"),
    ],
)
def test_status_says_whether_automation_may_act(day: IncidentState | None, text: str) -> None:
    shown = status_report.changes(replace(cli_examples.STATUS, day=day), None)

    assert any(line.endswith(f"  automation: {text}") for line in shown)


Control = Callable[..., Any]


def lose(control: Control, region: str = "us-east-1", **fault: Any) -> None:
    """Make a region unreachable, or inject another fault of a region."""
    fault = fault or {"unreachable": True, "with_global": region == "us-east-1"}
    control("POST", "faults", {"kind": "region", "region": region, **fault})


def after_the_loss(control: Control) -> tuple[Result, dict[str, Any], dict[str, dict[str, Any]]]:
    """Return a report made while us-east-1 is lost and us-west-2 answers clients, after one of normal operation."""
    assert run("status", "--json").exit_code == Exit.OK
    control("POST", "clock", {"advance": 60})
    lose(control)
    now = datetime.fromisoformat(control("GET", "clock")["now"])
    metrics = boto3.client("cloudwatch", "us-west-2")
    for region, value in (("us-east-1", 0.0), ("us-west-2", 1.0)):
        dimensions = [{"Name": "Region", "Value": region}, {"Name": "Workload", "Value": "ml-dr"}]
        datum = {"MetricName": "EndpointHealthy", "Dimensions": dimensions, "Value": value, "Timestamp": now}
        metrics.put_metric_data(Namespace="DisasterRecovery", MetricData=[datum])
    result = run("status", "--json")
    return result, *report_of(result)


@pytest.mark.usefixtures("deployed")
def test_status_names_the_recovery_region_as_serving_while_the_primary_is_lost(control: Control) -> None:
    result, report, findings = after_the_loss(control)

    assert result.exit_code == Exit.FAILED
    assert (report["read_from"], report["silent"]) == ("us-west-2", ["us-east-1"])
    assert report["serving"]["regions"] == ["us-west-2"]
    assert report["serving"]["since"] == report["serving"]["measured"]
    assert not report["serving"]["since_is_bound"]
    assert findings["endpoint of us-east-1"]["status"] == "missed"
    assert findings["data in us-west-2"]["status"] == "met"


@pytest.mark.usefixtures("deployed")
def test_value_of_a_lost_region_is_unknown_with_what_was_known_last(control: Control) -> None:
    _, report, findings = after_the_loss(control)

    lost = findings["alarms in us-east-1"]
    assert lost["status"] == "unknown"
    assert "us-east-1 does not answer" in lost["measured"]
    assert (lost["last_known"]["status"], lost["last_known"]["measured"]) == ("met", "none of 1 fires")
    assert lost["last_known"]["at"] < report["at"]
    assert "last known" in " ".join(run("status").output.split())


@pytest.mark.usefixtures("deployed")
def test_both_regions_lost_are_both_named_with_exit_code_4(control: Control) -> None:
    run("status")
    lose(control)
    lose(control, "us-west-2")
    result = run("status", "--json")

    report, findings = report_of(result)
    assert result.exit_code == report["exit_code"] == Exit.UNKNOWN
    assert report["silent"] == ["us-east-1", "us-west-2"]
    assert (report["serving"]["regions"], report["tier"], report["day"]) == (None, None, None)
    assert {findings[f"control bucket in {region}"]["status"] for region in REGIONS.values()} == {"unknown"}
    assert findings["serving"]["last_known"]["measured"].startswith("us-east-1 for more than")
    assert findings["replica of models"]["status"] == "unknown"
    assert findings["replica of models"]["last_known"]["measured"] == "holds objects; rules both ways"
    text = run("status").output
    assert "us-east-1, does not answer" in text
    assert "us-west-2, does not answer" in text


@pytest.mark.usefixtures("deployed")
def test_region_that_hangs_is_unknown_at_the_deadline(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "PRIMARY_BY", 1.0)
    run("status")
    lose(control, slow=5.0)
    result = run("status", "--json")
    # The emulator would report answers that no client reads, in the output of a later test.
    wait_for(lambda: not [each for each in threading.enumerate() if each.name.startswith("lookup ")])

    report, findings = report_of(result)
    assert result.exit_code == Exit.UNKNOWN, result.output
    assert (report["silent"], report["serving"]["regions"]) == (["us-east-1"], ["us-east-1"])
    assert "us-east-1 does not answer within" in findings["control bucket in us-east-1"]["measured"]
    assert findings["control bucket in us-west-2"]["status"] == "met"


@pytest.mark.usefixtures("empty")
def test_status_before_anything_is_deployed_is_refused() -> None:
    result = run("status")

    assert result.exit_code == Exit.REFUSED
    assert "run `pulumi up -s primary`" in " ".join(result.output.split())


def test_seconds_without_watch_are_invalid_input() -> None:
    result = run("status", "5")

    assert result.exit_code == Exit.INVALID
    assert "add --watch" in result.output


def interrupted(monkeypatch: pytest.MonkeyPatch, after: Callable[[int], None]) -> None:
    """Let time pass between reports without waiting: `after` gets the number of reports, and may raise."""
    count = iter(range(1, 100))
    monkeypatch.setattr(watch, "sleep", lambda seconds: after(next(count)))


def test_watch_prints_a_line_for_each_change_and_ends_with_the_last_exit_code(
    deployed: dict[Role, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after(reports: int) -> None:
        if reports == 1:
            deployed[Role.RECOVERY].delete_bucket_replication(Bucket=bucket(Role.RECOVERY, "models"))
        if reports == 3:
            raise KeyboardInterrupt

    interrupted(monkeypatch, after)
    result = run("status", "--watch")

    assert result.exit_code == Exit.FAILED
    lines = [line.partition(" UTC  ")[2] for line in result.output.splitlines()]
    assert lines[0].startswith("serving: us-east-1")
    assert [line for line in lines if "replica of models" in line] == [
        "met: replica of models: holds objects; rules both ways",
        f"missed: replica of models: no enabled rule {bucket(Role.RECOVERY, 'models')} -> "
        f"{bucket(Role.PRIMARY, 'models')} (objective: holds objects, and rules both ways)",
    ]


@pytest.mark.usefixtures("deployed")
def test_watch_with_json_prints_a_document_in_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def after(reports: int) -> None:
        if reports == 2:
            raise KeyboardInterrupt

    interrupted(monkeypatch, after)
    result = run("status", "--watch", "--json", "1")

    assert result.exit_code == Exit.OK
    assert [json.loads(line)["exit_code"] for line in result.output.splitlines()] == [0, 0]


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
    assert {"network", "tier", "quotas", "model set", "API server", "GPU nodes"} <= found.keys()
    text = run("preflight").output
    assert "missed   state backend" in text
    assert "-> copy the state to a bucket in us-west-2" in text


def test_preflight_of_an_invalid_configuration_lists_each_problem(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.dr.yaml").write_text("config:\n  aws:region: us-west-2\n  dr:role: recovery\n  dr:tier: wram\n")
    result = CliRunner().invoke(app, ["preflight", "--project", str(tmp_path)])

    assert result.exit_code == Exit.FAILED
    assert '"wram" is not a valid tier' in result.output
