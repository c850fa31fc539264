"""The house: what each room may import, how large its modules are, and who speaks SQL or to feedgen."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

import feedsvc

ROOT = Path(feedsvc.__file__).parent
BASE = {"domain", "util"}
ALLOWED = {
    "domain": set(),
    "util": set(),
    "html": BASE,
    "loading": BASE | {"html"},
    "ingest": BASE,
    "store": BASE,
    "importing": BASE | {"loading"},
    "config": BASE | {"loading", "store"},
    "changes": BASE | {"ingest", "store"},
    "render": BASE | {"html"},
    "outbound": BASE | {"store"},
    "refresh": BASE | {"changes", "loading", "render", "store"},
    "web": BASE | {"changes", "config", "html", "ingest", "store"},
    "lint": BASE | {"html", "loading", "refresh", "render", "store"},
    "cli": BASE | {"config", "importing", "lint", "loading", "outbound", "refresh", "store", "web"},
}
"""Rooms, and which others each may import from: the direction that docs/architecture.md draws."""
DOCS = [ROOT.parent / "CONTRIBUTING.md", ROOT.parent / "docs" / "architecture.md"]
PATH = re.compile(r"`([\w/.]+(?:\.py|\.toml|/))`")
LONGEST_MODULE = 430
LONGEST_FUNCTION = 50


def files() -> Iterator[tuple[str, Path, ast.Module]]:
    """Every module: its name (`domain.model`), file and syntax tree."""
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, file, ast.parse(file.read_text("utf-8"))


MODULES = {name: tree for name, _, tree in files()}


def imports_of(tree: ast.AST) -> set[str]:
    """The modules of the package that a module imports, or imports a name of."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(one.name.startswith("feedsvc.") for one in node.names), "written as from … import"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "feedsvc":
            module = (node.module or "").removeprefix("feedsvc").lstrip(".")
            for one in node.names:
                inner = f"{module}.{one.name}".lstrip(".")
                found.add(inner if inner in MODULES else module)
    return found - {"", "__init__"}


def test_every_module_is_in_a_room() -> None:
    assert {name for name in MODULES if "." not in name} == {*ALLOWED, "__init__", "__main__"}
    assert {file.name for file in (ROOT / "web").glob("*.py")} == {"__init__.py", "app.py"}


def test_imports_point_one_way() -> None:
    for name, tree in MODULES.items():
        room = name.split(".")[0]
        if room in ALLOWED:
            rooms = {one.split(".")[0] for one in imports_of(tree)}
            assert rooms <= ALLOWED[room] | {room}, f"{name} imports against the direction"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: imports_of(tree) - {name} for name, tree in MODULES.items()}
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {sorted(left)}"


def test_every_room_says_what_it_is_for() -> None:
    for name, file, tree in files():
        text = ast.get_docstring(tree)
        assert text, f"{name} says nothing"
        if file.name == "__init__.py" and name != "__init__":
            assert "must not know" in text.lower(), f"{name} does not say what it must not know"
            assert "Open" in text, f"{name} does not say which module to open first"


def test_only_one_module_imports_feedgen_and_only_the_store_speaks_sql() -> None:
    for file in ROOT.rglob("*.py"):
        text, name = file.read_text("utf-8"), file.relative_to(ROOT).as_posix()
        assert "import feedgen" not in text or name == "render/_feedgen.py"
        assert not ("SELECT " in text or "sqlalchemy import select" in text) or name.startswith("store/")


def test_modules_and_functions_are_short() -> None:
    lengths = {name: len(file.read_text("utf-8").splitlines()) for name, file, _ in files()}
    assert median(lengths.values()) < 150
    for name, length in lengths.items():
        assert length <= LONGEST_MODULE, f"{name} has {length} lines: is it one thing?"
    for name, _, tree in files():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{name}.{node.name} has {length} lines"


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_paths_that_documents_name_exist(file: Path) -> None:
    for path in PATH.findall(file.read_text("utf-8")):
        places = (ROOT / path, ROOT.parent / path)
        assert any(one.exists() for one in places), f"no {path}"
