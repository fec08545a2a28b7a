"""Registries of the account: `<account>.dkr.ecr.<region>.amazonaws.com`, with Amazon ECR's rules.

Repositories and images are those of the emulated ECR; manifests and layers are in an OCI registry of each region. The
rules are those of the ECR user guide: authorization ("Private registry authentication"), tags that cannot be
overwritten ("Preventing image tags from being overwritten"; aws/containers-roadmap #2380: also not by the same image),
and replication ("Private image replication"): only of pushed images, and without a tag that the destination has.
"""

from __future__ import annotations

import base64
import re
import threading
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends

from dr.errors import DrError
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.faults import Faults
from sandbox.charts.images import blobs_of
from sandbox.charts.oci import digest
from sandbox.charts.registry import Registry

HOST = re.compile(rf"{ACCOUNT}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<rest>.*)")
LAYERS = "/_layers/"
"""Path of layers that GetDownloadUrlForLayer names: region and digest follow."""
PASSED_ON = (
    *("content-length", "content-type", "docker-content-digest", "docker-distribution-api-version"),
    *("location", "range", "docker-upload-uuid"),
)
RETRY_SECONDS = 0.2


class RegionRegistries:
    """The registries of all regions.

    Args:
        folder: Folder of their content.
        faults: Injected faults.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        self._folder, self._faults = folder, faults
        self._lock = threading.Lock()
        self._registries: dict[str, Registry] = {}
        self._copies: deque[Copy] = deque()
        self._pushed, self._ended = threading.Condition(), False
        self._thread: threading.Thread | None = None

    def site(self, host: str) -> RegionSite | None:
        """Return the site of a registry's host; None for other hosts."""
        match = HOST.fullmatch(host)
        return RegionSite(self, match[1]) if match else None

    def layer(self, path: str) -> Answer:
        """Return a layer, by the path of its download URL. Raises ConnectionCutError."""
        region, _, wanted = path.removeprefix(LAYERS).partition("/")
        self.require(region)
        answer = self.registry(region).request("GET", f"/v2/layers/blobs/{wanted}")
        return Answer(answer.status, answer.data, {"Content-Type": "application/octet-stream"})

    def require(self, region: str) -> None:
        """Raise ConnectionCutError if a region cannot be reached."""
        if self._faults.unreachable(region):
            raise ConnectionCutError(f"the registry of {region} cannot be reached")

    def registry(self, region: str) -> Registry:
        """Return the OCI registry of a region."""
        with self._lock:
            if region not in self._registries:
                self._registries[region] = Registry(self._folder / region)
            return self._registries[region]

    def replicate(self, region: str, name: str, image: Image, tag: str | None) -> None:
        """Queue the copies of a pushed image that the replication rules of its registry demand."""
        rules = ecr_backends[ACCOUNT][region].replication_config.get("rules", [])
        places = {
            destination["region"]
            for rule in rules
            if not rule.get("repositoryFilters")
            or any(name.startswith(each["filter"]) for each in rule["repositoryFilters"])
            for destination in rule["destinations"]
        }
        with self._pushed:
            self._copies.extend(Copy(region, place, name, image, tag) for place in sorted(places - {region}))
            if self._copies and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="image replication", daemon=True)
                self._thread.start()
            self._pushed.notify()

    def stop(self) -> None:
        """Stop replication and all registries."""
        with self._pushed:
            self._ended = True
            self._pushed.notify()
        if self._thread:
            self._thread.join()
        for registry in self._registries.values():
            registry.stop()

    def _work(self) -> None:
        while True:
            with self._pushed:
                while not self._ended and not self._copies:
                    self._pushed.wait()
                if self._ended:
                    return
                copy = self._copies.popleft()
            try:
                if self._faults.unreachable(copy.source) or self._faults.unreachable(copy.place):
                    raise ConnectionCutError("a region cannot be reached")
                self._copy(copy)
            except (DrError, ConnectionCutError):
                with self._pushed:
                    self._copies.append(copy)
                    self._pushed.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - the other copies go on
                traceback.print_exc()

    def _copy(self, copy: Copy) -> None:
        source, target = self.registry(copy.source), self.registry(copy.place)
        manifest = copy.image.image_manifest.encode()
        pushed = ecr_backends[ACCOUNT][copy.source].repositories.get(copy.name)
        if pushed is None or find(pushed, digest(manifest)) is None:
            return  # deleted meanwhile
        for blob in blobs_of(manifest):
            content = source.request("GET", f"/v2/{copy.name}/blobs/{blob}").data
            target.request("POST", f"/v2/{copy.name}/blobs/uploads/?digest={blob}", content, {})
        backend: ECRBackend = ecr_backends[ACCOUNT][copy.place]
        if copy.name not in backend.repositories:
            # A repository that replication creates has the default settings.
            backend.create_repository(copy.name, None, {"encryptionType": "AES256"}, None, "MUTABLE", [])
        repository = backend.repositories[copy.name]
        kind = copy.image.image_manifest_media_type
        put(target, copy.name, digest(manifest), manifest, str(kind))
        record(repository, manifest, str(kind), copy.tag if copy.tag and not tagged(repository, copy.tag) else None)


