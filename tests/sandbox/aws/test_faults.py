from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from sandbox.aws.faults import Faults, ZoneFault
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, once

Control = Callable[..., Any]


def test_unreachable_region_returns_no_response(aws: Running, pair: Pair, control: Control) -> None:
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    with pytest.raises(HTTPClientError):
        aws.client("kms", PRIMARY, config=once()).list_keys()
    assert aws.client("kms", RECOVERY, config=once()).list_keys()["Keys"] is not None
    assert control("GET", "calls")["calls"][-2]["status"] == 0


def test_a_fault_applies_to_the_region_of_the_bucket(aws: Running, pair: Pair, control: Control) -> None:
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    client = aws.client("s3", RECOVERY, config=once())
    client.head_bucket(Bucket=pair.names[1])
    with pytest.raises(HTTPClientError):
        client.head_bucket(Bucket=pair.names[0])


def test_the_endpoint_of_a_lost_region_serves_no_buckets_of_other_regions(
    aws: Running, pair: Pair, control: Control
) -> None:
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    with pytest.raises(HTTPClientError):
        aws.client("s3", PRIMARY, config=once()).head_bucket(Bucket=pair.names[1])


def test_a_copy_from_a_lost_region_is_unavailable(aws: Running, pair: Pair, control: Control) -> None:
    pair.source.put_object(Bucket=pair.names[0], Key="k", Body=b"v")
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        aws.client("s3", RECOVERY, config=once()).copy_object(
            Bucket=pair.names[1], Key="k", CopySource={"Bucket": pair.names[0], "Key": "k"}
        )


@pytest.mark.parametrize(("service", "call"), [("iam", "list_roles"), ("route53", "list_hosted_zones")])
def test_global_services_are_lost_with_a_region_on_request_only(
    aws: Running, control: Control, service: str, call: str
) -> None:
    client = aws.client(service, PRIMARY, config=once())
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    getattr(client, call)()
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True, "with_global": True})
    with pytest.raises(HTTPClientError):
        getattr(client, call)()
    control("DELETE", f"faults?region={PRIMARY}")
    getattr(client, call)()


def test_a_slow_region_answers_late(aws: Running, control: Control) -> None:
    control("POST", "faults", {"kind": "region", "region": RECOVERY, "slow": 0.5})
    started = time.monotonic()
    aws.client("sts", RECOVERY).get_caller_identity()
    assert time.monotonic() - started >= 0.5


def test_an_operation_fails_the_given_number_of_times(aws: Running, pair: Pair, control: Control) -> None:
    control("POST", "faults", {"kind": "operation", "operation": "s3:PutObject", "error": "SlowDown", "times": 2})
    client = aws.client("s3", PRIMARY, config=once())
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            client.put_object(Bucket=pair.names[0], Key="k", Body=b"v")
        assert caught.value.response["Error"]["Code"] == "SlowDown"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    client.put_object(Bucket=pair.names[0], Key="k", Body=b"v")
    assert control("GET", "faults") == []


def test_an_operation_fails_in_the_given_region_only(aws: Running, control: Control) -> None:
    fault = {"kind": "operation", "operation": "kms:ListKeys", "error": "AccessDeniedException", "region": RECOVERY}
    control("POST", "faults", fault)
    aws.client("kms", PRIMARY).list_keys()
    with pytest.raises(ClientError, match="AccessDeniedException"):
        aws.client("kms", RECOVERY).list_keys()


@pytest.mark.parametrize(
    ("service", "operation", "call"),
    [("sts", "GetCallerIdentity", "get_caller_identity"), ("ec2", "DescribeVpcs", "describe_vpcs")],
)
def test_an_injected_error_is_in_the_protocol_of_the_service(
    aws: Running, control: Control, service: str, operation: str, call: str
) -> None:
    control("POST", "faults", {"kind": "operation", "operation": f"{service}:{operation}", "error": "AccessDenied"})
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service, PRIMARY, config=once()), call)()
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert f"{service}:{operation} was made to fail" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "weather"}, "one of region, operation, zone, capacity"),
        ({"kind": "region", "region": "us-est-1", "unreachable": True}, "'us-est-1' is not a region"),
        ({"kind": "region", "region": PRIMARY}, "does nothing"),
        ({"kind": "region", "region": PRIMARY, "unreachable": True, "slowly": 1}, "has no slowly"),
        ({"kind": "zone", "zone": "us-east-1z"}, "'us-east-1z' is not a zone; us-east-1 has us-east-1a"),
        ({"kind": "zone", "zone": "us-est-1a"}, "'us-est-1a' is not a zone"),
        ({"kind": "zone"}, "incomplete"),
        ({"kind": "inference", "region": "us-est-1", "slow": 4}, "'us-est-1' is not a region"),
        ({"kind": "inference", "region": PRIMARY, "slow": 0}, "does nothing"),
        ({"kind": "inference", "region": PRIMARY, "slow": 4, "share": 0}, "does nothing"),
        ({"kind": "capacity", "region": "us-est-1", "instance_type": "g5.2xlarge"}, "'us-est-1' is not a region"),
        ({"kind": "capacity", "region": PRIMARY, "instance_type": "g5.2xlarg"}, "nearest is g5.2xlarge"),
        ({"kind": "operation", "operation": "s3:PutObjekt", "error": "SlowDown"}, "nearest is PutObject"),
        ({"kind": "operation", "operation": "s4:PutObject", "error": "SlowDown"}, "names no service"),
        ({"kind": "operation", "operation": "s3:PutObject"}, "incomplete"),
        ({"kind": "operation", "operation": "s3:PutObject", "error": "SlowDown", "times": 0}, '"times" is 0'),
    ],
)
def test_an_invalid_fault_is_refused(control: Control, fault: dict[str, Any], said: str) -> None:
    assert said in control("POST", "faults", fault)["error"]
    assert control("GET", "faults") == []


def test_slow_inference_of_a_region_is_cleared_by_its_kind(aws: Running, control: Control) -> None:
    slow = {"kind": "inference", "region": PRIMARY, "slow": 4.0, "share": 0.5}
    assert control("POST", "faults", slow) == [slow]

    assert control("DELETE", f"faults?region={PRIMARY}&kind=inference") == []


def test_zone_is_dead_at_once_and_noticed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    faults = Faults()
    faults.add(ZoneFault(f"{PRIMARY}a", unnoticed=8.0))

    assert (faults.zone_down(f"{PRIMARY}a"), faults.zone_noticed(f"{PRIMARY}a")) == (True, False)
    now[0] += 8.0
    assert faults.zone_noticed(f"{PRIMARY}a")


def test_faults_of_a_zone_and_an_instance_type_are_cleared_separately(aws: Running, control: Control) -> None:
    zone = {"kind": "zone", "zone": f"{PRIMARY}a", "unnoticed": 0.0}
    capacity = {"kind": "capacity", "region": RECOVERY, "instance_type": "g5.2xlarge"}
    control("POST", "faults", zone)
    assert control("POST", "faults", capacity) == [zone, capacity]
    aws.client("kms", PRIMARY, config=once()).list_keys()

    assert control("DELETE", f"faults?zone={PRIMARY}a") == [capacity]
    assert control("DELETE", f"faults?region={RECOVERY}&instance_type=g5.2xlarge") == []
    assert "give a region, a zone" in control("DELETE", "faults?colour=red")["error"]
