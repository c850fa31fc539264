"""The reference page of all settings, made from their one declaration in `config`.

Pure: returns text.
"""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from feedsvc.config.file import ENVIRONMENT_PREFIX
from feedsvc.config.schema import Config

_INTRODUCTION = f"""\
# Configuration

feedsvc reads `config.toml` from the folder it is started in, or the file that `--config` or `FEEDSVC_CONFIG`
names. Paths in it are relative to it. Durations are written `"30s"`, `"5m"`, `"2h"`, `"1d"`; sizes `"500KB"`,
`"5MB"`. Every setting of a table without a name of its own can be set by a variable, too:
`{ENVIRONMENT_PREFIX}HTTP_PORT=9000` is `port` in `[http]`.

A key that is not known, or a value that is not accepted, is an error that names file, line and remedy;
`feedsvc check` shows them all. This page is what `feedsvc settings` prints.
"""
_NAMED = {
    "sections": "world",
    "tags": "syria",
    "authors": "jane-doe",
    "custom": "top",
    "profiles": "ours",
    "sources": "northwire",
    "partners": "acme",
}


def markdown() -> str:
    """The page: a table of settings for each table of config.toml."""
    return _INTRODUCTION + "".join(_sections())


def _sections() -> Iterator[str]:
    for name, info in Config.model_fields.items():
        annotation: Any = info.annotation
        model = get_args(annotation)[-1] if name in _NAMED else annotation
        title = f"{name}.{_NAMED[name]}" if name in _NAMED else name
        yield f"\n## `[{title}]`\n\n{_first_line(model)}\n\n"
        yield "| key | default | what it is |\n| --- | --- | --- |\n"
        yield from _rows(model)


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, info in model.model_fields.items():
        annotation: Any = info.annotation
        yield f"| `{prefix}{key}` | {_default(info.default)} | {info.description} |\n"
        for inner in (annotation, *get_args(annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _rows(inner, f"{prefix}{key}.")


def _default(value: object) -> str:
    if value is None or value == "" or value in ({}, PydanticUndefined) or isinstance(value, BaseModel):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, list):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    return f"`{value}`"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
