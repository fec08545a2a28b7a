import pytest

from dr.errors import Invalid
from dr.preflight import quotas
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from sandbox.aws.extensions import service_quotas
from sandbox.aws.faults import parse
from sandbox.server import Running

WARM = capacity(Workload(), Tier.WARM, 3)
"""Three nodes with eight vCPUs each, and ten after a failover."""
REGION = "us-west-2"


def have(vcpus: float) -> None:
    service_quotas.set_value(REGION, "ec2", "L-DB2E81BA", vcpus)


@pytest.mark.usefixtures("aws")
def test_quota_sufficient_for_a_failover_is_not_reported() -> None:
    have(80)

    assert quotas.check(WARM, REGION) == []


@pytest.mark.usefixtures("aws")
def test_quota_below_the_need_of_a_failover_is_a_warning_with_the_calculation() -> None:
    have(79)
    (said,) = quotas.check(WARM, REGION)

    assert 'quota L-DB2E81BA, "Running On-Demand G and VT instances", in us-west-2 is 79 vCPUs' in said
    assert "enough for the 3 nodes of this tier, but a failover to 10 nodes takes 80" in said
    assert "--quota-code L-DB2E81BA --desired-value 80 --region us-west-2" in said


@pytest.mark.usefixtures("aws")
def test_quota_below_the_need_of_the_tier_is_refused() -> None:
    have(23)
    with pytest.raises(Invalid) as caught:
        quotas.check(WARM, REGION)

    assert "is 23 vCPUs, and 3 nodes take 24: 8 each" in str(caught.value)


def test_unreadable_quota_is_unknown_and_only_a_warning(aws: Running) -> None:
    aws.emulator.faults.add(
        parse({"kind": "operation", "operation": "service-quotas:GetServiceQuota", "error": "AccessDenied"})
    )
    (said,) = quotas.check(WARM, REGION)

    assert "unknown" in said
    assert "a failover needs 80 vCPUs" in said


@pytest.mark.usefixtures("aws")
def test_update_of_system_nodes_counts_two_more_nodes_in_each_zone() -> None:
    service_quotas.set_value(REGION, "ec2", "L-1216C47A", 15)
    with pytest.raises(Invalid) as caught:
        quotas.check(WARM, REGION, system_zones=3)
    service_quotas.set_value(REGION, "ec2", "L-1216C47A", 23)
    (said,) = quotas.check(WARM, REGION, system_zones=3)

    assert "is 15 vCPUs, and 2 system nodes and the 6 that an update adds take 16: 2 each" in str(caught.value)
    assert "a failover to 6 system nodes, with the 6 that an update adds, takes 24" in said


def test_update_of_gpu_nodes_needs_no_more_than_run() -> None:
    assert [(need.quota.code, need.now, need.most) for need in quotas.needs(WARM)] == [("L-DB2E81BA", 24, 80)]
