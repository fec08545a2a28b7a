"""Custom resource definitions that EKS add-ons install. The add-ons themselves do not run."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from sandbox.control_plane.control_plane import ControlPlane

FOLDER = Path(__file__).parent / "addons"
ESTABLISH_SECONDS = 10.0


def install(plane: ControlPlane, addon: str) -> None:
    """Install the definitions of an add-on, unless they exist, and wait until the API server serves them.

    Args:
        plane: Control plane of the cluster.
        addon: Name of the add-on.

    Raises:
        TimeoutError: A definition is not served within 10 seconds (`ESTABLISH_SECONDS`).
    """
    if not (file := FOLDER / f"{addon}.yaml").exists():
        return
    from kubernetes.client import ApiException, ApiextensionsV1Api

    api = ApiextensionsV1Api(plane.api())
    for definition in yaml.safe_load_all(file.read_text("utf-8")):
        try:
            api.create_custom_resource_definition(definition)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        _await(api, definition["metadata"]["name"])


def _await(api: Any, name: str) -> None:
    deadline = time.monotonic() + ESTABLISH_SECONDS
    while not any(
        each.type == "Established" and each.status == "True"
        for each in api.read_custom_resource_definition(name).status.conditions or ()
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not served after {ESTABLISH_SECONDS:g} s")
        time.sleep(0.05)
