"""What killed processes leave in the temporary folder is removed, and never what one that lives uses."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feedsvc.util.run_folder import run_folder
from feedsvc.web.partners.delivery_spool import may_go, owner_of
from tests.e2e.conftest import Service
from tests.stories import write_story

pytestmark = pytest.mark.slow

HOLDER = """
import subprocess, sys
from feedsvc.util.run_folder import run_folder
with run_folder(sys.argv[1]) as folder:
    code = "import sys; print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=sys.stdin, pass_fds=[folder.lock])
    print(folder.path, child.pid, flush=True)
    child.wait()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own."""
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return made


@contextmanager
def held(owner: str = "") -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A process with a folder of its own, and another one that uses it, too."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    said = [process.stdout.readline(), process.stdout.readline()]
    folder, child = next(line for line in said if line.strip()).split()
    try:
        yield process, Path(folder), int(child)
    finally:
        process.kill()
        process.communicate()  # closes its input, with which the other one ends


def left() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("feedsvc-*"))


def test_folder_stays_as_long_as_any_process_uses_it() -> None:
    with held() as (process, folder, child):
        with run_folder():
            assert folder in left()
        process.kill()
        process.wait()
        with run_folder():
            assert folder in left()
        os.kill(child, 9)
        assert process.stdout
        process.stdout.read()  # both ends of it are closed now
        with run_folder() as own:
            assert left() == {own.path}
    assert left() == set()


def test_folder_that_nobody_made_this_way_stays(place: Path) -> None:
    (place / "feedsvc-of-somebody").mkdir()
    (place / "feedsvc-link").symlink_to(place)
    with run_folder():
        pass
    assert len(left()) == 2


@pytest.mark.parametrize(("owner", "ledger", "stays"), [("other", b"x", True), ("other", b"", False)])
def test_what_waits_for_another_store_stays(place: Path, owner: str, ledger: bytes, stays: bool) -> None:
    folder = place / "feedsvc-left"
    folder.mkdir()
    (folder / ".lock").write_text(owner)
    (folder / "1-a.ledger").write_bytes(ledger)
    with run_folder():  # as `feedsvc check` does
        assert folder.exists()
    with run_folder(owner_of("sqlite:///mine"), lambda path, whose: may_go("sqlite:///mine", path, whose)):
        assert folder.exists() is stays


def test_service_that_was_killed_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    service, other = map(Service, folders)
    try:
        for one in (service, other):
            write_story(one.content, "a.md")
            one.start()
        assert len(left()) == 2
        for _ in range(3):
            service.kill()
            service.start()
        assert len(left()) == 2
        service.get("/feeds/all.rss")
        assert other.get("/feeds/all.rss").status_code == 200
        service.stop()
        other.stop()
        assert left() == set()
    finally:
        for one in (service, other):
            one.kill()
            one.client.close()
