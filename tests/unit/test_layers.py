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
CORE = (
    "alerts",
    "capacity",
    "charts",
    "clients",
    "cluster_api",
    "cluster_preflight",
    "contract",
    "control",
    "environment",
    "errors",
    "existing_vpc",
    "functions/prober",
    "functions/republisher",
    "gpus",
    "images",
    "journal",
    "kubeconfig",
    "levers",
    "network",
    "objectives",
    "pods/copy_registry",
    "pods/data_profile",
    "pods/fetch_models",
    "pods/process_shard",
    "pods/run",
    "pod_failures",
    "probes",
    "registry_backup",
    "rollout_report",
    "rollout_wait",
    "rollouts",
    "serving",
    "sets",
    "state",
    "steps",
    "topology",
)
"""Modules of dr/ that also run in a function or a pod: the standard library and boto3 only."""

PURE = (
    *("alarm_rules", "backup_rules", "cluster_iam", "code_files", "iam", "karpenter_iam", "network_iam"),
    *("pod_code", "tagging", "kubernetes/addon_charts", "kubernetes/alert_rules", "kubernetes/node_pool"),
    *("kubernetes/code_pod", "kubernetes/jobs_spec", "kubernetes/protection_spec", "kubernetes/registry_backup_spec"),
    *("kubernetes/inference_objects", "kubernetes/inference_spec", "kubernetes/labels", "kubernetes/mesh_spec"),
    "kubernetes/namespace_spec",
)
"""Modules of components/ that calculate, and make no resource."""


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


@pytest.mark.parametrize("module", CORE)
def test_the_core_of_dr_needs_nothing_but_the_standard_library_and_boto3(module: str) -> None:
    third_party = {"typer", "rich", "pydantic", "yaml"}
    names = {name.partition(".")[0] for name in imported(ROOT / "dr" / f"{module}.py")}

    assert not names & third_party


@pytest.mark.parametrize("path", sources("dr"), ids=lambda path: path.stem)
def test_nothing_imports_boto3_before_it_is_needed(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported(path, top_only=True)}

    assert not names & {"boto3", "botocore", "kubernetes", "urllib3"}


@pytest.mark.parametrize("module", PURE)
def test_calculations_are_apart_from_resources(module: str) -> None:
    names = {name.partition(".")[0] for name in imported(ROOT / "components" / f"{module}.py")}

    assert not names & {"pulumi", "pulumi_aws"}
