"""A watch tells what programs do to files, and what it can't watch; on real files and the real inotify."""

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feedsvc.loading.settling import Kind
from feedsvc.refresh import watch as watching
from feedsvc.refresh import watch_inotify
from feedsvc.refresh.watch import PlainWatch
from feedsvc.refresh.watch_events import Event, Watch
from feedsvc.refresh.watch_inotify import InotifyWatch
from tests.stories import write_story

pytestmark = pytest.mark.slow

SECONDS = 10


class Heard:
    """What a watch says, from a thread of its own."""

    def __init__(self, root: Path, watch: Watch) -> None:
        self.root = root
        self.events: list[Event] = []
        self.failed: Exception | None = None
        self.watch = watch
        self.batches = 0
        self.last: list[Event] = []
        """The last batch that was not empty."""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for events in self.watch.batches():
                with self._changed:
                    self.batches += 1
                    self.events += events
                    self.last = events or self.last
                    self._changed.notify_all()
        except OSError as error:
            self.failed = error
        with self._changed:
            self.batches = -1
            self._changed.notify_all()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, SECONDS), self.events

    def kinds(self, path: str) -> list[Kind]:
        """What was told of a path, without repetitions."""
        told = [
            kind for where, kind in self.events if where == os.path.join(os.path.realpath(self.root), path)
        ]
        return [kind for number, kind in enumerate(told) if number == 0 or told[number - 1] is not kind]

    def wait_for(self, path: str, *kinds: Kind) -> None:
        self.wait_until(lambda: all(kind in self.kinds(path) for kind in kinds))

    def end(self) -> None:
        self.watch.stop()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def hearing(tmp_path: Path) -> Iterator[Callable[..., Heard]]:
    """Starts a watch on tmp_path/content; it watches when this returns."""
    started: list[Heard] = []
    root = tmp_path / "content"
    root.mkdir()

    def start(make: Callable[[Path], Watch] = InotifyWatch) -> Heard:
        heard = Heard(root, make(root))
        started.append(heard)
        heard.wait_until(lambda: heard.batches != 0)
        return heard

    yield start
    for heard in started:
        heard.end()