@dataclass(frozen=True)
class Copy:
    """A copy to make.

    Args:
        source: Region of the push.
        place: Region of the copy.
        name: The repository.
        image: The image.
        tag: Its tag, if it was pushed with one.
    """

    source: str
    place: str
    name: str
    image: Image
    tag: str | None


@dataclass(frozen=True)
class RegionSite:
    """The registry of one region.

    Args:
        registries: All registries.
        region: The region.
    """

    registries: RegionRegistries
    region: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the response to a WSGI request. Raises ConnectionCutError."""
        self.registries.require(self.region)
        if not _authorized(environ.get("HTTP_AUTHORIZATION", "")):
            challenge = (
                f'Basic realm="https://{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com/",service="ecr.amazonaws.com"'
            )
            return Answer(401, b"Not Authorized\n", {"WWW-Authenticate": challenge})
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        match = PATH.fullmatch(path)
        if match is None:
            return Answer.of_json({}) if path == "/v2/" else refusal(404, "UNSUPPORTED", f"no {path}")
        repository = ecr_backends[ACCOUNT][self.region].repositories.get(match["name"])
        if repository is None:
            text = f"The repository with name '{match['name']}' does not exist in the registry with id '{ACCOUNT}'"
            return refusal(404, "NAME_UNKNOWN", text)
        if match["kind"] == "manifests":
            if method == "PUT":
                return self._put(repository, match["rest"], body, environ.get("CONTENT_TYPE", ""))
            if method == "DELETE" or find(repository, match["rest"]) is None:
                return refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
        return self._ask(environ, method, path, body)

    def _put(self, repository: Repository, reference: str, body: bytes, media_type: str) -> Answer:
        tag = None if reference.startswith("sha256:") else reference
        if tag and tagged(repository, tag) and repository.image_tag_mutability == "IMMUTABLE":
            text = (
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten "
                "because the repository is immutable."
            )
            return refusal(400, "TAG_INVALID", text)
        wanted = digest(body)
        status, content = put(self.registries.registry(self.region), repository.name, wanted, body, media_type)
        if status != 201:
            return Answer(status, content, {"Content-Type": "application/json"})
        image = record(repository, body, media_type, tag)
        self.registries.replicate(self.region, repository.name, image, tag)
        return Answer(
            201, b"", {"Docker-Content-Digest": wanted, "Location": f"/v2/{repository.name}/manifests/{wanted}"}
        )

    def _ask(self, environ: Mapping[str, Any], method: str, path: str, body: bytes) -> Answer:
        match = PATH.fullmatch(path)
        if match and match["kind"] == "manifests":
            repository = ecr_backends[ACCOUNT][self.region].repositories[match["name"]]
            image = find(repository, match["rest"])
            path = f"/v2/{match['name']}/manifests/{image.get_image_digest() if image else match['rest']}"
        names = {"HTTP_ACCEPT": "Accept", "CONTENT_TYPE": "Content-Type", "HTTP_CONTENT_RANGE": "Content-Range"}
        headers = {header: environ[name] for name, header in names.items() if environ.get(name)}
        query = environ.get("QUERY_STRING", "")
        target = f"{path}?{query}" if query else path
        try:
            answer = self.registries.registry(self.region).request(method, target, body, headers)
        except DrError as error:
            return Answer.of_text(f"{error}\n", 503)
        return Answer(
            answer.status, answer.data, {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        )


def find(repository: Repository, reference: str) -> Image | None:
    """Return the image of a tag or a digest; None if the repository lacks it."""
    return next(
        (each for each in repository.images if reference in (each.get_image_digest(), *each.image_tags)),
        None,
    )


def tagged(repository: Repository, tag: str) -> bool:
    """Return whether a repository has a tag."""
    return any(tag in each.image_tags for each in repository.images)


def put(registry: Registry, name: str, reference: str, manifest: bytes, media_type: str) -> tuple[int, bytes]:
    """Put a manifest into an OCI registry; returns status and content of its answer."""
    answer = registry.request("PUT", f"/v2/{name}/manifests/{reference}", manifest, {"Content-Type": media_type})
    return answer.status, answer.data


def record(repository: Repository, manifest: bytes, media_type: str, tag: str | None) -> Image:
    """Record a pushed image in the emulated ECR, and move its tag to it."""
    if tag:
        for other in repository.images:
            other.remove_tag(tag)
    image = find(repository, digest(manifest))
    if image is None:
        text = manifest.decode()
        untagged: Any = None
        image = Image(ACCOUNT, tag or untagged, text, repository.name, media_type, digest(manifest))
        repository.images.append(image)
    elif tag:
        image.update_tag(tag)
    return image


def refusal(status: int, code: str, text: str) -> Answer:
    """Return an error in the form of the distribution specification."""
    return Answer.of_json({"errors": [{"code": code, "message": text}]}, status)


def _authorized(header: str) -> bool:
    kind, _, encoded = header.partition(" ")
    if kind != "Basic":
        return False
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return False
    return user == "AWS" and password.endswith("-auth-token")
