from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from sandbox.aws.extensions import HANDLERS
from sandbox.aws.extensions.s3 import ROUTED
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, once
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).parents[3]


def test_server_writes_its_state_file_and_removes_it_when_it_stops(tmp_path: Path) -> None:
    file = tmp_path / "state" / "emulator.json"
    command = [sys.executable, "-m", "sandbox.server", "--state", str(file.parent)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_for(lambda: file.exists() or process.poll() is not None)
        assert process.poll() is None
        written = json.loads(file.read_text())
        assert written["pid"] == process.pid
        assert written["endpoint"] == f"http://127.0.0.1:{written['port']}"
        connection = http.client.HTTPConnection("127.0.0.1", written["port"])
        connection.request("GET", "/_sandbox/health")
        health = json.load(connection.getresponse())
        assert (health["id"], health["pid"], health["buckets"]) == (written["id"], process.pid, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert list(file.parent.iterdir()) == []
    finally:
        process.kill()
        process.wait()


def test_a_request_to_a_host_outside_this_machine_is_refused(aws: Running) -> None:
    connection = _connect(aws)
    connection.request("GET", "/", headers={"Host": "data.s3.us-east-1.amazonaws.com"})
    response = connection.getresponse()
    assert response.status == 403
    assert b"data.s3.us-east-1.amazonaws.com refused" in response.read()


def test_a_proxied_request_to_an_unknown_host_is_refused(aws: Running) -> None:
    connection = _connect(aws)
    connection.set_tunnel("s3.amazonaws.com", 443)
    with pytest.raises(OSError, match="403"):
        connection.connect()


def test_connections_and_look_ups_outside_loopback_are_refused(aws: Running) -> None:
    with pytest.raises(PermissionError, match=r"192\.0\.2\.1 refused"):
        socket.create_connection(("192.0.2.1", 443), timeout=1)
    with pytest.raises(PermissionError, match=r"s3\.amazonaws\.com refused"):
        socket.getaddrinfo("s3.amazonaws.com", 443)


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("eks", "ListInsights", {"clusterName": "inference"}),
        ("ec2", "DescribeInstanceTopology", {}),
        ("rds", "RebootDBCluster", {"DBClusterIdentifier": "a"}),
        ("cloudwatch", "ListMetricStreams", {}),
        ("kms", "UpdatePrimaryRegion", {"KeyId": "mrk-1", "PrimaryRegion": RECOVERY}),
        ("dlm", "GetLifecyclePolicies", {}),
        ("route53", "ListTrafficPolicies", {}),
        ("s3", "GetBucketMetricsConfiguration", {"Bucket": "data", "Id": "x"}),
    ],
)
def test_operations_without_emulation_fail_in_the_protocol_of_the_service(
    aws: Running, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    client = aws.client(service, PRIMARY)
    method = {name: key for key, name in client.meta.method_to_api_mapping.items()}[operation]
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**arguments)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    assert (error["Code"], error["Message"]) == ("NotEmulated", f"not emulated: {service}:{operation}")
    assert metadata["RetryAttempts"] == 0


@pytest.mark.parametrize("kind", ["metrics", "analytics", "intelligent_tiering", "inventory"])
def test_deleting_a_bucket_setting_keeps_the_bucket(pair: Pair, kind: str) -> None:
    with pytest.raises(ClientError, match="not emulated: s3:DeleteBucket"):
        getattr(pair.source, f"delete_bucket_{kind}_configuration")(Bucket=pair.names[0], Id="x")
    pair.source.head_bucket(Bucket=pair.names[0])


