import json

import pytest

from components.data.data_keys import DataKeys, DataKeysArgs
from components.data.model_images import ModelImages, ModelImagesArgs
from tests.support.mocks import Cloud, deploy

REPOSITORIES = ["addons", "charts", "serving"]


def images(**changes: object) -> Cloud:
    def program() -> None:
        keys = DataKeys("data", DataKeysArgs("ml-dr", "us-east-1", "us-west-2"))
        fields = {
            "prefix": "ml-dr",
            "account": "123456789012",
            "source_region": "us-east-1",
            "replica_region": "us-west-2",
            "keys": keys,
        }
        ModelImages("images", ModelImagesArgs(**{**fields, **changes}))  # type: ignore[arg-type]

    return deploy(program)


def test_each_region_has_the_same_repositories() -> None:
    made = images().of("Repository").values()

    for region in ("us-east-1", "us-west-2"):
        assert sorted(each.inputs["name"] for each in made if each.inputs["region"] == region) == [
            f"ml-dr/{name}" for name in REPOSITORIES
        ]


@pytest.mark.parametrize(("side", "key"), [("source", "data-source"), ("replica", "data-replica")])
def test_repository_has_immutable_tags_scans_and_the_key_of_its_region(side: str, key: str) -> None:
    cloud = images()
    made = cloud.one("Repository", f"images-{side}-serving")

    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    (encryption,) = made["encryptionConfigurations"]
    assert encryption["encryptionType"] == "KMS"
    assert key in encryption["kmsKey"]


def test_repositories_of_both_regions_are_protected_and_kept() -> None:
    for made in images().of("Repository").values():
        assert made.protect
        assert made.retain_on_delete
        assert made.inputs["forceDelete"] is False


def test_repositories_without_protection_are_deleted_with_their_images() -> None:
    for made in images(protect=False).of("Repository").values():
        assert not made.protect
        assert made.inputs["forceDelete"] is True


def test_lifecycle_expires_untagged_images_and_keeps_the_newest_tagged() -> None:
    policies = [json.loads(each.inputs["policy"])["rules"] for each in images().of("LifecyclePolicy").values()]

    assert len(policies) == 2 * len(REPOSITORIES)
    for untagged, newest in policies:
        assert untagged["selection"]["tagStatus"] == "untagged"
        assert newest["selection"] == {
            "tagStatus": "tagged",
            "tagPatternList": ["*"],
            "countType": "imageCountMoreThan",
            "countNumber": 300,
        }


def test_own_repositories_are_replicated_to_the_other_region() -> None:
    made = images().of("ReplicationConfiguration")["images-replication"]

    assert made.inputs["replicationConfiguration"] == {
        "rules": [
            {
                "destinations": [{"region": "us-west-2", "registryId": "123456789012"}],
                "repositoryFilters": [{"filter": "ml-dr/", "filterType": "PREFIX_MATCH"}],
            }
        ]
    }
    assert made.inputs["region"] == "us-east-1"
    # Deleting it would delete rules that others have added.
    assert made.retain_on_delete


def test_rules_of_others_are_left_alone() -> None:
    assert not images(replicates=False).of("ReplicationConfiguration")


def test_both_registries_in_one_region_are_refused() -> None:
    with pytest.raises(ValueError, match="both registries would be in us-east-1"):
        images(replica_region="us-east-1")
