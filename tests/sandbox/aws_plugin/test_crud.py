"""The life cycle of every resource type, read back by boto3."""

from __future__ import annotations

import pytest

from sandbox.aws_plugin.catalog import CATALOG
from sandbox.aws_plugin.plugin import UNKNOWN
from tests.sandbox.aws_plugin.examples import EXAMPLES, Example
from tests.sandbox.aws_plugin.harness import Engine

EACH = pytest.mark.parametrize(("name", "example"), EXAMPLES.items(), ids=EXAMPLES)


def test_every_resource_type_has_an_example() -> None:
    assert {example.token for example in EXAMPLES.values()} == CATALOG.keys()


@EACH
def test_type_is_created_updated_refreshed_imported_and_deleted(engine: Engine, name: str, example: Example) -> None:
    first, second = example.before(engine, f"life-{name}")
    made = engine.make(example.token, f"life-{name}", **first)
    assert made.id

    assert made.changes() == {}, "a second `up` would change something"
    outputs = made.state
    assert made.refresh()
    assert made.state == outputs, "a refresh finds drift where there is none"
    assert made.changes(**first) == {}

    changes = made.changes(**second)
    assert changes.keys() == example.changed
    assert not any(change.endswith("REPLACE") for change in changes.values())
    made.update(**second)
    assert made.changes(**second) == {}
    assert made.refresh()
    assert made.changes(**second) == {}

    region = {"region": made.state["region"]} if "region" in made.state else {}
    imported = engine.read(example.token, made.id, **region)
    assert imported.id == (made.id if example.imports else "")

    made.delete()
    assert made.refresh() == example.stays
    made.delete()  # deleting a deleted resource succeeds


@EACH
def test_preview_makes_no_calls(engine: Engine, name: str, example: Example) -> None:
    first, second = example.before(engine, f"preview-{name}")
    made = engine.make(example.token, f"preview-{name}", **first)
    since = engine.calls()["next"]
    planned = engine.preview(example.token, f"planned-{name}", **first)
    made.update(preview=True, **second)
    made.diff(**second)
    assert engine.calls(since)["calls"] == []
    computed = CATALOG[example.token].output_fields
    assert {planned[output] for output in computed} <= {UNKNOWN}
    made.delete()
