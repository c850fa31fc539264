"""What was found, as JSON and as RESULTS.md: one section for each benchmark, and at its head every target.

Must not know any benchmark: a section brings its own words and figures.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ORDER = ("serve", "refresh", "load", "render", "memory", "encoding", "ingest", "bulk", "soak")
_BOM = "This file is written by `make bench`; CONTRIBUTING.md says how to run it."


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures, already in words."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Target:
    """What was wanted of a figure, what it is, and whether that is met; `met` is None without a target."""

    what: str
    measured: str
    wanted: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Section:
    """What one benchmark found. `how` says in sentences how it was measured, `missing` what was left out."""

    name: str
    title: str
    how: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def keep(file: Path, section: Section, surroundings: dict[str, Any]) -> None:
    """Put a section among the results in a JSON file, in place of an earlier one of its name."""
    results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    results[section.name] = {**asdict(section), **surroundings}
    ordered = {name: results[name] for name in ORDER if name in results}
    file.write_text(json.dumps(ordered, ensure_ascii=False, indent=1) + "\n", "utf-8")


def markdown(file: Path) -> str:
    """RESULTS.md, of the results in a JSON file."""
    results: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))
    parts = ["# Results\n", f"{_BOM}\n", *_head(results), *_surroundings(results)]
    for section in results.values():
        parts += _section(section)
    return "\n".join(parts)


def _head(results: dict[str, dict[str, Any]]) -> list[str]:
    rows = [
        (target["what"], target["measured"], target["wanted"] or "–", _verdict(target["met"]))
        for section in results.values()
        for target in section["targets"]
    ]
    return _table(("", "measured", "target", "met"), rows)


def _verdict(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "–"}[met]


def _surroundings(results: dict[str, dict[str, Any]]) -> list[str]:
    """Where it was measured; said once where sections agree, as they do unless some are older."""
    parts = ["## Measured with\n"]
    told: dict[str, list[str]] = {}
    for name, section in results.items():
        told.setdefault(json.dumps([section["machine"], section["versions"]]), []).append(name)
    for described, names in told.items():
        machine, versions = json.loads(described)
        if len(told) > 1:
            parts.append(f"{', '.join(f'`{name}`' for name in names)}:\n")
        parts.append("; ".join(f"{what}: {value}" for what, value in machine.items()) + ".\n")
        parts.append(", ".join(f"{what} {value}" for what, value in versions.items()) + ".\n")
    return parts


def _section(section: dict[str, Any]) -> list[str]:
    parts = [f"## `{section['name']}`: {section['title']}\n"]
    parts.append(f"{section['date']}, size {section['size']}, {section['corpus']}.\n")
    for table in section["tables"]:
        if table["caption"]:
            parts.append(f"**{table['caption']}**\n")
        parts += _table(table["columns"], table["rows"])
    parts += [f"- {sentence}" for sentence in section["how"]]
    parts += [f"- Left out: {missing}." for missing in section["missing"]]
    return [*parts, ""]


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [columns, ("---", *["---:"] * (len(columns) - 1)), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]
