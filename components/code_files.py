"""Find the source files that a module of this project needs: its own and those it imports. Pure, except for reading.

Imports inside functions are included. File texts are returned rather than paths, so that the archive is the same on
every machine and contains no other files of a folder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1]
PACKAGE = "dr"
"""The only package that is deployed to Lambda functions and pods."""


def files_of(module: str) -> Mapping[str, str]:
    """Return the texts of the files that a module needs, by path, sorted.

    Args:
        module: Full name of the module: "dr.pods.fetch_models".

    Raises:
        FileNotFoundError: The module does not exist.
    """
    texts: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _file(name)
        if path is None:
            raise FileNotFoundError(f"module {name} does not exist in {FOLDER}; name a module of {PACKAGE}")
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
    """Yield the modules of the package that a source imports, including `b` of `from a import b` if it is a module."""
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [node.module, *(name for name in submodules if _file(name))]
        yield from (name for name in names if name.partition(".")[0] == PACKAGE)
