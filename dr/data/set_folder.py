"""The files of a folder as parts of a model set. A file that belongs to no part is refused, not guessed or skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dr.data.model_sets import MANIFEST, folder
from dr.data.publication import Item
from dr.errors import Invalid, Problem
from dr.names import DATASETS, MAX_KEY_BYTES, MODELS, REGISTRY
from dr.spelling import did_you_mean

PARTS: Mapping[str, str] = {"data": DATASETS, "parameters": REGISTRY, "metrics": REGISTRY, "model": MODELS}
"""Bucket pair by part. Inference loads the pair "models" only."""
ID_CHARACTERS = len("20261128T090310.112233Z-61832178")
ALL = "*"


def parse_rules(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return patterns with their parts, from texts of the form PATTERN=PART. Pure.

    Raises:
        Invalid: A text has another form, or names an unknown part.
    """
    problems, rules = list[Problem](), list[tuple[str, str]]()
    for text in texts:
        pattern, equals, part = text.rpartition("=")
        if not equals or not pattern:
            problems.append(Problem("--part", f"{text} has not the form PATTERN=PART", "for example '*.csv=data'"))
        elif part not in PARTS:
            fix = did_you_mean(part, PARTS, f"use one of {', '.join(PARTS)}")
            problems.append(Problem("--part", f'"{part}" is not a part of a model set', fix))
        rules.append((pattern, part))
    if problems:
        raise Invalid(*problems)
    return rules


def part_of(path: PurePosixPath, rules: Sequence[tuple[str, str]] = ()) -> str:
    """Return the part of a file; empty if it belongs to none. Pure.

    Args:
        path: Its path in the folder.
        rules: Patterns with their parts; the first that matches decides. Without a match, the name of the first folder
            decides, or the name of a file without suffixes: `data/`, `model.joblib`.
    """
    for pattern, part in rules:
        if fnmatchcase(str(path), pattern):
            return part
    top = path.parts[0] if len(path.parts) > 1 else path.name.partition(".")[0]
    return top if top in PARTS else ""


def items_of(root: Path, rules: Sequence[tuple[str, str]] = ()) -> list[Item]:
    """Return every file of a folder as an item of a set.

    Args:
        root: The folder.
        rules: As of `part_of`.

    Raises:
        Invalid: The folder does not exist, or a file belongs to no part.
    """
    if not root.is_dir():
        raise Invalid(Problem(str(root), "it is not a folder", "name the folder that holds the files of the set"))
    items, problems = list[Item](), list[Problem]()
    for path, name in files(root):
        if part := part_of(name, rules):
            items.append(Item(part, PARTS[part], path, str(name)))
        else:
            remedy = f"move it into one of {', '.join(f'{part}/' for part in PARTS)}, or add --part '{name}=PART'"
            problems.append(Problem(str(path), "it belongs to no part of a model set", remedy))
    if problems:
        raise Invalid(*problems)
    return items


def files(root: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield the files below a folder with their paths in it, in a fixed order."""
    for path in sorted(root.rglob(ALL)):
        if path.is_file():
            yield path, PurePosixPath(path.relative_to(root).as_posix())


def check(name: str, items: Sequence[Item], without: Sequence[str] = ()) -> None:
    """Check that items make a set. Pure.

    Args:
        name: Name of the set.
        items: Its items.
        without: Parts that it may lack.

    Raises:
        Invalid: A part is missing, two items have one key, or a key cannot be used.
    """
    problems = []
    if unknown := [part for part in without if part not in PARTS]:
        fix = f"use one of {', '.join(PARTS)}"
        problems.append(Problem("--without", f"{', '.join(unknown)}: not a part of a model set", fix))
    for part in PARTS:
        if part not in without and not any(item.part == part for item in items):
            remedy = f"add a file or folder with that name, or accept a set without it: --without {part}"
            problems.append(Problem(part, f"model set {name} has no file of this part", remedy))
    seen = set[str]()
    for item in items:
        if item.key in seen:
            problems.append(Problem(item.key, "two files have this path in the set", "rename one of them"))
        seen.add(item.key)
        if item.key == MANIFEST:
            problems.append(Problem(item.key, "this name is reserved for the manifest of the set", "rename the file"))
        length = len(folder(name, "").encode()) + ID_CHARACTERS + len(item.key.encode())
        if length > MAX_KEY_BYTES:
            fact = f"its key would have {length} bytes; S3 accepts at most {MAX_KEY_BYTES}"
            problems.append(Problem(item.key, fact, "use shorter names"))
    if problems:
        raise Invalid(*problems)
