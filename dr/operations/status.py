"""Which region serves, the deployed tier, its objectives and current health. Read-only.

Both regions are asked in parallel, with one deadline. The recovery region's answers are enough; what is asked of the
primary region is an addition while it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dr.clients import Limits, Missing, Unreachable, account_id, limited
from dr.config.settings import StackSettings
from dr.control.contract import BucketRecord, ClusterRecord, Half
from dr.control.control_bucket import KEYS, Control, parse_control, read_document
from dr.control.incident_state import IncidentState
from dr.control.state_store import StateStore
from dr.data import model_sets
from dr.data.model_sets import Entry, Manifest, Probe
from dr.errors import DrError, Exit, Problem
from dr.findings import Finding, Status, exit_code, measured, unknown
from dr.names import CONTROL
from dr.operations import clients_dns, grey, last_known, probes, promises, proven
from dr.operations.clients_dns import Clients
from dr.operations.lookups import Lookups, Pending
from dr.operations.measurements import Alarm, Alarms, Measurements, read_alarms, read_measurements
from dr.operations.scene import Options, Scene
from dr.operations.serving import Records, Serving, serving
from dr.topology.backups import DataClass
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode, DnsFailover, Role

SECONDS = 3.8
"""Time until the deadline, so that the whole command ends within 5 seconds."""
CONTROL_BY, PRIMARY_BY = 2.4, 3.0
"""Seconds after the start until which the recovery region's control bucket, and the primary region, are waited for."""
LIMITS = Limits(connect=1.5, read=3.0)
READY_SECONDS = 1.0
"""Time limit of an endpoint's answer about its readiness; inference is asked afterwards."""
CLUSTER_CONNECT, CLUSTER_READ = 1.5, 2.0
"""Time limits of a request to a cluster's API, in seconds."""

Findings = list[Finding]


@dataclass(frozen=True)
class StatusReport:
    """Result of `dr status`.

    Args:
        primary: The primary region.
        recovery: The recovery region.
        tier: Deployed tier; None if the recovery region's half of the contract does not exist or could not be read.
        read_from: Region of the control bucket that was read; "" if none answers.
        day: The incident state; None if it could not be read.
        at: Time of the report, by CloudWatch's clock if the recovery region answers.
        serving: Which regions serve, as measured.
        clients: Which region clients reach, by DNS.
        silent: Regions that do not answer.
        alarms: Alarms that fire.
        findings: Findings of all probes.
        automation: `dr:automation` as configured.
        proof: What the last drill proves. It does not count in the exit code, which is about the present.
        last: The last known result of each unknown or stale finding, by name.
    """

    primary: str
    recovery: str
    tier: Tier | None
    read_from: str
    day: IncidentState | None
    at: datetime
    serving: Serving
    clients: Clients
    silent: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    findings: tuple[Finding, ...]
    automation: AutomationMode
    proof: Finding
    last: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def exit_code(self) -> Exit:
        """FAILED if an objective is missed, else UNKNOWN if a value could not be measured, else OK.

        UNKNOWN if neither region answers: what is missed then is not known either.
        """
        return Exit.UNKNOWN if len(self.silent) > 1 else exit_code(self.findings)


def run(settings: StackSettings, folder: Path, stack: str) -> StatusReport:
    """Run all probes in parallel, and keep the results as last known ones.

    Args:
        settings: Configuration of the recovery stack.
        folder: The project's folder.
        stack: Name of the recovery stack.

    Raises:
        Refused: Nothing is deployed.
        Invalid: A document of the control bucket is not valid.
        Failed: There are no credentials.
    """
    path = last_known.path_of(folder, stack, settings.primary_region, settings.recovery_region)
    before = last_known.load(path)
    with limited(LIMITS):
        inquiry = _Inquiry(settings, before.account)
        report = inquiry.report()
    if inquiry.account:
        at = report.at.isoformat(timespec="seconds")
        last_known.save(path, before.updated(inquiry.account, report.findings, at, complete=not report.silent))
    known = before.findings if inquiry.account == before.account else {}
    return with_last_known(report, known)


def with_last_known(report: StatusReport, known: Mapping[str, Finding]) -> StatusReport:
    """Return a report with the last known results of what is unknown in it, or was not read because a region is silent.

    Args:
        report: The report.
        known: Results of earlier reports, by name.
    """
    names = {each.name for each in report.findings}
    absent = [Finding(name, Status.UNKNOWN, "not read") for name in known if report.silent and name not in names]
    findings = (*report.findings, *absent)
    lost = [each.name for each in findings if each.status in (Status.UNKNOWN, Status.STALE)]
    return replace(report, findings=findings, last={name: known[name] for name in lost if name in known})


