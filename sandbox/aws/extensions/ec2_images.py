"""EC2: copies of machine images, which take time, are encrypted and may fail; moto's are there at once.

Source: EC2 user guide, "Copy an Amazon EC2 AMI": the source has to be available; the copy has its own snapshots,
encrypted with a key of its own region, and no tags or launch permissions of the source.
"""

from __future__ import annotations

import time
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami

from sandbox import timings
from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

_moto_mappings = Ami.block_device_mappings.fget  # type: ignore[attr-defined]


def _mappings(image: Ami) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _moto_mappings(image)
    for each in found:
        each["Ebs"]["Encrypted"] = bool(vars(image).get("encrypted"))
    return found


Ami.block_device_mappings = property(_mappings)  # type: ignore[method-assign, assignment]


@answers("ec2", "CopyImage")
def copy_image(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Start a copy. It is pending until it is complete."""
    wanted = call.parameters
    backends = ec2_backends[ACCOUNT]
    if wanted["SourceRegion"] not in backends.regions:
        raise AwsError("InvalidParameterValue", f"Invalid value '{wanted['SourceRegion']}' for the source region")
    source = backends[wanted["SourceRegion"]].amis.get(wanted["SourceImageId"])
    if call.world.faults.unreachable(wanted["SourceRegion"]):
        raise AwsError("InvalidRequest", f"The image cannot be read: {wanted['SourceRegion']} does not answer")
    if source is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{wanted['SourceImageId']}]' does not exist")
    if source.state != "available":
        raise AwsError("InvalidAMIID.Unavailable", f"The image id '[{source.id}]' is not available")
    if "KmsKeyId" in wanted and not wanted.get("Encrypted"):
        raise AwsError("InvalidParameterCombination", "KmsKeyId is valid only with Encrypted")
    backend = ec2_backends[ACCOUNT][call.region]
    image = backend.copy_image(source.id, wanted["SourceRegion"], wanted["Name"], wanted.get("Description"))
    key = wanted.get("KmsKeyId")
    vars(image).update(
        source_image_id=source.id,
        source_image_region=wanted["SourceRegion"],
        encrypted=bool(wanted.get("Encrypted")) or bool(vars(source).get("encrypted")),
        kms_key_id=key,
        creation_date=clock.utcnow(),
        ready_at=time.monotonic() + timings.IMAGE_COPY.seconds / min(timings.speed(), clock.FASTEST),
        state="failed" if key and unusable(key, call.region) else "pending",
    )
    image.ebs_snapshot.encrypted = vars(image)["encrypted"]
    if key:
        image.ebs_snapshot.kms_key_id = key
    for each in wanted.get("TagSpecifications", ()):
        if each["ResourceType"] == "image":
            image.add_tags({tag["Key"]: tag["Value"] for tag in each["Tags"]})
    return {"ImageId": image.id}


@answers("ec2", "DescribeImages")
def describe_images(call: Call, moto: Moto) -> Answer:
    """Complete the copies that have had their time."""
    for image in ec2_backends[ACCOUNT][call.region].amis.values():
        if image.state == "pending" and time.monotonic() >= vars(image).get("ready_at", 0.0):
            image.state = "available"
    return moto()
