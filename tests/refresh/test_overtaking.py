"""Urgent changes overtake bulk loads, and what was read before them undoes nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from feedsvc.domain.removals import NO_LIMIT
from feedsvc.domain.selection import Rules
from feedsvc.loading.rules import LoadRules
from feedsvc.refresh import read_pool
from feedsvc.refresh.overtaking import Overtaking
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, representations
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom, holding

pytestmark = pytest.mark.slow

BULK = 200
PIECE = 40


@pytest.fixture
def newsroom(
    store: Store, tmp_path: Path, rules: Rules, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Newsroom:
    for module in ("refresh.read_pool", "refresh.removing"):
        monkeypatch.setattr(f"feedsvc.{module}.FILES_A_BATCH", PIECE)
    made = Newsroom(store, tmp_path / "content", rules, clock)
    made.write("world/a.md", title="Zebra")
    made.write("world/b.md", title="Okapi")
    made.run()
    clock.forward(seconds=1)
    return made


def overtake(newsroom: Newsroom, urgent: Callable[[], None], at: int = 1) -> list[int]:
    """Have it done at one of the pauses of the next load; returns where the numbers of pauses will be."""
    pauses = [0]

    def pause() -> None:
        pauses[0] += 1
        if pauses[0] == at:
            urgent()

    newsroom.refresher.overtake_with(pause)
    return pauses


def load_first(newsroom: Newsroom, *paths: str) -> None:
    newsroom.clock.forward(seconds=1)
    newsroom.refresher.scan_changed([newsroom.root / path for path in paths])
    newsroom.refresher.publish_urgent()


def shown(newsroom: Newsroom, title: str) -> set[str]:
    with newsroom.store.read() as connection:
        return {
            listing.key
            for listing in representations.listings(connection)
            if (one := representations.get(connection, listing.key, "json")) and title.encode() in one.body
        }


def number_of_stories(newsroom: Newsroom) -> int:
    with newsroom.store.read() as connection:
        return articles.count(connection)


@pytest.mark.parametrize(
    "change", [{"status": "withdrawn"}, {"embargo": "2030-01-01T00:00:00Z"}, {"title": "New"}]
)
def test_change_is_published_while_many_files_wait(newsroom: Newsroom, change: dict[str, str]) -> None:
    for number in range(BULK):
        newsroom.write(f"bulk/{number}.md", tags=f"[T{number % 40}]")
    at_that_time: list[int] = []

    def urgent() -> None:
        newsroom.write("world/a.md", **({"title": "Zebra"} | change))
        load_first(newsroom, "world/a.md")
        at_that_time.append(number_of_stories(newsroom))
        assert shown(newsroom, "Zebra") == set()

    overtake(newsroom, urgent)
    newsroom.refresher.scan()
    assert at_that_time[0] < BULK
    newsroom.refresher.refresh()
    published = newsroom.published()
    assert holding(published, "Zebra") == set()
    assert number_of_stories(newsroom) == BULK + 2
    assert "sections/world" in holding(published, "Okapi")


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("how", ["withdrawn", "deleted"])
def test_what_was_read_before_an_urgent_change_undoes_nothing(
    newsroom: Newsroom, how: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers in other processes are ahead: they have its older bytes already."""
    for number in range(BULK):
        newsroom.write(f"world/{number:04}.md")
    newsroom.run()
    outcomes = read_pool.outcomes
    monkeypatch.setattr(read_pool, "outcomes", lambda *asked: iter([*outcomes(*asked)]))
    file = newsroom.write("world/a.md", title="Zebra, older")

    def urgent() -> None:
        if how == "withdrawn":
            newsroom.write("world/a.md", title="Zebra", status="withdrawn")
        else:
            file.unlink()
        load_first(newsroom, "world/a.md")

    pauses = overtake(newsroom, urgent, at)
    newsroom.refresher.scan_changed([newsroom.root / f"world/{n:04}.md" for n in range(BULK)] + [file])
    assert pauses[0] >= at
    with newsroom.store.read() as connection:  # no feed shows it as one of its latest fifty
        assert [one.id for one in articles.each(connection) if "older" in one.title] == []


def unlimited(newsroom: Newsroom) -> Refresher:
    """A refresher that removes however many files are gone."""
    rules, clock = newsroom.rules, newsroom.clock
    return Refresher(newsroom.store, newsroom.root, LoadRules(), rules, clock=clock, removal_limit=NO_LIMIT)


def test_many_removals_pause_and_end_when_the_service_does(newsroom: Newsroom) -> None:
    for number in range(BULK):
        newsroom.write(f"bulk/{number}.md")
    newsroom.run()
    for number in range(BULK):
        (newsroom.root / f"bulk/{number}.md").unlink()
    newsroom.refresher = unlimited(newsroom)
    left: list[int] = []

    def urgent() -> None:
        if number_of_stories(newsroom) < BULK + 2:  # some of them are removed already
            newsroom.write("world/a.md", title="Zebra", status="withdrawn")
            load_first(newsroom, "world/a.md")
            left.append(number_of_stories(newsroom))
            newsroom.refresher.overtake_with(newsroom.refresher.stop)

    newsroom.refresher.overtake_with(urgent)
    newsroom.refresher.scan()
    assert left
    assert left[0] > 2
    assert shown(newsroom, "Zebra") == set()
    assert number_of_stories(newsroom) > 2  # it ended; the next look finds the rest gone
    unlimited(newsroom).scan()
    assert number_of_stories(newsroom) == 2


def test_others_give_way_until_urgent_work_is_done() -> None:
    overtaking = Overtaking(threading.Event())
    went_on = threading.Event()
    with overtaking.urgently():
        waiting = threading.Thread(target=lambda: (overtaking.give_way(), went_on.set()))
        waiting.start()
        assert not went_on.wait(0.1)
    assert went_on.wait(5)
    waiting.join()


def test_urgent_work_is_not_overtaken_by_itself() -> None:
    overtaking = Overtaking(threading.Event())
    calls: list[int] = []

    def urgent() -> None:
        calls.append(1)
        with overtaking.urgently(), overtaking.long_work():
            overtaking.pause()

    overtaking.urgent = urgent
    with overtaking.long_work():
        overtaking.pause()
        with overtaking.urgently():
            overtaking.pause()
    assert calls == [1]
