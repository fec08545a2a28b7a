"""Durations of AWS operations, and the factor by which the sandbox shortens them.

Each duration names its source or is marked as assumed. All durations are divided by one factor, which keeps their order
and proportions. None was measured in the sandbox.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from dr.errors import Invalid, Problem

SPEED_VARIABLE, USUAL_SPEED = "DR_SANDBOX_SPEED", 60.0


@dataclass(frozen=True)
class Modelled:
    """Modelled duration of an AWS operation.

    Args:
        seconds: Duration on AWS in seconds; the minimum if it varies.
        source: Source of the duration.
        most: Maximum duration in seconds; 0 if it does not vary.
    """

    seconds: float
    source: str
    most: float = 0.0

    def of(self, what: str) -> float:
        """Return the duration for one object in seconds: constant per object, evenly distributed between the limits.

        Args:
            what: Name of the object.
        """
        share = int.from_bytes(hashlib.sha256(what.encode()).digest()[:4]) / 2**32
        return self.seconds + share * max(0.0, self.most - self.seconds)


GPU_NODE_BOOT = Modelled(80, "GPU node from launch to Ready, 80 to 120 s (tensorfuse.io, on cold starts)", 120)
PLAIN_NODE_BOOT = Modelled(50, "assumed: a GPU node's boot without the driver", 70)
IMAGE_COPY = Modelled(300, "assumed: copy of a machine image of some GiB to another region")
INSTANCE_CHECK = Modelled(120, "two status checks, one a minute (EC2 user guide, Status checks for your instances)")
CAPACITY_RETRY = Modelled(60, "assumed: an Auto Scaling group tries again after a launch that failed")
AUTOSCALER_SCAN = Modelled(10, "cluster-autoscaler FAQ, --scan-interval")
AUTOSCALER_IDLE = Modelled(600, "cluster-autoscaler FAQ, --scale-down-unneeded-time")
AUTOSCALER_PROVISION = Modelled(300, "components/kubernetes/addons_spec.py, max-node-provision-time")
AUTOSCALER_BACKOFF = Modelled(300, "cluster-autoscaler FAQ, --initial-node-group-backoff-duration")
SCALE_DOWN_WINDOW = Modelled(300, "Kubernetes documentation, Horizontal Pod Autoscaling, stabilization window")
DATABASE_INSTANCE = Modelled(300, "assumed: an Aurora instance from creation to available", 420)
DATABASE_SWITCHOVER = Modelled(60, "1 to 8 minutes, as DATABASE_FAILOVER; AWS states none", 180)
DATABASE_FAILOVER = Modelled(60, "under a minute promised, 8 minutes in one test (keycloak-benchmark issue 445)", 480)
DATABASE_REBUILD = Modelled(300, "a few minutes to several hours (Aurora user guide, managed failovers)", 600)
DATABASE_PASSWORD = Modelled(20, "assumed: seconds to a minute; RDS applies a new password asynchronously", 60)
DATABASE_EXPORT = Modelled(1800, "assumed: exports of small snapshots take tens of minutes")
AIR_GAPPED_VAULT = Modelled(60, "1 to 3 minutes (AWS Backup developer guide, Logically air-gapped vault)", 180)
DRAIN_LIMIT = Modelled(900, "15 minutes (EKS user guide, Managed node groups, on reducing the desired count)")


def speed() -> float:
    """Return the speed factor: modelled seconds per real second.

    Raises:
        Invalid: DR_SANDBOX_SPEED is not a number above 0.
    """
    given = os.environ.get(SPEED_VARIABLE, "")
    try:
        factor = float(given or USUAL_SPEED)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        remedy = f"give a number above 0; {USUAL_SPEED:g}, the usual one, makes a minute a second"
        raise Invalid(Problem(SPEED_VARIABLE, f'"{given}" is not a valid speed', remedy))
    return factor
