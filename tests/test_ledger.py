"""The ledger says who holds what, and recalls who must be told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from feedsvc import applying
from feedsvc.applying import Arrival
from feedsvc.model import Article, Change, versioned
from feedsvc.store import articles, deliveries
from tests.conftest import Clock
from tests.stories import article
from tests.test_partners import Licensed


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


def poll(licensed: Licensed, fmt: str = "json", key: str = "all") -> int:
    """Acme polls a feed, and the ledger is written."""
    licensed.clock.now += timedelta(minutes=1)
    status = licensed.get(f"/partners/acme/feeds/{key}.{fmt}", licensed.acme).status_code
    licensed.ledger.write()
    return status


def unaware(licensed: Licensed) -> list[tuple[str, str, str]]:
    with licensed.store.read() as connection:
        return [
            (one.partner, one.recall.article_id, one.recall.kind) for one in deliveries.unaware(connection)
        ]


def edited(story: Article, **fields: object) -> Article:
    return versioned(replace(story, **fields))  # type: ignore[arg-type]


def remove(licensed: Licensed, story: Article) -> None:
    with licensed.store.write() as tx:
        now = licensed.clock()
        applying.apply(tx, [Arrival(Change(story, None), now)], licensed.rules, now)
    licensed.publish()


@pytest.mark.parametrize("fmt", ["rss", "atom", "json"])
def test_partner_that_holds_a_withdrawn_story_is_listed_until_it_polls_in_any_format(
    licensed: Licensed, fmt: str
) -> None:
    story = article("a")
    licensed.put(story, article("b"))
    poll(licensed, fmt)
    assert unaware(licensed) == []
    licensed.put(edited(story, status="withdrawn", withdrawal="Not true."))
    assert unaware(licensed) == [("acme", "a", "withdrawn")]
    assert poll(licensed, fmt) == 200
    assert unaware(licensed) == []


def test_partner_that_never_had_it_is_not_listed(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    licensed.put(edited(story, status="withdrawn"))
    assert unaware(licensed) == []


def test_correction_is_told_of_until_a_later_version_is_received(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    poll(licensed)
    licensed.put(edited(story, summary="A word more."))
    assert unaware(licensed) == []  # not every edit is a correction
    corrected = edited(story, correction="It was Tuesday.")
    licensed.put(corrected)
    assert unaware(licensed) == [("acme", "a", "corrected")]
    licensed.put(edited(corrected, summary="Another word."))
    assert unaware(licensed) == [("acme", "a", "corrected")]
    poll(licensed)
    assert unaware(licensed) == []
    licensed.put(edited(corrected, correction="It was Wednesday."))
    assert unaware(licensed) == [("acme", "a", "corrected")]


def test_removed_story_is_told_of_and_one_that_comes_back_is_not(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    poll(licensed)
    remove(licensed, story)
    assert unaware(licensed) == [("acme", "a", "removed")]
    licensed.put(story)
    assert unaware(licensed) == []
    remove(licensed, story)
    poll(licensed)
    assert unaware(licensed) == []


def test_line_that_is_written_after_the_withdrawal_counts(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
    licensed.put(edited(story, status="withdrawn"))
    assert unaware(licensed) == []
    licensed.ledger.write()
    assert unaware(licensed) == [("acme", "a", "withdrawn")]


def test_old_version_sent_after_the_withdrawal_tells_nothing_of_it(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    poll(licensed, "atom")
    with licensed.store.write() as tx:  # applied, and not published yet
        now = licensed.clock()
        gone = edited(story, status="withdrawn")
        applying.apply(tx, [Arrival(Change(articles.get(tx, "a"), gone), now)], licensed.rules, now)
    poll(licensed, "json")
    assert unaware(licensed) == [("acme", "a", "withdrawn")]
    licensed.publish()
    poll(licensed, "json")
    assert unaware(licensed) == []


def test_nothing_is_lost_while_the_store_is_gone(licensed: Licensed, monkeypatch: pytest.MonkeyPatch) -> None:
    licensed.put(article("a"))
    with monkeypatch.context() as patched:
        patched.setattr(
            licensed.store, "write", lambda: (_ for _ in ()).throw(OperationalError("", {}, OSError()))
        )
        licensed.get("/partners/acme/feeds/all.rss", licensed.acme)
        with pytest.raises(OperationalError):
            licensed.ledger.write()
    licensed.ledger.close()
    with licensed.store.read() as connection:
        assert [line.article_id for line in deliveries.listed(connection)] == ["a"]


def test_first_receipt_stays_whatever_comes_after(licensed: Licensed) -> None:
    licensed.put(article("a"))
    poll(licensed, "rss")
    first = licensed.clock()
    poll(licensed, "json")
    with licensed.store.read() as connection:
        lines = list(deliveries.listed(connection, page=1))
    assert [(line.format, line.delivered_at) for line in lines] == [("rss", first)]
