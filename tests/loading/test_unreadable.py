"""What could not be read is not noted as read: it is tried again, though its size and time are the same."""

import errno
import os
from pathlib import Path

import pytest

from feedsvc.domain.model import Loaded, Rejected
from feedsvc.domain.selection import Rules
from feedsvc.loading import story_file
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import Reader
from feedsvc.store import sources
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom, holding
from tests.stories import write_story


@pytest.fixture
def newsroom(store: Store, tmp_path: Path, rules: Rules, clock: Clock) -> Newsroom:
    return Newsroom(store, tmp_path / "content", rules, clock)


class Disk:
    """Fails to open some files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails: set[str] = set()
        self.tried: list[str] = []
        opened = story_file._opened

        def fail(base: str, real: str) -> int:
            name = os.path.basename(real)
            self.tried.append(name)
            if name in self.fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return opened(base, real)

        monkeypatch.setattr(story_file, "_opened", fail)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_file_that_failed_is_read_by_the_next_look_once_it_can_be(newsroom: Newsroom, disk: Disk) -> None:
    newsroom.write("a.md", title="Zebra")
    disk.fails = {"a.md"}
    newsroom.run()
    assert "Input/output error" in newsroom.quarantine()["a.md"]
    disk.fails = set()
    newsroom.restarted()
    assert holding(newsroom.run(), "Zebra")
    assert newsroom.quarantine() == {}
    disk.tried.clear()
    newsroom.run()
    assert disk.tried == []  # it was read


def test_last_version_stays_out_and_the_new_one_follows(newsroom: Newsroom, disk: Disk) -> None:
    file = newsroom.write("a.md", title="Zebra")
    newsroom.run()
    newsroom.write("a.md", title="Okapi")
    disk.fails = {"a.md"}
    assert holding(newsroom.run(), "Zebra")
    disk.fails = set()
    assert file.exists()
    published = newsroom.run()
    assert holding(published, "Okapi")
    assert not holding(published, "Zebra")


def test_failure_that_repeats_is_told_once_and_since_the_first_time(
    newsroom: Newsroom, disk: Disk, clock: Clock
) -> None:
    newsroom.write("a.md", title="Zebra")
    disk.fails = {"a.md"}
    told = []
    for _ in range(4):
        told += newsroom.refresher.scan().rejected
        clock.forward(minutes=1)
    assert len(disk.tried) >= 4
    assert len(told) == 1
    with newsroom.store.read() as connection:
        (one,) = sources.quarantined(connection)
    assert (clock.now - one.since).total_seconds() == 240


def test_failed_file_is_due_again_until_it_is_read_or_gone(newsroom: Newsroom, disk: Disk) -> None:
    for name in ("a.md", "b.md"):
        newsroom.write(name)
    disk.fails = {"a.md", "b.md"}
    newsroom.run()
    settling = newsroom.refresher.settling
    base = os.path.realpath(newsroom.root)
    assert set(settling.take(1e12)) == {f"{base}/a.md", f"{base}/b.md"}
    disk.fails = {"b.md"}
    newsroom.refresher.scan_changed([newsroom.root / "a.md"])
    (newsroom.root / "b.md").unlink()
    newsroom.refresher.scan_changed([newsroom.root / "b.md"])
    assert settling.next_due() is None
    assert newsroom.quarantine() == {}


def test_stories_wait_for_what_speaks_for_all_of_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may say that they are drafts."""
    write_story(tmp_path, "world/a.md")
    (tmp_path / "world" / "_index.md").write_text("---\ncascade:\n  draft: true\n---\n")
    rules = LoadRules()

    def fail(*_: object) -> bytes:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as failing:
        failing.setattr("feedsvc.loading.folders.decoded", fail)
        made = Reader(tmp_path, rules).load("world/a.md")
    assert isinstance(made, Rejected)
    assert made.rule == "unreadable"
    assert "world/_index.md" in made.reason
    again = Reader(tmp_path, rules).load("world/a.md")
    assert isinstance(again, Loaded)
    assert again.article.status == "draft"
