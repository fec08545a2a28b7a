"""The emulator supports every call of the real AWS plugin: it may return an error of AWS, but not NotEmulated."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.server import Running, running
from tests.support.api_requests import ACCOUNT, ARN, arguments
from tests.support.plugin_calls import distinct, gaps

REGION = "us-west-2"
BUCKET = "example"
BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"

SCHEDULE = {
    "Name": "example",
    "ScheduleExpression": "rate(1 minutes)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:example", "RoleArn": ARN},
}
RULE = {"SecurityGroupRuleId": "sgr-0123456789abcdef0", "SecurityGroupRule": {"IpProtocol": "tcp"}}
OVERRIDES: Mapping[str, dict[str, Any]] = {
    "ec2:CreateLaunchTemplateVersion": {"LaunchTemplateId": "lt-0123456789abcdef0"},
    "ec2:ModifySecurityGroupRules": {"SecurityGroupRules": [RULE]},
    "elbv2:ModifyListenerAttributes": {"Attributes": [{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]},
    "lambda:CreateFunction": {"Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": b"zip"}},
    "logs:AssociateKmsKey": {"logGroupName": "example"},
    "logs:DisassociateKmsKey": {"logGroupName": "example"},
    "s3:PutBucketAcl": {"ACL": "private"},
    "s3:PutBucketLifecycleConfiguration": {"LifecycleConfiguration": {"Rules": []}},
    "scheduler:CreateSchedule": SCHEDULE,
    "scheduler:UpdateSchedule": SCHEDULE,
    "secretsmanager:ReplicateSecretToRegions": {"AddReplicaRegions": [{"Region": "eu-west-1"}]},
    "secretsmanager:TagResource": {"Tags": [{"Key": "of", "Value": "example"}]},
}
"""Arguments of operations that need more than the required members of botocore's model."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as started:
        yield started


@functools.cache
def client(emulator: Running, service: str) -> Any:
    """A client like the plugin's: without validation or retries, and with the emulator as its proxy."""
    proxies = {"http": emulator.endpoint}
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1}, proxies=proxies)
    return emulator.client(service, REGION, config=config)


@pytest.fixture
def bucket(emulator: Running) -> Any:
    """A bucket with one object, the only resources in this AWS."""
    emulator.emulator.reset()
    s3 = client(emulator, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="example", Body=b"{}")
    return s3


def answer(emulator: Running, service: str, operation: str) -> tuple[str, int]:
    """Return error code and status of an operation; "" on success."""
    api = client(emulator, service)
    shape = api.meta.service_model.operation_model(operation).input_shape
    wanted = {**arguments(shape), **OVERRIDES.get(f"{service}:{operation}", {})}
    return error_of(api._make_api_call, operation, wanted)


def error_of(call: Callable[..., Any], *positional: Any, **named: Any) -> tuple[str, int]:
    """Return error code and status of a call; "" on success."""
    try:
        call(*positional, **named)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "", 200


@pytest.mark.parametrize("name", [name for name in distinct() if name not in gaps()])
def test_emulator_answers_every_operation_of_the_plugin(
    name: str, emulator: Running, request: pytest.FixtureRequest
) -> None:
    if name.startswith("s3"):
        request.getfixturevalue("bucket")
    code, status = answer(emulator, *name.split(":"))

    assert code != "NotEmulated"
    assert status < 500


@pytest.mark.parametrize("name", gaps())
def test_listed_gap_still_exists(name: str, emulator: Running) -> None:
    assert name in distinct()
    assert answer(emulator, *name.split(":")) == ("NotEmulated", 501)


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ("get_bucket_accelerate_configuration", ()),
        ("get_bucket_acl", ()),
        ("get_bucket_cors", ("NoSuchCORSConfiguration",)),
        ("get_bucket_encryption", ()),
        ("get_bucket_lifecycle_configuration", ("NoSuchLifecycleConfiguration",)),
        ("get_bucket_logging", ()),
        ("get_bucket_policy", ("NoSuchBucketPolicy",)),
        ("get_bucket_replication", ("ReplicationConfigurationNotFoundError",)),
        ("get_bucket_request_payment", ()),
        ("get_bucket_tagging", ("NoSuchTagSet",)),
        ("get_bucket_versioning", ()),
        ("get_bucket_website", ("NoSuchWebsiteConfiguration",)),
        ("get_object_lock_configuration", ("ObjectLockConfigurationNotFoundError",)),
    ],
)
def test_new_bucket_has_no_error_that_the_plugin_does_not_expect(
    operation: str, codes: tuple[str, ...], bucket: Any
) -> None:
    """With any other code, the plugin's read of a bucket fails."""
    assert error_of(getattr(bucket, operation), Bucket=BUCKET)[0] in (codes or ("",))


