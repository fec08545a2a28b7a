"""Guards of operations: what is checked before the first change, all at once.

Each guard is a finding. A finding that is not met stops the operation, unless the operator accepts it by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr import clients
from dr.errors import DrError, Problem, Refused
from dr.findings import Finding, Status, measured
from dr.operations import data_steps, database_readiness, losses, quorum, restored_rows, signals
from dr.operations.quorum import Sight
from dr.operations.scene import Scene
from dr.preflight.guards import RECOVERY_DOWN

Guard = Callable[[Scene], Finding]


@dataclass(frozen=True)
class Named:
    """A guard.

    Args:
        name: Its name, for `--accept`.
        look: Measures it.
        acceptable: Whether an operator may accept a finding that is not met.
        title: What has to be true, as text.
    """

    name: str
    look: Guard
    acceptable: bool = True
    title: str = ""


def run(scene: Scene, guards: Sequence[Named]) -> list[Finding]:
    """Run guards in parallel. One that cannot be measured is unknown."""

    with ThreadPoolExecutor(max_workers=max(1, len(guards))) as pool:
        return list(pool.map(lambda guard: measured(guard.name, lambda: guard.look(scene)), guards))


def refusal(scene: Scene, guards: Sequence[Named], findings: Sequence[Finding]) -> Refused | None:
    """Return the error of findings that are neither met nor accepted, with the option that accepts each. Pure."""
    problems = []
    for guard, finding in zip(guards, findings, strict=True):
        if finding.passes:
            continue
        if guard.acceptable and guard.name in scene.options.accept:
            continue
        accept = f"; or add `--accept {guard.name}`, if you know better" if guard.acceptable else ""
        problems.append(Problem(guard.name, finding.measured, f"{finding.hint or 'correct it'}{accept}"))
    return Refused(*problems) if problems else None


def account(scene: Scene) -> Finding:
    """Check that the credentials are of the account that the stacks were deployed to."""
    found = clients.account_id(scene.region)
    wanted = scene.recovery.account
    if found != wanted:
        fact = f"the credentials are of account {found}; the stacks are deployed in {wanted}"
        return Finding("account", Status.MISSED, fact, "use credentials of that account (`AWS_PROFILE`)")
    return Finding("account", Status.MET, f"account {found}")


def primary_lost(scene: Scene) -> Finding:
    """Check that two of three signals see the primary region lost."""
    found = signals.read(scene)
    text = "; ".join(map(str, found))
    match quorum.judged(found):
        case Sight.LOST:
            return Finding("primary-lost", Status.MET, text)
        case Sight.WELL:
            hint = f"{scene.home} is healthy: `dr switchover` moves traffic without losing data"
            if any(each.grey for each in found):
                hint = (
                    f"a grey failure: health checks of {scene.home} pass, and clients get no predictions in time; "
                    "`dr switchover` loses no data, and waits for what that region still replicates"
                )
            return Finding("primary-lost", Status.MISSED, text, hint)
        case Sight.UNKNOWN:
            hint = "`dr status` again in a minute, or look at the region yourself"
            return Finding("primary-lost", Status.UNKNOWN, text, hint)


def primary_well(scene: Scene) -> Finding:
    """Check that two of three signals see the primary region healthy."""
    found = signals.read(scene)
    text = "; ".join(map(str, found))
    if quorum.judged(found) is Sight.WELL:
        return Finding("primary-well", Status.MET, text)
    hint = f"wait until {scene.home} is healthy: its endpoint has to answer, and its writes have to be replicated"
    status = Status.MISSED if quorum.judged(found) is Sight.LOST else Status.UNKNOWN
    return Finding("primary-well", status, text, hint)


def recovery_ready(scene: Scene) -> Finding:
    """Check that the recovery region can take over: its cluster answers, and it serves if its tier does."""
    name = "recovery-ready"
    scene.cluster.ready()
    if scene.tier.spec.serves:
        alarm = scene.alarms().named(scene.alarm_name(RECOVERY_DOWN))
        if alarm and alarm.state == "ALARM":
            fact = f"{scene.region} does not answer either: the alarm {RECOVERY_DOWN} is {alarm.state}"
            return Finding(name, Status.MISSED, fact, "`dr rollout --role recovery` names what blocks its replicas")
    return Finding(name, Status.MET, f"the cluster in {scene.region} is ready")


def model_set(scene: Scene) -> Finding:
    """Check that the recovery region holds a whole model set with a known answer."""
    found, _ = data_steps.newest_whole(scene)
    if found is None:
        fact = f"no version of {scene.topology.serving.model_set} is whole in {scene.region}"
        return Finding("model-set", Status.MISSED, fact, "wait for replication, or publish a set there")
    if found.probe is None:
        fact = f"{found.set_id} has no request with a known answer"
        return Finding("model-set", Status.MISSED, fact, "publish the set with a probe")
    return Finding("model-set", Status.MET, f"{found.set_id} is whole in {scene.region}")


def data_loss(scene: Scene) -> Finding:
    """Check that of no class of data more is lost than its objective, or than the operator accepts."""
    accepts = scene.options.accept_data_loss
    found, unknown = [], []
    for measure in losses.CLASSES if scene.primary.database else losses.CLASSES[:1]:
        try:
            found.append(measure(scene))
        except DrError as error:
            unknown.append(error.problems[0].fact)
    known = "; ".join(each.fact for each in found)
    worst = [each for each in found if each.lost > (each.objective if accepts is None else accepts)]
    if worst:
        seconds = max(round(each.lost.total_seconds()) for each in worst) + 1
        hint = f"accept it by `--accept-data-loss {seconds}`, in seconds"
        return Finding("data-loss", Status.MISSED, "; ".join(filter(None, (known, *unknown))), hint)
    if unknown and accepts is None:
        hint = "find it by other means, then accept it by `--accept-data-loss SECONDS`"
        return Finding("data-loss", Status.UNKNOWN, "; ".join(filter(None, (*unknown, known))), hint)
    if unknown:
        text = "; ".join(filter(None, (*unknown, known)))
        return Finding("data-loss", Status.INFO, f"unknown, and accepted: {text}")
    return Finding("data-loss", Status.MET, known)


def no_incident(scene: Scene) -> Finding:
    """Check that no incident of another operation is open."""
    open_ = scene.state().incident
    if open_ is None:
        return Finding("no-incident", Status.MET, "no other incident is open")
    fact = f"{open_.operation} {open_.id} is open since {open_.opened} ({open_.reason})"
    return Finding("no-incident", Status.MISSED, fact, "`dr failback` ends it; `dr journal` shows what was done")


def incident_open(scene: Scene) -> Finding:
    """Check that there is something to fail back from."""
    state = scene.state()
    if state.incident or state.levers.engaged:
        return Finding("incident", Status.MET, f"incident {state.incident.id if state.incident else 'unknown'} is open")
    fact = "no incident is open and the lever engage is off: clients are not kept away from the primary region"
    return Finding("incident", Status.MISSED, fact, "nothing is to be done")


ACCOUNT = Named("account", account, acceptable=False, title="the credentials are of the account of the stacks")
READY = Named("recovery-ready", recovery_ready, title="the recovery region can serve")
MODEL_SET = Named("model-set", model_set, title="the recovery region has a whole model set with a known answer")
WELL = "two of three signals see the primary region healthy"
SYNCHRONIZED = "the database is synchronized, and the clusters have equal versions"
DATABASE = Named(
    database_readiness.NAME,
    database_readiness.able,
    title="the recovery region has a database that can become the writer",
)
FAILOVER = (
    ACCOUNT,
    Named("primary-lost", primary_lost, title="two of three signals see the primary region lost"),
    READY,
    MODEL_SET,
    DATABASE,
    Named("data-loss", data_loss, acceptable=False, title="no more writes are lost than the objective"),
)
PREPARE = FAILOVER[:-2]
"""No write is lost by capacity, and no database is promoted."""
SWITCHOVER = (
    ACCOUNT,
    Named("no-incident", no_incident, acceptable=False, title="no other incident is open"),
    Named("primary-well", primary_well, acceptable=False, title=WELL),
    READY,
    MODEL_SET,
    Named(database_readiness.NAME, database_readiness.synchronized, acceptable=False, title=SYNCHRONIZED),
    Named(database_readiness.LAG, database_readiness.lag, title="the replica is within the objective"),
)
FAILBACK = (
    ACCOUNT,
    Named("incident", incident_open, acceptable=False, title="an incident is open"),
    Named("primary-well", primary_well, title=WELL),
    Named(restored_rows.NAME, restored_rows.look, title="no rows are in a restored database alone"),
)
