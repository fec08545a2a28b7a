"""Capacity reservations, quotas, load balancers and certificates, according to their API references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.behaviours.delegations import DELEGATION_SET
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

GPUS = {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA"}
NAME = "inference.ml.example.com"


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Capacity reservations -------------------------------------------------------------------------------------------


def reserve(ec2: Any, **changes: Any) -> dict[str, Any]:
    wanted = {"InstanceType": "g5.2xlarge", "InstancePlatform": "Linux/UNIX", "AvailabilityZone": f"{PRIMARY}a"}
    made = ec2.create_capacity_reservation(**{**wanted, "InstanceCount": 2, **changes})["CapacityReservation"]
    return dict(made)


def test_a_capacity_reservation_is_changed_in_place_and_stays_listed_after_cancellation(aws: Running) -> None:
    ec2 = aws.client("ec2", PRIMARY)
    id = reserve(ec2)["CapacityReservationId"]
    ec2.modify_capacity_reservation(CapacityReservationId=id, InstanceCount=3)
    (found,) = ec2.describe_capacity_reservations(CapacityReservationIds=[id])["CapacityReservations"]
    assert (found["State"], found["TotalInstanceCount"], found["AvailableInstanceCount"]) == ("active", 3, 3)

    ec2.cancel_capacity_reservation(CapacityReservationId=id)
    (found,) = ec2.describe_capacity_reservations()["CapacityReservations"]
    assert (found["State"], found["AvailableInstanceCount"]) == ("cancelled", 0)
    again = refusal(lambda: ec2.modify_capacity_reservation(CapacityReservationId=id, InstanceCount=1))
    assert again[0] == "InvalidCapacityReservationState"


def test_capacity_is_reserved_only_in_zones_that_offer_the_instance_type(aws: Running) -> None:
    ec2 = aws.client("ec2", PRIMARY)
    assert refusal(lambda: reserve(ec2, AvailabilityZone="us-east-1z"))[0] == "InvalidParameterValue"
    assert refusal(lambda: reserve(ec2, InstanceType="g5.2xlrage"))[0] == "Unsupported"
    gone = refusal(lambda: ec2.describe_capacity_reservations(CapacityReservationIds=["cr-0123456789abcdef0"]))
    assert gone[0] == "InvalidCapacityReservationId.NotFound"


def test_capacity_reservations_are_filtered_by_properties_and_tags(aws: Running) -> None:
    ec2 = aws.client("ec2", PRIMARY)
    tags = [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "project", "Value": "ml-dr"}]}]
    gpu = reserve(ec2, TagSpecifications=tags)
    reserve(ec2, InstanceType="m6i.large")
    ec2.cancel_capacity_reservation(CapacityReservationId=reserve(ec2)["CapacityReservationId"])

    wanted = [{"Name": "instance-type", "Values": ["g5.2xlarge"]}, {"Name": "state", "Values": ["active"]}]
    (found,) = ec2.describe_capacity_reservations(Filters=wanted)["CapacityReservations"]
    assert found["CapacityReservationId"] == gpu["CapacityReservationId"]
    assert found["Tags"] == [{"Key": "project", "Value": "ml-dr"}]
    other = refusal(lambda: ec2.describe_capacity_reservations(Filters=[{"Name": "colour", "Values": ["red"]}]))
    assert other[0] == "InvalidParameterValue"


def test_only_a_limited_reservation_has_an_end_date(aws: Running) -> None:
    ec2, day = aws.client("ec2", PRIMARY), "2030-01-31T18:00:00Z"
    assert refusal(lambda: reserve(ec2, EndDateType="limited"))[0] == "MissingParameter"
    assert refusal(lambda: reserve(ec2, EndDate=day))[0] == "InvalidParameterCombination"
    made = reserve(ec2, EndDateType="limited", EndDate=day)
    assert made["EndDate"].year == 2030
    ec2.modify_capacity_reservation(CapacityReservationId=made["CapacityReservationId"], EndDateType="unlimited")
    (found,) = ec2.describe_capacity_reservations()["CapacityReservations"]
    assert "EndDate" not in found


# Quotas ----------------------------------------------------------------------------------------------------------


def test_a_quota_increase_is_granted_in_its_region(aws: Running) -> None:
    east, west = (aws.client("service-quotas", region) for region in (PRIMARY, RECOVERY))
    east.request_service_quota_increase(**GPUS, DesiredValue=1000.0)

    assert east.get_service_quota(**GPUS)["Quota"]["Value"] == 1000
    assert west.get_service_quota(**GPUS)["Quota"]["Value"] == 768
    assert east.get_aws_default_service_quota(**GPUS)["Quota"]["Value"] == 0
    assert "L-417A185B" in [each["QuotaCode"] for each in east.list_service_quotas(ServiceCode="ec2")["Quotas"]]


def test_increases_of_unknown_quotas_and_decreases_are_refused(aws: Running) -> None:
    quotas = aws.client("service-quotas", PRIMARY)
    unknown = refusal(lambda: quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000"))
    assert unknown[0] == "NoSuchResourceException"
    lower = refusal(lambda: quotas.request_service_quota_increase(**GPUS, DesiredValue=1.0))
    assert lower[0] == "IllegalArgumentException"


def test_quota_requests_are_listed_in_their_region(aws: Running) -> None:
    east, west = (aws.client("service-quotas", region) for region in (PRIMARY, RECOVERY))
    asked = east.request_service_quota_increase(**GPUS, DesiredValue=1000.0)["RequestedQuota"]
    (found,) = east.list_requested_service_quota_change_history_by_quota(**GPUS)["RequestedQuotas"]
    assert (found["Id"], found["Status"], found["DesiredValue"]) == (asked["Id"], "APPROVED", 1000)
    assert east.list_requested_service_quota_change_history(ServiceCode="eks")["RequestedQuotas"] == []
    assert east.get_requested_service_quota_change(RequestId=asked["Id"])["RequestedQuota"]["QuotaName"]
    elsewhere = refusal(lambda: west.get_requested_service_quota_change(RequestId=asked["Id"]))
    assert elsewhere[0] == "NoSuchResourceException"


def test_quotas_of_other_services_come_from_moto(aws: Running) -> None:
    quotas = aws.client("service-quotas", PRIMARY)
    assert quotas.list_aws_default_service_quotas(ServiceCode="vpc")["Quotas"]
    assert quotas.list_aws_default_service_quotas(ServiceCode="eks")["Quotas"][0]["Value"] == 100


def test_the_control_api_sets_a_quota(aws: Running, control: Callable[..., Any]) -> None:
    wanted = {"region": RECOVERY, "service": "ec2", "code": "L-DB2E81BA", "value": 16}

    assert control("POST", "quotas", wanted) == wanted
    assert aws.client("service-quotas", RECOVERY).get_service_quota(**GPUS)["Quota"]["Value"] == 16
    assert "known quotas are ec2/L-DB2E81BA" in control("POST", "quotas", {**wanted, "code": "L-1"})["error"]


# Certificates ----------------------------------------------------------------------------------------------------


def request(aws: Running, region: str, *others: str) -> str:
    acm = aws.client("acm", region)
    more = {"SubjectAlternativeNames": list(others)} if others else {}
    return str(acm.request_certificate(DomainName=NAME, ValidationMethod="DNS", **more)["CertificateArn"])


def described(aws: Running, region: str, arn: str) -> dict[str, Any]:
    return dict(aws.client("acm", region).describe_certificate(CertificateArn=arn)["Certificate"])


def prove(aws: Running, record: dict[str, str]) -> None:
    route53 = aws.client("route53", PRIMARY)
    wanted = {"Name": "ml.example.com", "CallerReference": "one", "DelegationSetId": DELEGATION_SET}
    zone = route53.create_hosted_zone(**wanted)["HostedZone"]["Id"]
    made = {"Name": record["Name"], "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": record["Value"]}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": made}]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def test_one_validation_record_serves_a_name_in_every_region(aws: Running) -> None:
    arns = {region: request(aws, region) for region in (PRIMARY, RECOVERY)}
    records = [described(aws, region, arn)["DomainValidationOptions"][0] for region, arn in arns.items()]
    assert [each["ValidationStatus"] for each in records] == ["PENDING_VALIDATION"] * 2
    assert records[0]["ResourceRecord"] == records[1]["ResourceRecord"]

    prove(aws, records[0]["ResourceRecord"])
    assert {described(aws, region, arn)["Status"] for region, arn in arns.items()} == {"ISSUED"}


def test_a_certificate_is_issued_once_every_name_has_its_record(aws: Running) -> None:
    arn = request(aws, PRIMARY, "inference-dr.ml.example.com")
    options = {each["DomainName"]: each for each in described(aws, PRIMARY, arn)["DomainValidationOptions"]}
    prove(aws, options[NAME]["ResourceRecord"])
    found = described(aws, PRIMARY, arn)

    assert found["Status"] == "PENDING_VALIDATION"
    assert {each["DomainName"]: each["ValidationStatus"] for each in found["DomainValidationOptions"]} == {
        NAME: "SUCCESS",
        "inference-dr.ml.example.com": "PENDING_VALIDATION",
    }


# Load balancers --------------------------------------------------------------------------------------------------


def balancer(aws: Running, region: str = PRIMARY) -> dict[str, Any]:
    ec2 = aws.client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.attach_internet_gateway(
        InternetGatewayId=ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"], VpcId=vpc
    )
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    elb = aws.client("elbv2", region)
    return dict(elb.create_load_balancer(Name="ml-dr", Type="network", Subnets=[subnet])["LoadBalancers"][0])


@pytest.mark.parametrize(("region", "zone"), [(PRIMARY, "Z26RNL4JYFTOTI"), (RECOVERY, "Z18D5FSROUN65G")])
def test_a_network_load_balancer_has_the_name_and_zone_of_its_region(aws: Running, region: str, zone: str) -> None:
    made = balancer(aws, region)
    (found,) = aws.client("elbv2", region).describe_load_balancers()["LoadBalancers"]

    assert made["DNSName"] == found["DNSName"]
    assert found["DNSName"].startswith("ml-dr-")
    assert found["DNSName"].endswith(f".elb.{region}.amazonaws.com")
    assert found["CanonicalHostedZoneId"] == zone


def test_a_load_balancer_with_deletion_protection_is_not_deleted(aws: Running) -> None:
    elb, arn = aws.client("elbv2", PRIMARY), balancer(aws)["LoadBalancerArn"]
    flag = "deletion_protection.enabled"
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": flag, "Value": "true"}])
    assert refusal(lambda: elb.delete_load_balancer(LoadBalancerArn=arn))[0] == "OperationNotPermitted"
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": flag, "Value": "false"}])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert elb.describe_load_balancers()["LoadBalancers"] == []


def listen(aws: Running, balancer: str, group: str, certificate: str) -> Any:
    return aws.client("elbv2", PRIMARY).create_listener(
        LoadBalancerArn=balancer,
        Protocol="TLS",
        Port=443,
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )


def test_a_listener_needs_an_issued_certificate_which_cannot_be_deleted_then(aws: Running) -> None:
    elb, made = aws.client("elbv2", PRIMARY), balancer(aws)
    wanted = {"Name": "pods", "Protocol": "TCP", "Port": 8080, "VpcId": made["VpcId"], "TargetType": "ip"}
    group = elb.create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
    assert elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] == []
    arn = request(aws, PRIMARY)
    pending = refusal(lambda: listen(aws, made["LoadBalancerArn"], group, arn))
    assert pending[0] == "UnsupportedCertificate"
    assert refusal(lambda: listen(aws, made["LoadBalancerArn"], group, f"{arn}0"))[0] == "CertificateNotFound"

    prove(aws, described(aws, PRIMARY, arn)["DomainValidationOptions"][0]["ResourceRecord"])
    assert described(aws, PRIMARY, arn)["Status"] == "ISSUED"
    listen(aws, made["LoadBalancerArn"], group, arn)
    held = refusal(lambda: aws.client("acm", PRIMARY).delete_certificate(CertificateArn=arn))
    assert held[0] == "ResourceInUseException"
