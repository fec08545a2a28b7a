"""The lease: at most one process operates, and another one can take over within a minute.

A lease has a generation, which increases whenever it changes hands. The holder checks its generation before every act,
so a process that was suspended and wakes after another took over does nothing. The lease is a part of the incident
state, so a conditional write of the state also fails once it changed hands.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dr.control.incident_state import IncidentState, Lease
from dr.control.state_store import StateStore, Stored
from dr.errors import DrError, Problem, Refused

EXPIRES = timedelta(seconds=45)
"""Time after the last renewal at which another operator may take over."""
RENEWAL = timedelta(seconds=15)
"""Two renewals may fail before the lease expires."""


HOLDER = re.compile(r"[^@]*@(?P<machine>.+) \(process (?P<process>\d+)\)")
"""What `holder` returns."""
Change = Callable[[IncidentState], IncidentState]
"""A change of the incident state; it may be called several times."""


def holder(user: str = "") -> str:
    """Return user, machine and process, as other operators see them.

    Args:
        user: Name of the user; "": that of the process.
    """
    return f"{user or getpass.getuser()}@{socket.gethostname()} (process {os.getpid()})"


def has_ended(holder: str) -> bool:
    """Return whether a holder is a process of this machine that does not exist any more."""
    match = HOLDER.fullmatch(holder)
    if match is None or match["machine"] != socket.gethostname():
        return False
    try:
        os.kill(int(match["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def held_by(stored: Stored) -> Lease | None:
    """Return the lease of an operator who still holds it. Pure."""
    lease = stored.state.lease
    return lease if lease and lease.holder and datetime.fromisoformat(lease.expires) > stored.now else None


@dataclass(frozen=True)
class Claim:
    """What a process claims the lease with.

    Args:
        holder: User, machine and process.
        run: ID of its run.
        take_over: Holder from which the lease is taken at once; "" takes only a free one.
    """

    holder: str
    run: str
    take_over: str = ""


def claimed(stored: Stored, claim: Claim) -> IncidentState:
    """Return the state with the lease of a claim. Pure.

    Raises:
        Refused: Another process holds the lease.
    """
    last, other = stored.state.lease, held_by(stored)
    expires = (stored.now + EXPIRES).isoformat(timespec="seconds")
    if last and (last.holder, last.run) == (claim.holder, claim.run):
        # Also once it has expired: no other process took over.
        return replace(stored.state, lease=replace(last, expires=expires))
    if other and other.holder != claim.take_over and not has_ended(other.holder):
        seconds = (datetime.fromisoformat(other.expires) - stored.now).total_seconds()
        raise Refused(
            Problem(
                "the lease",
                f"{other.holder} operates, in run {other.run}; the lease expires in {seconds:.0f} s unless renewed",
                f'agree with them, then add `--take-over "{other.holder}"`; or wait until it has expired',
            )
        )
    lease = Lease(claim.holder, expires, (last.generation if last else 0) + 1, claim.run)
    return replace(stored.state, lease=lease)


def checked(state: IncidentState, generation: int) -> IncidentState:
    """Return the state if a generation is still the current one. Pure.

    Raises:
        Refused: The lease changed hands.
    """
    lease = state.lease
    if lease and lease.generation == generation and lease.holder:
        return state
    now = f"{lease.holder or 'no one'}, generation {lease.generation}" if lease else "no one"
    raise Refused(
        Problem(
            "the lease",
            f"it was taken over: it had generation {generation}, and now belongs to {now}",
            "nothing more is done here; `dr journal` shows what the other run does",
        )
    )


class HeldLease:
    """A lease that this process holds and renews in a thread, until `release`.

    Args:
        store: The incident state.
        claim: What the lease was claimed with.
        generation: Its generation.
    """

    def __init__(self, store: StateStore, claim: Claim, generation: int) -> None:
        self._store, self._claim, self.generation = store, claim, generation
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Check that this process still holds the lease, before an act.

        Raises:
            Refused: Another process took over.
            Unreachable: The region does not answer, so it is unknown who holds the lease.
        """
        checked(self._store.read().state, self.generation)

    def update(self, change: Change) -> IncidentState:
        """Change the incident state while this process holds the lease. Raises as `StateStore.update` and `check`."""
        return self._store.update(lambda stored: change(checked(stored.state, self.generation)))

    def release(self) -> None:
        """Stop renewing, and give the lease up. Nothing happens if another process has it."""
        self._ended.set()
        self._thread.join()

        def given_up(stored: Stored) -> IncidentState:
            lease = stored.state.lease
            if lease is None or lease.generation != self.generation:
                return stored.state
            return replace(stored.state, lease=replace(lease, holder=""))

        self._store.update(given_up)

    def _renew(self) -> None:
        def renewed(stored: Stored) -> IncidentState:
            checked(stored.state, self.generation)
            return claimed(stored, self._claim)

        while not self._ended.wait(RENEWAL.total_seconds()):
            # The next check before an act reports an error; a region that does not answer may answer again.
            with suppress(DrError):
                self._store.update(renewed)


def acquire(store: StateStore, claim: Claim) -> HeldLease:
    """Claim the lease.

    Args:
        store: The incident state.
        claim: Holder, run, and the holder to take over from.

    Raises:
        Refused: Another process holds the lease.
        Unreachable: The region does not answer.
    """
    state = store.update(lambda stored: claimed(stored, claim))
    if state.lease is None:
        raise RuntimeError("a claimed state has a lease")
    return HeldLease(store, claim, state.lease.generation)
