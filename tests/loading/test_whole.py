"""Who has a file open is asked of the kernel; where it doesn't say, time and two looks alike must do."""

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feedsvc.domain.model import Loaded, Rejected
from feedsvc.loading import story_file, whole
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import NOTHING_KNOWN, Known, Unsettled
from tests.stories import write_story

RULES = LoadRules()


def load(root: Path, settle: float = 0.0, known: Known = NOTHING_KNOWN) -> Loaded | Rejected | Unsettled:
    return story_file.load(root, "a.md", RULES, settle, known)


def refused(root: Path, settle: float = 0.0, known: Known = NOTHING_KNOWN) -> str:
    made = load(root, settle, known)
    return made.reason if isinstance(made, Unsettled) else ""


def aged(file: Path, seconds: float) -> Path:
    """Have a file look as if its content had not changed for so long."""
    then = time.time() - seconds
    os.utime(file, (then, then))
    return file


@pytest.fixture
def story(tmp_path: Path) -> Path:
    return write_story(tmp_path, "a.md")


@pytest.fixture
def leases(tmp_path: Path) -> None:
    """Skips what needs leases where there are none."""
    if whole._is_open(os.open(write_story(tmp_path, "probe.md"), os.O_RDONLY)) is None:
        pytest.skip("this system tells nobody who has a file open")


@pytest.fixture
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of another owner."""
    monkeypatch.setattr(whole, "_is_open", lambda _: None)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system of another machine."""
    monkeypatch.setattr(whole, "file_system", lambda _: "nfs4")


@pytest.fixture
def no_inode_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the time of content counts, which tests can set."""
    state = whole._state
    monkeypatch.setattr(whole, "_state", lambda seen: state(seen)._replace(ctime_ns=0))


@pytest.mark.usefixtures("leases")
def test_file_is_refused_as_long_as_anybody_may_write_to_it(tmp_path: Path, story: Path) -> None:
    with story.open("a"), story.open("a"):
        assert refused(tmp_path) == "open"
    with story.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        file.close()
        assert refused(tmp_path) == "open"
    with story.open():
        assert isinstance(load(tmp_path), Loaded)


def test_renamed_file_is_read_though_somebody_has_it_open(tmp_path: Path, story: Path) -> None:
    with story.open("a"):
        assert isinstance(load(tmp_path, 60.0, Known(placed=True)), Loaded)


def test_asking_keeps_nobody_from_writing(tmp_path: Path, story: Path) -> None:
    for _ in range(200):
        assert isinstance(load(tmp_path), Loaded)
        os.close(os.open(story, os.O_WRONLY | os.O_NONBLOCK))  # would fail at once if a lease were left


@pytest.mark.usefixtures("no_lease")
def test_without_a_lease_what_the_watcher_saw_counts(tmp_path: Path, story: Path) -> None:
    with story.open("a"):
        assert refused(tmp_path, known=Known(written=True)) == "open"
    assert isinstance(load(tmp_path), Loaded)


@pytest.mark.usefixtures("far", "story")
def test_on_other_machines_file_systems_leases_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS 4 and SMB refuse them for files nobody has open: such a file would be held for ever."""
    monkeypatch.setattr(whole, "_is_open", lambda _: True)
    assert isinstance(load(tmp_path), Loaded)


def test_fresh_file_is_refused_until_it_was_quiet(tmp_path: Path, story: Path) -> None:
    assert refused(tmp_path, 0.3) == "fresh"
    assert refused(aged(story, 1_000).parent, 0.3) == "fresh"  # a time can be set, that of the inode can't
    time.sleep(0.35)
    assert isinstance(load(tmp_path, 0.3), Loaded)


def test_file_from_the_future_is_read_once_it_was_seen_twice(tmp_path: Path, story: Path) -> None:
    aged(story, -100_000)
    made = load(tmp_path, 0.5)
    assert isinstance(made, Unsettled)
    assert isinstance(load(tmp_path, 0.5, Known(seen=made.state)), Loaded)
    with story.open("a") as file:
        file.write("More.")
    assert refused(tmp_path, 0.5, Known(seen=made.state)) == "fresh"


@pytest.mark.usefixtures("far", "no_inode_times")
@pytest.mark.parametrize(("age", "reason"), [(30.0, "fresh"), (-30.0, "fresh"), (120.0, "")])
def test_other_machines_clocks_may_differ_by_a_minute(
    tmp_path: Path, story: Path, age: float, reason: str
) -> None:
    aged(story, age)
    assert refused(tmp_path, 0.5) == reason


def test_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = whole._read

    def growing(file: int, size: int, limit: int) -> bytes:
        raw = read(file, size, limit)
        with story.open("a") as written:
            written.write("More.")
        return raw

    monkeypatch.setattr(whole, "_read", growing)
    assert refused(tmp_path) == "growing"
    assert refused(tmp_path, known=Known(placed=True)) == "growing"


@pytest.mark.usefixtures("leases")
def test_file_that_another_has_leased_to_write_is_refused(tmp_path: Path, story: Path) -> None:
    """As Samba does for a client that keeps what it wrote to itself."""
    with leased(story):
        assert refused(tmp_path) == "open"
    assert isinstance(load(tmp_path), Loaded)


@contextmanager
def leased(file: Path) -> Iterator[None]:
    import fcntl
    import signal

    with file.open("r+") as opened:
        fcntl.fcntl(opened, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        try:
            yield
        finally:
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def test_kernel_is_asked_on_file_systems_of_this_machine_alone(story: Path) -> None:
    with story.open("rb") as file:
        assert whole.file_system(file.fileno()) in whole._LOCAL
    with Path("/proc/self/status").open("rb") as file:
        assert whole.file_system(file.fileno()) == "proc"
