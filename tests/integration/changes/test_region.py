"""Resources of both regions except the network: ingress, cluster and quotas, read back with boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dr.errors import Failed
from sandbox.emulator_client import ask
from tests.support.sandbox import SandboxUnderTest, warned
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
NAMES = {"inference.ml.example.com", "inference-primary.ml.example.com", "inference-dr.ml.example.com"}


@pytest.fixture
def quota(deployed: SandboxUnderTest) -> Iterator[Any]:
    """A function that sets the GPU quota of the recovery region."""

    def set_to(vcpus: int) -> None:
        ask(deployed.server, "POST", "quotas", {"region": WEST, "service": "ec2", "code": "L-DB2E81BA", "value": vcpus})

    yield set_to
    set_to(768)
    deployed.configure("dr", tier=None)


@pytest.mark.parametrize("region", [EAST, WEST])
def test_ingress_is_a_network_load_balancer_with_an_issued_certificate(deployed: SandboxUnderTest, region: str) -> None:
    elb = deployed.client("elbv2", region)
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert (balancer["Type"], len(balancer["AvailabilityZones"])) == ("network", 3)
    assert len(balancer["SecurityGroups"]) == 1
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert (listener["Protocol"], listener["Port"]) == ("TLS", 443)
    acm = deployed.client("acm", region)
    (certificate,) = (each["CertificateArn"] for each in listener["Certificates"])
    found = acm.describe_certificate(CertificateArn=certificate)["Certificate"]
    assert found["Status"] == "ISSUED"
    assert {each["DomainName"] for each in found["DomainValidationOptions"]} == NAMES
    (group,) = elb.describe_target_groups()["TargetGroups"]
    assert (group["TargetType"], group["Port"], group["HealthCheckPath"]) == ("ip", 8080, "/v2/models/digits/ready")


def test_health_checkers_and_prober_measure_an_endpoint_that_admits_only_some_addresses(
    deployed: SandboxUnderTest,
) -> None:
    ec2 = deployed.client("ec2", EAST)
    (balancer,) = deployed.client("elbv2", EAST).describe_load_balancers()["LoadBalancers"]
    (group,) = balancer["SecurityGroups"]
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = [
        each
        for each in ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        if not each["IsEgress"]
    ]
    blocks = [each["CidrIpv4"] for each in rules if each.get("CidrIpv4")]
    (checkers,) = (each for each in rules if each.get("PrefixListId"))
    assert blocks == ["203.0.113.0/24"], "neither the prober's address nor the checkers'"
    assert primary_health(deployed) == 1.0

    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[checkers["SecurityGroupRuleId"]])
    assert primary_health(deployed) == 0.0

    deployed.engine.refresh("primary")
    assert deployed.engine.up("primary").counts["create"] == 1
    assert primary_health(deployed) == 1.0


def primary_health(deployed: SandboxUnderTest) -> float:
    """Return what the prober measures of the primary region's endpoint, after three checks of the health checkers."""
    deployed.advance(1)
    answer = deployed.client("lambda", WEST).invoke(FunctionName="ml-dr-prober", Payload=b"{}")
    return float(json.loads(answer["Payload"].read())["values"][f"EndpointHealthy {EAST}"])


def test_certificate_validation_records_belong_only_to_the_primary_stack(deployed: SandboxUnderTest) -> None:
    owners = {
        stack: [each for each in deployed.engine.resources(stack) if "inference-inference" in each["urn"]]
        for stack in ("primary", "dr")
    }

    assert {each["type"] for each in owners["primary"]} == {"aws:route53/record:Record"}
    assert owners["dr"] == []


@pytest.mark.parametrize(("region", "gpus"), [(EAST, 2), (WEST, 0)])
def test_each_region_has_a_cluster_with_nodes_of_its_tier_in_each_zone(
    deployed: SandboxUnderTest, region: str, gpus: int
) -> None:
    eks = deployed.client("eks", region)
    cluster = eks.describe_cluster(name="ml-dr")["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert (network["endpointPrivateAccess"], network["publicAccessCidrs"]) == (True, ["203.0.113.0/24"])
    assert len(network["subnetIds"]) == 3
    on = [each["types"] for each in cluster["logging"]["clusterLogging"] if each["enabled"]]
    assert set(on[0]) >= {"api", "audit", "authenticator"}
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"]
    expected = sorted([*[("gpu", 1, gpus, gpus)] * 3, ("system", 3, 2, 2)])

    def sizes() -> list[tuple[str, int, int, int]]:
        names = eks.list_nodegroups(clusterName="ml-dr")["nodegroups"]
        groups = [eks.describe_nodegroup(clusterName="ml-dr", nodegroupName=name)["nodegroup"] for name in names]
        return sorted(
            (
                each["labels"]["pool"],
                len(each["subnets"]),
                each["scalingConfig"]["minSize"],
                each["scalingConfig"]["desiredSize"],
            )
            for each in groups
        )

    # The autoscaler may still remove nodes of an earlier test.
    wait_for(lambda: sizes() == expected)
    groups = deployed.client("autoscaling", region).describe_auto_scaling_groups()["AutoScalingGroups"]
    assert sorted(each["DesiredCapacity"] for each in groups) == sorted([gpus, gpus, gpus, 2])


def test_inference_pods_have_a_role_limited_to_reading_their_regions_models(deployed: SandboxUnderTest) -> None:
    eks, iam = deployed.client("eks", WEST), deployed.client("iam", EAST)
    (listed,) = eks.list_pod_identity_associations(clusterName="ml-dr", namespace="ml-serving")["associations"]
    id = listed["associationId"]
    role = eks.describe_pod_identity_association(clusterName="ml-dr", associationId=id)["association"]["roleArn"]
    name = role.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    statements = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
    resources = {resource for each in statements for resource in [each["Resource"]]}

    assert {each for each in resources if ":s3:" in each} == {
        "arn:aws:s3:::ml-dr-123456789012-us-west-2-models",
        "arn:aws:s3:::ml-dr-123456789012-us-west-2-models/*",
        "arn:aws:s3:::ml-dr-123456789012-us-west-2-registry",
        "arn:aws:s3:::ml-dr-123456789012-us-west-2-registry/sets/*",
    }
    assert all(":us-west-2:" in each for each in resources if ":kms:" in each)
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


def test_quota_below_the_need_of_a_failover_is_a_warning_at_preview(deployed: SandboxUnderTest, quota: Any) -> None:
    quota(24)
    deployed.configure("dr", tier="warm")
    (said,) = warned(deployed.engine.preview("dr"))

    assert "L-DB2E81BA" in said
    assert "a failover to 10 nodes takes 80" in said


def test_quota_below_the_need_of_the_tier_stops_the_preview(deployed: SandboxUnderTest, quota: Any) -> None:
    quota(23)
    deployed.configure("dr", tier="warm")
    with pytest.raises(Failed, match="is 23 vCPUs, and 3 nodes take 24: 8 each"):
        deployed.engine.preview("dr")


def test_unreadable_quota_is_unknown_and_does_not_stop_the_preview(deployed: SandboxUnderTest) -> None:
    deployed.fault(kind="operation", operation="service-quotas:GetServiceQuota", error="AccessDenied", region=WEST)
    said = warned(deployed.engine.preview("dr"))

    assert len(said) == 2, "GPU and system nodes"
    assert all("unknown, AccessDenied in us-west-2" in each for each in said)
