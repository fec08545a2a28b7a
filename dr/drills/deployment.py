"""The deployment of a serving tier during a drill of a tier without a cluster: what its operator does by hand.

`pulumi up` runs with a copy of the stack's configuration, so the stack's own file is never changed. After the drill, or
by `dr drill stop` after one that was killed, `pulumi up` with that file returns the stack to its tier.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dr.control import local_state
from dr.drills import pacing
from dr.drills.environment import Sandbox
from dr.errors import Failed, Invalid, Problem
from dr.operations.pulumi_cli import PulumiStack
from dr.topology.tiers import CLUSTER_CREATION, Tier, describe_duration

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Deployment:
    """The recovery stack.

    Args:
        stack: The stack.
        place: The environment.
        say: Shows a line of progress.
    """

    stack: PulumiStack
    place: Sandbox
    say: Callable[[str], None]

    def raise_to(self, tier: Tier) -> tuple[datetime, datetime]:
        """Deploy a tier, and return the period that it takes, by the environment's clock.

        The clock runs ahead by the time that an EKS cluster takes, which the sandbox creates at once. Only then does
        the real engine run, at the machine's speed: what it deploys may serve before it ends.

        Args:
            tier: The tier.

        Raises:
            Invalid: The stack's configuration cannot be read.
            Failed: The update failed.
        """
        configuration, began = _copied(self.stack, tier), self.place.now()
        self.say(f"creating an EKS cluster takes {describe_duration(CLUSTER_CREATION)}; the clock runs ahead")
        self.place.run_at(self.place.boot_speed)
        while self.place.now() < began + CLUSTER_CREATION:
            time.sleep(POLL_SECONDS)
        self.place.run_at(pacing.MACHINE)
        self.say(f"pulumi up -s {self.stack.name} deploys tier {tier}")
        self.stack.update(configuration)
        return began, self.place.now()

    def restore(self) -> None:
        """Deploy the stack as configured. Raises as `raise_to`."""
        self.say(f"pulumi up -s {self.stack.name} returns the stack to its tier")
        self.stack.update()


def _copied(stack: PulumiStack, tier: Tier) -> Path:
    """Return a copy of the stack's configuration with another tier, in this user's own folder."""
    import yaml

    source, target = stack.project / f"Pulumi.{stack.name}.yaml", local_state.folder() / "drill-configuration.yaml"
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
        content.setdefault("config", {})["dr:tier"] = str(tier)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(content), encoding="utf-8")
    except yaml.YAMLError as error:
        raise Invalid(Problem(str(source), f"not valid YAML: {error}", "correct the file")) from error
    except OSError as error:
        fact = f"{error.filename}: {error.strerror}"
        raise Failed(Problem(str(target), fact, "make both places readable and writable")) from error
    return target
