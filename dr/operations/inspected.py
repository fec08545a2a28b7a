"""What readiness is checked of: the recovery region, its configuration, and what the primary region adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from dr.operations.lookups import Lookups, Pending
from dr.operations.scene import Scene
from dr.preflight.check import Subject

T = TypeVar("T")

PRIMARY_BY = 2.7
"""Seconds after the start until which the primary region is waited for."""


@dataclass(frozen=True)
class Inspected:
    """What readiness is checked of.

    Args:
        scene: The recovery region.
        deployment: Configuration and state settings of the recovery stack.
        proof_lasts: Age at which a proof is stale.
        lookups: Lookups in the primary region, which end in time.
    """

    scene: Scene
    deployment: Subject
    proof_lasts: timedelta
    lookups: Lookups

    @property
    def region(self) -> str:
        """The recovery region."""
        return self.scene.region

    def ask_primary(self, subject: str, look: Callable[[], T]) -> Pending[T]:
        """Start a lookup in the primary region, which adds to what the recovery region answers.

        Args:
            subject: Subject of the lookup, for messages.
            look: Performs the lookup.

        Returns:
            The lookup; wait for its result until `PRIMARY_BY`.
        """
        return self.lookups.start(subject, self.scene.home, look)
