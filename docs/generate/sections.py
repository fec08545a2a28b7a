"""Generated sections: which part of which file each generator writes.

To add one, write a function without arguments that returns text, and add a `Section` to `SECTIONS`. The section's text
stands between two marker lines in the file. `tests/unit/test_docs.py` fails while a file differs from its generators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docs.generate import alarms, cli, costs, manifests, policies, settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Section:
    """A part of a file, or a whole file, that a generator writes.

    Args:
        path: The file, relative to the project's folder.
        name: Name in the marker lines; empty for a whole file.
        render: Returns the text, without a final line break.
        comment: Opens and closes a comment in that file, for the marker lines.
    """

    path: str
    name: str
    render: Callable[[], str]
    comment: tuple[str, str] = ("<!-- ", " -->")

    @property
    def markers(self) -> tuple[str, str]:
        """First and last line of the section."""
        before, after = self.comment
        return f"{before}generated: {self.name} (make docs){after}", f"{before}end of {self.name}{after}"

    def apply(self, text: str) -> str:
        """Return a file's text with this section rendered.

        Raises:
            ValueError: the file lacks one of the marker lines.
        """
        if not self.name:
            return f"{self.render()}\n"
        first, last = self.markers
        head, found, rest = text.partition(f"{first}\n")
        _, ended, tail = rest.partition(f"{last}\n")
        if not (found and ended):
            raise ValueError(f"{self.path} lacks the lines {first!r} and {last!r}")
        return f"{head}{first}\n{self.render()}\n{last}\n{tail}"


SECTIONS = (
    Section("README.md", "tiers", costs.tier_table),
    Section("docs/cost.md", "monthly cost", costs.cost_table),
    Section("docs/cost.md", "prices", costs.price_table),
    Section("Pulumi.yaml", "configuration keys", settings.schema, comment=("# ", "")),
    Section("docs/configuration.md", "settings", settings.setting_table),
    Section("docs/configuration.md", "bucket pairs", settings.pair_table),
    Section("docs/configuration.md", "backups by class of data", settings.backup_table),
    Section("docs/configuration.md", "worker fleets", settings.worker_table),
    Section("docs/cli.md", "", cli.document),
    Section("docs/model-set.schema.json", "", manifests.schema),
    Section("docs/alarms.md", "alarms", alarms.alarm_table),
    Section("docs/policies.md", "rules", policies.rule_table),
    Section("docs/policies.md", "exceptions", policies.exception_table),
)
"""Every generated section, in the order in which they are written."""


def current_text(path: str) -> str:
    """Return the text of a file of the project; empty if it does not exist."""
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.exists() else ""


def rendered_files() -> dict[str, str]:
    """Return the text that each file with generated sections must have, by path."""
    texts: dict[str, str] = {}
    for section in SECTIONS:
        texts[section.path] = section.apply(texts.get(section.path, current_text(section.path)))
    return texts
