"""Worker fleets of both stacks with the real engine: copies of the image, tiers, replacement, steps and the alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from dr import clients
from dr.config.project import load_topology
from dr.errors import Failed
from dr.operations import worker_steps
from dr.operations.scene import Options, Scene, read_scene
from dr.operations.steps import State
from sandbox.emulator_client import ask
from sandbox.local import ROOT
from tests.support.dr_command import dr
from tests.support.sandbox import STACKS, SandboxUnderTest, sandbox_in
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST, GROUP = "us-east-1", "us-west-2", "ml-dr-workers-batch"
PACK = (str(ROOT / "policies"),)
IMAGES = 2
SIZE, FLOOR, MOST = 4, 2, 8


def configure(sandbox: SandboxUnderTest, image: str, stacks: tuple[str, ...] = STACKS) -> None:
    fleet = {"name": "batch", "image": image, "instanceTypes": ["m6i.large", "m5.large"], "size": SIZE}
    for stack in stacks:
        sandbox.configure(stack, workers=[fleet])


@pytest.fixture(scope="module")
def images(fleets: SandboxUnderTest) -> list[str]:
    return made_images(fleets)


def made_images(sandbox: SandboxUnderTest) -> list[str]:
    """Return images of the account in the primary region, the older one first."""
    found = sandbox.client("ec2", EAST).describe_images(Owners=["self"])["Images"]
    own = sorted((each["Name"], each["ImageId"]) for each in found if each["Name"].startswith("version"))
    return [image for _, image in own]


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """Both stacks in tier `pilot` with a fleet, deployed under the policy pack."""
    with sandbox_in(tmp_path_factory.mktemp("fleets")) as sandbox:
        ec2 = sandbox.client("ec2", EAST)
        for number in range(IMAGES):
            ec2.register_image(Name=f"version-{number}")
        configure(sandbox, made_images(sandbox)[0])
        for stack in STACKS:
            assert sandbox.engine.up(stack, policy_packs=PACK).violations == ()
        yield sandbox


@pytest.fixture
def scene(fleets: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name, value in fleets.engine.variables.items():
        monkeypatch.setenv(name, value)
    clients.forget()
    yield read_scene(load_topology(fleets.local.project, "dr"), Options("test", "run"))
    clients.forget()


def group(sandbox: SandboxUnderTest, region: str = WEST) -> dict[str, Any]:
    scaling = sandbox.client("autoscaling", region)
    return dict(scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"][0])


def sizes(sandbox: SandboxUnderTest, region: str = WEST) -> tuple[int, int, int]:
    found = group(sandbox, region)
    return found["MinSize"], found["DesiredCapacity"], found["MaxSize"]


def running(sandbox: SandboxUnderTest, region: str = WEST) -> list[dict[str, Any]]:
    """Return the fleet's instances in service, as EC2 describes them."""
    ids = [each["InstanceId"] for each in group(sandbox, region)["Instances"] if each["LifecycleState"] == "InService"]
    found = sandbox.client("ec2", region).describe_instances(InstanceIds=ids)["Reservations"] if ids else []
    return [instance for each in found for instance in each["Instances"]]


def started_image(sandbox: SandboxUnderTest) -> dict[str, Any]:
    """Return the image that the recovery region's group starts."""
    ec2 = sandbox.client("ec2", WEST)
    template = group(sandbox)["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    (version,) = ec2.describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
    )["LaunchTemplateVersions"]
    return dict(ec2.describe_images(ImageIds=[version["LaunchTemplateData"]["ImageId"]])["Images"][0])


def readiness(sandbox: SandboxUnderTest) -> dict[str, str]:
    """Return the statuses of the fleet's findings in `dr check`."""
    _, report = dr(sandbox, "check")
    return {each["name"]: each["status"] for each in report["findings"] if "workers batch" in each["name"]}


