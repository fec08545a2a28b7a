import pytest

from components.data.data_keys import DataKeys, DataKeysArgs
from tests.support.mocks import Cloud, deploy


def args(**changes: object) -> DataKeysArgs:
    values = {"alias": "ml-dr", "source_region": "us-east-1", "replica_region": "us-west-2", **changes}
    return DataKeysArgs(**values)  # type: ignore[arg-type]


def keys(**changes: object) -> Cloud:
    return deploy(lambda: DataKeys("data", args(**changes)))


def test_each_region_has_a_single_region_key_with_rotation() -> None:
    made = keys().of("Key")

    assert {key.inputs["region"] for key in made.values()} == {"us-east-1", "us-west-2"}
    assert all(key.inputs["enableKeyRotation"] for key in made.values())
    assert not any(key.inputs.get("multiRegion") for key in made.values())


def test_both_keys_have_the_same_alias() -> None:
    aliases = keys().of("Alias").values()

    assert {(alias.inputs["name"], alias.inputs["region"]) for alias in aliases} == {
        ("alias/ml-dr", "us-east-1"),
        ("alias/ml-dr", "us-west-2"),
    }


def test_both_keys_are_protected_from_deletion() -> None:
    made = keys().resources

    assert len(made) == 4
    assert all(each.protect and each.retain_on_delete for each in made)


def test_without_protect_no_resource_is_protected_or_retained() -> None:
    assert not any(made.protect or made.retain_on_delete for made in keys(protect=False).resources)


def test_two_keys_in_one_region_are_refused() -> None:
    with pytest.raises(ValueError, match="both KMS keys would be in us-east-1"):
        args(replica_region="us-east-1")
