"""Sample outputs of `dr`: what its renderers make of fixed results."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, RenderableType

from docs.generate import evidence_examples, operation_examples, set_examples
from dr.cli import (
    backfill_report,
    check_report,
    drill_report,
    evidence_report,
    export_database_report,
    operation_report,
    registry_report,
    report,
    restore_report,
    restore_volume_report,
    rotate_secret_report,
    sets_report,
    status_report,
    supply_report,
)
from dr.cli.automate import automate_text
from dr.cli.layout import show
from dr.clusters.pod_failures import Kind
from dr.clusters.rollout_report import problem
from dr.clusters.rollouts import Counts, Phase, Reason, Rollout
from dr.config.project import load_settings
from dr.control.contract import BucketRecord, DnsRecord, Half
from dr.control.incident_state import Automation, Incident, IncidentState, Levers
from dr.data import database_export, volumes
from dr.data.global_database import Snapshot
from dr.data.login_rotation import Rotation
from dr.data.recovery_points import Point
from dr.drills.catalog import DRILLS
from dr.findings import Finding, Status
from dr.operations import probes, promises, readiness_automation, readiness_capacity, runbook
from dr.operations.adopt import Found
from dr.operations.clients_dns import Clients
from dr.operations.measurements import Alarm, Sample
from dr.operations.pending_operations import Pending
from dr.operations.preflight import PreflightReport
from dr.operations.readiness import ReadinessReport
from dr.operations.readiness_automation import Trigger
from dr.operations.rollout import RegionRollout
from dr.operations.serving import Serving
from dr.operations.status import StatusReport
from dr.supply.check import Lack, RegionSupply
from dr.supply.items import Item
from dr.supply.sync import Copied, Synced
from dr.topology import supply
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode, Role

PRIMARY, RECOVERY = "us-east-1", "us-west-2"
BUCKET = "ml-dr-123456789012-{}-{}"

NOW = datetime(2026, 11, 28, 12, 41, 32, tzinfo=UTC)
VOLUME = Point(
    "arn:aws:ec2:us-west-2::snapshot/snap-04c5e8a19d2f7b360",
    RECOVERY,
    "ml-dr-backups",
    "EBS",
    "arn:aws:ec2:us-east-1:123456789012:volume/vol-0a1b2c3d4e5f60718",
    datetime(2026, 11, 28, 2, 0, 4, tzinfo=UTC),
    datetime(2026, 11, 28, 2, 6, 31, tzinfo=UTC),
    200 << 30,
    "arn:aws:iam::123456789012:role/backup-role-3f1c",
)
RESTORED_VOLUME = volumes.plan(volumes.Wanted(RECOVERY, VOLUME.vault, VOLUME.name, "us-west-2b"), [VOLUME])
EXPORT = database_export.Export(
    region=PRIMARY,
    snapshot=Snapshot("rds:ml-dr-primary-2026-11-28-04-12", datetime(2026, 11, 28, 4, 12, 31, tzinfo=UTC)),
    arn="arn:aws:rds:us-east-1:123456789012:cluster-snapshot:rds:ml-dr-primary-2026-11-28-04-12",
    bucket="ml-dr-123456789012-us-east-1-registry",
    role="arn:aws:iam::123456789012:role/ml-dr-database-export",
    key="arn:aws:kms:us-east-1:123456789012:key/0d1c2b3a",
    next_id="export-ml-dr-5f0c1a9e77b2-0",
)
ROTATION = Rotation(
    secret="ml-dr-database",  # noqa: S106 - its name
    region=PRIMARY,
    replica=RECOVERY,
    writer="ml-dr-primary",
    writer_region=PRIMARY,
    current="7f0c6d1e-2b1a-4f5e-9c3d-0a1b2c3d4e5f",
    created=datetime(2026, 9, 1, 9, 30, tzinfo=UTC),
    following="c0a80101-5a6b-5c7d-8e9f-0a1b2c3d4e5f",
)
LOST = "us-east-1 does not answer (ConnectTimeoutError)"
REGION = "check the health of the region and your network connection"


def _at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-28T{clock}+00:00")


SERVED = Serving((RECOVERY,), since=_at("12:03:20"), measured=_at("12:41:20"))
CLIENTS = Clients("inference.example.com", RECOVERY)
LATE = (Sample(_at("12:41:20"), 2300.0),)
STATUS = StatusReport(
    primary=PRIMARY,
    recovery=RECOVERY,
    tier=Tier.WARM,
    read_from=RECOVERY,
    day=IncidentState(
        Levers(engaged=True, admitted=True),
        incident=Incident("i-7", "2026-11-28T12:05:10+00:00", "us-east-1 lost"),
        automation=Automation(armed=False),
    ),
    at=NOW,
    serving=SERVED,
    clients=CLIENTS,
    silent=(PRIMARY,),
    alarms=(Alarm("ml-dr-region-impaired", RECOVERY, "ALARM", _at("12:04:40")),),
    findings=(
        promises.serving_finding(SERVED, NOW),
        promises.endpoint_finding(RECOVERY, (Sample(_at("09:51:40"), 1.0), Sample(_at("12:41:20"), 1.0)), True, NOW),
        promises.data_finding(LATE, RECOVERY, Tier.WARM.spec.rpo, NOW),
        Finding("public name", Status.MET, f"leads to {RECOVERY}"),
        Finding(f"replicas in {PRIMARY}", Status.UNKNOWN, LOST, REGION),
        *probes.running_findings(RECOVERY, probes.Running(6, 6, 3, 6, 6), 1),
        Finding("model set digits", Status.MET, "20261128T122442Z-61832178 is whole, 16 min old"),
        Finding(f"alarms in {RECOVERY}", Status.MISSED, "1 of 18 fires, the first since 12:04:40 UTC (36 min)"),
    ),
    automation=AutomationMode.AUTOMATIC,
    proof=Finding(
        "proof",
        Status.STALE,
        "region-loss met on 2026-11-20 09:14 UTC: RTO 62 s, RPO 3 s; changed since then: model set",
    ),
    last={
        f"replicas in {PRIMARY}": Finding(
            f"replicas in {PRIMARY}", Status.MET, "6 ready of 6 wanted", at="2026-11-28T12:01:10+00:00"
        )
    },
)

CHECK = ReadinessReport(
    primary=PRIMARY,
    recovery=RECOVERY,
    tier=Tier.PILOT,
    operation="",
    at=NOW,
    findings=(
        Finding("account", Status.MET, "account 123456789012"),
        Finding(f"inference in {RECOVERY}", Status.INFO, readiness_capacity.idle(Tier.PILOT)),
        Finding(
            f"quota L-DB2E81BA in {RECOVERY}",
            Status.MISSED,
            "64 vCPUs of Running On-Demand G and VT instances",
            "`aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA "
            f"--desired-value 80 --region {RECOVERY}`, which takes days",
            "at least 80 vCPUs: a failover to 10 nodes takes 80",
        ),
        Finding("model-set", Status.MET, f"20261128T122442Z-61832178 is whole in {RECOVERY}"),
        promises.data_finding((Sample(_at("12:41:20"), 4.0),), RECOVERY, Tier.PILOT.spec.rpo, NOW),
        Finding("journal and lease", Status.MET, "written in 38 ms", "", "a conditional write"),
        readiness_automation.judge(
            AutomationMode.AUTOMATIC,
            Trigger("ml-dr-failover-trigger", "automatic", 5),
            IncidentState(automation=Automation(paused="maintenance of us-west-2")),
            Tier.PILOT,
        ),
    ),
)

PREFLIGHT = PreflightReport(
    stack="dr",
    region=RECOVERY,
    findings=(
        Finding("configuration", Status.MET, "valid"),
        Finding("account", Status.MET, "123456789012, as arn:aws:sts::123456789012:assumed-role/deploy/ana"),
        Finding("region us-west-2", Status.MET, "enabled (opt-in-not-required)"),
        Finding("dr command", Status.MET, "/srv/ml-dr/.local/venv/bin/dr"),
        Finding(
            "state backend",
            Status.MISSED,
            "s3://state?region=us-east-1 is in us-east-1: the state is lost with the primary region, and nothing can "
            "be deployed",
            "copy the state to a bucket in us-west-2: `pulumi login 's3://<bucket>?region=us-west-2'`",
        ),
    ),
)

HALF = Half(
    role=Role.RECOVERY,
    region=RECOVERY,
    account="123456789012",
    stack="dr",
    tier=Tier.PILOT,
    dns=DnsRecord(
        zone_id="Z0123456789ABCDEFGHIJ",
        public_name="inference.example.com",
        regional_name="us-west-2.inference.example.com",
        endpoint="ml-dr-0123456789abcdef.elb.us-west-2.amazonaws.com",
        weight=1,
        check_id="11111111-1111-4111-8111-111111111111",
        endpoint_check_id="22222222-2222-4222-8222-222222222222",
        lever="admit",
        lever_check_id="33333333-3333-4333-8333-333333333333",
        lever_alarm="ml-dr-lever-admit",
    ),
    buckets={"models": BucketRecord(BUCKET.format(PRIMARY, "models"), BUCKET.format(RECOVERY, "models"))},
)

CAUSE = Reason(
    kind=Kind.IMAGE,
    subject="container server of 1 pod (inference-7c9f8d6b5-x2x4k)",
    fact="image registry.example.com/server:1.8 could not be pulled for 310 s: ErrImagePull: not found",
    pods=("inference-7c9f8d6b5-x2x4k",),
    container="server",
)
STUCK = Rollout(Phase.STUCK, Counts(wanted=6, updated=1, ready=0, previous=5, available=5), (CAUSE,))
ROLLOUTS = (
    RegionRollout(Role.PRIMARY, PRIMARY, STUCK, (problem(CAUSE, PRIMARY),)),
    RegionRollout(Role.RECOVERY, RECOVERY, Rollout(Phase.COMPLETE, Counts(0, 0, 0, 0, 0))),
)

URN = "urn:pulumi:dr::dr::aws:{}::{}"
ADOPTED = (
    Found(Pending(URN.format("eks/cluster:Cluster", "cluster"), "creating"), "ml-dr", "is adopted if it exists"),
    Found(
        Pending(URN.format("ec2/eip:Eip", "nat-us-west-2a"), "creating"),
        "eipalloc-0123456789abcdef0",
        "was created: eipalloc-0123456789abcdef0",
    ),
    Found(Pending(URN.format("eks/nodeGroup:NodeGroup", "system"), "updating"), None, "the next update reads it again"),
)

TOKEN = {
    "kind": "ExecCredential",
    "apiVersion": "client.authentication.k8s.io/v1",
    "spec": {},
    "status": {"expirationTimestamp": "2026-11-28T12:14:00Z", "token": "k8s-aws-v1.aHR0cHM6Ly9zdHMuLi4"},
}


def _output(command: str, shown: RenderableType) -> str:
    file = io.StringIO()
    show(shown, Console(file=file, width=80, no_color=True))
    return f"$ {command}\n{file.getvalue().rstrip()}"


SUPPLY = (
    Item(supply.Kind.SERVING, "docker.io/seldonio/mlserver:1.7.1", f"sha256:{'4f1c09ab' * 8}", "dr:inferenceImage"),
    Item(supply.Kind.CHARTS, "karpenter 1.11.1", f"sha256:{'90b2e771' * 8}", "karpenter"),
    Item(supply.Kind.ADDONS, "public.ecr.aws/karpenter/controller:1.11.1", f"sha256:{'c3d81f20' * 8}", "karpenter"),
)
SYNCED = Synced(
    copied=(
        Copied(SUPPLY[0].name, SUPPLY[0].digest, PRIMARY, "docker.io"),
        Copied(SUPPLY[0].name, SUPPLY[0].digest, RECOVERY, "replication"),
    ),
    present=44,
    resolved=(SUPPLY[0].name,),
    problems=(),
)
REGISTRIES = (
    RegionSupply(Role.PRIMARY, PRIMARY, 23),
    RegionSupply(Role.RECOVERY, RECOVERY, 22, ((SUPPLY[0], Lack.MISSING),)),
)

RUNBOOK = runbook.render(load_settings(Path(__file__).parents[2], "dr").topology("123456789012"))
RUNBOOK_LINES = [line for line in RUNBOOK.splitlines() if line.startswith("dr ")]

OUTPUTS: Mapping[str, str] = {
    "dr status": _output("dr status", status_report.status_text(STATUS)),
    "dr contract": _output(
        "dr contract --role recovery",
        report.contract_text([HALF], f"s3://{BUCKET.format(RECOVERY, 'control')} ({RECOVERY})"),
    ),
    "dr rollout": _output("dr rollout", report.rollouts_text(ROLLOUTS)),
    **{
        f"dr {name}": _output(f"dr {name}", operation_report.plan_text(plan))
        for name, plan in operation_examples.PLANS.items()
    },
    "dr journal": _output("dr journal", operation_report.journal_text(operation_examples.JOURNAL)),
    "dr drill": _output("dr drill list", drill_report.list_text(DRILLS.values())),
    "dr report": _output(
        f"dr report {operation_examples.RUN}",
        evidence_report.report_text(
            evidence_examples.PAGE, Path("~/.local/state/ml-dr/evidence", operation_examples.RUN, "report.html")
        ),
    ),
    "dr incidents": _output("dr incidents", evidence_report.incidents_text(evidence_examples.RUNS)),
    "dr runbook": "\n".join(("$ dr runbook | grep '^dr '", *RUNBOOK_LINES)),
    "dr automate": _output("dr automate", automate_text(operation_examples.CONSIDERED, [])),
    "dr pause": "$ dr pause --reason 'maintenance of us-west-2'\nautomation is paused: maintenance of us-west-2",
    "dr resume": "$ dr resume\nautomation is not paused",
    "dr check": _output("dr check", check_report.check_text(CHECK)),
    "dr preflight": _output("dr preflight", report.preflight_text(PREFLIGHT)),
    "dr backfill": _output("dr backfill", backfill_report.backfill_text(set_examples.BACKFILL)),
    "dr registry restore": _output(
        "dr registry restore --as-of 2026-11-28T12:00:00Z",
        registry_report.restore_text(set_examples.REGISTRY_RESTORE),
    ),
    "dr registry verify": _output(
        "dr registry verify --tracking http://127.0.0.1:5000",
        registry_report.agreement_text(set_examples.AGREEMENT),
    ),
    "dr restore": _output(
        "dr restore --bucket B --prefix train/ --as-of 2026-11-28T12:00:00Z",
        restore_report.restore_text(set_examples.RESTORE),
    ),
    "dr export-database": _output("dr export-database", export_database_report.export_text(EXPORT)),
    "dr rotate-secret": _output("dr rotate-secret", rotate_secret_report.rotation_text(ROTATION)),
    "dr restore-volume": _output(
        f"dr restore-volume {VOLUME.name} --zone {RECOVERY}b", restore_volume_report.restore_text(RESTORED_VOLUME)
    ),
    "dr sets list": _output("dr sets list", sets_report.list_text(set_examples.LISTING)),
    "dr sets publish": _output("dr sets publish digits/", sets_report.publish_text(set_examples.PUBLISHED)),
    "dr sets restore": _output(
        f"dr sets restore {set_examples.BEFORE} --region {PRIMARY}",
        sets_report.set_restore_text(set_examples.SET_RESTORE),
    ),
    "dr sets verify": _output("dr sets verify", sets_report.verify_text(set_examples.VERIFIED)),
    "dr supply list": _output("dr supply list", supply_report.list_text(SUPPLY)),
    "dr supply sync": _output("dr supply sync", supply_report.sync_text(SYNCED)),
    "dr supply check": _output("dr supply check", supply_report.check_text(REGISTRIES, "ml-dr")),
    "dr runner": "$ dr runner -s dr -c 'dr rollout'\n"
    "rollout   region   replicas\n...\nml-dr-runner:1f0c8f3e: SUCCEEDED",
    "dr adopt": _output("dr adopt", report.adopted_text("dr", ADOPTED, written=False)),
    "dr eks-token": f"$ dr eks-token --cluster-name ml-dr --region us-west-2\n{json.dumps(TOKEN)}",
}
"""Sample output by command, in a terminal of 80 columns."""
