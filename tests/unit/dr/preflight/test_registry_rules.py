"""The replication rules of a registry, which all deployments of an account share."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr.preflight import registry_rules
from dr.topology.topology import Role
from tests.support.builders import topology


@pytest.fixture
def ecr() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ecr", "us-east-1")


def put(ecr: Any, prefix: str) -> None:
    rule = {
        "destinations": [{"region": "us-west-2", "registryId": "123456789012"}],
        "repositoryFilters": [{"filter": prefix, "filterType": "PREFIX_MATCH"}],
    }
    ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})


def test_registry_without_rules_gets_those_of_the_deployment(ecr: Any) -> None:
    assert registry_rules.find(topology()) == (True, [])


def test_own_rules_are_kept(ecr: Any) -> None:
    put(ecr, "ml-dr/")

    assert registry_rules.find(topology()) == (True, [])


def test_rules_of_others_are_not_replaced_and_a_warning_says_so(ecr: Any) -> None:
    put(ecr, "team/")

    allowed, (warning,) = registry_rules.find(topology())

    assert not allowed
    assert "it has 1 replication rules of others" in warning
    assert "add a rule with the filter ml-dr/ to us-west-2 by hand" in warning


def test_recovery_stack_sets_no_rules(ecr: Any) -> None:
    assert registry_rules.find(topology(Role.RECOVERY)) == (False, [])
