"""The engine, killed at random moments of tier changes with checkpoints on: the next `up` deploys the tier."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from itertools import pairwise

import psutil
import pytest

from dr.errors import Failed
from sandbox.engine.environment import WITHOUT_CHECKPOINTS
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

WEST = "us-west-2"
SEED = 20261125
ROUND = ["active", "backup", "warm", "backup", "pilot", "backup", "active", "pilot", "backup", "pilot"]
"""Tiers of the test: most changes create or delete a cluster, and the last tier is that of a new sandbox."""
SLOWER_SECONDS = 0.1
"""Delay of each call in seconds, so that a kill interrupts calls."""
LATEST_CALL = 40
"""Latest call for a kill; each tier change makes more changing calls than this."""
CHANGING = ("Create", "Put", "Update", "Delete", "Modify", "Allocate", "Release", "Authorize", "Revoke", "Associate")


def kill_after(sandbox: SandboxUnderTest, calls: int) -> int:
    """Run `pulumi up -s dr`, kill only the engine after a number of changing calls, and return the calls made."""
    sandbox.fault(kind="region", region=WEST, slow=SLOWER_SECONDS)
    mark, folder = sandbox.mark(), sandbox.local.project
    command = [
        str(sandbox.engine.toolchain.pulumi),
        "up",
        "--yes",
        "--skip-preview",
        "-s",
        "dr",
        "--non-interactive",
    ]
    variables = {**os.environ, **sandbox.engine.variables, **dict.fromkeys(WITHOUT_CHECKPOINTS, "false")}
    engine = subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = 0
    while made < calls and engine.poll() is None:
        time.sleep(0.02)
        made = sum(count for name, count in sandbox.operations(mark).items() if name.split(":")[1].startswith(CHANGING))
    children = psutil.Process(engine.pid).children(recursive=True) if engine.poll() is None else []
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    # Plugins complete their current calls, and exit when they detect that the engine has ended.
    psutil.wait_procs(children, timeout=30)
    sandbox.repair()
    return made


def live(sandbox: SandboxUnderTest) -> dict[str, set[str]]:
    """Return the recovery region's resources that depend on the tier, by the end of their types."""
    ec2, eks, rds, backup = (sandbox.client(service, WEST) for service in ("ec2", "eks", "rds", "backup"))
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    found = {
        "NatGateway": {each["NatGatewayId"] for each in gateways if each["State"] != "deleted"},
        "Eip": {each["AllocationId"] for each in ec2.describe_addresses()["Addresses"]},
        "LaunchTemplate": {each["LaunchTemplateId"] for each in ec2.describe_launch_templates()["LaunchTemplates"]},
        "eks/cluster:Cluster": set(eks.list_clusters()["clusters"]),
        "rds/cluster:Cluster": {each["DBClusterIdentifier"] for each in rds.describe_db_clusters()["DBClusters"]},
        "ClusterInstance": {each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]},
        "Plan": {each["BackupPlanId"] for each in backup.list_backup_plans()["BackupPlansList"]},
        **{kind: set() for kind in ("NodeGroup", "Addon", "PodIdentityAssociation", "Selection")},
    }
    for cluster in found["eks/cluster:Cluster"]:
        found["NodeGroup"] |= {f"{cluster}:{each}" for each in eks.list_nodegroups(clusterName=cluster)["nodegroups"]}
        found["Addon"] |= {f"{cluster}:{each}" for each in eks.list_addons(clusterName=cluster)["addons"]}
        listed = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
        addons = [eks.describe_addon(clusterName=cluster, addonName=each.split(":")[1]) for each in found["Addon"]]
        owned = {arn for each in addons for arn in each["addon"]["podIdentityAssociations"]}
        found["PodIdentityAssociation"] |= {
            each["associationId"] for each in listed if each["associationArn"] not in owned
        }
    for plan in found["Plan"]:
        listed = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
        found["Selection"] |= {each["SelectionId"] for each in listed}
    return found


def known(sandbox: SandboxUnderTest, kinds: list[str]) -> dict[str, set[str]]:
    """Return the same resources according to the stack's state."""
    made = [each for each in sandbox.engine.resources("dr") if each["type"].startswith("aws:")]
    return {kind: {each["id"] for each in made if each["type"].endswith(f":{kind}")} for kind in kinds}


def refused(sandbox: SandboxUnderTest) -> None:
    """Check that a plain `pulumi up` names the pending operations and the way out, and changes nothing."""
    mark = sandbox.mark()
    with pytest.raises(Failed) as caught:
        sandbox.engine._run("dr", "up", lambda text, share: None)

    assert "refused: stack dr: the last update was interrupted while it created" in str(caught.value)
    assert "`dr adopt -s dr --yes`" in str(caught.value)
    assert not any(name.split(":")[1].startswith(CHANGING) for name in sandbox.operations(mark))


def test_killed_update_is_refused_without_a_change_until_adopted_and_then_deploys_its_tier(
    deployed: SandboxUnderTest,
) -> None:
    moments, pending = random.Random(SEED), 0  # noqa: S311 - the same moments in every run
    for old, tier in pairwise(["pilot", *ROUND]):
        if old in ("warm", "active"):
            deployed.measure()
        deployed.configure("dr", tier=tier)
        calls = kill_after(deployed, moments.randint(1, LATEST_CALL))
        left = sum(each.doing == "creating" for each in deployed.engine.pending("dr"))
        if left and not pending:
            refused(deployed)
        pending += left
        changes = deployed.engine.up("dr")  # adopts first
        print(f"{tier}: killed after {calls} calls, {left} creations pending; then {changes}")

        there = live(deployed)
        assert there == known(deployed, list(there)), tier
        assert deployed.engine.outputs("dr")["tier"] == tier
    assert pending, "no kill found a creation on its way: nothing was tested"
    deployed.configure("dr", tier=None)
    assert deployed.engine.up("dr").none
