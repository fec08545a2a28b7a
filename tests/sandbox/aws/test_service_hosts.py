"""Hosts of AWS services: their names, addresses and connections of pods to them."""

from __future__ import annotations

import http.client
import itertools
import ssl
from base64 import b64encode
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from sandbox.aws.behaviours import service_addresses, service_hosts, sources
from sandbox.aws.behaviours.service_hosts import ServiceHost
from sandbox.server import Running

WEST, EAST = "us-west-2", "us-east-1"
UID = "6f1d"


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("s3.us-west-2.amazonaws.com", ServiceHost("s3", WEST)),
        ("models-1.s3.us-west-2.amazonaws.com", ServiceHost("s3", WEST, "models-1")),
        ("a.b.s3.us-west-2.amazonaws.com", ServiceHost("s3", WEST, "a.b")),
        ("s3.amazonaws.com", ServiceHost("s3", EAST)),
        ("models-1.s3.amazonaws.com", ServiceHost("s3", EAST, "models-1")),
        ("sts.amazonaws.com", ServiceHost("sts", EAST)),
        ("sts.eu-west-1.amazonaws.com", ServiceHost("sts", "eu-west-1")),
        ("api.ecr.us-west-2.amazonaws.com", ServiceHost("api.ecr", WEST)),
        ("eks.us-west-2.amazonaws.com", ServiceHost("eks", WEST)),
        ("iam.amazonaws.com", ServiceHost("iam", "global")),
        ("route53.amazonaws.com", ServiceHost("route53", "global")),
        ("inference-0a.elb.us-west-2.amazonaws.com", None),
        ("0a.gr7.us-west-2.eks.amazonaws.com", None),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com", None),
        ("ec2.amazonaws.com", None),
        ("s3.us-west-2.amazonaws.com.example.com", None),
        ("example.com", None),
    ],
)
def test_a_host_has_the_service_and_region_of_its_name(name: str, host: ServiceHost | None) -> None:
    assert service_hosts.find(name) == host


def test_no_block_of_s3_is_in_two_regions() -> None:
    for one, other in itertools.combinations(service_addresses.S3_BLOCKS.values(), 2):
        assert not any(ip_network(a).overlaps(ip_network(b)) for a in one for b in other)


@pytest.mark.parametrize("region", [EAST, WEST])
def test_the_prefix_list_of_s3_has_the_address_of_the_regions_host(aws: Running, region: str) -> None:
    ec2 = aws.client("ec2", region)
    filters = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{region}.s3"]}]
    (found,) = ec2.describe_prefix_lists(Filters=filters)["PrefixLists"]
    (managed,) = ec2.describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=managed["PrefixListId"])["Entries"]

    assert found["PrefixListName"] == managed["PrefixListName"]
    assert found["PrefixListId"] == managed["PrefixListId"]
    assert found["Cidrs"] == [each["Cidr"] for each in entries] == list(service_addresses.S3_BLOCKS[region])
    for name in (f"s3.{region}.amazonaws.com", f"models-1.s3.{region}.amazonaws.com"):
        address = ip_address(service_addresses.address_of(name))
        assert any(address in ip_network(block) for block in found["Cidrs"])


def test_prefix_lists_of_the_account_are_not_those_of_services(aws: Running) -> None:
    ec2 = aws.client("ec2", WEST)
    ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=1, AddressFamily="IPv4")

    names = [each["PrefixListName"] for each in ec2.describe_prefix_lists()["PrefixLists"]]
    assert f"com.amazonaws.{WEST}.s3" in names
    assert "offices" not in names


@pytest.fixture
def pod(aws: Running, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """A pod with egress to everything; its connections are appended."""
    opened: list[tuple[str, str, int]] = []

    def admits(pod: str, address: str, port: int) -> bool:
        opened.append((pod, address, port))
        return True

    monkeypatch.setattr(aws.clusters, "admits", admits)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    return opened


def boto(aws: Running, service: str, region: str) -> Any:
    """A client as in a pod: without an endpoint URL, through the proxy."""
    config = Config(
        proxies={"https": sources.proxy_of_pod(aws.endpoint, UID)}, retries={"total_max_attempts": 1}, connect_timeout=5
    )
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    return session.client(service, region_name=region, config=config, verify=str(aws.authority.file))


def connect(aws: Running, host: str, user: str = f"{sources.POD_USER}{UID}") -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(aws.authority.file))
    proxy = urlsplit(aws.endpoint)
    connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port, context=context, timeout=10)
    token = b64encode(f"{user}:sandbox".encode()).decode()
    connection.set_tunnel(host, 443, {"Proxy-Authorization": f"Basic {token}"})
    return connection


