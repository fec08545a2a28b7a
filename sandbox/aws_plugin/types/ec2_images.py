"""Copies of machine images.

After internal/service/ec2/ec2_ami_copy.go and ec2_ami.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.aws_plugin.calls import Call
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType
from sandbox.aws_plugin.types.ec2 import TAGS, arn

WAIT_SECONDS, POLL_SECONDS = 60.0, 0.2
"""The plugin waits for 40 minutes; modelled durations are shortened by the sandbox's speed."""


def _create(copy: Resource) -> None:
    """Copy the image, and wait until the copy is available."""
    # The plugin does not read the encryption back.
    encryption = {"Encrypted": copy.wanted["encrypted"]}
    if key := copy.wanted.get("kmsKeyId"):
        encryption["KmsKeyId"] = key
    copy.id = copy.send("copy_image", **copy.arguments("copy_image"), **encryption)["ImageId"]
    end = time.monotonic() + WAIT_SECONDS
    while True:
        image = _read(copy)
        if image and image["State"] == "available":
            return
        if image is None or image["State"] != "pending" or time.monotonic() > end:
            state = image["State"] if image else "gone"
            raise Refused(
                "UnexpectedState", f"unexpected state '{state}', wanted 'available'", "CopyImage", copy.region
            )
        time.sleep(POLL_SECONDS)


def _read(copy: Resource) -> dict[str, Any] | None:
    try:
        found = copy.send("describe_images", ImageIds=[copy.id])["Images"]
    except Refused as error:
        if error.code in ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"):
            return None
        raise
    if not found:
        return None
    image = found[0]
    return {**image, "ImageArn": arn(copy, "", "image"), "SourceRegion": image.get("SourceImageRegion")}


def _snapshots(image: dict[str, Any]) -> list[str]:
    return [each["Ebs"]["SnapshotId"] for each in image.get("BlockDeviceMappings", ()) if "Ebs" in each]


def _describe(copy: Resource) -> None:
    value = copy.wanted.get("description", "")
    copy.send("modify_image_attribute", ImageId=copy.id, Description={"Value": value})


def _delete(copy: Resource) -> None:
    """Deregister the copy, and delete the snapshots that were made with it."""
    image = _read(copy)
    if image is None:
        return
    Call("deregister_image")(copy)
    for each in _snapshots(image):
        copy.optional("delete_snapshot", SnapshotId=each)


COPY = ResourceType(
    token="aws:ec2/amiCopy:AmiCopy",
    service="ec2",
    properties="""name=Name:string! description=Description:string sourceAmiId=SourceImageId:string!
                  sourceAmiRegion=SourceRegion:string! encrypted:boolean kmsKeyId:string""",
    outputs="arn=ImageArn:string architecture=Architecture:string rootDeviceName=RootDeviceName:string",
    identity="{ImageId}",
    auto_name=AutoName("name", 255),
    defaults={"encrypted": False},
    replace_on=frozenset({"name", "encrypted", "kmsKeyId", "sourceAmiId", "sourceAmiRegion"}),
    checks=(matches("kmsKeyId", r"arn:.+", "the ARN of a key"),),
    create=_create,
    read=_read,
    update=(("description", _describe),),
    delete=_delete,
    tags=TAGS,
)

TYPES = (COPY,)
