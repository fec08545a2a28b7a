"""Strict validation of manifests: a field that a schema does not list is an error at every depth.

Kubernetes' own kinds are validated by the schemas it publishes. Custom resources are validated by their definitions
in the sandbox. Where a definition preserves unknown fields, only the fields that it lists are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from dr.clusters.charts import CHARTS
from sandbox.clusters import addon_definitions
from tests.support.charts import served_definitions

Schema = dict[str, Any]

# The library reads a schema and its definitions, 2 MB, again for each manifest.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


def validate(manifest: Mapping[str, Any], version: str) -> None:
    """Validate a manifest against its schema.

    Raises:
        jsonschema.ValidationError: The manifest is not valid.
        LookupError: The kind has no definition.
    """
    api, kind = str(manifest["apiVersion"]), str(manifest["kind"])
    if found := _custom().get((api, kind)):
        # Metadata is validated by the schema of an object that has only metadata.
        bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest["metadata"]}
        kubernetes_validate.validate(bare, version, strict=True)
        jsonschema.Draft202012Validator(found).validate(dict(manifest))
        return
    try:
        kubernetes_validate.validate(dict(manifest), version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        raise LookupError(f"no definition of {api} {kind}") from error


@cache
def _custom() -> dict[tuple[str, str], Schema]:
    """Return closed schemas by apiVersion and kind."""
    found = [each for chart in CHARTS for each in served_definitions(chart)]
    for file in addon_definitions.FOLDER.glob("*.yaml"):
        found += [each for each in yaml.safe_load_all(file.read_text("utf-8")) if each]
    return {
        key: _closed_root(version["schema"]["openAPIV3Schema"])
        for definition in found
        for version in definition["spec"]["versions"]
        for key in [(f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"])]
    }


def _closed_root(schema: Schema) -> Schema:
    closed = closed_schema(schema)
    # Fields of every object.
    closed["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return closed


def closed_schema(schema: Schema) -> Schema:
    """Return the schema, closed to further fields; a schema that lists no fields stays open."""
    made: Schema = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "properties" in made:
        made["properties"] = {name: closed_schema(each) for name, each in made["properties"].items()}
        made.setdefault("additionalProperties", False)
    if isinstance(made.get("items"), dict):
        made["items"] = closed_schema(made["items"])
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = closed_schema(made["additionalProperties"])
    if "pattern" in made and made["pattern"].startswith("^(?i)"):
        # Go accepts flags after the anchor, Python before it.
        made["pattern"] = f"(?i)^{made['pattern'].removeprefix('^(?i)')}"
    return made
