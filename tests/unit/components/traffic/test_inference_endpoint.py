from typing import Any

import pytest

from components.traffic.inference_endpoint import InferenceEndpoint, InferenceEndpointArgs
from tests.support.mocks import Cloud, deploy

READY_PATH = "/v2/models/digits/ready"


def endpoint(**changes: Any) -> Cloud:
    values = {
        "label": "ml-dr",
        "region": "us-west-2",
        "vpc_id": "vpc-1",
        "vpc_cidr": "10.1.0.0/16",
        "public_subnet_ids": ["subnet-a", "subnet-b"],
        "certificate_arn": "arn:aws:acm:us-west-2:123456789012:certificate/tls",
        "ready_path": READY_PATH,
        "client_cidrs": ["203.0.113.0/24"],
        "checkers": "pl-checkers",
        "tags": {"project": "ml-dr"},
        **changes,
    }
    return deploy(lambda: InferenceEndpoint("inference", InferenceEndpointArgs(**values)))


def test_the_load_balancer_is_internet_facing_in_every_zone_with_a_security_group() -> None:
    made = endpoint().one("LoadBalancer", "inference")

    assert (made["loadBalancerType"], made["internal"]) == ("network", False)
    assert made["subnets"] == ["subnet-a", "subnet-b"]
    assert made["securityGroups"] == ["sg-inference-clients"]
    assert made["enableCrossZoneLoadBalancing"]


@pytest.mark.parametrize("protect", [True, False])
def test_protect_enables_deletion_protection_of_the_load_balancer(protect: bool) -> None:
    cloud = endpoint(protect=protect)

    assert cloud.one("LoadBalancer", "inference")["enableDeletionProtection"] is protect
    assert cloud.of("LoadBalancer")["inference"].protect is protect


def test_ingress_is_tls_from_clients_and_egress_is_to_pods() -> None:
    cloud = endpoint(client_cidrs=["203.0.113.0/24", "198.51.100.0/24"])
    ingress = [each.inputs for each in cloud.of("SecurityGroupIngressRule").values()]
    (egress,) = (each.inputs for each in cloud.of("SecurityGroupEgressRule").values())

    assert {each["cidrIpv4"] for each in ingress if "cidrIpv4" in each} == {"203.0.113.0/24", "198.51.100.0/24"}
    assert [each["prefixListId"] for each in ingress if "prefixListId" in each] == ["pl-checkers"]
    assert {(each["fromPort"], each["toPort"]) for each in ingress} == {(443, 443)}
    assert (egress["cidrIpv4"], egress["fromPort"], egress["toPort"]) == ("10.1.0.0/16", 8080, 8080)


def test_the_listener_terminates_tls_and_forwards_to_pods() -> None:
    cloud = endpoint()
    listener = cloud.one("Listener", "inference-tls")

    assert (listener["port"], listener["protocol"]) == (443, "TLS")
    assert listener["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert listener["certificateArn"].endswith(":certificate/tls")
    (action,) = listener["defaultActions"]
    assert (action["type"], action["targetGroupArn"].partition(":targetgroup/")[1]) == ("forward", ":targetgroup/")


def test_target_health_checks_use_the_readiness_path() -> None:
    group = endpoint().one("TargetGroup", "inference-pods")

    assert (group["targetType"], group["port"], group["protocol"]) == ("ip", 8080, "TCP")
    assert (group["healthCheck"]["path"], group["healthCheck"]["protocol"]) == (READY_PATH, "HTTP")


def test_resources_have_the_tags_and_are_in_the_region() -> None:
    made = endpoint().resources

    assert all(each.inputs["tags"]["project"] == "ml-dr" for each in made)
    assert {each.inputs["region"] for each in made} == {"us-west-2"}