class _Inquiry:
    """The lookups of one report.

    Args:
        settings: Configuration of the recovery stack.
        account: The account of the last report; "" if there was none.
    """

    def __init__(self, settings: StackSettings, account: str) -> None:
        self.account = account
        self._settings, self._topology = settings, settings.topology(account)
        self._primary, self._recovery = settings.primary_region, settings.recovery_region
        self._lookups = Lookups(SECONDS)
        self._findings: Findings = []

    def report(self) -> StatusReport:
        """Return the report, without last known results."""
        start, workload, name = self._lookups.start, self._topology.bucket_prefix, self._topology.dns.public_name
        dns = start(f"DNS of {name}", "DNS", partial(clients_dns.ask, name))
        alarms = {
            region: start(f"alarms of {workload}", region, partial(read_alarms, region, workload))
            for region in (self._recovery, self._primary)
        }
        metrics = start(f"metrics of {workload}", self._recovery, partial(self._measure, alarms[self._recovery]))
        self._find_account()
        documents = {role: self._start_documents(role) for role in Role} if self.account else {}
        control = self._control(documents)
        halves = control.halves if control else {}
        taker = halves.get(Role.RECOVERY)
        self._tier = taker.tier if taker and taker.tier else self._topology.tier
        waiting = self._start_probes(halves, documents)
        inference = self._start_inference(halves, control.state if control else None)
        proof = self._start_proof(halves)
        known, lost = self._collect_alarms(alarms)
        now = known[self._recovery].at if self._recovery in known else datetime.now(UTC)
        day = control.state if control else None
        served = self._judge_measurements(metrics, halves, day, now)
        clients = self._judge_clients(dns, halves, served)
        for names, pending in (*waiting, *inference):
            try:
                self._findings += pending.result()
            except DrError as error:
                self._findings += [unknown(each, error) for each in names]
        self._judge_alarms(known, halves, day, now)
        self._findings += lost
        self._control_findings(documents)
        return StatusReport(
            primary=self._primary,
            recovery=self._recovery,
            tier=taker.tier if taker else None,
            read_from=control.region if control else "",
            day=day,
            at=now,
            serving=served,
            clients=clients,
            silent=tuple(each for each in (self._primary, self._recovery) if self._lookups.failed(each)),
            alarms=tuple(alarm for each in known.values() for alarm in each.firing),
            findings=tuple(self._findings),
            automation=self._topology.automation,
            proof=measured(proven.NAME, proof.result),
        )

    def _find_account(self) -> None:
        """Set the account of the credentials: from the region that answers first, else that of the last report."""
        regions = (self._recovery, self._primary)
        start = self._lookups.start
        self._accounts = {region: start("the AWS account", region, partial(account_id, region)) for region in regions}
        self.account = self._lookups.first(list(self._accounts.values()), CONTROL_BY) or self.account
        self._topology = self._settings.topology(self.account)

    def _start_documents(self, role: Role) -> dict[str, Pending[bytes | None]]:
        region, bucket = self._topology.site(role).region, self._topology.bucket(CONTROL, role)
        start = self._lookups.start
        return {key: start(f"s3://{bucket}/{key}", region, partial(read_document, region, bucket, key)) for key in KEYS}

    def _control(self, documents: Mapping[Role, Mapping[str, Pending[bytes | None]]]) -> Control | None:
        """Return the content of the recovery region's control bucket, or else of the primary region's."""
        for role, by in ((Role.RECOVERY, CONTROL_BY), (Role.PRIMARY, PRIMARY_BY)):
            try:
                return self._parsed(role, documents[role], by)
            except (KeyError, Unreachable):
                continue
        return None

    def _parsed(self, role: Role, documents: Mapping[str, Pending[bytes | None]], by: float) -> Control:
        return parse_control(self._topology, role, {key: pending.result(by) for key, pending in documents.items()})

    def _control_findings(self, documents: Mapping[Role, Mapping[str, Pending[bytes | None]]]) -> None:
        for role in (Role.RECOVERY, Role.PRIMARY):
            region = self._topology.site(role).region
            name, objective = f"control bucket in {region}", "both halves"
            try:
                if role not in documents:
                    # Without an account, the name of the bucket is unknown.
                    self._accounts[region].result(PRIMARY_BY)
                    raise Unreachable(Problem(region, f"{region} answered too late", "run the command again"))
                found = self._parsed(role, documents[role], PRIMARY_BY)
            except Unreachable as error:
                self._lookups.record(region, error)
                self._findings.append(unknown(name, error))
                continue
            except DrError as error:
                self._findings.append(unknown(name, error))
                continue
            lacking = [str(each) for each in Role if each not in found.halves]
            fact = f"lacks the contract of {', '.join(lacking)}" if lacking else "holds both halves of the contract"
            hint = "`pulumi up` of that stack; if it is deployed, wait for replication" if lacking else ""
            status = Status.MISSED if lacking else Status.MET
            self._findings.append(Finding(name, status, fact, hint, objective))

    def _measure(self, alarms: Pending[Alarms]) -> Measurements:
        # The answer about alarms has CloudWatch's time.
        workload, now = self._topology.bucket_prefix, alarms.result().at
        return read_measurements(workload, self._primary, self._recovery, now)

    def _start_probes(
        self, halves: Mapping[Role, Half], documents: Mapping[Role, Mapping[str, Pending[bytes | None]]]
    ) -> list[tuple[tuple[str, ...], Pending[Findings]]]:
        """Start the probes that need the contract, each with the names of its findings."""
        waiting: list[tuple[tuple[str, ...], Pending[Findings]]] = []

        def start(place: str, look: Callable[[], Findings], *names: str) -> None:
            waiting.append((names, self._lookups.start(names[0], place, look)))

        for half in halves.values():
            if half.cluster:
                place = f"cluster {half.cluster.name} in {half.region}"
                start(place, partial(self._running, half, half.cluster), *probes.running_names(half.region))
        owner = halves.get(Role.PRIMARY)
        if owner:
            name = self._topology.serving.model_set
            start(self._recovery, partial(self._model_set, name, owner.buckets), f"model set {name}")
            start(self._recovery, partial(self._other_sets, name, owner.buckets), "other model sets")
        for pair, names in owner.buckets.items() if owner else ():
            gate = documents[Role.PRIMARY][KEYS[0]]
            look = partial(probes.replicates, self._primary, names.primary, names.recovery)
            rule = self._lookups.start(f"s3://{names.primary}", self._primary, look, after=gate)
            start(self._recovery, partial(self._replica, pair, names, rule), f"replica of {pair}")
        return waiting

    def _start_inference(
        self, halves: Mapping[Role, Half], day: IncidentState | None
    ) -> list[tuple[tuple[str, ...], Pending[Findings]]]:
        """Ask each region that is to serve for predictions, from this machine."""
        owner, serving = halves.get(Role.PRIMARY), self._topology.serving
        if owner is None:
            return []

        def probe() -> Probe | None:
            here = {pair: sides.recovery for pair, sides in owner.buckets.items()}
            found = model_sets.newest(self._recovery, here, serving.model_set)
            return found.probe if found else None

        def look(half: Half) -> Findings:
            seen = grey.look(half.dns.regional_name, serving, probe, READY_SECONDS)
            return [grey.finding(half.region, seen, serving.answer_seconds)]

        return [
            ((name,), self._lookups.start(name, name, partial(look, half)))
            for role, half in halves.items()
            if half.cluster and self._is_to_serve(role, half, day)
            for name in (f"inference in {half.region}",)
        ]

    @staticmethod
    def _is_to_serve(role: Role, half: Half | None, day: IncidentState | None) -> bool:
        if role is Role.PRIMARY:
            return not (day and day.levers.engaged)
        return bool(half and half.serves) or bool(day and day.activation and day.activation.spec.serves)

    def _start_proof(self, halves: Mapping[Role, Half]) -> Pending[Finding]:
        def read() -> Finding:
            if missing := [str(each) for each in Role if each not in halves]:
                fact = f"the contract of {' and '.join(missing)} is not read, so what is deployed is unknown"
                return Finding(proven.NAME, Status.UNKNOWN, fact)
            store = StateStore(self._recovery, self._topology.bucket(CONTROL, Role.RECOVERY))
            scene = Scene(self._topology, halves, store, Options("status", ""))
            return proven.read(scene, self._settings.proof_lasts, datetime.now(UTC))

        return self._lookups.start("proofs of drills", self._recovery, read)

    def _replica(self, pair: str, names: BucketRecord, rule: Pending[bool]) -> Findings:
        arrived = probes.holds(self._recovery, names.recovery)
        back = probes.replicates(self._recovery, names.recovery, names.primary)
        forth, source = self._of_primary(rule), None
        if not arrived and forth is not None:
            holds = partial(probes.holds, self._primary, names.primary)
            source = self._of_primary(self._lookups.start(f"s3://{names.primary}", self._primary, holds))
        return [probes.replica(pair, names, probes.Replication(forth, back, arrived, source))]

    def _of_primary(self, pending: Pending[bool]) -> bool | None:
        """Return an answer of the primary region, which only adds to what the recovery region holds; None without."""
        try:
            return pending.result(PRIMARY_BY)
        except Unreachable:
            return None

    def _other_sets(self, name: str, buckets: Mapping[str, BucketRecord]) -> Findings:
        names = model_sets.names(self._recovery, {pair: sides.recovery for pair, sides in buckets.items()})
        asked = [
            self._lookups.start(f"model set {each}", self._recovery, partial(self._model_set, each, buckets))
            for each in names
            if each != name
        ]
        return [finding for pending in asked for finding in pending.result()]

    def _model_set(self, name: str, buckets: Mapping[str, BucketRecord]) -> Findings:
        here = {pair: sides.primary for pair, sides in buckets.items()}
        there = {pair: sides.recovery for pair, sides in buckets.items()}
        newest = partial(model_sets.newest, self._primary, here, name)
        original = self._lookups.start(f"model set {name}", self._primary, newest)

        def lacking(manifest: Manifest) -> list[Entry]:
            pairs = dict.fromkeys(entry.pair for entry in manifest.entries)
            asked = [
                self._lookups.start(
                    *(f"model set {name}", self._recovery),
                    partial(model_sets.absent, self._recovery, pair, there[pair], manifest),
                )
                for pair in pairs
            ]
            return [entry for pending in asked for entry in pending.result()]

        manifests = model_sets.manifests(self._recovery, there, name)
        rpo = self._tier.spec.rpo
        return [
            probes.newest_set(
                name, self._recovery, rpo, manifests, lacking, lambda: original.result(PRIMARY_BY), datetime.now(UTC)
            )
        ]

    def _running(self, half: Half, cluster: ClusterRecord) -> Findings:
        try:
            found = probes.running(cluster, half.region, half.serves, CLUSTER_CONNECT, CLUSTER_READ)
        except Missing as error:
            hint = f"`pulumi up -s {half.stack}` makes it"
            return [Finding(f"replicas in {half.region}", Status.MISSED, error.problems[0].fact, hint)]
        except Unreachable as error:
            # The network path to the API is the cause only if the region itself answers.
            raise self._lookups.failed(half.region) or error from error
        return probes.running_findings(half.region, found, self._topology.workload.per_node)

    def _collect_alarms(self, alarms: Mapping[str, Pending[Alarms]]) -> tuple[dict[str, Alarms], Findings]:
        """Return the alarms by region, and a finding for each region whose alarms are unknown."""
        found: dict[str, Alarms] = {}
        lost: Findings = []
        for region, pending in alarms.items():
            try:
                found[region] = pending.result(None if region == self._recovery else PRIMARY_BY)
            except DrError as error:
                lost.append(unknown(f"alarms in {region}", error))
        return found, lost

    def _judge_measurements(
        self, metrics: Pending[Measurements], halves: Mapping[Role, Half], day: IncidentState | None, now: datetime
    ) -> Serving:
        """Append the findings about what the prober measured, and return which regions serve."""
        recovery, taker = self._recovery, halves.get(Role.RECOVERY)
        try:
            seen = metrics.result()
        except DrError as error:
            names = (promises.SERVING, f"data in {recovery}", f"newest copy in {recovery}")
            self._findings += [unknown(name, error) for name in names]
            return Serving(None, reason=error.problems[0].fact)
        expected = self._is_to_serve(Role.RECOVERY, taker, day)
        engaged = bool(day and day.levers.engaged)
        weight = taker.dns.weight if taker else self._tier.spec.dns_weight
        automatic = self._topology.dns.failover is DnsFailover.AUTOMATIC
        served = serving(seen, Records(self._primary, recovery, weight, expected, automatic), now)
        self._findings += [
            promises.serving_finding(served, now),
            promises.endpoint_finding(self._primary, seen.endpoints[self._primary], not engaged, now),
            promises.endpoint_finding(recovery, seen.endpoints[recovery], expected, now),
            promises.data_finding(seen.sentinel, recovery, self._tier.spec.rpo, now),
            promises.copies_finding(seen.copies, recovery, self._topology.backups_of(DataClass.OBJECTS).rpo, now),
        ]
        return served

    def _judge_clients(self, dns: Pending[clients_dns.Answer], halves: Mapping[Role, Half], served: Serving) -> Clients:
        name = self._topology.dns.public_name
        try:
            clients = clients_dns.region_of(dns.result(), {each.region: each.dns.endpoint for each in halves.values()})
        except DrError as error:
            clients = Clients(name, reason=error.problems[0].fact)
        if finding := promises.clients_finding(clients, served):
            self._findings.append(finding)
        return clients

    def _judge_alarms(
        self, known: Mapping[str, Alarms], halves: Mapping[Role, Half], day: IncidentState | None, now: datetime
    ) -> None:
        levers = frozenset(half.dns.lever_alarm for half in halves.values())
        for region, alarms in known.items():
            self._findings.append(promises.alarms_finding(alarms, region, levers, now))
        automatic = self._topology.dns.failover is DnsFailover.AUTOMATIC
        if self._recovery in known and day is not None:
            for half in halves.values():
                alarm = known[self._recovery].named(half.dns.lever_alarm)
                self._findings.append(promises.lever_finding(half.dns, half.region, alarm, day, automatic))
