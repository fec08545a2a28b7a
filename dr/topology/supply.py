"""Where nodes pull images and the program reads charts: upstream registries, or the region's own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Supply(StrEnum):
    """Source of images and charts."""

    MIRROR = "mirror"
    """The region's own registry: nothing outside the region is needed."""
    UPSTREAM = "upstream"
    """The registries and chart repositories of their publishers."""


class Kind(StrEnum):
    """A repository of a region's registry; also the last part of its name."""

    SERVING = "serving"
    """Images of settings: the inference pod's, and the one that runs this project's code."""
    ADDONS = "addons"
    """Images of the charts' pods."""
    CHARTS = "charts"
    """Helm charts."""


def registry(account: str, region: str) -> str:
    """Return the host of a region's registry (Amazon ECR user guide, "Amazon ECR private registry").

    Args:
        account: The AWS account's twelve digits.
        region: The region.
    """
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def repository(prefix: str, kind: Kind) -> str:
    """Return the name of a repository; both regions have the same.

    Args:
        prefix: `dr:bucketPrefix`.
        kind: Content of the repository.
    """
    return f"{prefix}/{kind}"


def repositories(prefix: str) -> Mapping[Kind, str]:
    """Return the names of all repositories."""
    return {kind: repository(prefix, kind) for kind in Kind}