def test_head_request_of_a_bucket_returns_its_region(bucket: Any) -> None:
    headers = bucket.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]

    assert headers["x-amz-bucket-region"] == REGION


def test_bucket_tags_are_the_same_in_s3_control(emulator: Running, bucket: Any) -> None:
    """The account is a prefix of the host name, 123456789012.127.0.0.1, which is reached through the proxy."""
    control = client(emulator, "s3control")
    where = {"AccountId": ACCOUNT, "ResourceArn": BUCKET_ARN}
    first, second = {"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}
    bucket.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [first]})

    control.tag_resource(**where, Tags=[second])
    assert bucket.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [first, second]
    control.untag_resource(**where, TagKeys=["a"])
    assert control.list_tags_for_resource(**where)["Tags"] == [second]


def test_payer_of_a_missing_bucket_is_not_found(emulator: Running) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client(emulator, "s3").get_bucket_request_payment(Bucket="missing")


def test_log_group_key_can_be_changed(emulator: Running) -> None:
    logs = client(emulator, "logs")
    logs.create_log_group(logGroupName="keyed")
    principals = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"Service": f"logs.{REGION}.amazonaws.com"}
    statements = [{"Effect": "Allow", "Principal": each, "Action": "kms:*", "Resource": "*"} for each in principals]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key = client(emulator, "kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]

    def group() -> dict[str, Any]:
        found: dict[str, Any] = logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"][0]
        return found

    logs.associate_kms_key(logGroupName="keyed", kmsKeyId=key)
    assert group()["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName="keyed")
    assert "kmsKeyId" not in group()


def test_certificate_options_can_be_changed(emulator: Running) -> None:
    acm = client(emulator, "acm")
    arn = acm.request_certificate(DomainName="example.com", ValidationMethod="DNS")["CertificateArn"]
    off = {"CertificateTransparencyLoggingPreference": "DISABLED"}

    acm.update_certificate_options(CertificateArn=arn, Options=off)

    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Options"].items() >= off.items()


def test_deleted_nat_gateway_is_not_found(emulator: Running) -> None:
    with pytest.raises(ClientError, match="NatGatewayNotFound"):
        client(emulator, "ec2").delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0")


def test_load_balancer_and_listener_have_every_attribute_that_the_plugin_reads(emulator: Running) -> None:
    ec2, elb = client(emulator, "ec2"), client(emulator, "elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    balancer = elb.create_load_balancer(Name="read", Type="network", Subnets=[subnet])["LoadBalancers"][0]
    group = elb.create_target_group(Name="read", Protocol="TCP", Port=80, VpcId=vpc, TargetType="ip")
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroups"][0]["TargetGroupArn"]}]
    arn = balancer["LoadBalancerArn"]
    listener = elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=forward)["Listeners"][0]

    assert "MinimumLoadBalancerCapacity" not in elb.describe_capacity_reservation(LoadBalancerArn=arn)
    attributes = elb.describe_listener_attributes(ListenerArn=listener["ListenerArn"])["Attributes"]
    assert {each["Key"] for each in attributes} == {"tcp.idle_timeout.seconds"}


def test_function_has_every_attribute_that_the_plugin_reads(emulator: Running) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client(emulator, "iam").create_role(RoleName="read", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("a.py", "def b(event, context): pass")
    functions = client(emulator, "lambda")
    made = {"FunctionName": "read", "Runtime": "python3.13", "Role": role, "Handler": "a.b"}
    functions.create_function(**made, Code={"ZipFile": code.getvalue()})

    assert "CodeSigningConfigArn" not in functions.get_function_code_signing_config(FunctionName="read")
    assert functions.list_versions_by_function(FunctionName="read")["Versions"][-1]["Version"] == "$LATEST"
    configuration = functions.get_function(FunctionName="read")["Configuration"]
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
