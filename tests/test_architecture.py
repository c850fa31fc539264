"""Imports point one way, as the package's docstring says."""

import ast
from pathlib import Path

import feedsvc

ROOT = Path(feedsvc.__file__).parent
LEAVES = {
    "feedsvc",
    "characters",
    "domain",
    "errors",
    "lru",
    "media_types",
    "model",
    "removals",
    "retention",
    "names",
    "rights",
    "settling",
    "slugs",
    "urls",
}
ALLOWED = {
    "characters": set(),
    "domain": {"model"},
    "errors": set(),
    "lru": set(),
    "media_types": set(),
    "model": {"rights"},
    "removals": set(),
    "retention": set(),
    "names": set(),
    "rights": set(),
    "settling": set(),
    "slugs": set(),
    "urls": {"domain", "model"},
    "profiles": {"model"},
    "config_types": {"domain", "removals", "urls"},
    "config_partners": {"config_types", "model", "rights"},
    "config_http": {"config_partners", "config_types"},
    "config_retention": {"config_partners", "config_types"},
    "config": LEAVES | {"profiles", "config_http", "config_partners", "config_retention", "config_types"},
    "config_file": {"config", "domain", "errors"},
    "config_names": LEAVES | {"config", "config_file", "config_partners", "config_values"},
    "config_values": LEAVES | {"config", "profiles", "loading", "selection"},
    "config_reference": {"config", "config_file"},
    "logs": set(),
    "html": LEAVES,
    "embeds": {"domain"},
    "markup": LEAVES | {"embeds", "html"},
    "loading": LEAVES,
    "processes": {"logs"},
    "lanes": set(),
    "listening": {"errors"},
    "run_folder": set(),
    "supervising": set(),
    "reading": LEAVES | {"loading", "processes", "selection"},
    "store": LEAVES,
    "gate": LEAVES,
    "selection": LEAVES | {"gate"},
    "revoking": LEAVES | {"gate", "selection"},
    "applying": LEAVES | {"revoking", "store", "selection"},
    "ingest": LEAVES,
    "pushing": LEAVES | {"applying", "ingest", "selection", "store"},
    "render": LEAVES | {"markup"},
    "refresh": LEAVES
    | {"applying", "gate", "loading", "processes", "reading", "repeated", "revoking", "store"}
    | {"selection", "render"},
    "outgoing": {"errors", "feedsvc"},
    "notice_content": LEAVES | {"selection", "store"},
    "notices": LEAVES | {"gate", "notice_content", "outgoing", "repeated", "selection", "store"},
    "watching": {"loading", "settling", "watching_inotify"},
    "watching_inotify": {"loading", "settling", "watching"},
    "jobs": {"repeated", "store"},
    "schedule": {"jobs", "settling", "watching"},
    "repeated": set(),
    "opening": {"config", "store"},
    "running": {"config", "opening", "store"},
    "documents": {"domain", "model"},
    "linting": LEAVES | {"markup", "render"},
    "checking": LEAVES | {"documents", "linting", "loading", "run_folder", "store", "selection", "refresh"},
    "web": LEAVES
    | {
        "config",
        "config_file",
        "config_http",
        "config_values",
        "lanes",
        "listening",
        "logs",
        "markup",
        "supervising",
    }
    | {"gate", "ingest", "opening", "pushing", "repeated", "run_folder", "store", "selection"},
}


def rooms(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imports_of(file: Path) -> set[str]:
    """The rooms of the package that a module imports from."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {rooms(alias.name) for alias in node.names if alias.name.split(".")[0] == "feedsvc"}
        elif isinstance(node, ast.ImportFrom) and node.module == "feedsvc":
            known = {path.stem for path in ROOT.iterdir()}
            found |= {alias.name if alias.name in known else "feedsvc" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("feedsvc."):
            found.add(rooms(node.module or ""))
    return found


def test_imports_point_one_way() -> None:
    for file in ROOT.rglob("*.py"):
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in ALLOWED:
            allowed = ALLOWED[room] | {room}
            assert imports_of(file) <= allowed, f"{file.relative_to(ROOT)} imports against the direction"
        else:
            assert room in {"__init__", "__main__", "cli"}, f"{room} has no place in the house yet"


def test_only_one_module_imports_feedgen_and_only_the_store_speaks_sql() -> None:
    for file in ROOT.rglob("*.py"):
        text, name = file.read_text("utf-8"), file.relative_to(ROOT).as_posix()
        assert "import feedgen" not in text or name == "render/_feedgen.py"
        assert not ("SELECT " in text or "sqlalchemy import select" in text) or name.startswith("store/")


def test_every_module_says_what_it_does_and_none_is_long() -> None:
    for file in ROOT.rglob("*.py"):
        text = file.read_text("utf-8")
        assert ast.get_docstring(ast.parse(text)), file
        assert len(text.splitlines()) <= 430, f"{file} is long: is it one thing?"
