"""The table of alarms: from the catalogue, and from the rules of which the alarms are made."""

from __future__ import annotations

from collections.abc import Iterable

from components.monitoring import alarm_rules
from components.monitoring.alarm_catalog import BOTH, FLEET, PAIR, ZONE, CatalogEntry, catalog
from components.monitoring.alarm_rules import AlarmRule
from dr.control import levers
from dr.topology.backups import always_copied, every_class

COMPARISONS = {alarm_rules.ABOVE: ">", alarm_rules.BELOW: "<"}
LEVERS = {f"lever-{levers.ENGAGE}": "`Lever` >= 1", f"lever-{levers.ADMIT}": "`Lever` < 1"}


def alarm_table() -> str:
    """Return every alarm with its region, promise, condition, remedy and test."""
    conditions = _conditions()
    head = ["| alarm | region | promise | fires when | what to do | caused in |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(entry, conditions[entry.name]) for entry in catalog())])


def _row(entry: CatalogEntry, condition: str) -> str:
    where = "both" if entry.roles == BOTH else str(entry.roles[0])
    fed = f"; {entry.fed}, so the test publishes the metric" if entry.fed else ""
    cells = (f"`{entry.name}`", where, entry.promise, condition, entry.remedy, f"`{entry.test}`{fed}")
    return f"| {' | '.join(cells)} |"


def _conditions() -> dict[str, str]:
    """Return when each alarm fires, by its name in the catalogue."""
    functions = {each: each for each in (alarm_rules.PROBER, alarm_rules.LEVERS, alarm_rules.AUTOMATION)}
    copies = {backups.data: backups.rpo for backups in every_class()}
    rules: Iterable[AlarmRule] = (
        *alarm_rules.replication(PAIR, "", "", ""),
        *alarm_rules.gpu_group_rules(ZONE, ""),
        alarm_rules.busy_workers(FLEET, ""),
        alarm_rules.heartbeat_failing(""),
        alarm_rules.dead_letters(""),
        alarm_rules.certificate_expiring(""),
        alarm_rules.alerting_silent(""),
        *alarm_rules.recovery_region_rules("", "", "", functions, copies, always_copied(database=True)),
        alarm_rules.database_late("", "", ""),
    )
    composites = {
        each.name: " and ".join(
            (
                *(f"`{name}`" for name in each.all_of),
                *(["one of the alarms on a promise of the recovery region"] if each.any_of else []),
                *(f"not `{name}`" for name in each.none_of),
            )
        )
        for each in alarm_rules.composites("", "", functions)
    }
    return {**LEVERS, **composites, **{rule.name: _condition(rule) for rule in rules}}


def _condition(rule: AlarmRule) -> str:
    """Return the comparison of a rule: its metric, threshold and time."""
    metric = f"`{rule.metric}` - `{rule.subtract}`" if rule.subtract else f"`{rule.metric}`"
    times = f"{rule.periods} x {rule.period} s" if rule.periods > 1 else f"{rule.period} s"
    or_missing = ", or no data" if rule.missing == alarm_rules.BREACHING else ""
    silent = "; no data notifies too" if rule.unknown_notifies else ""
    return f"{metric} {COMPARISONS[rule.comparison]} {rule.threshold:g} for {times}{or_missing}{silent}"
