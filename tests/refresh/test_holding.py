"""A refresher leaves what is half written, keeps what was whole before, and takes it when it is whole."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feedsvc.domain.selection import Rules
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.settling import Kind
from feedsvc.refresh import open_files, read_pool
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, conditions, sources, tombstones
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.stories import write_story

pytestmark = pytest.mark.slow

SETTLE = 0.2


class Desk:
    """A content folder, a store, and a refresher that waits for files to settle."""

    def __init__(self, store: Store, root: Path, rules: Rules, clock: Clock) -> None:
        self.store, self.root = store, root
        root.mkdir(exist_ok=True)
        self.refresher = Refresher(store, root, LoadRules(), rules, clock=clock, settle=SETTLE)
        self.refresher.prepare()

    @property
    def titles(self) -> dict[str, str]:
        with self.store.read() as connection:
            return {one.id: one.title for one in articles.each(connection)}

    @property
    def quarantine(self) -> list[str]:
        with self.store.read() as connection:
            return [one.path for one in sources.quarantined(connection)]

    def load_due(self) -> None:
        """What a schedule does when something is due."""
        paths = self.refresher.settling.take(time.monotonic())
        self.refresher.scan_changed({Path(path) for path in paths})
        self.refresher.settling.done(paths)

    @contextmanager
    def writing(self, path: str, **fields: object) -> Iterator[None]:
        """A story that is whole, and that somebody goes on writing."""
        with write_story(self.root, path, **fields).open("a"):  # type: ignore[arg-type]
            yield


@pytest.fixture
def desk(store: Store, tmp_path: Path, rules: Rules, clock: Clock) -> Desk:
    return Desk(store, tmp_path / "content", rules, clock)


def test_look_waits_for_what_was_just_closed_and_leaves_what_is_open(desk: Desk) -> None:
    write_story(desk.root, "a.md", title="Closed")
    with desk.writing("b.md", title="Open"):
        report = desk.refresher.scan()
        assert report.unsettled == {"b.md"}
        assert set(desk.titles.values()) == {"Closed"}
    assert desk.refresher.scan().unsettled == set()
    assert set(desk.titles.values()) == {"Closed", "Open"}


def test_last_whole_version_stays_while_a_file_is_rewritten(desk: Desk) -> None:
    write_story(desk.root, "a.md", title="Before")
    desk.refresher.scan()
    with desk.writing("a.md", title="After"):
        desk.refresher.scan()
        desk.load_due()
        assert desk.titles == {"a": "Before"}
        assert desk.quarantine == []
    desk.refresher.scan()
    assert desk.titles == {"a": "After"}


def test_readers_in_other_processes_leave_what_is_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_pool, "_FEW", 2)
    monkeypatch.setattr(read_pool, "processors", lambda: 2)
    for number in range(5):
        write_story(desk.root, f"{number}.md")
    with desk.writing("3.md"):
        assert desk.refresher.scan().unsettled == {"3.md"}
        assert desk.titles.keys() == {"0", "1", "2", "4"}


def test_copy_that_takes_the_place_of_a_deleted_file_is_a_move(desk: Desk) -> None:
    """As git writes; the copy is too fresh to be read when the old file is missed."""
    file = write_story(desk.root, "old.md", id="zebra", title="Zebra")
    desk.refresher.scan()
    file.unlink()
    write_story(desk.root, "new.md", id="zebra", title="Zebra")
    report = desk.refresher.scan()
    assert (report.changed, report.removed) == (0, 0)
    with desk.store.read() as connection:
        assert tombstones.left_by(connection, "zebra") is None
        assert sources.owners(connection, ["zebra"]) == {"zebra": {"new.md"}}


def test_id_stays_with_a_file_that_is_being_rewritten(desk: Desk) -> None:
    write_story(desk.root, "a.md", id="zebra", title="First")
    desk.refresher.scan()
    with desk.writing("a.md", id="okapi", title="Not yet"):
        other = write_story(desk.root, "b.md", id="zebra", title="Second")
        desk.refresher.settling.note(str(other.resolve()), Kind.PLACED, time.monotonic())
        desk.load_due()
        assert desk.quarantine == ["b.md"]
        assert desk.titles == {"zebra": "First"}
    desk.refresher.scan()
    assert desk.titles == {"zebra": "Second", "okapi": "Not yet"}
    assert desk.quarantine == []


def test_renamed_file_is_read_at_once_and_so_is_one_in_a_renamed_folder(desk: Desk) -> None:
    settling = desk.refresher.settling
    write_story(desk.root, "a.md")
    write_story(desk.root, "folder/deep/b.md")
    root = desk.root.resolve()
    for path in ("a.md", "folder"):
        settling.note(f"{root}/{path}", Kind.PLACED, time.monotonic())
    desk.load_due()
    assert desk.titles.keys() == {"a", "folder/deep/b"}
    assert settling.next_due() is None


def test_link_to_a_file_that_is_being_written_is_left_too(desk: Desk) -> None:
    with desk.writing("a.md", id="zebra"):
        (desk.root / "b.md").symlink_to(desk.root / "a.md")
        desk.refresher.settling.note(f"{desk.root.resolve()}/b.md", Kind.PLACED, time.monotonic())
        desk.load_due()
        assert desk.titles == {}


def test_file_open_for_a_minute_is_told_until_it_is_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> dict[str, str]:
        desk.refresher.tell_open()
        with desk.store.read() as connection:
            return {one.name: one.detail for one in conditions.current(connection)}

    with desk.writing("world/a.md"):
        desk.refresher.scan()
        assert told() == {}
        monkeypatch.setattr(open_files, "_LONG", 0.0)
        assert told().keys() == {"files-open"}
        assert "world/a.md (since 11:59 UTC)" in told()["files-open"]
    desk.refresher.scan()
    assert told() == {}


def test_condition_that_a_dead_process_left_is_cleared(desk: Desk, clock: Clock) -> None:
    with desk.store.write() as tx:
        conditions.put(tx, open_files.NAME, "a.md", clock())
    desk.refresher.tell_open()
    with desk.store.read() as connection:
        assert conditions.current(connection) == []


def test_refresher_that_is_stopped_waits_for_no_file(desk: Desk) -> None:
    write_story(desk.root, "a.md")
    desk.refresher.settling.settle = 4.0
    desk.refresher.stop()
    began = time.monotonic()
    desk.refresher.scan()
    assert time.monotonic() < began + 2
