import socket

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from dr.clients import Conflict, Denied, Missing, Unreachable, calls, client
from dr.errors import Exit, Failed


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_service_without_a_response_is_unreachable(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(Unreachable) as caught, calls("s3://bucket", "us-east-1"):
        client("s3", "us-east-1").list_objects_v2(Bucket="bucket")

    assert "us-east-1 does not answer" in str(caught.value)
    assert "check the health of the region" in str(caught.value)
    assert "make up" not in str(caught.value)


def test_stopped_sandbox_is_reported_only_in_the_sandboxs_shell(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("DR_SANDBOX_STATE", "/any")
    with pytest.raises(Unreachable, match="`make up` starts a stopped sandbox"), calls("sts", "us-east-1"):
        client("sts", "us-east-1").get_caller_identity()


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said so"}}, "GetObject")


@pytest.mark.parametrize("code", ["NoSuchBucket", "NoSuchKey", "404"])
def test_missing_resource_raises_missing(code: str) -> None:
    with pytest.raises(Missing, match=f"{code} in us-east-1: said so"), calls("s3://bucket", "us-east-1"):
        raise error(code)


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_conditional_write_that_lost_raises_conflict(code: str) -> None:
    with pytest.raises(Conflict, match=code), calls("s3://bucket", "us-east-1"):
        raise error(code)


def test_refusal_of_a_name_with_a_status_code_in_it_is_not_a_conflict() -> None:
    with pytest.raises(Failed) as caught, calls("s3://ml-dr-412409412409-control", "us-east-1"):
        raise error("AccessDenied")

    assert not isinstance(caught.value, Conflict)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_missing_permission_raises_denied(code: str) -> None:
    with pytest.raises(Denied, match=f"{code} in us-east-1: said so"), calls("s3://bucket", "us-east-1"):
        raise error(code)


def test_denied_request_is_reported_with_error_code_and_operation() -> None:
    with pytest.raises(Failed) as caught, calls("s3://bucket", "us-east-1"):
        raise error("AccessDenied")

    assert not isinstance(caught.value, (Missing, Unreachable))
    assert "AccessDenied" in str(caught.value)
    assert "GetObject was refused" in str(caught.value)
    assert isinstance(caught.value.__cause__, ClientError)


def test_missing_credentials_are_reported_with_the_remedy() -> None:
    with pytest.raises(Failed, match="aws sso login"), calls("s3://bucket", "us-east-1"):
        raise NoCredentialsError()


def test_every_error_class_has_its_exit_code() -> None:
    assert (Unreachable.exit_code, Missing.exit_code, Failed.exit_code) == (Exit.FAILED,) * 3
