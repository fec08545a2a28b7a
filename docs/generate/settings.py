"""The schema of Pulumi.yaml and the tables of docs/configuration.md, from the settings in dr/config."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from dr.config.backups import BackupSettings
from dr.config.buckets import PairSettings
from dr.config.settings import SETTINGS
from dr.config.types import AUTO, Settings
from dr.config.workers import WorkerSettings

WIDTH = 118


def schema() -> str:
    """Return the `config` block of Pulumi.yaml.

    It has no types: the engine stops at the first value of a wrong type, while dr/config reports all problems at once.
    """
    keys = {
        key: {"description": field.description, "default": schema_default(field)} for key, field in SETTINGS.items()
    }
    return yaml.safe_dump({"config": keys}, sort_keys=False, width=WIDTH, allow_unicode=True).rstrip()


def setting_table() -> str:
    """Return the table of all settings."""
    rows = ["| key | value | default | stack | description |", "|---|---|---|---|---|"]
    for key, field in SETTINGS.items():
        extra = _extra(field)
        text = f"{field.description} ([details]({extra['see']}))" if extra["see"] else f"{field.description}"
        example = f". Example: `{_shown(field.examples[0])}`" if field.examples else ""
        rows.append(_row(f"`{key}`", _value(field), _default(field), extra["stack"], text + example))
    return "\n".join(rows)


def pair_table() -> str:
    """Return the table of the keys of an entry of `dr:buckets`."""
    return _entry_table(PairSettings)


def backup_table() -> str:
    """Return the table of the keys of an entry of `dr:backups`."""
    return _entry_table(BackupSettings)


def worker_table() -> str:
    """Return the table of the keys of an entry of `dr:workers`."""
    return _entry_table(WorkerSettings)


def _entry_table(entry: type[Settings]) -> str:
    rows = ["| key | value | default | description |", "|---|---|---|---|"]
    rows += [
        _row(f"`{field.alias}`", _value(field), _default(field), str(field.description))
        for field in entry.model_fields.values()
    ]
    return "\n".join(rows)


def schema_default(field: FieldInfo) -> Any:
    """Return a field's default as YAML has it; empty text where the field has none."""
    if field.is_required():
        return ""
    match field.default:
        case None:
            return AUTO
        case Enum() as member:
            return str(member)
        case tuple() as entries:
            return list(entries)
        case Mapping() as entries:
            return dict(entries)
        case float() as number if number.is_integer():
            return int(number)
    return field.default


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _extra(field: FieldInfo) -> dict[str, str]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return {name: str(value) for name, value in extra.items()}


def _default(field: FieldInfo) -> str:
    if shown := _extra(field)["shown"]:
        return shown
    if field.is_required() or field.default in ("", ()):
        return ""
    if field.default is None:
        return f"`{AUTO}`" if field in SETTINGS.values() else ""
    return f"`{_shown(schema_default(field))}`"


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value))
        case Mapping():
            return "{" + ", ".join(f"{name}: {each}" for name, each in value.items()) + "}"
    return str(value)


def _value(field: FieldInfo) -> str:
    unit = _extra(field)["unit"]
    kinds = list(_kinds(field.annotation))
    if field.default is None and field in SETTINGS.values():
        kinds.insert(0, f"`{AUTO}`")
    text = " or ".join([", ".join(kinds[:-1]), kinds[-1]] if kinds[:-1] else kinds)
    return f"{text}, {unit}" if unit else text


def _kinds(annotation: Any) -> Iterable[str]:
    """Return what a value may be: the members of an enumeration, else its type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(annotation):
            if each is not types.NoneType:
                yield from _kinds(each)
    elif origin is tuple:
        yield "list"
    elif origin is not None or (isinstance(annotation, type) and issubclass(annotation, Settings)):
        yield "map"
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (f"`{member}`" for member in annotation)
    elif annotation is bool:
        yield from ("`true`", "`false`")
    else:
        yield {int: "whole number", float: "number"}.get(annotation, "text")
