"""A scene of an operation, as a compliant example."""

from __future__ import annotations

from typing import Any

from dr.control.state_store import StateStore
from dr.operations.scene import Options, Scene
from dr.topology.topology import Role
from tests.support.builders import half, topology


def scene(**changes: Any) -> Scene:
    """Return the scene of the recovery stack; keywords replace its fields."""
    return Scene(
        **{
            "topology": topology(Role.RECOVERY),
            "halves": {Role.PRIMARY: half(), Role.RECOVERY: half(Role.RECOVERY)},
            "store": StateStore("us-west-2", "ml-dr-123456789012-us-west-2-control"),
            "options": Options("a test", "20261128T120000Z-a1b2c3"),
            **changes,
        }
    )