def test_request_payment_setting_is_not_emulated_and_creates_no_bucket(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    with pytest.raises(ClientError, match="not emulated: s3:PutBucketRequestPayment"):
        client.put_bucket_request_payment(Bucket="data", RequestPaymentConfiguration={"Payer": "Requester"})
    assert client.list_buckets()["Buckets"] == []


def test_boto3_is_redirected_to_the_region_of_a_bucket(pair: Pair, control: Callable[..., Any]) -> None:
    pair.source.put_object(Bucket=pair.names[0], Key="k", Body=b"v")
    before = control("GET", "calls")["next"]
    assert pair.replica.get_object(Bucket=pair.names[0], Key="k")["Body"].read() == b"v"
    calls = control("GET", f"calls?since={before}")["calls"]
    assert (calls[0]["status"], calls[0]["region"], calls[0]["target"]) == (301, RECOVERY, PRIMARY)
    assert (calls[-1]["operation"], calls[-1]["status"], calls[-1]["region"]) == ("GetObject", 200, PRIMARY)


def test_calls_are_recorded_with_their_target_region(aws: Running, control: Callable[..., Any]) -> None:
    aws.client("sts", RECOVERY).get_caller_identity()
    aws.client("route53", PRIMARY).list_hosted_zones()
    recorded = control("GET", "calls?since=0")
    named = [(call["n"], call["service"], call["operation"], call["target"]) for call in recorded["calls"]]
    assert named == [(1, "sts", "GetCallerIdentity", RECOVERY), (2, "route53", "ListHostedZones", "global")]
    assert recorded["next"] == 2
    assert control("GET", "calls?since=1")["calls"] == recorded["calls"][1:]
    assert control("GET", "calls?since=2")["calls"] == []


def test_reset_removes_all_resources(pair: Pair, control: Callable[..., Any]) -> None:
    control("POST", "faults", {"kind": "region", "region": RECOVERY, "slow": 1})
    health = control("POST", "reset")
    assert health["buckets"] == 0
    assert control("GET", "faults") == []
    assert pair.source.list_buckets()["Buckets"] == []


def test_an_unknown_path_of_the_control_api_is_reported(control: Callable[..., Any]) -> None:
    assert control("GET", "weather") == {"error": "the control API of the sandbox has no GET /_sandbox/weather"}


def test_concurrent_writes_of_a_key_lose_no_version(pair: Pair) -> None:
    def put(number: int) -> str:
        return pair.source.put_object(Bucket=pair.names[0], Key="k", Body=str(number))["VersionId"]

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(put, range(100)))
    kept = pair.source.list_object_versions(Bucket=pair.names[0])["Versions"]
    assert {version["VersionId"] for version in kept} == made


def test_a_connection_serves_many_requests(aws: Running) -> None:
    connection = _connect(aws)
    for _ in range(3):
        connection.request("GET", "/_sandbox/health")
        assert connection.getresponse().read()
        assert connection.sock is not None


def test_answer_without_content_leaves_nothing_in_its_connection(aws: Running) -> None:
    aws.client("backup", RECOVERY).create_restore_testing_plan(
        RestoreTestingPlan={
            "RestoreTestingPlanName": "copies",
            "RecoveryPointSelection": {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"]},
            "ScheduleExpression": "cron(0 6 1 * ? *)",
        }
    )
    host = urlsplit(aws.endpoint)
    request = (
        "DELETE /restore-testing/plans/copies HTTP/1.1",
        f"Host: {host.netloc}",
        f"Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/{RECOVERY}/backup/aws4_request",
        "Connection: close",
        "\r\n",
    )
    with socket.create_connection((host.hostname, host.port)) as connection, connection.makefile("rb") as answer:
        connection.sendall("\r\n".join(request).encode())
        header, _, content = answer.read().partition(b"\r\n\r\n")

    assert (header.split(b"\r\n")[0], content) == (b"HTTP/1.1 204 No Content", b"")


def test_clients_without_retries_get_answers(aws: Running) -> None:
    assert aws.client("s3", PRIMARY, config=once()).list_buckets()["Buckets"] == []


def _connect(aws: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)


def test_handlers_are_registered_for_existing_operations() -> None:
    for service, operation in HANDLERS:
        assert operation in get_service_model(service).operation_names
    assert set(get_service_model("s3").operation_names) >= ROUTED


def test_a_malformed_request_is_refused(pair: Pair) -> None:
    scope = f"sandbox/20260101/{PRIMARY}/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    connection = http.client.HTTPConnection(urlsplit(pair.source.meta.endpoint_url).netloc)
    connection.request("PUT", f"/{pair.names[0]}?replication", b"<not", headers)
    response = connection.getresponse()
    assert response.status == 400
    assert b"<Code>MalformedXML</Code>" in response.read()


def test_a_presigned_url_is_served_by_the_region_of_the_bucket(pair: Pair) -> None:
    pair.replica.put_object(Bucket=pair.names[1], Key="k", Body=b"v")
    link = pair.replica.generate_presigned_url("get_object", {"Bucket": pair.names[1], "Key": "k"})
    address = urlsplit(link)
    connection = http.client.HTTPConnection(address.netloc)
    connection.request("GET", f"{address.path}?{address.query}")
    assert connection.getresponse().read() == b"v"
