"""What the documents say exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from dr.cli.main import app as dr_app
from dr.config.buckets import PairSettings
from dr.config.reader import setting_keys
from dr.topology.tiers import TIERS, describe_duration
from sandbox.cli.main import app as sandbox_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXT = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
COMMANDS = {"dr": get_command(dr_app), "python -m sandbox": get_command(sandbox_app)}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_configuration_key_that_is_named_exists(path: Path) -> None:
    keys = set(re.findall(r"\bdr:[a-z][A-Za-z]+", TEXT[path]))
    tokens = {f"dr:{layer}" for layer in ("data", "traffic")}

    assert keys <= {*setting_keys(), *tokens}


def test_every_configuration_key_is_documented_and_in_the_schema() -> None:
    schema = (ROOT / "Pulumi.yaml").read_text()
    for key in setting_keys():
        assert f"`{key}`" in TEXT[ROOT / "docs/configuration.md"]
        assert f"  {key}:\n" in schema


def test_every_key_of_a_pair_is_documented() -> None:
    for field in PairSettings.model_fields.values():
        assert f"| `{field.alias}` |" in TEXT[ROOT / "docs/configuration.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
@pytest.mark.parametrize("program", COMMANDS)
def test_every_command_that_is_named_exists(program: str, path: Path) -> None:
    group = COMMANDS[program]
    for name in re.findall(rf"(?:^|`){program} ([a-z-]+)", TEXT[path], flags=re.MULTILINE):
        assert name in group.commands, f"`{program} {name}` in {path.name}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT[path], flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", TEXT[path]):
        assert (path.parent / target).exists(), target


def test_decision_records_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs/adr").glob("*.md"))]

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_tier_table_of_the_readme_is_the_one_in_the_code() -> None:
    for tier, spec in TIERS.items():
        row = f"| `{tier}` | {spec.runs} | {describe_duration(spec.rto)} | {describe_duration(spec.rpo)} |"
        assert row in TEXT[ROOT / "README.md"]


def test_every_command_has_help() -> None:
    for group in COMMANDS.values():
        for command in group.commands.values():  # type: ignore[attr-defined]
            assert command.help or command.hidden
