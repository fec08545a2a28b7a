"""A region's own registry: what it holds, and the archives of its charts. Reads only, in that region only."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from dr.clients import Unreachable, calls, client
from dr.errors import Failed, Problem
from dr.supply.chart_artifact import MANIFEST, archive_digest, digest
from dr.topology.supply import Kind, registry, repositories, repository

DOWNLOAD_SECONDS = 30.0


@dataclass(frozen=True)
class Held:
    """Content of a region's registry.

    Args:
        region: The region.
        digests: Digests by repository.
        tags: Digest by tag, by repository.
    """

    region: str
    digests: Mapping[Kind, frozenset[str]]
    tags: Mapping[Kind, Mapping[str, str]]


@dataclass(frozen=True)
class RegionRegistry:
    """The registry of an account in a region.

    Args:
        account: The AWS account's twelve digits.
        region: The region.
        prefix: `dr:bucketPrefix`, the first part of the repositories' names.
    """

    account: str
    region: str
    prefix: str

    @property
    def host(self) -> str:
        """Its host name."""
        return registry(self.account, self.region)

    def repository(self, kind: Kind) -> str:
        """Return a repository with its host."""
        return f"{self.host}/{repository(self.prefix, kind)}"

    def reference(self, kind: Kind, digest: str) -> str:
        """Return the reference of an image or chart by its digest."""
        return f"{self.repository(kind)}@{digest}"

    def held(self) -> Held:
        """Return what the registry holds.

        Raises:
            Missing: A repository does not exist.
            Unreachable: The region does not answer.
            Failed: ECR refused the request.
        """
        names = repositories(self.prefix)
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            found = dict(zip(names, pool.map(self._images, names.values()), strict=True))
        digests = {kind: frozenset(each["imageDigest"] for each in images) for kind, images in found.items()}
        tags = {
            kind: {tag: each["imageDigest"] for each in images for tag in each.get("imageTags", ())}
            for kind, images in found.items()
        }
        return Held(self.region, digests, tags)

    def authorization(self) -> str:
        """Return user and password of the registry, in base64, as Docker's configuration holds them: for 12 hours.

        Raises:
            Unreachable: The region does not answer.
            Failed: ECR refused the request.
        """
        with calls(f"registry {self.host}", self.region):
            answer = client("ecr", self.region).get_authorization_token()
        return str(answer["authorizationData"][0]["authorizationToken"])

    def chart(self, name: str, wanted: str) -> bytes:
        """Return the archive of a chart, verified by digest.

        Args:
            name: The chart, for the message.
            wanted: Digest of its manifest.

        Raises:
            Failed: The registry lacks it, or returns something else.
            Unreachable: The region does not answer.
        """
        subject, ecr = f"chart {name} in {self.host}", client("ecr", self.region)
        where = repository(self.prefix, Kind.CHARTS)
        with calls(subject, self.region):
            images = ecr.batch_get_image(
                repositoryName=where, imageIds=[{"imageDigest": wanted}], acceptedMediaTypes=[MANIFEST]
            )["images"]
            if not images:
                raise Failed(Problem(subject, f"the registry has no {wanted}", "`dr supply sync`"))
            manifest = str(images[0]["imageManifest"])
            layer = archive_digest(json.loads(verified(manifest.encode(), wanted, subject)), subject)
            url = ecr.get_download_url_for_layer(repositoryName=where, layerDigest=layer)["downloadUrl"]
        return verified(download(url, subject), layer, subject)

    def _images(self, name: str) -> list[dict[str, Any]]:
        with calls(f"repository {name}", self.region):
            pages = client("ecr", self.region).get_paginator("describe_images").paginate(repositoryName=name)
            return [each for page in pages for each in page["imageDetails"]]


def verified(content: bytes, wanted: str, subject: str) -> bytes:
    """Return content that has a digest.

    Raises:
        Failed: It has another one.
    """
    if (found := digest(content)) != wanted:
        raise Failed(Problem(subject, f"its content is {found} instead of {wanted}", "`dr supply check`"))
    return content


def download(url: str, subject: str) -> bytes:
    """Return the content of an `https://` or `http://` URL, through the proxy of the environment.

    Raises:
        Unreachable: The host does not answer, or not with the content.
    """
    if not url.startswith(("https://", "http://")):
        raise Failed(Problem(subject, f'"{url}" is not an HTTP URL', "check the chart's repository"))
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310 - checked above
            content: bytes = answer.read()
            return content
    except (OSError, HTTPException) as error:
        address = url.partition("?")[0]  # the query may hold a signature
        raise Unreachable(Problem(subject, f"{address}: {error}", "check the network, then run it again")) from error
