"""Permitted imports between layers, checked in the source."""

import ast
from collections.abc import Iterator, Mapping
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
"""Suffixes of modules in components/ that only calculate; modules directly in components/ only calculate, too."""


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
def test_layer_has_no_forbidden_imports(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if name.partition(".")[0] in FORBIDDEN[folder]
    ]

    assert wrong == []


def test_program_does_not_import_the_sandbox() -> None:
    assert not [name for name in imported(ROOT / "__main__.py") if name.startswith("sandbox")]


@pytest.mark.parametrize("folder", CORE)
def test_core_of_dr_imports_only_the_standard_library_and_boto3(folder: str) -> None:
    third_party = {"typer", "rich", "pydantic", "yaml"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (*sources(f"dr/{folder}"), *(ROOT / "dr").glob("[a-z]*.py"))
        for name in imported(path)
        if name.partition(".")[0] in third_party
    ]

    assert wrong == []


@pytest.mark.parametrize("path", sources("dr"), ids=lambda path: path.stem)
def test_dr_modules_do_not_import_sdks_at_module_top(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(path, top_only=True)}

    assert not names & {"boto3", "botocore", "kubernetes", "urllib3"}


@pytest.mark.parametrize("path", sources("components"), ids=lambda path: path.stem)
def test_modules_with_calculations_do_not_import_pulumi(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(path)}

    if path.stem.endswith(PURE) or path.parent.name == "components":
        assert not names & {"pulumi", "pulumi_aws"}


# The sandbox's folders -----------------------------------------------------------------------------------------------

SANDBOX_FOLDERS: dict[str, set[str]] = {
    "aws": set(),
    "aws_plugin": set(),
    "charts": {"aws", "control_plane", "toolchain"},
    "cli": {"client", "clusters", "engine", "toolchain"},
    "client": set(),
    "clusters": {"aws", "control_plane", "toolchain"},
    "control_plane": {"toolchain"},
    "databases": {"aws", "control_plane"},
    "engine": {"toolchain"},
    "toolchain": set(),
}
"""Folders that each folder of sandbox/ may import.

The emulated AWS does not know Kubernetes: sandbox/clusters implements a protocol of sandbox/aws/world.py, and
sandbox/server.py composes the two.
"""


def test_sandbox_folders_import_only_permitted_folders() -> None:
    assert {path.parent.name for path in (ROOT / "sandbox").glob("*/*.py")} == SANDBOX_FOLDERS.keys()
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder, allowed in SANDBOX_FOLDERS.items()
        for path in sources(f"sandbox/{folder}")
        for name in imported(path)
        if name.startswith("sandbox.") and name.split(".")[1] in SANDBOX_FOLDERS.keys() - allowed - {folder}
    ]

    assert wrong == []


def test_emulated_behaviours_of_aws_do_not_import_their_callers() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("sandbox/aws/behaviours")
        for name in imported(path)
        if name.startswith("sandbox.aws.extensions")
    ]

    assert wrong == []


# Import cycles -------------------------------------------------------------------------------------------------------

IMPORTED_BY_NAME = ("dr", "components", "stacks", "policies", "sandbox")


def test_modules_have_no_import_cycles() -> None:
    """Imports inside functions and under TYPE_CHECKING count."""
    modules = {module_name(path): path for folder in IMPORTED_BY_NAME for path in sources(folder)}
    graph = {name: set(imported_modules(path, modules)) - {name} for name, path in modules.items()}

    assert circles(graph) == []


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the project's modules that a file imports; `from package import module` imports the module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from (name for name in ([full] if full in modules else [node.module]) if name in modules)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return strongly connected components with more than one node."""
    order, seen = list[str](), set[str]()

    def visit(name: str, edges: Mapping[str, set[str]], into: list[str]) -> None:
        seen.add(name)
        for each in sorted(edges[name] - seen):
            if each not in seen:
                visit(each, edges, into)
        into.append(name)

    for name in graph:
        if name not in seen:
            visit(name, graph, order)
    seen.clear()
    backwards = {name: {each for each in graph if name in graph[each]} for name in graph}
    groups = []
    for name in reversed(order):
        if name not in seen:
            group: list[str] = []
            visit(name, backwards, group)
            groups.append(sorted(group))
    return sorted(group for group in groups if len(group) > 1)


def test_cycles_of_any_length_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g", "a"}, "g": {"f"}}

    assert circles(graph) == [["a", "b", "c"], ["f", "g"]]
