"""The table of checks that `dr preflight` and the program run before a deployment.

The program also runs the lookups of `dr.preflight.deployment`, which return facts that it deploys with; `dr preflight`
reports both. A check that does not answer in time is unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from time import monotonic

from dr.errors import DrError, Failed
from dr.findings import Finding, Status, unknown
from dr.preflight import (
    backup_settings,
    backup_vaults,
    command,
    credentials,
    delegation,
    existing_buckets,
    global_planes,
    leftovers,
    offered_versions,
    regions,
    state,
    subscribers,
    supply,
    zones,
)
from dr.preflight.check import Check, Subject

CHECKS = (
    Check("dr command", command.look),
    Check("regions", regions.look),
    Check("existing buckets", existing_buckets.look),
    Check("AWS Backup", backup_settings.look, required=False),
    # Not by the program: it says what `pulumi destroy` can delete.
    Check(backup_vaults.NAME, backup_vaults.look, required=False, by_hand=True),
    Check("zones", zones.look),
    Check("alarm subscribers", subscribers.look, required=False),
    Check(offered_versions.NAME, offered_versions.look, required=False),
    Check(leftovers.NAME, leftovers.look, required=False),
    Check("delegation", delegation.look, first_only=True),
    # Not by the program: a change of tier must not call IAM or Route 53.
    Check("global control planes", global_planes.look, required=False, by_hand=True),
    Check("credentials", credentials.look, required=False),
    Check("state backend", state.backend, required=False),
    Check("secrets provider", state.secrets, required=False),
    # With a mirror, `dr.preflight.deployment` refuses what is lacking.
    Check(supply.NAME, supply.look, required=False),
)
"""Each check, once. All run at the same time."""
LONGEST_SECONDS = 20.0
"""Time limit of all checks together. A call to a region that does not answer ends after 12 s (dr/clients.py)."""


def of_program(*, preview: bool, first: bool) -> list[Check]:
    """Return the checks that the program runs.

    Args:
        preview: Whether it shows a preview. An update shows no warnings, so it runs required checks only.
        first: Whether the stack was not deployed before.
    """
    return [
        each for each in CHECKS if not each.by_hand and (first or not each.first_only) and (preview or each.required)
    ]


def run(subject: Subject, checks: Iterable[Check] = CHECKS) -> Mapping[Check, list[Finding]]:
    """Run checks in parallel and return the findings of each.

    Args:
        subject: The deployment to check.
        checks: The checks.
    """
    end = monotonic() + LONGEST_SECONDS
    started = {check: _start(check, subject) for check in checks}
    return {check: _result(check, future, end - monotonic()) for check, future in started.items()}


def _start(check: Check, subject: Subject) -> Future[list[Finding]]:
    future: Future[list[Finding]] = Future()

    def look() -> None:
        try:
            future.set_result(list(check.look(subject)))
        except DrError as error:
            future.set_result(findings_of(check.name, error))
        except Exception as error:  # noqa: BLE001 - raised again by _result
            future.set_exception(error)

    # A daemon thread, so that a check that hangs does not keep the process alive.
    threading.Thread(target=look, name=f"check-{check.name}", daemon=True).start()
    return future


def _result(check: Check, future: Future[list[Finding]], seconds: float) -> list[Finding]:
    try:
        return future.result(timeout=max(0.0, seconds))
    except TimeoutError:
        fact = f"did not finish within {LONGEST_SECONDS:.0f} s"
        return [Finding(check.name, Status.UNKNOWN, fact, "run `dr preflight` again")]


def findings_of(name: str, error: DrError) -> list[Finding]:
    """Return the findings of an error: unknown if a call failed, else missed.

    Args:
        name: Name of the check.
        error: What the check raised.
    """
    if isinstance(error, Failed):
        return [unknown(name, error)]
    return [
        Finding(name, Status.MISSED, f"{problem.subject}: {problem.fact}", problem.remedy) for problem in error.problems
    ]
