"""Types of the checks of a deployment: what is checked, and one row of the table in `dr.preflight.checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dr.control.contract import Half
from dr.findings import Finding
from dr.topology.topology import Topology


@dataclass(frozen=True)
class Subject:
    """The deployment to check.

    Args:
        topology: The topology to deploy.
        stack: Name of the stack.
        project: Folder of Pulumi.yaml.
        deployed: This stack's half of the contract; None before its first deployment.
        search_path: PATH of the engine, on which its plugins find commands.
        backend: URL of Pulumi's state backend; "" if none is configured.
        secrets_provider: URL of the stack's secrets provider; "" for a passphrase or the backend's own.
    """

    topology: Topology
    stack: str
    project: Path
    deployed: Half | None = None
    search_path: str = ""
    backend: str = ""
    secrets_provider: str = ""

    @property
    def region(self) -> str:
        """Region of the stack."""
        return self.topology.here.region


@dataclass(frozen=True)
class Check:
    """One check of a deployment.

    Args:
        name: Subject of its findings, if it fails without one.
        look: Returns the findings: met, missed with the fix, or unknown. An error of this project is a finding, too:
            Invalid and Refused are missed, Failed is unknown.
        required: Whether `pulumi up` is refused if it is missed. If not, the program warns.
        first_only: Whether the program runs it before the first deployment of a stack only.
        by_hand: Whether only `dr preflight` runs it, and the program never does.
    """

    name: str
    look: Callable[[Subject], Iterable[Finding]]
    required: bool = True
    first_only: bool = False
    by_hand: bool = False