def test_file_written_in_place_is_created_written_and_closed(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    with (heard.root / "a.md").open("w") as written:
        written.write("x")
        written.flush()
        heard.wait_for("a.md", Kind.WRITTEN)
        assert Kind.CLOSED not in heard.kinds("a.md")
    heard.wait_for("a.md", Kind.CLOSED)
    assert heard.kinds("a.md") == [Kind.CREATED, Kind.WRITTEN, Kind.CLOSED]


def test_what_is_renamed_or_linked_into_place_is_told_apart(
    hearing: Callable[..., Heard], tmp_path: Path
) -> None:
    heard = hearing()
    write_story(tmp_path, "outside.txt").rename(heard.root / "in.md")
    os.link(heard.root / "in.md", heard.root / "linked.md")
    heard.wait_for("linked.md", Kind.PLACED)
    (heard.root / "in.md").rename(heard.root / "moved.md")
    (heard.root / "moved.md").rename(tmp_path / "out.md")
    (heard.root / "linked.md").unlink()
    heard.wait_for("linked.md", Kind.DELETED)
    assert heard.kinds("in.md") == [Kind.PLACED, Kind.MOVED]
    assert heard.kinds("moved.md") == [Kind.PLACED, Kind.MOVED]
    assert heard.kinds("linked.md") == [Kind.PLACED, Kind.DELETED]


def test_rename_is_one_batch(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    file = write_story(heard.root, "a.md")
    heard.wait_for("a.md", Kind.CLOSED)
    file.rename(heard.root / "b.md")
    heard.wait_for("b.md", Kind.PLACED)
    assert [kind for _, kind in heard.last] == [Kind.MOVED, Kind.PLACED]


def test_folders_are_watched_wherever_they_come_from_and_go_to(
    hearing: Callable[..., Heard], tmp_path: Path
) -> None:
    heard = hearing()
    write_story(heard.root, "new/deep/a.md")
    heard.wait_for("new/deep/a.md", Kind.CREATED)
    (heard.root / "new").rename(heard.root / "moved")
    heard.wait_for("moved", Kind.PLACED)
    assert heard.kinds("new") == [Kind.MOVED]
    write_story(heard.root, "moved/deep/b.md")
    heard.wait_for("moved/deep/b.md", Kind.CLOSED)
    write_story(tmp_path, "come/in/c.md")
    (tmp_path / "come").rename(heard.root / "come")
    heard.wait_for("come", Kind.PLACED)
    write_story(heard.root, "come/in/d.md")
    heard.wait_for("come/in/d.md", Kind.CLOSED)
    (heard.root / "moved").rename(tmp_path / "gone")
    heard.wait_for("moved", Kind.MOVED)
    write_story(heard.root, "e.md")
    heard.wait_for("e.md", Kind.CLOSED)
    write_story(tmp_path, "gone/deep/f.md")
    write_story(heard.root, "g.md")
    heard.wait_for("g.md", Kind.CLOSED)
    assert not heard.kinds("moved/deep/f.md")


def test_names_that_are_not_utf8_stop_nothing(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    folder = os.fsencode(heard.root) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/\xff.md", "w") as written:
        written.write("x")
    write_story(heard.root, "a.md")
    heard.wait_for("a.md", Kind.CLOSED)
    heard.wait_for(os.fsdecode(b"caf\xe9/\xff.md"), Kind.CREATED)


def test_hidden_and_other_files_are_passed_over(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    write_story(heard.root, ".git/a.md")
    write_story(heard.root, "a.md~")
    write_story(heard.root, "picture.jpg")
    write_story(heard.root, "a.md")
    heard.wait_for("a.md", Kind.CLOSED)
    assert {os.path.basename(path) for path, _ in heard.events} == {"a.md"}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("target", "link", "leads_to"),
    [
        (".lib/t.md", "world/t.md", ".lib/t.md"),
        (".lib/a/b/t.md", "world/t.md", ".lib/a/b/t.md"),
        ("world/.t.md", "world/t.md", "world/.t.md"),
        (".lib/world/t.md", "world", ".lib/world"),
        ("node_modules/t.md", "t.md", "node_modules/t.md"),
    ],
)
def test_hidden_target_of_a_link_is_watched(
    hearing: Callable[..., Heard], tmp_path: Path, target: str, link: str, leads_to: str, is_there: bool
) -> None:
    """Else a withdrawal there would be seen with the next look at everything."""
    root = tmp_path / "content"

    def put() -> None:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_text("x")
        (root / link).symlink_to(root / leads_to)

    if is_there:
        put()
    heard = hearing()
    if not is_there:
        put()
        heard.wait_until(lambda: heard.kinds(link) != [])
    with (root / target).open("a") as file:
        file.write("y")
    heard.wait_for(target, Kind.CLOSED)
    heard.events.clear()
    (root / target).with_suffix(".new").write_text("z")
    (root / target).with_suffix(".new").rename(root / target)
    heard.wait_for(target, Kind.PLACED)
    (root / target).unlink()
    heard.wait_for(target, Kind.DELETED)


def test_hidden_folder_that_a_link_leads_into_may_be_replaced(
    hearing: Callable[..., Heard], tmp_path: Path
) -> None:
    root = tmp_path / "content"
    for name in (".lib", ".new"):
        (root / name).mkdir()
        (root / name / "t.md").write_text(name)
    (root / "t.md").symlink_to(".lib/t.md")
    heard = hearing()
    (root / ".lib" / "other.md").write_text("x")
    (root / ".lib").rename(root / ".old")
    (root / ".new").rename(root / ".lib")
    heard.wait_for(".lib/t.md", Kind.TOUCHED)
    assert heard.kinds(".lib/other.md") == []
    (root / ".lib" / "t.md").write_text("y")
    heard.wait_for(".lib/t.md", Kind.CLOSED)


def test_new_mode_is_told(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    file = write_story(heard.root, "world/a.md")
    heard.wait_for("world/a.md", Kind.CREATED)
    file.chmod(0o600)
    heard.wait_for("world/a.md", Kind.TOUCHED)
    file.parent.chmod(0o700)
    heard.wait_for("world", Kind.TOUCHED)


def test_folder_that_cannot_be_watched_is_named_and_the_rest_is_watched(
    hearing: Callable[..., Heard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    add_watch = watch_inotify.INotify.add_watch

    def add(self: Any, path: str, mask: int) -> Any:
        if full and path.endswith("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return add_watch(self, path, mask)

    monkeypatch.setattr(watch_inotify.INotify, "add_watch", add)
    monkeypatch.setattr(watch_inotify, "_RETRY", 0.1)
    monkeypatch.setattr(watch_inotify, "IDLE", 0.1)
    (tmp_path / "content" / "full").mkdir()
    heard = hearing()
    folder = f"{os.path.realpath(heard.root)}/full"
    assert heard.watch.unwatched.keys() == {folder}
    assert re.search(r"`sysctl \S*max_\S*watches=\d+`", heard.watch.unwatched[folder])
    write_story(heard.root, "a.md")
    heard.wait_for("a.md", Kind.CLOSED)
    full = False
    heard.wait_for("full", Kind.TOUCHED)
    assert not heard.watch.unwatched
    write_story(heard.root, "full/b.md")
    heard.wait_for("full/b.md", Kind.CLOSED)


def test_missing_instances_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(watch_inotify, "INotify", none)
    with pytest.raises(OSError, match=r"`sysctl \S*max_\S*instances=\d+`"):
        next(InotifyWatch(tmp_path).batches())


def overflow(root: Path) -> None:
    """Make more events than the kernel's queue holds."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(limit // 2 + 100):
        (root / f"{number % 7}.md").touch()
        (root / f"{number % 7}.md").unlink()


def test_lost_events_are_told_and_what_came_meanwhile_is_watched(
    hearing: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = hearing()
    with monkeypatch.context() as patched:
        patched.setattr(watch_inotify, "_MOST", -1)  # nobody takes any out
        (heard.root / "unseen").mkdir()
        overflow(heard.root)
        (heard.root / "late").mkdir()
    heard.wait_until(lambda: any(kind is Kind.LOST for _, kind in heard.events))
    write_story(heard.root, "late/a.md")
    heard.wait_for("late/a.md", Kind.CLOSED)


def test_nothing_is_lost_while_what_was_met_is_looked_at(
    hearing: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, looked = threading.Event(), threading.Event()
    met = watch_inotify._file_met

    def slowly(path: str, mask: int) -> list[Event]:
        looking.set()
        assert looked.wait(60)
        return met(path, mask)

    monkeypatch.setattr(watch_inotify, "_file_met", slowly)
    heard = hearing()
    write_story(heard.root, "first.md")
    assert looking.wait(10)
    overflow(heard.root)
    write_story(heard.root, "last.md")
    looked.set()
    last = Event(os.path.realpath(heard.root / "last.md"), Kind.CLOSED)
    heard.wait_until(lambda: last in heard.last)
    assert not any(kind is Kind.LOST for _, kind in heard.events)


def test_watch_ends_when_the_folder_is_replaced(
    hearing: Callable[..., Heard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_inotify, "IDLE", 0.1)
    heard = hearing()
    heard.root.rename(tmp_path / "before")
    heard.root.mkdir()
    heard.wait_until(lambda: heard.batches == -1)
    assert heard.failed is None


def test_stop_is_prompt(hearing: Callable[..., Heard]) -> None:
    heard = hearing()
    began = time.monotonic()
    heard.end()
    assert time.monotonic() < began + 0.9  # less than the time it sleeps


def test_watch_of_other_systems_tells_what_changed(
    hearing: Callable[..., Heard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "IDLE", 0.1)
    heard = hearing(PlainWatch)
    file = write_story(heard.root, "a.md")
    heard.wait_for("a.md", Kind.TOUCHED)
    file.unlink()
    heard.wait_for("a.md", Kind.DELETED)
    write_story(tmp_path, "b.txt").rename(heard.root / "b.md")
    heard.wait_for("b.md", Kind.TOUCHED)
