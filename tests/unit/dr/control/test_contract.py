import json

import pytest

from dr.control import contract
from dr.errors import Invalid
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import DATABASE, DNS, half, topology


@pytest.mark.parametrize("role", list(Role))
def test_a_half_is_equal_after_writing_and_reading(role: Role) -> None:
    written = half(role)

    assert contract.parse(json.dumps(written.to_dict()), "test") == written


def test_only_the_primary_half_has_bucket_pairs_and_only_the_recovery_half_the_tier() -> None:
    assert set(half(Role.PRIMARY).buckets) == {"datasets", "models", "registry", "control", "velero"}
    assert half(Role.PRIMARY).tier is None
    assert half(Role.RECOVERY).tier is Tier.PILOT
    assert (half(Role.RECOVERY).configured, half(Role.PRIMARY).configured) == (Tier.PILOT, None)
    raised = topology(Role.RECOVERY).with_activation(Tier.WARM)
    document = contract.document(raised, "dr", DNS)
    assert (document["tier"], document["configured"]) == ("warm", "pilot")
    assert not half(Role.RECOVERY).buckets


def test_a_half_has_the_address_of_its_cluster_and_its_deployment() -> None:
    assert half().cluster is None
    read = half(cluster={"name": "ml-dr", "endpoint": "https://x", "ca_data": "UEVN"}).cluster

    assert read is not None
    assert (read.name, read.ca_data, read.namespace) == ("ml-dr", "UEVN", "ml-serving")


def test_a_half_with_a_database_is_equal_after_writing_and_reading() -> None:
    written = half(database=DATABASE)

    assert half().database is None
    assert written.database
    assert (written.database.cluster, written.database.instances) == ("ml-dr-primary", ("ml-dr-primary-1",))
    assert contract.parse(json.dumps(written.to_dict()), "test") == written


def test_a_contract_of_a_newer_version_is_refused_naming_both_versions() -> None:
    with pytest.raises(Invalid) as caught:
        half(Role.PRIMARY, version=contract.VERSION + 1)

    assert "version 2, written by a newer program; this one reads 1" in str(caught.value)
    assert "git pull" in str(caught.value)


@pytest.mark.parametrize("field", ["role", "region", "account", "stack", "dns", "buckets", "tier", "version"])
def test_a_contract_without_a_field_is_refused(field: str) -> None:
    values = half().to_dict()
    del values[field]
    with pytest.raises(Invalid, match="not a valid contract"):
        contract.parse(json.dumps(values), "test")


@pytest.mark.parametrize("text", ["", "null", "[]", "{"])
def test_text_that_is_not_a_contract_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not a valid contract"):
        contract.parse(text, "test")