def test_pilot_has_an_encrypted_copy_of_the_image_and_no_instance(fleets: SandboxUnderTest, images: list[str]) -> None:
    image = started_image(fleets)

    assert (image["State"], image["SourceImageId"], image["SourceImageRegion"]) == ("available", images[0], EAST)
    (mapping,) = image["BlockDeviceMappings"]
    (snapshot,) = fleets.client("ec2", WEST).describe_snapshots(SnapshotIds=[mapping["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, fleets.engine.outputs("primary")["replica_key_arn"])
    assert (sizes(fleets), sizes(fleets, EAST)) == ((0, 0, 0), (SIZE, SIZE, MOST))
    wait_for(lambda: len(running(fleets, EAST)) == SIZE)
    assert {each["ImageId"] for each in running(fleets, EAST)} == {images[0]}
    assert all(fleets.engine.up(stack).none for stack in STACKS)


def test_failover_raises_the_fleet_and_failback_lowers_it_and_both_change_nothing_the_second_time(
    fleets: SandboxUnderTest, scene: Scene
) -> None:
    up, down = worker_steps.raise_workers(()), worker_steps.lower_workers(())
    assert up.evaluate(scene).state is State.NEEDED
    up.act(scene, lambda text, share: None)

    assert (up.evaluate(scene).state, sizes(fleets)) == (State.DONE, (FLOOR, FLOOR, MOST))
    wait_for(lambda: len(running(fleets)) == FLOOR)
    since = fleets.mark()
    up.act(scene, lambda text, share: None)
    assert fleets.operations(since)["autoscaling:UpdateAutoScalingGroup"] == 0

    assert down.evaluate(scene).state is State.NEEDED
    down.act(scene, lambda text, share: None)
    down.act(scene, lambda text, share: None)
    assert (down.evaluate(scene).state, sizes(fleets)) == (State.DONE, (0, 0, 0))
    assert fleets.operations(since)["autoscaling:UpdateAutoScalingGroup"] == 1


def test_tier_changes_the_fleet_in_place(fleets: SandboxUnderTest) -> None:
    arn = group(fleets)["AutoScalingGroupARN"]
    fleets.configure("dr", tier="warm")
    assert not fleets.engine.up("dr").counts.get("replace")

    assert (sizes(fleets), group(fleets)["AutoScalingGroupARN"]) == ((FLOOR, FLOOR, MOST), arn)
    wait_for(lambda: len(running(fleets)) == FLOOR)
    assert len({each["Placement"]["AvailabilityZone"] for each in running(fleets)}) == FLOOR
    assert not any("PublicIpAddress" in each for each in running(fleets))
    assert set(readiness(fleets).values()) == {"met"}


def test_new_image_is_refused_before_it_is_copied_and_then_replaces_the_instances(
    fleets: SandboxUnderTest, images: list[str]
) -> None:
    former = started_image(fleets)["ImageId"]
    configure(fleets, images[1])
    with pytest.raises(Failed, match=f"the primary stack has copied {images[0]}"):
        fleets.engine.preview("dr")

    fleets.engine.up("primary")
    assert readiness(fleets)["image of workers batch in us-west-2"] == "missed"
    assert fleets.client("ec2", WEST).describe_images(ImageIds=[former])["Images"]
    wait_for(lambda: Counter(each["ImageId"] for each in running(fleets, EAST)) == {images[1]: SIZE})

    fleets.engine.up("dr")
    copy = started_image(fleets)
    assert (copy["SourceImageId"], copy["ImageId"] == former) == (images[1], False)
    wait_for(lambda: Counter(each["ImageId"] for each in running(fleets)) == {copy["ImageId"]: FLOOR})
    wait_for(lambda: set(readiness(fleets).values()) == {"met"})


@pytest.mark.parametrize("region", [EAST, WEST])
def test_busy_workers_raise_the_alarm_of_their_region_and_get_an_instance(
    fleets: SandboxUnderTest, region: str
) -> None:
    least, _, _ = sizes(fleets, region)
    wait_for(lambda: len(running(fleets, region)) == least)
    fleets.advance(6)
    since = len(fleets.messages())
    fleets.fault(kind="load", region=region, group=GROUP, percent=90)
    fleets.advance(6)
    subjects = [each["subject"] for each in fleets.messages()[since:] if "workers" in each["subject"]]
    ask(fleets.server, "DELETE", f"faults?region={region}&group={GROUP}")

    assert [each.partition(" in ")[0] for each in subjects] == ['ALARM: "ml-dr-workers-batch-busy"']
    assert sizes(fleets, region)[1] > least


def test_lower_tier_ends_the_instances(fleets: SandboxUnderTest) -> None:
    fleets.configure("dr", tier="pilot")
    fleets.measure()
    fleets.engine.up("dr")

    assert (sizes(fleets), group(fleets)["Instances"]) == ((0, 0, 0), [])
