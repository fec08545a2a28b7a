"""Validation of every object against the schemas of the pinned Kubernetes version and the next."""

import copy
from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest

from dr.clusters.versions import TABLE
from dr.topology.tiers import Tier
from tests.support.kubernetes import CUSTOM, manifests

MAJOR, MINOR = TABLE.kubernetes.split(".")
VERSIONS = (TABLE.kubernetes, f"{MAJOR}.{int(MINOR) + 1}")


def named(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def built_in(tier: Tier) -> list[Mapping[str, Any]]:
    return [each for each in manifests(tier) if not str(each["apiVersion"]).startswith(CUSTOM)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tier", [Tier.PILOT, Tier.ACTIVE])
def test_every_object_is_valid(version: str, tier: Tier) -> None:
    for manifest in built_in(tier):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_an_unknown_field_is_reported() -> None:
    (deployment,) = (copy.deepcopy(dict(each)) for each in built_in(Tier.ACTIVE) if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(deployment, TABLE.kubernetes, strict=True)


def test_object_names_are_unique() -> None:
    made = [(each["metadata"].get("namespace"), named(each)) for each in manifests()]

    assert len(made) == len(set(made))