def status(connection: http.client.HTTPSConnection) -> int:
    """Status of an anonymous request."""
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_boto3_of_a_pod_reaches_services_by_their_own_names(aws: Running, pod: list[tuple[str, str, int]]) -> None:
    s3 = boto(aws, "s3", WEST)
    s3.create_bucket(Bucket="models-1", CreateBucketConfiguration={"LocationConstraint": WEST})
    s3.put_object(Bucket="models-1", Key="sets/a b/model", Body=b"weights")

    assert s3.get_object(Bucket="models-1", Key="sets/a b/model")["Body"].read() == b"weights"
    assert aws.client("s3", WEST).get_object(Bucket="models-1", Key="sets/a b/model")["Body"].read() == b"weights"
    assert boto(aws, "sts", WEST).get_caller_identity()["Account"]
    assert boto(aws, "iam", EAST).list_roles()["Roles"] == []
    s3_address = service_addresses.address_of(f"s3.{WEST}.amazonaws.com")
    assert (UID, s3_address, 443) in pod
    assert {port for _, _, port in pod} == {443}


def test_boto3_of_a_pod_reaches_buckets_of_us_east_1_by_the_legacy_name(
    aws: Running, pod: list[tuple[str, str, int]]
) -> None:
    s3 = boto(aws, "s3", EAST)
    s3.create_bucket(Bucket="models-1")

    assert s3.list_objects_v2(Bucket="models-1")["KeyCount"] == 0
    assert {address for _, address, _ in pod} == {service_addresses.address_of("s3.amazonaws.com")}


@pytest.mark.parametrize(
    ("host", "answer"),
    [(f"s3.{WEST}.amazonaws.com", 307), (f"kms.{WEST}.amazonaws.com", 403), ("iam.amazonaws.com", 403)],
)
def test_an_anonymous_request_is_redirected_by_s3_and_answered_403_by_other_services(
    aws: Running, pod: list[tuple[str, str, int]], host: str, answer: int
) -> None:
    assert status(connect(aws, host)) == answer


def test_a_host_of_an_unreachable_region_cannot_be_reached(
    aws: Running, pod: list[tuple[str, str, int]], control: Any
) -> None:
    kept, other = connect(aws, f"s3.{EAST}.amazonaws.com"), connect(aws, f"s3.{WEST}.amazonaws.com")
    assert [status(each) for each in (kept, other)] == [307, 307]
    control("POST", "faults", {"kind": "region", "region": EAST, "unreachable": True})

    for connection in (kept, connect(aws, f"s3.{EAST}.amazonaws.com"), connect(aws, "sts.amazonaws.com")):
        with pytest.raises((OSError, http.client.HTTPException)):
            status(connection)
    assert status(other) == 307
    with pytest.raises(BotoCoreError):
        boto(aws, "s3", EAST).list_buckets()


def test_a_connection_that_no_policy_admits_is_cut(
    aws: Running, pod: list[tuple[str, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws.clusters, "admits", lambda *of: False)

    with pytest.raises((OSError, http.client.HTTPException)):
        connect(aws, f"s3.{WEST}.amazonaws.com").request("GET", "/")


def test_only_pods_reach_services_by_their_own_names(aws: Running, pod: list[tuple[str, str, int]]) -> None:
    for host, user in (("s3.amazonaws.com", "someone"), ("example.com", f"{sources.POD_USER}{UID}")):
        with pytest.raises(OSError, match="Tunnel connection failed: 403"):
            connect(aws, host, user).request("GET", "/")


def test_an_unknown_pod_reaches_nothing(aws: Running) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        connect(aws, f"s3.{WEST}.amazonaws.com").request("GET", "/")
