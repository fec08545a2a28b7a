"""Checks that the operator's credentials outlive the primary region.

Sources: IAM user guide, "Manage AWS STS in an AWS Region"; IAM Identity Center user guide, "Set up emergency access to
the AWS Management Console"; AWS SDKs and Tools reference guide, "AWS STS Regional endpoints".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dr.clients import calls, client
from dr.errors import Failed, Problem
from dr.findings import Finding, Status
from dr.preflight.check import Subject

BREAK_GLASS = "DR_BREAK_GLASS_PROFILE"
"""Environment variable with the name of the AWS profile for the loss of IAM Identity Center's region."""
DEFAULT_BREAK_GLASS = "break-glass"
GUIDE = "docs/how-to/break-glass.md"
SHORTEST = timedelta(hours=1)
"""Shortest remaining lifetime of credentials: a first deployment of a region and its rollout fit in it."""
ASSUMED = ("assume-role", "assume-role-with-web-identity")
"""Methods of botocore that call STS in the region of the profile or of AWS_REGION."""
RENEWED = (*ASSUMED, "iam-role", "container-role", "custom-process", "sso", "login")
"""Methods of botocore that renew credentials before they expire."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check the credentials of this process: who they are, what issues them, and when they end.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: There are no credentials, or they cannot be retrieved.
    """
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    session = get_session()
    primary = subject.topology.primary.region
    try:
        held = session.get_credentials()
        frozen = held and held.get_frozen_credentials()
        profile, full = session.get_scoped_config(), session.full_config
    except BotoCoreError as error:
        fact = f"cannot be retrieved: {error}"
        raise Failed(Problem("AWS credentials", fact, f"sign in again; {GUIDE} has the way without it")) from error
    if not held or not frozen:
        raise Failed(Problem("AWS credentials", "were not found", "sign in to AWS and set AWS_PROFILE"))
    with calls("the caller", subject.region):
        caller = client("sts", subject.region).get_caller_identity()
    yield Finding("account", Status.MET, f"{caller['Account']}, as {caller['Arn']}")
    yield _sts(session, held.method, primary, subject.topology.recovery.region)
    yield _identity_center(profile, full, primary)
    yield _lifetime(held, frozen.token, datetime.now(UTC))


def _sts(session: Any, method: str, primary: str, recovery: str) -> Finding:
    """Check which STS endpoint issues credentials."""
    name = "STS endpoint"
    if session.get_config_variable("sts_regional_endpoints") == "legacy":
        fact = "sts_regional_endpoints is legacy: the global endpoint is used"
        return Finding(name, Status.MISSED, fact, "`export AWS_STS_REGIONAL_ENDPOINTS=regional`")
    if method in ASSUMED and session.get_config_variable("region") == primary:
        fact = f"the role is assumed in {primary}, which this profile or AWS_REGION names"
        return Finding(
            name, Status.MISSED, fact, f"use region = {recovery} in the profile, or `export AWS_REGION={recovery}`"
        )
    return Finding(name, Status.MET, "regional")


def _identity_center(profile: dict[str, Any], full: dict[str, Any], primary: str) -> Finding:
    """Check that sessions do not depend on IAM Identity Center of the primary region alone."""
    name, region = "IAM Identity Center", sign_in_region(profile, full)
    if not region:
        return Finding(name, Status.MET, "these credentials do not come from it")
    if region != primary:
        return Finding(name, Status.MET, f"sessions come from {region}")
    other = os.environ.get(BREAK_GLASS, DEFAULT_BREAK_GLASS)
    found = full.get("profiles", {}).get(other)
    if found is not None and sign_in_region(found, full) != primary:
        return Finding(name, Status.MET, f"sessions come from {region}; profile {other} does not need it (not tried)")
    fact = f"sessions come from {region}: while it is lost, `aws sso login` fails, and sessions end"
    return Finding(
        name,
        Status.MISSED,
        fact,
        f"prepare a profile that does not need it, named {other} or in {BREAK_GLASS}: {GUIDE}",
    )


def sign_in_region(profile: dict[str, Any], full: dict[str, Any]) -> str:
    """Return the region of IAM Identity Center that a profile signs in to, also through its source; "" for none.

    Args:
        profile: Settings of the profile.
        full: All of the AWS configuration, as botocore reads it.
    """
    seen: list[str] = []
    while True:
        named = full.get("sso_sessions", {}).get(profile.get("sso_session", ""), {})
        if region := named.get("sso_region") or profile.get("sso_region"):
            return str(region)
        source = profile.get("source_profile")
        if not source or source in seen:
            return ""
        seen.append(source)
        profile = full.get("profiles", {}).get(source, {})


def _lifetime(held: Any, token: str | None, now: datetime) -> Finding:
    """Check that the credentials last for a deployment."""
    name, expiry = "credentials' lifetime", getattr(held, "_expiry_time", None)
    if held.method in RENEWED:
        return Finding(name, Status.MET, f"renewed by {held.method} while their source answers")
    if not token:
        return Finding(name, Status.MET, "an access key without an end")
    if expiry is None:
        hint = "use a profile, or set AWS_CREDENTIAL_EXPIRATION to the end of the session"
        return Finding(name, Status.UNKNOWN, "temporary credentials; this environment does not say when they end", hint)
    left = expiry - now
    if left < SHORTEST:
        fact = f"they end in {max(0, int(left.total_seconds() // 60))} min; a deployment may take {SHORTEST}"
        return Finding(name, Status.MISSED, fact, "sign in again")
    return Finding(name, Status.MET, f"until {expiry:%Y-%m-%d %H:%M} UTC")
