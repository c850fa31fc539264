"""What is installed elsewhere is whole, and what `deploy/` has would start it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.stories import write_story

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
CONFIG = """
[site]
name = "The Daily Example"
url = "https://news.example.org"
language = "en"
authority = "news.example.org,2026"

[store]
url = "sqlite:///var/feedsvc.db"
content = "content"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return folder / made.stdout.split()[-1]


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("feedsvc/")}
    package = ROOT / "feedsvc"
    files = {path.relative_to(ROOT).as_posix() for path in package.rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert "feedsvc/py.typed" in held


def test_wheel_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    installed, site = tmp_path / "installed", tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    write_story(site / "content", "a.md", title="Ferries")
    (site / "config.toml").write_text(CONFIG)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    script = (
        "import feedsvc; from feedsvc.web import create_app; print(feedsvc.__file__);"
        "client = create_app().test_client();"
        "print(*(client.get(path).status_code for path in ('/', '/feeds/all.rss')))"
    )
    for command in (["-m", "feedsvc", "check"], ["-m", "feedsvc", "refresh"], ["-c", script]):
        run = subprocess.run(
            [sys.executable, *command],
            cwd=site,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.split() == [str(installed / "feedsvc" / "__init__.py"), "200", "200"]


def test_supported_pythons_are_those_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {one.rpartition(" ")[2] for one in project["classifiers"] if re.search(r":: 3\.\d+$", one)}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert named == set(re.findall(r'"(3\.\d+)"', workflow))
    assert project["requires-python"] == f">={min(named, key=lambda one: int(one[2:]))}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing on this machine, and comes with systemd alone")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text("utf-8").replace("/opt/feedsvc/bin/feedsvc", sys.executable))
    run = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_unit_runs_a_command_that_there_is(unit: Path) -> None:
    started = re.search(r"^ExecStart=\S+ (\w+) ", unit.read_text("utf-8"), re.MULTILINE)
    assert started
    run = subprocess.run(
        [sys.executable, "-m", "feedsvc", started[1], "--help"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0
