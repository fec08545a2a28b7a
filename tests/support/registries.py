"""Registries of an emulator, and the commands that copy images to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from dr import clients
from dr.topology.supply import Kind, repositories
from sandbox.server import Running
from sandbox.toolchain.programs import ensure_programs

REGIONS = ("us-east-1", "us-west-2")


@contextmanager
def reached(emulator: Running, **variables: str) -> Iterator[None]:
    """Point this process and the commands that it starts at an emulator, also for other hosts, until the block ends."""
    crane = ensure_programs(lambda text, share: None).crane
    given = {
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "HTTPS_PROXY": emulator.endpoint,
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_FILE": str(emulator.authority.file),
        "PATH": os.pathsep.join([str(crane.parent), os.environ["PATH"]]),
        **variables,
    }
    with mock.patch.dict(os.environ, given):
        clients.forget()
        yield
    clients.forget()


def make_repositories(emulator: Running, prefix: str = "ml-dr", **options: Any) -> None:
    """Create the repositories of both regions, as the primary stack does."""
    for region in REGIONS:
        for name in repositories(prefix).values():
            emulator.client("ecr", region).create_repository(
                repositoryName=name, **{"imageTagMutability": "IMMUTABLE", **options}
            )


def held(emulator: Running, region: str, kind: Kind, prefix: str = "ml-dr") -> dict[str, set[str]]:
    """Return the tags of each image of a repository, by digest."""
    images = emulator.client("ecr", region).describe_images(repositoryName=repositories(prefix)[kind])["imageDetails"]
    return {each["imageDigest"]: set(each.get("imageTags", ())) for each in images}


def empty_docker(folder: Path) -> str:
    """Return a folder without credentials of the user, for DOCKER_CONFIG."""
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
