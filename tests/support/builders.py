"""Compliant examples, of which tests change one field."""

from __future__ import annotations

import json
from typing import Any

from dr.config import reader
from dr.control.contract import Half, document
from dr.control.contract import parse as parse_half
from dr.topology.topology import BucketPair, Role, Topology

ACCOUNT = "123456789012"

SETTINGS = {
    "aws:region": "us-east-1",
    "dr:role": "primary",
    "dr:tier": "pilot",
    "dr:primaryRegion": "us-east-1",
    "dr:recoveryRegion": "us-west-2",
    "dr:apiAccess": "public",
    "dr:alertAddresses": '["oncall@example.com"]',
    "dr:apiCidrs": '["203.0.113.0/24"]',
    "dr:domain": "ml.example.com",
    "dr:authentication": "none",
    "dr:clientCidrs": '["203.0.113.0/24"]',
    "dr:bucketPrefix": "ml-dr",
    "dr:primaryCidr": "10.0.0.0/16",
    "dr:recoveryCidr": "10.1.0.0/16",
    "dr:primaryZones": '["us-east-1a", "us-east-1b", "us-east-1c"]',
    "dr:recoveryZones": '["us-west-2a", "us-west-2b", "us-west-2c"]',
}


def settings(role: Role = Role.PRIMARY, /, **changes: str | None) -> dict[str, str]:
    """Return a stack's configuration. Keywords replace keys of the `dr` namespace; None removes one."""
    values = {**SETTINGS, "dr:role": str(role), "aws:region": "us-east-1" if role is Role.PRIMARY else "us-west-2"}
    for key, value in changes.items():
        if value is None:
            values.pop(f"dr:{key}")
        else:
            values[f"dr:{key}"] = value
    return values


def topology(role: Role = Role.PRIMARY, /, **changes: str | None) -> Topology:
    """Return a topology; keywords as for `settings`."""
    return reader.read(settings(role, **changes)).topology(ACCOUNT)


def pair(**changes: Any) -> BucketPair:
    """Return a bucket pair; keywords replace fields."""
    return BucketPair(**{"name": "datasets", "replicate_deletes": False, **changes})


DNS = {
    "zone_id": "Z0000000EXAMPLE",
    "public_name": "inference.ml.example.com",
    "regional_name": "inference-primary.ml.example.com",
    "endpoint": "serving.us-east-1.ml.example.com",
    "weight": 100,
    "check_id": "check-both",
    "endpoint_check_id": "check-endpoint",
    "lever": "engage",
    "lever_check_id": "check-lever",
    "lever_alarm": "ml-dr-lever-engage",
}
DATABASE: dict[str, Any] = {
    "global_cluster": "ml-dr",
    "cluster": "ml-dr-primary",
    "arn": "arn:aws:rds:us-east-1:123456789012:cluster:ml-dr-primary",
    "engine_version": "16.6",
    "instance_class": "db.r6g.large",
    "instances": ["ml-dr-primary-1"],
}


def half(role: Role = Role.PRIMARY, /, **changes: Any) -> Half:
    """Return a half of the contract; keywords replace fields of the document."""
    written = document(topology(role), str(role), DNS)
    return parse_half(json.dumps({**written, **changes}), "test")
