"""Which files a module needs: itself and, by reading imports, what it imports of this project. Pure, but for reading.

Imports inside functions count too: what is imported late is needed all the same. Texts, and not paths: the same files
give the same archive on every machine, and nothing that lies about in a folder goes along.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1]
PACKAGE = "dr"
"""The only one whose code leaves this checkout; everything else is there where it runs."""


def files_of(module: str) -> Mapping[str, str]:
    """Files a module needs, by path, in order.

    Args:
        module: Its full name: "dr.pods.fetch_models".

    Raises:
        FileNotFoundError: there is no such module.
    """
    texts: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _file(name)
        if path is None:
            raise FileNotFoundError(f"no module {name} in {FOLDER}; name one of {PACKAGE}'s")
        file = path.relative_to(FOLDER).as_posix()
        if file not in texts:
            texts[file] = path.read_text("utf-8")
            pending += _imported(texts[file])
            pending += [name.rpartition(".")[0]] if "." in name else []
    return dict(sorted(texts.items()))


def _file(module: str) -> Path | None:
    path = FOLDER.joinpath(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(text: str) -> Iterator[str]:
    """Modules of the package that a source imports; of `from a import b` b too, where that is a module."""
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [node.module, *(name for name in below if _file(name))]
        yield from (name for name in names if name.partition(".")[0] == PACKAGE)
