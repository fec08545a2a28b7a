"""Validation of chart values against the keys of the published charts."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft7Validator

from components.kubernetes.addons_spec import Cluster, installed
from dr.clusters.charts import CHARTS, Chart
from sandbox.charts.schema import FOLDER, published_values, values_schema

CLUSTER = Cluster(
    "ml-dr",
    "us-west-2",
    "vpc-0123456789abcdef0",
    "arn:aws:sns:us-west-2:1:a",
    "arn:aws:sns:us-west-2:123456789012:ml-dr-watchdog",
    device_plugin=True,
)
CHOICES = ("mesh", "karpenter", "device_plugin")


def every_set() -> Iterator[tuple[Chart, dict[str, Any]]]:
    """Yield each chart's values in each combination of options."""
    for chosen in itertools.product((False, True), repeat=len(CHOICES)):
        options: dict[str, Any] = dict(zip(CHOICES, chosen, strict=True))
        yield from installed(replace(CLUSTER, **options)).items()


EVERY_SET = list(every_set())


def problems(chart: Chart, values: Mapping[str, Any]) -> list[str]:
    return [each.message for each in Draft7Validator(values_schema(chart.name)).iter_errors(values)]


def closed_keys(schema: Mapping[str, Any], values: Any, *at: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of set keys where all keys of the chart are known."""
    if isinstance(values, Mapping) and schema.get("additionalProperties") is False:
        for key, value in values.items():
            yield (*at, key)
            yield from closed_keys(schema["properties"][key], value, *at, key)


TYPOS = sorted(
    {(chart.name, path) for chart, values in EVERY_SET for path in closed_keys(values_schema(chart.name), values)}
)


def test_every_chart_has_a_schema_with_its_source() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == {chart.name for chart in CHARTS}
    for chart in CHARTS:
        Draft7Validator.check_schema(values_schema(chart.name))
        assert published_values(chart.name)["source"]
        assert published_values(chart.name)["version"]


def test_every_chart_has_values_in_some_combination() -> None:
    assert {chart for chart, _ in EVERY_SET} == set(CHARTS)


@pytest.mark.parametrize(
    ("chart", "values"), EVERY_SET, ids=[f"{chart.name}-{number}" for number, (chart, _) in enumerate(EVERY_SET)]
)
def test_values_have_only_keys_of_the_published_chart(chart: Chart, values: dict[str, Any]) -> None:
    assert problems(chart, values) == []


@pytest.mark.parametrize(("name", "path"), TYPOS, ids=[f"{name}:{'.'.join(path)}" for name, path in TYPOS])
def test_a_misspelt_key_is_reported(name: str, path: tuple[str, ...]) -> None:
    schema = values_schema(name)
    chart, values = next(
        (chart, copy.deepcopy(values))
        for chart, values in EVERY_SET
        if chart.name == name and path in set(closed_keys(schema, values))
    )
    parent = values
    for key in path[:-1]:
        parent = parent[key]
    parent[f"{path[-1]}s"] = parent.pop(path[-1])

    (problem,) = problems(chart, values)
    assert f"'{path[-1]}s' was unexpected" in problem


def test_misspelt_keys_are_tested_for_every_chart_with_values() -> None:
    assert {name for name, _ in TYPOS} == {chart.name for chart, values in EVERY_SET if values}


def test_a_value_of_the_wrong_type_is_refused() -> None:
    (chart,) = (chart for chart in CHARTS if chart.name == "velero")

    assert problems(chart, {"deployNodeAgent": "yes"}) == ["'yes' is not of type 'boolean', 'null'"]
    assert problems(chart, {"deployNodeAgent": None}) == []
