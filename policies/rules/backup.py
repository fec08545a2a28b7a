"""Rules on backup plans."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, items, look, shown

PLAN, SELECTION = "aws:backup/plan:Plan", "aws:backup/selection:Selection"


def copies(plan: Resource) -> Facts:
    """Check that each rule of a plan copies to a vault in another region."""
    for rule in items(plan.look("rules")):
        actions = look(rule, "copyActions")
        if actions is UNKNOWN:
            continue
        targets = [look(each, "destinationVaultArn") for each in actions or []]
        # arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME; an unknown ARN may be in another region.
        if not any(arn is UNKNOWN or str(arn).split(":")[3:4] not in ([], [plan.region]) for arn in targets):
            yield f"rule {shown(look(rule, 'ruleName'))} has no copy in a region other than {plan.region}"


def has_retention(plan: Resource) -> Facts:
    """Check that each rule of a plan, and each of its copies, has a retention."""
    for rule in items(plan.look("rules")):
        name = shown(look(rule, "ruleName"))
        if not look(rule, "lifecycle.deleteAfter"):
            yield f"rule {name} has no lifecycle.deleteAfter"
        if any(not look(each, "lifecycle.deleteAfter") for each in items(look(rule, "copyActions"))):
            yield f"a copy of rule {name} has no lifecycle.deleteAfter"


def names_types(selection: Resource) -> Facts:
    """Check that a selection names resources by ARN."""
    arns = selection.look("resources")
    if arns is not UNKNOWN and (not arns or "*" in arns):
        yield f"resources is {shown(arns)}"


RULES = (
    Rule(
        name="backup-plan-copies-to-another-region",
        requirement="Every rule of a backup plan must copy to another region.",
        reason="a backup in the region of its data is lost with that region",
        remedy="add a copyAction to the vault of the other region",
        types=(PLAN,),
        check=copies,
    ),
    Rule(
        name="backup-plan-retention",
        requirement="Every rule of a backup plan, and every copy, must have a retention.",
        reason="without it recovery points are kept, and charged, for ever",
        remedy="set lifecycle.deleteAfter in days",
        types=(PLAN,),
        check=has_retention,
    ),
    Rule(
        name="backup-selection-names-resource-types",
        requirement="A backup selection must name resources or resource types by ARN.",
        reason="a selection by tag alone, or of *, omits every type that the region has not opted in to, such as S3",
        remedy="set resources, for example arn:aws:s3:::*, and filter them by conditions",
        types=(SELECTION,),
        check=names_types,
    ),
)
