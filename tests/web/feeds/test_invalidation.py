import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from feedsvc.store import representations
from feedsvc.store.engine import Store
from feedsvc.store.meta import write_meta
from feedsvc.store.representations import Unpublished
from feedsvc.util.errors import StoreError
from feedsvc.web.feeds import invalidation as follower_module
from feedsvc.web.feeds.invalidation import InvalidationPoller
from tests.stories import NOON

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'feedsvc.db'}")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _warnings_are_logged() -> Iterator[None]:
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(wrapper_class=before)


class Heart:
    """What is done on each beat: it can fail, and tells when it has beaten so many times."""

    def __init__(self, times: int) -> None:
        self.failing = True
        self.beaten = threading.Event()
        self._left = times

    def beat(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.beaten.set()
        if self.failing:
            raise OSError("the disk is full")


def test_failing_beat_is_no_failure_of_the_store_and_is_logged_once(store: Store) -> None:
    heart, forgotten = Heart(times=4), list[str]()
    forgot = threading.Event()

    def forget(changed: object) -> None:
        forgotten.extend(key for _, key, _ in changed)  # type: ignore[attr-defined]
        forgot.set()

    with capture_logs() as logged:
        follower = InvalidationPoller(store, forget, lambda: None, heart.beat)
        follower.look()
        follower.start()
        assert heart.beaten.wait(5)
        with store.write() as tx:
            representations.publish(tx, [Unpublished("all", "rss", "T", b"<rss/>", "d", 300, NOON)], NOON)
        assert forgot.wait(5)
        follower.stop()
    assert forgotten == ["all"]
    assert [entry["event"] for entry in logged] == ["beat_failed"]


def test_store_that_was_put_in_the_place_of_another_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "feedsvc.db"

    def published(body: bytes, *, is_whole: bool) -> Store:
        made = Store(f"sqlite:///{file}")
        with made.write() as tx:
            representations.publish(tx, [Unpublished("all", "rss", "T", body, "d", 300, NOON)], NOON)
            if is_whole:
                write_meta(tx, "refreshed_at", NOON.isoformat())
        return made

    before = published(b"before", is_whole=True)
    worker, forgotten = Store(f"sqlite:///{file}", create=False), list[str]()
    follower = InvalidationPoller(worker, lambda _: None, lambda: forgotten.append("all of it"))
    follower.look_if_due()
    forgotten.clear()
    for path in tmp_path.iterdir():
        path.rename(path.with_name(f"moved-{path.name}"))
    follower.look_if_due()  # nothing is there: what was open is as good as ever
    after = published(b"after", is_whole=False)
    with pytest.raises(StoreError, match="being filled"):
        follower.look_if_due()
    with worker.read() as connection:
        assert representations.get(connection, "all", "atom") is None
        found = representations.get(connection, "all", "rss")
        assert found is not None
        assert found.body == b"before", "until all there was has been published"
    with after.write() as tx:
        write_meta(tx, "refreshed_at", NOON.isoformat())
    with capture_logs() as logged:
        follower.look_if_due()
    with worker.read() as connection:
        found = representations.get(connection, "all", "rss")
    assert (forgotten, found and found.body) == (["all of it"], b"after")
    assert [entry["event"] for entry in logged] == ["store_replaced"]
    for store in (before, after, worker):
        store.close()


def test_store_that_is_being_made_is_followed_as_soon_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "_PAUSE", 60.0)
    file = tmp_path / "feedsvc.db"
    Store(f"sqlite:///{file}").close()
    worker, forgot = Store(f"sqlite:///{file}", create=False), threading.Event()
    follower = InvalidationPoller(worker, lambda _: None, forgot.set)
    follower.look()
    forgot.clear()
    follower.start()
    file.rename(tmp_path / "moved.db")
    file.touch()  # as when it is opened and nothing is in it yet
    time.sleep(0.2)
    made = Store(f"sqlite:///{file}")
    assert forgot.wait(10)
    follower.stop()
    for store in (made, worker):
        store.close()


def test_store_that_is_gone_is_logged_once_and_beats_stop(store: Store) -> None:
    heart = Heart(times=1)
    with store.write() as tx:
        tx.execute(text("DROP TABLE meta"))
    with capture_logs() as logged:
        follower = InvalidationPoller(store, lambda _: None, lambda: None, heart.beat)
        follower.start()
        assert not heart.beaten.wait(1.3)  # two looks
        follower.stop()
    assert [entry["event"] for entry in logged] == ["store_unreachable"]
