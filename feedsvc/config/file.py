"""config.toml and the environment → Config, or findings that name file, line, key and remedy.

Knows no setting by name, except those that are lists: `schema` declares all of them, and what each accepts.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from feedsvc.config.schema import Config
from feedsvc.domain import constraints
from feedsvc.util.errors import ConfigError

ENVIRONMENT_PREFIX = "FEEDSVC_"
_LISTS = ("formats", "trusted_proxies")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a configuration file, with `FEEDSVC_TABLE_KEY` variables over its scalar settings.

    Raises ConfigError with one line for each finding: file, line, key, what was seen and what is wanted.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); name another file with --config") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigError(f"{path}:{line[1] if line else 1}: {error}") from error
    variables = _overlay(tables, environ)
    unknown = _unknown_variables(environ)
    try:
        config = Config.model_validate(tables)
    except ValidationError as error:
        findings = [_finding(path, text, variables, details) for details in error.errors()]
        raise ConfigError("\n".join(findings + unknown)) from error
    if unknown:
        raise ConfigError("\n".join(unknown))
    return config.at(path)


def _overlay(tables: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Put environment variables over `tables`; returns key path → variable, for error messages."""
    variables: dict[tuple[str, ...], str] = {}
    for table, key, name in _settable():
        if name in environ and isinstance(tables.setdefault(table, {}), dict):
            value = environ[name]
            tables[table][key] = [part.strip() for part in value.split(",")] if key in _LISTS else value
            variables[table, key] = name
    return variables


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One finding for each variable that begins like those of a table, but names no key of it."""
    known = {name for _, _, name in _settable()}
    tables = tuple(f"{ENVIRONMENT_PREFIX}{table}_".upper() for table, _, _ in _settable())
    findings = []
    for name in sorted(environ.keys() - known):
        if name.startswith(tables):
            near = difflib.get_close_matches(name, known, 1, cutoff=0.3)
            findings.append(f"{name}: unknown variable; did you mean {near[0]}?")
    return findings


def _settable() -> Iterator[tuple[str, str, str]]:
    """Every setting that a variable may give: table, key, and the variable's name."""
    for table, info in Config.model_fields.items():
        model = info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for key in model.model_fields:
                yield table, key, f"{ENVIRONMENT_PREFIX}{table}_{key}".upper()


def _finding(path: Path, text: str, variables: Mapping[tuple[str, ...], str], details: ErrorDetails) -> str:
    """One error as a line that names the place, the key, what was seen and what is wanted."""
    keys = tuple(str(part) for part in details["loc"] if not str(part).startswith(("literal[", "function-")))
    place = variables.get(keys) or f"{path}:{line_of(text, keys)}"
    dotted = ".".join(keys)
    if details["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known_keys(keys[:-1]), 1, cutoff=0.3)
        known = f"did you mean {near[0]}?" if near else f"known are {', '.join(_known_keys(keys[:-1]))}"
        return f"{place}: {dotted}: unknown key; {known}"
    reason = str(details["msg"]).removeprefix("Value error, ")
    if not dotted:
        return f"{place}: {reason}"
    if isinstance(details["input"], dict):  # not shown: it may hold a secret, and the key says as much
        return f"{place}: {dotted}: {reason}"
    seen = details["input"]
    seen = constraints.masked(seen) if isinstance(seen, str) else seen
    return f"{place}: {dotted}: {seen!r} is not accepted; {reason[:1].lower()}{reason[1:]}"


def _known_keys(table: tuple[str, ...]) -> list[str]:
    """The keys that a table may have, by the table's path."""
    model: Any = Config
    for name in table:
        annotation = (
            model.model_fields[name].annotation if name in getattr(model, "model_fields", {}) else None
        )
        if annotation is None:
            continue  # the name of a section, a tag or the like
        model = get_args(annotation)[-1] if get_args(annotation) else annotation
    return list(model.model_fields)


def line_of(text: str, keys: tuple[str, ...], value: str = "") -> int:
    """The number of a key's line, else of its table's, else 1. tomllib keeps no positions.

    With a `value`, the first line from there on that has it in quotes: a list may span several lines.
    """
    lines = text.splitlines()
    best, table, most = 1, tuple[str, ...](), 0
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            whole = table = _parts(header[1])
        elif key := _KEY.match(line):
            whole = (*table, *_parts(key[1]))
        else:
            continue
        shared = min(len(whole), len(keys))
        if shared > most and whole[:shared] == keys[:shared]:
            best, most = number, shared
    if value:
        quoted = {f'"{value}"', f"'{value}'", json.dumps(value)}
        below = enumerate(lines[best - 1 :], best)
        return next((number for number, line in below if any(one in line for one in quoted)), best)
    return best


_PART: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_HEADER: Final = re.compile(rf"\s*\[\[?\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]")
_KEY: Final = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def _parts(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted key of TOML, `sources."Agence X".public`; () if it isn't one."""
    parts: list[str] = []
    try:
        found: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    while isinstance(found, dict):
        ((part, found),) = found.items()
        parts.append(part)
    return tuple(parts)
