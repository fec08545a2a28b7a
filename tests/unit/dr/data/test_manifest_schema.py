"""The JSON schema of the manifest in docs/, against manifests that the program writes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from docs.generate.set_examples import NEWEST, manifest
from dr.data import model_sets
from dr.data.model_sets import Probe
from dr.errors import Invalid

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/model-set.schema.json").read_text(encoding="utf-8"))
EXAMPLE = replace(manifest(NEWEST), probe=Probe({"inputs": []}, ([1],)), image=f"sha256:{0:064}", source="older")


def document(**changes: Any) -> dict[str, Any]:
    """Return the manifest's document; keywords replace fields, and None removes one."""
    values = {**json.loads(EXAMPLE.to_json()), **changes}
    return {name: value for name, value in values.items() if value is not None}


def test_written_manifest_matches_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document(), SCHEMA)

    assert model_sets.parse(EXAMPLE.to_json(), "test") == EXAMPLE


def test_schema_describes_every_field() -> None:
    fields = {**SCHEMA["properties"], **SCHEMA["properties"]["entries"]["items"]["properties"]}

    assert [name for name, field in fields.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"entries": None},
        {"version": None},
        {"version": 2},
        {"digest": "short"},
        {"region": "us-east-1"},
        {"entries": [{"part": "model"}]},
    ],
)
def test_schema_and_reader_refuse_the_same_documents(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document(**change), SCHEMA)
    if "digest" not in change:  # which the reader leaves to `dr sets verify`
        with pytest.raises(Invalid):
            model_sets.parse(json.dumps(document(**change)), "test")


def test_manifest_names_no_region() -> None:
    assert "us-" not in EXAMPLE.to_json()
