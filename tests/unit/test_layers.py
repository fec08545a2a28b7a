"""Imports go one way. Held by reading the source, not by habit."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "dr": {"pulumi", "pulumi_aws", "components", "policies", "sandbox", "stacks"},
    "components": {"policies", "sandbox", "stacks", "boto3", "botocore"},
    "stacks": {"policies", "sandbox", "boto3", "botocore"},
    "policies": {"dr", "components", "sandbox", "stacks", "boto3"},
    "sandbox": {"components", "policies", "stacks"},
}
CORE = ("topology", "control", "data", "clusters", "preflight", "functions", "pods")
"""Folders of dr/ that also run in a function or a pod: the standard library and boto3 only."""

PURE = ("_spec", "_rules", "_iam")
"""What the names of modules of components/ end with that calculate, and make no resource. So do those of no folder."""


def imported(path: Path, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_layer_imports_nothing_it_must_not(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if name.partition(".")[0] in FORBIDDEN[folder]
    ]

    assert wrong == []


def test_the_program_does_not_know_the_sandbox() -> None:
    assert not [name for name in imported(ROOT / "__main__.py") if name.startswith("sandbox")]


@pytest.mark.parametrize("folder", CORE)
def test_the_core_of_dr_needs_nothing_but_the_standard_library_and_boto3(folder: str) -> None:
    third_party = {"typer", "rich", "pydantic", "yaml"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (*sources(f"dr/{folder}"), *(ROOT / "dr").glob("[a-z]*.py"))
        for name in imported(path)
        if name.partition(".")[0] in third_party
    ]

    assert wrong == []


@pytest.mark.parametrize("path", sources("dr"), ids=lambda path: path.stem)
def test_nothing_imports_boto3_before_it_is_needed(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(path, top_only=True)}

    assert not names & {"boto3", "botocore", "kubernetes", "urllib3"}


@pytest.mark.parametrize("path", sources("components"), ids=lambda path: path.stem)
def test_calculations_are_apart_from_resources(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(path)}

    if path.stem.endswith(PURE) or path.parent.name == "components":
        assert not names & {"pulumi", "pulumi_aws"}
