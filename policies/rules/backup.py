"""Rules on backup plans."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, items, look, shown

PLAN = "aws:backup/plan:Plan"


def copies(plan: Resource) -> Facts:
    """Each rule of a plan copies to a vault in another region."""
    for rule in items(plan.look("rules")):
        actions = look(rule, "copyActions")
        if actions is UNKNOWN:
            continue
        targets = [look(each, "destinationVaultArn") for each in actions or []]
        # arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME; an ARN that is not known yet may be elsewhere.
        if not any(arn is UNKNOWN or str(arn).split(":")[3:4] not in ([], [plan.region]) for arn in targets):
            yield f"rule {shown(look(rule, 'ruleName'))} copies to no other region than {plan.region}"


def ends(plan: Resource) -> Facts:
    """Each rule of a plan says for how long, and so does each of its copies."""
    for rule in items(plan.look("rules")):
        name = shown(look(rule, "ruleName"))
        if not look(rule, "lifecycle.deleteAfter"):
            yield f"rule {name} has no lifecycle.deleteAfter"
        if any(not look(each, "lifecycle.deleteAfter") for each in items(look(rule, "copyActions"))):
            yield f"a copy of rule {name} has no lifecycle.deleteAfter"


RULES = (
    Rule(
        name="backup-plan-copies-to-another-region",
        says="Every rule of a backup plan must copy to another region.",
        why="a backup that is only where the data is, is lost with it",
        remedy="add a copyAction to the vault of the other region",
        types=(PLAN,),
        check=copies,
    ),
    Rule(
        name="backup-plan-retention",
        says="Every rule of a backup plan, and every copy, must say how long it is kept.",
        why="without it recovery points are kept, and paid for, for ever",
        remedy="set lifecycle.deleteAfter in days",
        types=(PLAN,),
        check=ends,
    ),
)
