"""The delivery log says who holds what, and recalls who must be told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.domain.model import Article, Change, versioned
from feedsvc.store import articles, deliveries, holdings, representations, tokens
from feedsvc.web.partners.delivery_log import DeliveryLog
from feedsvc.web.partners.delivery_spool import Spool, settle
from tests.conftest import Clock
from tests.stories import NOON, article
from tests.web.partners.test_routes import Licensed


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


def poll(licensed: Licensed, fmt: str = "json", key: str = "all") -> int:
    """Acme polls a feed, and the delivery log is written."""
    licensed.clock.now += timedelta(minutes=1)
    status = licensed.get(f"/partners/acme/feeds/{key}.{fmt}", licensed.acme).status_code
    licensed.ledger.write()
    return status


def unaware(licensed: Licensed) -> list[tuple[str, str, str]]:
    with licensed.store.read() as connection:
        return [(one.partner, one.recall.article_id, one.recall.kind) for one in holdings.unaware(connection)]


def edited(story: Article, **fields: object) -> Article:
    return versioned(replace(story, **fields))  # type: ignore[arg-type]


def remove(licensed: Licensed, story: Article) -> None:
    with licensed.store.write() as tx:
        now = licensed.clock()
        apply.apply(tx, [IncomingChange(Change(story, None), now)], licensed.rules, now)
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
        apply.apply(tx, [IncomingChange(Change(articles.get(tx, "a"), gone), now)], licensed.rules, now)
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


def conditional(licensed: Licensed, etag: str) -> int:
    """Acme polls with what it has, and the delivery log is written."""
    answer = licensed.get("/partners/acme/feeds/all.rss", licensed.acme, If_None_Match=etag)
    licensed.ledger.write()
    return answer.status_code


def test_poll_that_finds_the_feed_unchanged_counts_for_who_was_sent_the_story(licensed: Licensed) -> None:
    story = article("a", published=NOON - timedelta(days=3))
    newer = [article(f"n{number}", published=NOON - timedelta(days=1)) for number in range(50)]
    licensed.put(story)
    poll(licensed, "rss")
    licensed.put(*newer)  # the story leaves the feed, which shows fifty
    licensed.clock.now += timedelta(minutes=1)
    etag = licensed.get("/partners/acme/feeds/all.rss", licensed.acme).headers["ETag"]
    licensed.put(edited(story, status="withdrawn"))
    assert unaware(licensed) == [("acme", "a", "withdrawn")]
    assert conditional(licensed, etag) == 304
    assert unaware(licensed) == []


def test_version_that_is_restored_leaves_nobody_on_the_list_who_holds_it(licensed: Licensed) -> None:
    story = article("a")
    corrected = edited(story, correction="It was Tuesday.")
    licensed.put(story)
    poll(licensed)
    licensed.put(corrected)
    poll(licensed)
    licensed.put(story)
    licensed.put(corrected)
    poll(licensed)
    assert unaware(licensed) == []


def test_story_that_comes_back_corrected_is_told_to_those_who_hold_the_old_one(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    poll(licensed)
    licensed.put(edited(story, status="withdrawn"))
    licensed.put(edited(story, correction="It was Tuesday."))
    assert unaware(licensed) == [("acme", "a", "corrected")]
    poll(licensed)
    assert unaware(licensed) == []


def test_second_correction_lists_those_again_who_have_only_the_first(licensed: Licensed) -> None:
    story = article("a")
    licensed.put(story)
    poll(licensed)
    licensed.put(edited(story, correction="It was Tuesday."))
    poll(licensed)
    licensed.get("/partners/globex/feeds/all.json", licensed.globex)
    licensed.put(edited(story, correction="It was Wednesday."))
    assert unaware(licensed) == [("acme", "a", "corrected")]


# -- what the store does not take --------------------------------------------------------------------------


class Held:
    """A store that somebody else holds: who writes waits, here for an error."""

    def __init__(self, licensed: Licensed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._store = licensed.store

    def __enter__(self) -> None:
        def busy(**_: object) -> None:
            raise OperationalError("", {}, OSError("busy"))

        self._patch.setattr(self._store, "write", busy)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def spooling(licensed: Licensed, folder: Path) -> DeliveryLog:
    return DeliveryLog(licensed.store, licensed.clock, Spool(folder))


def send(licensed: Licensed, ledger: DeliveryLog) -> None:
    with licensed.store.read() as connection:
        sent = representations.get(connection, "all", "rss", "acme")
        token = next(one for one in tokens.every(connection) if one.name == "acme")
    assert sent is not None
    ledger.record(token, sent)


def noted(licensed: Licensed) -> list[str]:
    with licensed.store.read() as connection:
        return [line.article_id for line in deliveries.listed(connection)]


def test_what_the_store_does_not_take_before_the_end_is_written_by_the_next(
    licensed: Licensed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    licensed.put(article("a"), article("ß"))
    spool = tmp_path / "spool"
    first = spooling(licensed, spool)
    with Held(licensed, monkeypatch):
        send(licensed, first)
        first.close()
    assert noted(licensed) == []
    spooling(licensed, spool).recover()
    assert noted(licensed) == ["a", "ß"]
    assert list(spool.iterdir()) == []


def test_what_a_process_that_lives_has_kept_is_its_own(
    licensed: Licensed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    licensed.put(article("a"))
    spool = tmp_path / "spool"
    first, second = spooling(licensed, spool), spooling(licensed, spool)
    with Held(licensed, monkeypatch):
        send(licensed, first)
        first.keep()
        second.recover()
        first.keep()
    (file,) = spool.iterdir()
    assert len(file.read_text().splitlines()) == 1
    first.write()
    assert noted(licensed) == ["a"]
    assert file.read_bytes() == b""
    first.close()
    assert list(spool.iterdir()) == []


def test_line_that_was_cut_off_harms_no_other(licensed: Licensed, tmp_path: Path) -> None:
    licensed.put(article("a"))
    left = '["t", "a", "d", "acme", "all", "rss", 1, 1000000]\n["t", "b", "d", "ac'
    (tmp_path / "left.ledger").write_text(left)
    spooling(licensed, tmp_path).recover()
    assert noted(licensed) == ["a"]


def test_what_is_left_stays_while_the_store_takes_nothing(
    licensed: Licensed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "left.ledger"
    file.write_text('["t", "a", "d", "acme", "all", "rss", 1, 1000000]\n')
    with Held(licensed, monkeypatch), pytest.raises(OperationalError):
        spooling(licensed, tmp_path).recover()
    assert file.exists()


def test_service_that_ends_writes_what_its_workers_left(licensed: Licensed, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    settle(licensed.config.store_url, folder)
    (folder / "left.ledger").write_text('["t", "a", "d", "acme", "all", "rss", 1, 1000000]\n')
    settle(licensed.config.store_url, folder)
    assert noted(licensed) == ["a"]
