"""EC2: On-Demand Capacity Reservations, which moto lacks. Every reservation is granted."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import uuid4

from moto.ec2.models import ec2_backends
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

# moto tags only resources with a prefix that it knows.
EC2_RESOURCE_TO_PREFIX["capacity-reservation"] = "cr"
EC2_PREFIX_TO_RESOURCE["cr"] = "capacity-reservation"

FILTERS = {
    "availability-zone": "AvailabilityZone",
    "instance-match-criteria": "InstanceMatchCriteria",
    "instance-platform": "InstancePlatform",
    "instance-type": "InstanceType",
    "state": "State",
    "tenancy": "Tenancy",
}
Reservations = dict[str, dict[str, Any]]


def reservations(region: str) -> Reservations:
    """The reservations of a region by id, kept with moto's own state, so that a reset drops them."""
    kept: Reservations = vars(ec2_backends[ACCOUNT][region]).setdefault("capacity_reservations", {})
    return kept


def _tags(call: Call, id: str) -> list[dict[str, str]]:
    tags = ec2_backends[ACCOUNT][call.region].describe_tags(filters={"resource-id": [id]})
    return [{"Key": tag["key"], "Value": tag["value"]} for tag in tags]


def _one(call: Call, id: str) -> dict[str, Any]:
    kept = reservations(call.region)
    if id not in kept:
        message = f"The capacity reservation ID '{id}' does not exist"
        raise AwsError("InvalidCapacityReservationId.NotFound", message)
    return kept[id] | {"Tags": _tags(call, id)}


@answers("ec2", "CreateCapacityReservation")
def create(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, backend = call.parameters, ec2_backends[ACCOUNT][call.region]
    zone = wanted.get("AvailabilityZone", "")
    zones = [known.name for known in backend.describe_availability_zones()]
    if zone not in zones:
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    offered = backend.describe_instance_type_offerings(location_type="availability-zone")
    if wanted["InstanceType"] not in {one["InstanceType"] for one in offered if one["Location"] == zone}:
        message = f"The requested configuration {wanted['InstanceType']} is not supported in {zone}."
        raise AwsError("Unsupported", message)
    if wanted["InstanceCount"] < 1:
        raise AwsError("InvalidParameterValue", f"Invalid instance count: {wanted['InstanceCount']}")
    end = _end({"EndDateType": "unlimited"}, wanted)
    id = f"cr-{uuid4().hex[:17]}"
    now = datetime.datetime.now(datetime.UTC)
    reservations(call.region)[id] = {
        "CapacityReservationId": id,
        "OwnerId": ACCOUNT,
        "CapacityReservationArn": f"arn:aws:ec2:{call.region}:{ACCOUNT}:capacity-reservation/{id}",
        "InstanceType": wanted["InstanceType"],
        "InstancePlatform": wanted["InstancePlatform"],
        "AvailabilityZone": zone,
        "Tenancy": wanted.get("Tenancy", "default"),
        "TotalInstanceCount": wanted["InstanceCount"],
        "AvailableInstanceCount": wanted["InstanceCount"],
        "EbsOptimized": wanted.get("EbsOptimized", False),
        "EphemeralStorage": wanted.get("EphemeralStorage", False),
        "State": "active",
        "StartDate": now,
        "InstanceMatchCriteria": wanted.get("InstanceMatchCriteria", "open"),
        "CreateDate": now,
        **end,
    }
    tags = [tag for each in wanted.get("TagSpecifications", ()) for tag in each["Tags"]]
    backend.create_tags([id], {tag["Key"]: tag["Value"] for tag in tags})
    return {"CapacityReservation": _one(call, id)}


def _end(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The end of a reservation: type `limited` needs a date, and no other type may have one."""
    kind = wanted.get("EndDateType", before["EndDateType"])
    date = wanted.get("EndDate", before.get("EndDate"))
    if kind == "limited" and date is None:
        raise AwsError("MissingParameter", "An end date is required where the end date type is limited")
    if kind == "unlimited" and "EndDate" in wanted:
        raise AwsError("InvalidParameterCombination", "An end date cannot be given where the type is unlimited")
    return {"EndDateType": kind} | ({"EndDate": date} if kind == "limited" else {})


@answers("ec2", "DescribeCapacityReservations")
def describe(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters.get("CapacityReservationIds") or list(reservations(call.region))
    found = [_one(call, id) for id in wanted]
    for each in call.parameters.get("Filters", ()):
        if each["Name"] not in FILTERS:
            known = ", ".join(FILTERS)
            raise AwsError("InvalidParameterValue", f"The filter '{each['Name']}' is not carried; known are {known}")
        found = [one for one in found if one[FILTERS[each["Name"]]] in each["Values"]]
    return {"CapacityReservations": found}


@answers("ec2", "ModifyCapacityReservation")
def modify(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, id = call.parameters, call.parameters["CapacityReservationId"]
    _one(call, id)
    kept = reservations(call.region)[id]
    if kept["State"] != "active":
        message = f"The capacity reservation {id} is {kept['State']}"
        raise AwsError("InvalidCapacityReservationState", message)
    end = _end(kept, wanted)
    if "InstanceCount" in wanted:
        used = kept["TotalInstanceCount"] - kept["AvailableInstanceCount"]
        kept["TotalInstanceCount"] = wanted["InstanceCount"]
        kept["AvailableInstanceCount"] = max(0, wanted["InstanceCount"] - used)
    kept.pop("EndDate", None)
    kept |= end
    return {"Return": True}


@answers("ec2", "CancelCapacityReservation")
def cancel(call: Call, moto: Moto) -> dict[str, Any]:
    """Cancel a reservation, which stays listed."""
    _one(call, call.parameters["CapacityReservationId"])
    reservations(call.region)[call.parameters["CapacityReservationId"]] |= {
        "State": "cancelled",
        "AvailableInstanceCount": 0,
    }
    return {"Return": True}
