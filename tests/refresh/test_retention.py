"""Nothing grows for ever: what is over goes once it is old enough, and what somebody must yet know stays."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.config import file as config_file
from feedsvc.domain.model import Article, Change, versioned
from feedsvc.domain.rights import Webhook
from feedsvc.domain.selection import Rules
from feedsvc.loading import walk as walk_module
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.walk import FoundFile
from feedsvc.outbound.webhooks import Notifier
from feedsvc.refresh import pruning as pruning_module
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import deliveries, holdings, outbox, pruning, representations, tokens
from feedsvc.store.deliveries import Delivery
from feedsvc.store.engine import Store
from feedsvc.store.outbox import Notice
from feedsvc.store.tables import TABLES
from feedsvc.util.errors import ConfigError
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom
from tests.stories import NOON, article
from tests.web.partners.test_routes import Licensed

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning_module, "_REST", 0)


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


def rows(store: Store, table: str) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(TABLES.tables[table])).scalar_one()


def edited(story: Article, **fields: Any) -> Article:
    return versioned(replace(story, **fields))


def poll(licensed: Licensed, fmt: str = "json") -> None:
    licensed.clock.forward(minutes=1)
    assert licensed.get(f"/partners/acme/feeds/all.{fmt}", licensed.acme).status_code == 200
    licensed.ledger.write()


def delivered(licensed: Licensed, article_id: str = "a") -> Article:
    """A story that acme holds."""
    story = article(article_id, section="World", published=licensed.clock() - timedelta(hours=1))
    licensed.put(story)
    poll(licensed)
    licensed.clock.forward(hours=1)
    return story


def prune(licensed: Licensed) -> dict[str, int]:
    removed = licensed.refresher.prune()
    licensed.publish()
    return removed


# -- deliveries --------------------------------------------------------------------------------------------


def test_deliveries_go_after_four_hundred_days(licensed: Licensed) -> None:
    delivered(licensed)
    licensed.clock.forward(days=399)
    delivered(licensed, "b")
    assert prune(licensed) == {}
    number = rows(licensed.store, "deliveries")
    licensed.clock.forward(days=2)
    assert prune(licensed) == {"deliveries": 1}
    assert rows(licensed.store, "deliveries") == number - 1


@pytest.mark.parametrize("how", ["withdrawn", "revoked"])
def test_ledger_of_a_recall_is_kept_until_the_holder_knows(licensed: Licensed, how: str) -> None:
    """However long that takes; ninety days after that all of it goes, but for what is younger."""
    story = delivered(licensed)
    fields = {"status": "withdrawn"} if how == "withdrawn" else {"access": "internal"}
    licensed.clock.forward(days=300)
    licensed.put(edited(story, **fields))
    for _ in range(2):
        licensed.clock.forward(days=300)
        prune(licensed)
        with licensed.store.read() as connection:
            told = [
                (one.partner, one.recall.kind) for one in holdings.unaware(connection, now=licensed.clock())
            ]
        assert told == [("acme", how)]
    poll(licensed)
    licensed.clock.forward(days=89)
    prune(licensed)
    table = "recalls" if how == "withdrawn" else "revocations"
    assert rows(licensed.store, table) > 0
    licensed.clock.forward(days=2)
    prune(licensed)
    assert rows(licensed.store, table) == 0
    assert prune(licensed) == {}
    with licensed.store.read() as connection:
        lines = list(deliveries.listed(connection))
    assert all(one.delivered_at > licensed.clock() - 400 * DAY for one in lines)


def test_recall_that_nobody_has_to_know_goes_after_ninety_days(licensed: Licensed) -> None:
    licensed.put(story := article("a"))
    licensed.put(edited(story, status="withdrawn"))
    assert rows(licensed.store, "recalls") == 1
    licensed.clock.forward(days=89)
    assert "recalls" not in prune(licensed)
    licensed.clock.forward(days=2)
    assert prune(licensed)["recalls"] == 1


def test_recall_that_a_webhook_took_is_known(licensed: Licensed) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status="withdrawn"))
    webhooks = {"acme": Webhook("https://acme.example/hook", "a secret of sixteen or more")}
    notifier = Notifier(licensed.store, licensed.rules, webhooks, licensed.clock, lambda *_: 204)
    assert notifier.sweep() == 1
    assert notifier.send_due() == 1
    licensed.clock.forward(days=91)
    prune(licensed)
    assert (rows(licensed.store, "recalls"), rows(licensed.store, "outbox")) == (0, 0)


def test_recall_that_comes_while_lines_go_keeps_them(licensed: Licensed) -> None:
    """Between the look at what is old and its removal the story may be withdrawn."""
    story = delivered(licensed)
    licensed.clock.forward(days=500)
    before = licensed.clock() - 400 * DAY
    with licensed.store.read() as connection:
        page = pruning.delivered(connection, (), 9, before=before)
    assert page.keys
    licensed.put(edited(story, status="withdrawn"))
    with licensed.store.write() as tx:
        assert pruning.remove_deliveries(tx, page.keys) == 0
        assert len(holdings.unaware(tx, now=licensed.clock())) == 1


def test_partner_that_is_none_any_more_is_waited_for_by_nobody(licensed: Licensed) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status="withdrawn"))
    licensed.clock.forward(days=91)
    rules = replace(licensed.rules, partners=licensed.rules.partners[1:])
    other = Refresher(licensed.store, licensed.config.path.parent, LoadRules(), rules, clock=licensed.clock)
    assert prune(licensed).get("recalls") is None
    assert other.prune()["recalls"] > 0


def test_notices_and_ended_tokens_go(licensed: Licensed) -> None:
    delivered(licensed)
    with licensed.store.write() as tx:
        outbox.put(tx, [Notice(str(n), "acme", "{}", licensed.clock() + n * DAY) for n in range(9)])
        tokens.revoke(tx, [one.id for one in tokens.every(tx)], licensed.clock())
    licensed.clock.forward(days=95)
    assert prune(licensed) == {"notices": 5}
    licensed.clock.forward(days=306)
    assert prune(licensed) == {"deliveries": 1, "notices": 4, "tokens": 2}
    assert licensed.get("/partners/acme/feeds/all.json", licensed.acme).status_code == 401


# -- tombstones, feeds, quarantine -------------------------------------------------------------------------


def test_tombstones_go_but_that_a_story_was_withdrawn_stays_on_its_page(licensed: Licensed) -> None:
    here, gone = article("here", section="World"), article("gone", section="World")
    licensed.put(here, gone)
    there = [edited(one, status="withdrawn", withdrawal="Not so") for one in (here, gone)]
    licensed.put(*there)
    with licensed.store.write() as tx:
        now = licensed.clock()
        apply.apply(tx, [IncomingChange(Change(there[1], None), now)], licensed.rules, now)
    licensed.clock.forward(days=399)
    prune(licensed)
    assert rows(licensed.store, "tombstones") == 4
    licensed.clock.forward(days=2)
    assert prune(licensed)["tombstones"] == 3
    assert licensed.get("/stories/here").status_code == 410
    assert licensed.get("/stories/gone").status_code == 404


def test_feed_that_no_story_is_left_in_goes_with_its_name(store: Store, tmp_path: Path, rules: Rules) -> None:
    clock = Clock(NOON)
    newsroom = Newsroom(store, tmp_path / "content", rules, clock)
    newsroom.write("a.md", tags="[Rail, Ports]")
    newsroom.write("b.md", tags="[Rail]")
    assert "tags/ports.rss" in newsroom.run()
    newsroom.write("a.md", tags="[Rail]", title="Another")
    newsroom.run()
    newsroom.restarted().prune()
    clock.forward(days=399)
    newsroom.restarted().prune()
    assert "tags/ports.rss" in newsroom.run()
    clock.forward(days=2)
    assert newsroom.restarted().prune()["feeds"] == 1
    published = newsroom.run()
    assert "tags/ports.rss" not in published
    assert "tags/rail.rss" in published
    newsroom.write("a.md", tags="[Ports]", title="Back")
    assert "tags/ports.rss" in newsroom.run()
    clock.forward(days=500)
    assert "feeds" not in newsroom.restarted().prune()


def test_folder_that_can_be_read_again_is_in_quarantine_no_more(
    store: Store, tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom = Newsroom(store, tmp_path / "content", rules, Clock(NOON))
    newsroom.write("world/a.md")
    newsroom.write("b.md")
    newsroom.run()
    walk = walk_module.walk
    # What `walk` gives then; the tests may be run by root, whom nothing stops.
    found = [FoundFile("world", 0, 0, unreadable=True), *walk(newsroom.root, "b.md")]
    with monkeypatch.context() as patched:
        patched.setattr(walk_module, "walk", lambda _root, _under="", _site=None: iter(found))
        newsroom.run()
        assert newsroom.quarantine().keys() == {"world"}
    newsroom.run()
    assert newsroom.quarantine() == {}


def test_date_of_a_feed_that_is_gone_goes(store: Store, tmp_path: Path, rules: Rules) -> None:
    clock = Clock(NOON)
    newsroom = Newsroom(store, tmp_path / "content", rules, clock)
    newsroom.write("a.md")
    newsroom.run()
    with store.write() as tx:
        representations.withdraw(tx, [("", "all", "rss")])
    assert rows(store, "former_dates") == 1
    clock.forward(days=401)
    assert newsroom.refresher.prune() == {"dates": 1}


# -- how it is done ----------------------------------------------------------------------------------------


def test_others_are_not_kept_waiting_for_long(tmp_path: Path, rules: Rules) -> None:
    """Very many lines are over, and somebody writes all the while."""
    store = Store(f"sqlite:///{tmp_path}/a.db")
    old = NOON - 500 * DAY
    with store.write() as tx:
        deliveries.record(
            tx,
            [
                Delivery(
                    f"t{n % 7}", f"story/{n}", "d", "acme", "all", "rss", n, old + n * timedelta(seconds=1)
                )
                for n in range(60_000)
            ],
        )
    refresher = Refresher(store, tmp_path, LoadRules(), rules, clock=Clock(NOON))
    thread = threading.Thread(target=refresher.prune)
    other = Store(f"sqlite:///{tmp_path}/a.db")
    waits: list[float] = []
    thread.start()
    while thread.is_alive():
        began = time.monotonic()
        with other.write(repeatable=True) as tx:
            waits.append(time.monotonic() - began)
        time.sleep(0.005)
    thread.join()
    assert rows(store, "deliveries") == 0
    waits.sort()
    assert len(waits) > 20
    assert waits[len(waits) // 2] < 0.05, waits[-10:]
    store.close()
    other.close()


def test_stopped_refresher_prunes_no_more(tmp_path: Path, rules: Rules) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.write() as tx:
        deliveries.record(tx, [Delivery("t", f"s{n}", "d", "a", "all", "rss", n, NOON) for n in range(500)])
    refresher = Refresher(store, tmp_path, LoadRules(), rules, clock=Clock(NOON + 500 * DAY))
    refresher.stop()
    assert refresher.prune() == {}
    store.close()


def test_configuration_names_spans_that_are_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[retention]\ntombstones = "40d"\n')
    assert config_file.load(file, {}).retention.tombstones == 40 * 86_400
    file.write_text('[retention]\ntombstones = "1d"\n')
    with pytest.raises(ConfigError, match=r"config.toml:2: retention.tombstones"):
        config_file.load(file, {})
