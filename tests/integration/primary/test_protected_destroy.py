"""A destroy of the primary stack while its data is protected. It ends the deployment that it shares."""

from __future__ import annotations

import pytest

from dr.errors import Failed
from dr.topology.topology import STANDARD_PAIRS
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"


def test_destroying_the_primary_stack_keeps_replicas_keys_roles_and_the_zone(primary_alone: SandboxUnderTest) -> None:
    replica = "ml-dr-123456789012-us-west-2-models"
    primary_alone.client("s3", WEST).put_object(Bucket=replica, Key="survivor", Body=b"survivor")
    mark = primary_alone.mark()
    with pytest.raises(Failed, match="deletion protection enabled"):
        primary_alone.engine.destroy("primary")

    deletes = {(call["service"], call["target"]) for call in primary_alone.calls(mark) if "Delet" in call["operation"]}
    assert ("s3", WEST) not in deletes
    assert "kms" not in {service for service, _ in deletes}
    roles = [role["RoleName"] for role in primary_alone.client("iam", EAST).list_roles()["Roles"]]
    assert len([name for name in roles if "-replication-" in name]) == len(STANDARD_PAIRS)
    s3 = primary_alone.client("s3", WEST)
    assert s3.get_object(Bucket=replica, Key="survivor")["Body"].read() == b"survivor"
    assert s3.get_bucket_versioning(Bucket=replica)["Status"] == "Enabled"
    (zone,) = primary_alone.client("route53", EAST).list_hosted_zones()["HostedZones"]
    assert zone["Name"] == "ml.example.com."
