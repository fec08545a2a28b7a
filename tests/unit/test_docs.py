"""Facts in the documents that can be checked: names, links, paths and generated sections."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from docs.generate.sections import current_text, rendered_files
from dr.cli.main import app as dr_app
from dr.config.buckets import PairSettings
from dr.config.settings import SETTINGS
from sandbox.cli.main import app as sandbox_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXT = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
COMMANDS = {"dr": get_command(dr_app), "python -m sandbox": get_command(sandbox_app)}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def links(path: Path) -> list[tuple[Path, str]]:
    """Yield files that a page links to, each with its anchor or an empty string."""
    found = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", TEXT[path])
    return [((path.parent / target).resolve() if target else path, anchor) for target, anchor in found]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, in GitHub's format."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_documented_configuration_key_exists(path: Path) -> None:
    keys = set(re.findall(r"\bdr:[a-z][A-Za-z]+", TEXT[path]))
    tokens = {f"dr:{layer}" for layer in ("data", "traffic")}

    assert keys <= {*SETTINGS, *tokens}


def test_every_key_is_in_the_schema_and_in_the_tables() -> None:
    schema = (ROOT / "Pulumi.yaml").read_text(encoding="utf-8")
    tables = TEXT[ROOT / "docs/configuration.md"]
    pairs = [str(field.alias) for field in PairSettings.model_fields.values()]

    assert [key for key in SETTINGS if f"\n  {key}:\n" not in schema] == []
    assert [key for key in (*SETTINGS, *pairs) if f"\n| `{key}` |" not in tables] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
@pytest.mark.parametrize("program", COMMANDS)
def test_every_documented_command_exists_with_its_options(program: str, path: Path) -> None:
    for text in re.findall(rf"(?:^|`|\$ ){program} ([a-z][^`#|\n]*)", TEXT[path], flags=re.MULTILINE):
        command: Any = COMMANDS[program]
        words = text.split()
        while words and (found := getattr(command, "commands", {}).get(words[0])):
            command, words = found, words[1:]
        assert command is not COMMANDS[program], f"`{program} {text}` in {path.name}"
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used - {"--help", "-h"} <= options, f"`{program} {text}` in {path.name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_documented_make_target_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT[path], flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_link_to_a_file_resolves(path: Path) -> None:
    for target, anchor in links(path):
        assert target.exists(), target
        if anchor:
            assert anchor in anchors(TEXT[target]), f"#{anchor} in {named(target)}"


def test_every_page_is_reachable_by_links_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in TEXT:
            reached.add(page)
            waiting += [target for target, _ in links(page)]

    assert {named(page) for page in TEXT.keys() - reached} == set()


@pytest.mark.parametrize("path", [page for page in DOCUMENTS if page.name != "CHANGELOG.md"], ids=named)
def test_every_documented_path_exists(path: Path) -> None:
    folders = "|".join(("components", "docs", "dr", "policies", "sandbox", "stacks", "tests"))
    for name in re.findall(rf"`((?:{folders})/(?:[\w./*-]*/|[\w/*-]*\.\w+))`", TEXT[path]):
        assert list(ROOT.glob(name.rstrip("/"))), name


def test_the_source_tree_of_the_architecture_has_every_folder() -> None:
    listed = re.findall(r"^\| `([\w/]+)/` \|", TEXT[ROOT / "docs/architecture.md"], flags=re.MULTILINE)
    tops = ("dr", "components", "stacks", "policies", "sandbox")
    folders = {named(path.parent) for top in tops for path in (ROOT / top).rglob("*.py")}

    missing = {each for each in folders if not any(f"{each}/".startswith(f"{folder}/") for folder in listed)}
    assert missing == {"dr", "components"}, "these hold folders, which are listed"
    assert not [folder for folder in listed if not (ROOT / folder).is_dir()]


@pytest.mark.parametrize("path", sorted({*rendered_files()}))
def test_generated_sections_are_current(path: str) -> None:
    assert current_text(path) == rendered_files()[path], "run `make docs`"


@pytest.mark.parametrize("path", [ROOT / "README.md", *(ROOT / "docs/how-to").glob("*.md")], ids=named)
def test_text_wraps_at_80_columns_in_the_readme_and_how_to_pages(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", TEXT[path], flags=re.MULTILINE | re.DOTALL)
    long = [line for line in text.splitlines() if len(line) > 80 and not line.startswith(("|", "<!--"))]

    assert long == []


def test_decision_records_have_unique_numbers_in_sequence() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md"))]

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_list_of_decision_records_has_each_title() -> None:
    for path in (ROOT / "docs/adr").glob("[0-9]*.md"):
        title = TEXT[path].partition("\n")[0].partition(". ")[2]
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in TEXT[ROOT / "docs/adr/README.md"]


def test_every_command_has_help() -> None:
    for group in COMMANDS.values():
        for command in group.commands.values():  # type: ignore[attr-defined]
            assert command.help or command.hidden


SOURCES = [
    path for folder in ("dr", "components", "stacks", "policies", "sandbox") for path in (ROOT / folder).rglob("*.py")
]


def test_code_refers_to_requirements_by_headings_of_the_document() -> None:
    headings = set(re.findall(r"^## (.+)$", TEXT[ROOT / "docs/requirements.md"], flags=re.MULTILINE))
    named = {
        heading
        for path in (*SOURCES, ROOT / "__main__.py")
        for heading in re.findall(r'docs/requirements\.md, "([^"]+)"', path.read_text(encoding="utf-8"))
    }

    assert named
    assert named <= headings


def test_code_does_not_refer_to_requirements_by_number() -> None:
    numbered = re.compile(r"\b(requirements|design|facts), [A-E]\d", flags=re.IGNORECASE)

    assert [path for path in SOURCES if numbered.search(path.read_text(encoding="utf-8"))] == []
