"""Rights that are taken away are told: to partners that hold the story, and to readers who had it."""

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.config import file, options
from feedsvc.domain import gate
from feedsvc.domain.model import Article, Change, Term, versioned
from feedsvc.domain.rights import Webhook
from feedsvc.outbound.webhooks import Notifier
from feedsvc.refresh import refresher
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, deliveries, holdings
from feedsvc.store.deliveries import Delivery
from tests.conftest import Clock
from tests.receiver import Receiver
from tests.stories import NOON, article
from tests.web.partners.test_routes import Licensed

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
ATOM = "/partners/acme/feeds/all.atom"
PUBLIC = "/feeds/all.atom"
SECRET = "a secret of sixteen or more"


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


def edited(story: Article, **fields: Any) -> Article:
    return versioned(replace(story, **fields))


def poll(licensed: Licensed, path: str = ATOM, **headers: str) -> bytes:
    """Acme polls, and the delivery log is written."""
    licensed.clock.forward(minutes=2)
    body = licensed.get(path, licensed.acme, **headers).data
    licensed.ledger.write()
    return body


def unaware(licensed: Licensed) -> list[tuple[str, str, str, str, str]]:
    with licensed.store.read() as connection:
        return [
            (one.partner, one.recall.article_id, one.recall.kind, one.recall.level, one.recall.reason)
            for one in holdings.unaware(connection, now=licensed.clock())
        ]


def delivered(licensed: Licensed, **fields: Any) -> Article:
    """A story that acme holds."""
    fields.setdefault("published", NOON - HOUR)
    story = article("a", **fields)
    licensed.put(story)
    poll(licensed)
    licensed.clock.forward(hours=1)
    return story


def configured(licensed: Licensed, *changes: tuple[str, str], more: str = "") -> Refresher:
    """The refresher of a service that is started with another configuration."""
    written = licensed.config.path.read_text("utf-8")
    for old, new in changes:
        assert old in written
        written = written.replace(old, new)
    licensed.config.path.write_text(written + more, "utf-8")
    config = file.load(licensed.config.path, {})
    licensed.rules = options.rules(config)
    made = Refresher(
        licensed.store,
        licensed.config.path.parent / "content",
        options.load_rules(config),
        licensed.rules,
        clock=licensed.clock,
    )
    made.prepare()
    licensed.refresher = made
    licensed.publish()
    return made


# -- by an edit --------------------------------------------------------------------------------------------

ENDED: dict[str, tuple[dict[str, Any], str]] = {
    "access": ({"access": "internal"}, "its access is internal"),
    "syndication": ({"syndication": (("partners", "none"),)}, "its own syndication gives nothing of it"),
    "of one partner": ({"syndication": (("acme", "none"),)}, "its own syndication gives nothing of it"),
    "expired": ({"expires": NOON}, "it expired 2026-11-22 12:00:00+00:00"),
    "embargo": ({"embargo": NOON + 9 * HOUR}, "its embargo ends 2026-11-22 21:00:00+00:00"),
    "date": ({"published": NOON + 9 * HOUR}, "it is dated 2026-11-22 21:00:00+00:00"),
}


@pytest.mark.parametrize("fmt", ["atom", "rss", "json"])
@pytest.mark.parametrize("name", ENDED)
def test_holder_of_a_story_it_may_have_no_longer_is_listed_until_it_polls(
    licensed: Licensed, name: str, fmt: str
) -> None:
    fields, reason = ENDED[name]
    story = delivered(licensed)
    licensed.put(edited(story, **fields))
    assert unaware(licensed) == [("acme", "a", "revoked", "none", reason)]
    body = poll(licensed, f"/partners/acme/feeds/all.{fmt}")
    assert (b"deleted-entry" in body) == (fmt == "atom")
    assert b"Harbour talks" not in body
    assert unaware(licensed) == []


@pytest.mark.parametrize("name", ["access", "expired", "embargo", "date"])
def test_everybodys_atom_feeds_say_that_a_story_is_gone_and_not_why(licensed: Licensed, name: str) -> None:
    story = delivered(licensed, section="World")
    licensed.put(edited(story, **ENDED[name][0]))
    for path in (PUBLIC, "/feeds/sections/world.atom"):
        body = licensed.get(path).data
        assert b'<at:deleted-entry ref="tag:news.example.org,2026:a"' in body
        assert b"at:comment" not in body
    licensed.clock.forward(days=30)
    licensed.publish()
    assert b"deleted-entry" not in licensed.get(PUBLIC).data


def test_reader_of_a_story_for_partners_alone_is_told_and_partners_are_not(licensed: Licensed) -> None:
    licensed.put(edited(delivered(licensed), access="partners"))
    assert b"deleted-entry" in licensed.get(PUBLIC).data
    assert b"deleted-entry" not in poll(licensed)
    assert unaware(licensed) == []


@pytest.mark.parametrize("fields", [{"access": "internal"}, {"syndication": (("acme", "none"),)}])
def test_who_never_could_have_a_story_learns_nothing_of_its_end(
    licensed: Licensed, fields: dict[str, Any]
) -> None:
    story = article("a", access="internal")
    licensed.put(story)
    poll(licensed)
    licensed.put(edited(story, title="Other", **fields))
    assert unaware(licensed) == []
    assert b"deleted-entry" not in poll(licensed)
    # Globex has stories two hours later.
    licensed.put(article("b", published=licensed.clock()))
    licensed.put(article("b", published=licensed.clock(), access="internal"))
    body = licensed.get("/partners/globex/feeds/all.atom", licensed.globex).data
    assert b"deleted-entry" not in body


def test_tag_and_source_that_are_excluded_end_rights_by_an_edit(licensed: Licensed) -> None:
    configured(licensed, ('rate = "3/m"', 'rate = "3/m"\nexclude = { tags = ["local"], sources = ["dpa"] }'))
    for fields in ({"tags": (Term("Local", "local"),)}, {"source": Term("dpa", "dpa")}):
        story = delivered(licensed)
        licensed.put(edited(story, **fields))
        ((_, _, kind, _, reason),) = unaware(licensed)
        assert (kind, "excluded" in reason) == ("revoked", True)
        assert b"deleted-entry" in poll(licensed)
        licensed.put(story)
        poll(licensed)
        assert unaware(licensed) == []


def test_story_that_leaves_every_feed_of_a_partner_is_revoked(licensed: Licensed) -> None:
    configured(licensed, ('feeds = ["all", "sections/*"]', 'feeds = ["sections/world"]'))
    story = article("a", section="World")
    licensed.put(story)
    poll(licensed, "/partners/acme/feeds/sections/world.atom")
    licensed.put(article("a", section="Sport"))
    ((partner, _, kind, _, reason),) = unaware(licensed)
    assert (partner, kind, reason) == ("acme", "revoked", "no feed that this partner is given has it")
    assert b"deleted-entry" in poll(licensed, "/partners/acme/feeds/sections/world.atom")
    assert unaware(licensed) == []
    assert b"deleted-entry" not in licensed.get(PUBLIC).data


def test_part_that_is_taken_away_is_told_with_what_remains(licensed: Licensed) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, syndication=(("partners", "summary"),)))
    assert unaware(licensed) == [
        ("acme", "a", "revoked", "summary", "its own syndication gives its summary only")
    ]
    body = poll(licensed)
    assert b"deleted-entry" not in body
    assert b"Harbour talks" in body
    assert unaware(licensed) == []
    licensed.put(edited(story, syndication=(("partners", "headline"),)))
    assert [one[3] for one in unaware(licensed)] == ["headline"]
    licensed.put(edited(story, syndication=(("partners", "none"),)))
    assert [one[3] for one in unaware(licensed)] == ["none"]
    licensed.put(story)
    assert unaware(licensed) == []


def test_rights_that_are_given_back_leave_nobody_on_the_list(licensed: Licensed) -> None:
    story = delivered(licensed)
    for fields, _ in ENDED.values():
        licensed.put(edited(story, **fields))
        assert len(unaware(licensed)) == 1
        licensed.put(story)
        assert unaware(licensed) == []
        assert b"deleted-entry" not in licensed.get(PUBLIC).data


# -- by time -----------------------------------------------------------------------------------------------


def test_new_embargo_is_a_revocation_until_it_ends(licensed: Licensed) -> None:
    story = delivered(licensed)
    until = licensed.clock() + HOUR
    licensed.put(edited(story, embargo=until))
    assert len(unaware(licensed)) == 1
    assert licensed.refresher.next_transition() == until
    licensed.clock.now = until
    licensed.publish()
    assert unaware(licensed) == []
    for path, token in ((PUBLIC, None), (ATOM, licensed.acme)):
        body = licensed.get(path, token).data
        assert (b"deleted-entry" in body, b"Harbour talks" in body) == (False, True)


def test_expiry_that_was_always_said_is_no_revocation(licensed: Licensed) -> None:
    story = delivered(licensed, expires=NOON + 3 * HOUR)
    licensed.clock.now = NOON + 4 * HOUR
    licensed.publish()
    licensed.put(edited(story, title="Edited after its end", expires=NOON + 3 * HOUR))
    assert unaware(licensed) == []
    for path, token in ((PUBLIC, None), (ATOM, licensed.acme)):
        assert b"deleted-entry" not in licensed.get(path, token).data


@pytest.mark.parametrize("before", [None, NOON + 9 * HOUR])
def test_expiry_that_was_brought_forward_is_told_when_it_comes(
    licensed: Licensed, before: datetime | None
) -> None:
    story = delivered(licensed, expires=before)
    sooner = NOON + 5 * HOUR
    licensed.put(edited(story, expires=sooner))
    licensed.put(edited(story, expires=sooner, title="Edited once more"))
    assert unaware(licensed) == []
    assert b"deleted-entry" not in licensed.get(PUBLIC).data
    licensed.clock.now = sooner
    licensed.publish()
    assert unaware(licensed) == [("acme", "a", "revoked", "none", f"it expired {sooner}")]
    for path, token in ((PUBLIC, None), (ATOM, licensed.acme)):
        assert b"deleted-entry" in licensed.get(path, token).data


def test_who_received_a_story_with_its_expiry_is_not_told_of_it(licensed: Licensed) -> None:
    story = article("a", published=NOON - HOUR)
    licensed.put(story)
    licensed.put(edited(story, expires=NOON + 5 * HOUR))
    poll(licensed)
    licensed.clock.now = NOON + 6 * HOUR
    licensed.publish()
    assert unaware(licensed) == []


def test_expiry_that_is_taken_back_is_never_told(licensed: Licensed) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, expires=NOON + 5 * HOUR))
    licensed.put(edited(story, title="Stays"))
    licensed.clock.now = NOON + 6 * HOUR
    licensed.publish()
    assert unaware(licensed) == []
    assert b"deleted-entry" not in licensed.get(PUBLIC).data


# -- beside withdrawals ------------------------------------------------------------------------------------


def test_withdrawal_after_a_revocation_is_told_to_all_who_had_the_story(licensed: Licensed) -> None:
    story = edited(delivered(licensed), access="internal")
    licensed.put(story)
    poll(licensed)
    licensed.put(edited(story, status="withdrawn", withdrawal="Libel"))
    assert [one[:3] for one in unaware(licensed)] == [("acme", "a", "withdrawn")]
    for path, token in ((PUBLIC, None), (ATOM, licensed.acme)):
        body = licensed.get(path, token).data
        assert (body.count(b"<at:deleted-entry"), body.count(b"Libel")) == (1, 1)


@pytest.mark.parametrize("status", ["withdrawn", "draft"])
def test_story_that_is_restored_for_nobody_is_told_of_as_revoked(licensed: Licensed, status: str) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status=status))
    licensed.put(edited(story, access="internal"))
    assert [one[2:] for one in unaware(licensed)] == [("revoked", "none", "its access is internal")]
    for path, token in ((PUBLIC, None), (ATOM, licensed.acme)):
        assert b"deleted-entry" in licensed.get(path, token).data


def test_story_that_is_restored_after_its_end_is_told_of_as_revoked(licensed: Licensed) -> None:
    story = delivered(licensed)
    gone = edited(story, status="withdrawn", expires=NOON)
    licensed.put(gone)
    licensed.put(edited(gone, status="published"))
    assert [one[2] for one in unaware(licensed)] == ["revoked"]


def test_story_that_is_loaded_again_for_nobody_is_told_of_as_revoked(licensed: Licensed) -> None:
    story = delivered(licensed)
    for new in (None, edited(story, access="internal")):
        with licensed.store.write() as tx:
            change = Change(articles.get(tx, "a"), new)
            apply.apply(tx, [IncomingChange(change, licensed.clock())], licensed.rules, licensed.clock())
        licensed.publish()
        assert len(unaware(licensed)) == 1
    assert unaware(licensed)[0][2] == "revoked"


def test_correction_of_a_revoked_story_is_told_to_those_who_may_have_it(licensed: Licensed) -> None:
    story = edited(delivered(licensed), syndication=(("acme", "none"),))
    licensed.clock.forward(hours=3)
    licensed.publish()
    licensed.get("/partners/globex/feeds/all.json", licensed.globex)
    licensed.ledger.write()
    licensed.put(story)
    licensed.put(edited(story, correction="It was Tuesday."))
    assert sorted(one[:3] for one in unaware(licensed)) == [
        ("acme", "a", "revoked"),
        ("globex", "a", "corrected"),
    ]


def test_old_feed_sent_after_a_revocation_tells_nothing_of_it(licensed: Licensed) -> None:
    story = delivered(licensed)
    with licensed.store.write() as tx:  # applied, and not published yet
        change = Change(story, edited(story, access="internal"))
        apply.apply(tx, [IncomingChange(change, licensed.clock())], licensed.rules, licensed.clock())
    poll(licensed, "/partners/acme/feeds/all.json")
    assert len(unaware(licensed)) == 1
    licensed.publish()
    poll(licensed, "/partners/acme/feeds/all.json")
    assert unaware(licensed) == []


def test_poll_that_finds_the_feed_unchanged_counts(licensed: Licensed) -> None:
    path = "/partners/acme/feeds/all.rss"
    story = article("a", published=NOON - 3 * HOUR)
    licensed.put(story)
    poll(licensed, path)
    licensed.put(*(article(f"n{number}", published=NOON - 2 * HOUR) for number in range(50)))
    etag = licensed.get(path, licensed.acme).headers["ETag"]
    licensed.put(edited(story, access="internal"))  # it had left the feed, which shows fifty
    assert len(unaware(licensed)) == 1
    assert licensed.get(path, licensed.acme, If_None_Match=etag).status_code == 304
    licensed.ledger.write()
    assert unaware(licensed) == []


def test_withdrawal_of_what_was_held_back_before_is_told_to_holders(licensed: Licensed) -> None:
    """However often it was edited meanwhile, and whether or not they polled since."""
    story = delivered(licensed)
    for number in range(2):
        licensed.put(edited(story, status="draft", title=f"Secret {number}"))
    licensed.put(edited(story, status="withdrawn", title="Secret", withdrawal="Libel"))
    assert [one[2:] for one in unaware(licensed)] == [("withdrawn", "none", "Libel")]


@pytest.mark.parametrize(
    "fields", [{"status": "draft"}, {"embargo": NOON + 9 * HOUR}, {"access": "internal"}]
)
@pytest.mark.parametrize("last", [{"status": "withdrawn"}, {"syndication": (("acme", "none"),)}])
def test_holder_learns_no_title_of_a_version_that_nobody_could_have(
    licensed: Licensed, receiver: Receiver, fields: dict[str, Any], last: dict[str, Any]
) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, title="Secret", url="https://news.example.org/secret", **fields))
    licensed.put(edited(story, title="Secret", url="https://news.example.org/secret", **fields | last))
    (notice,) = told(licensed, receiver)
    assert notice["article"]["title"] == "Harbour talks resume"
    assert "ecret" not in json.dumps(notice)


def test_story_that_is_restored_is_buried_in_no_feed_it_ever_was_in(licensed: Licensed) -> None:
    story = delivered(licensed, section="Sport")
    away = edited(article("a", section="World", published=story.published), access="internal")
    for one in (away, edited(away, status="withdrawn", withdrawal="Libel"), edited(away, access="public")):
        licensed.put(one)
    for key in ("all", "sections/sport", "sections/world"):
        assert b"deleted-entry" not in licensed.get(f"/feeds/{key}.atom").data


# -- by the configuration ----------------------------------------------------------------------------------

CONFIGURED: dict[str, tuple[tuple[str, str], str, str, str]] = {
    "agency": (("", ""), '\n[sources.dpa]\npartners = "none"\n', "none", "the rights of its source, dpa"),
    "agency's summary": (
        ("", ""),
        '\n[sources.dpa]\npartners = "summary"\n',
        "summary",
        "the rights of its source, dpa, give its summary only",
    ),
    "excluded": (
        ('rate = "3/m"', 'rate = "3/m"\nexclude = { sources = ["dpa"] }'),
        "",
        "none",
        "its section, a tag, an author or its source is excluded for this partner",
    ),
    "feeds": (
        ('feeds = ["all", "sections/*"]', 'feeds = ["sections/sport"]'),
        "",
        "none",
        "no feed that this partner is given has it",
    ),
    "level": (
        ('rate = "3/m"', 'rate = "3/m"\ncontent = "headline"'),
        "",
        "headline",
        "this partner is given its headline only",
    ),
    "delay": (
        ('rate = "3/m"', 'rate = "3/m"\ndelay = "30d"'),
        "",
        "none",
        "this partner may have it from 2026-12-22 11:00:00+00:00",
    ),
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_rights_that_the_configuration_takes_away_are_told_at_the_next_start(
    licensed: Licensed, name: str
) -> None:
    change, more, level, reason = CONFIGURED[name]
    before = licensed.config.path.read_text("utf-8")
    delivered(licensed, source=Term("dpa", "dpa"), section="World")
    licensed.put(article("b"))
    poll(licensed)
    configured(licensed, change, more=more)
    found = [one for one in unaware(licensed) if one[1] == "a"]
    assert [one[:4] for one in found] == [("acme", "a", "revoked", level)]
    assert found[0][4].startswith(reason)
    assert name in ("feeds", "level", "delay") or len(unaware(licensed)) == 1
    if name != "feeds":  # it polls none of what the story was in any more: call them
        app = licensed.get(ATOM, licensed.acme).data
        assert (b"deleted-entry" in app) == (level == "none")
        licensed.ledger.write()
        assert unaware(licensed) == []
    else:
        licensed.config.path.write_text(before, "utf-8")
        configured(licensed)
        assert unaware(licensed) == []


def test_first_known_configuration_takes_what_the_ledger_has_for_given(licensed: Licensed) -> None:
    """A store of before, which doesn't say by which rights partners received what they hold."""
    dpa = Term("dpa", "dpa")
    licensed.put(article("ended", source=dpa, expires=NOON + HOUR))
    delivered(licensed, source=dpa)
    licensed.clock.forward(hours=3)
    with licensed.store.write() as tx:
        tx.execute(text("DELETE FROM meta WHERE name = 'rights_told'"))
    configured(licensed)
    assert unaware(licensed) == []
    with licensed.store.write() as tx:
        tx.execute(text("DELETE FROM meta WHERE name = 'rights_told'"))
    configured(licensed, more='\n[sources.dpa]\npartners = "none"\n')
    assert [one[:3] for one in unaware(licensed)] == [("acme", "a", "revoked")]


def test_same_configuration_tells_nothing_at_the_next_start(licensed: Licensed) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, title="Changed"), article("b", expires=NOON + HOUR))
    for more in ("", '\n[sources.ap]\npartners = "none"\n', '\n[custom.top]\nexclude = {tags = ["x"]}\n'):
        configured(licensed, more=more)
        assert unaware(licensed) == []


def test_ledger_is_gone_through_on_from_where_it_was_left(
    licensed: Licensed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feedsvc.refresh import changed_rights

    monkeypatch.setattr(changed_rights, "_STORIES", 7)
    monkeypatch.setattr(changed_rights, "_NOTED", 1)
    monkeypatch.setattr(refresher, "_RIGHTS_SECONDS", 60.0)
    licensed.put(*(article(f"s{number:02}", source=Term("dpa", "dpa")) for number in range(40)))
    poll(licensed)
    pages: list[str] = []
    received = deliveries.received

    def failing(connection: Any, after: str, limit: int) -> list[str]:
        pages.append(after)
        if len(pages) == 4:
            raise OSError("ended")
        return received(connection, after, limit)

    monkeypatch.setattr(deliveries, "received", failing)
    with pytest.raises(OSError, match="ended"):
        configured(licensed, more='\n[sources.dpa]\npartners = "none"\n')
    assert len(unaware(licensed)) == 21
    configured(licensed)
    assert len(unaware(licensed)) == 40
    assert pages[:5] == ["", "s06", "s13", "s20", "s20"]


# -- notices -----------------------------------------------------------------------------------------------


def notifier(licensed: Licensed, receiver: Receiver) -> Notifier:
    return Notifier(
        licensed.store, licensed.rules, {"acme": Webhook(receiver.url, SECRET, True)}, licensed.clock
    )


def told(licensed: Licensed, receiver: Receiver, **after: float) -> list[dict[str, Any]]:
    """What acme's webhook is sent now."""
    licensed.clock.forward(**after or {"seconds": 2})
    before = len(receiver.got)
    telling = notifier(licensed, receiver)
    telling.sweep()
    telling.send_due()
    return [json.loads(body) for _, _, body in receiver.got[before:]]


def types(notices: list[dict[str, Any]]) -> list[str]:
    return [one["type"] for one in notices]


def test_revocation_and_return_are_told_by_webhook(licensed: Licensed, receiver: Receiver) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, access="internal"))
    (notice,) = told(licensed, receiver)
    assert (notice["type"], notice["reason"], notice["level"]) == (
        "story.revoked",
        "its access is internal",
        "none",
    )
    assert notice["article"] == {
        "id": "tag:news.example.org,2026:a",
        "url": "https://news.example.org/stories/a?utm_source=acme&utm_medium=feed",
        "key": "a",
        "title": "Harbour talks resume",
    }
    assert notice["versions"] == [story.digest]
    assert told(licensed, receiver) == []
    licensed.put(story)
    (back,) = told(licensed, receiver)
    assert (back["type"], back["article"], back["level"]) == ("story.restored", notice["article"], "full")
    assert told(licensed, receiver) == []
    licensed.put(edited(story, access="internal"))
    assert types(told(licensed, receiver)) == ["story.revoked"]
    licensed.put(story)
    assert types(told(licensed, receiver)) == ["story.restored"]


def test_notice_names_the_story_as_the_partners_feed_does(licensed: Licensed, receiver: Receiver) -> None:
    story = article("https://x.example/1", url="https://news.example.org/talks?page=2", published=NOON - HOUR)
    licensed.put(story)
    item = json.loads(poll(licensed, "/partners/acme/feeds/all.json"))["items"][0]
    for gone in (edited(story, status="withdrawn"), None):
        with licensed.store.write() as tx:
            change = Change(articles.get(tx, story.id), gone)
            apply.apply(tx, [IncomingChange(change, licensed.clock())], licensed.rules, licensed.clock())
        licensed.publish()
        for notice in told(licensed, receiver):
            assert (notice["article"]["id"], notice["article"]["url"]) == (item["id"], item["url"])
    assert len(receiver.got) == 1


def test_what_was_restored_before_anything_was_sent_is_not_told(
    licensed: Licensed, receiver: Receiver
) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status="withdrawn"))
    notifier(licensed, receiver).sweep()
    licensed.put(story)
    assert told(licensed, receiver) == []
    assert told(licensed, receiver, days=1) == []


def test_notice_that_waited_while_the_story_was_restored_says_so(
    licensed: Licensed, receiver: Receiver
) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status="withdrawn"))
    receiver.status = 503  # it may have taken it all the same
    assert types(told(licensed, receiver)) == ["story.withdrawn"]
    licensed.put(story)
    receiver.status = 200
    assert types(told(licensed, receiver, minutes=1)) == ["story.restored"]
    assert told(licensed, receiver, days=1) == []


@pytest.mark.parametrize("tried", [False, True])
def test_correction_that_waited_is_told_as_what_came_after(
    licensed: Licensed, receiver: Receiver, tried: bool
) -> None:
    corrected = edited(delivered(licensed), correction="It was Tuesday.")
    licensed.put(corrected)
    receiver.status = 503
    if tried:
        assert types(told(licensed, receiver)) == ["story.corrected"]
    else:
        notifier(licensed, receiver).sweep()
    licensed.clock.forward(seconds=5)
    licensed.put(edited(corrected, status="withdrawn"))
    receiver.status = 200
    assert types(told(licensed, receiver, minutes=1)) == ["story.withdrawn"]
    assert told(licensed, receiver, days=1) == []


def test_revocation_that_became_a_withdrawal_is_told_as_that(licensed: Licensed, receiver: Receiver) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, access="internal"))
    notifier(licensed, receiver).sweep()
    licensed.clock.forward(seconds=5)
    licensed.put(edited(story, status="withdrawn", withdrawal="Libel"))
    assert types(told(licensed, receiver)) == ["story.withdrawn"]


def test_return_that_waited_while_the_story_was_withdrawn_is_not_told(
    licensed: Licensed, receiver: Receiver
) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, status="withdrawn"))
    assert types(told(licensed, receiver)) == ["story.withdrawn"]
    licensed.clock.forward(seconds=5)
    licensed.put(story)
    notifier(licensed, receiver).sweep()
    licensed.clock.forward(seconds=5)
    licensed.put(edited(story, status="withdrawn", withdrawal="Libel"))
    assert types(told(licensed, receiver)) == ["story.withdrawn"]
    licensed.clock.forward(seconds=5)
    licensed.put(story)
    assert types(told(licensed, receiver)) == ["story.restored"]


def test_end_of_an_embargo_is_told_to_who_was_told_of_its_beginning(
    licensed: Licensed, receiver: Receiver
) -> None:
    story = delivered(licensed)
    licensed.put(edited(story, embargo=licensed.clock() + HOUR))
    assert types(told(licensed, receiver)) == ["story.revoked"]
    assert told(licensed, receiver) == []
    licensed.clock.forward(hours=1)
    licensed.publish()
    assert types(told(licensed, receiver)) == ["story.restored"]


# -- whatever happens --------------------------------------------------------------------------------------

_FIELDS = st.fixed_dictionaries(
    {
        "access": st.sampled_from(["public", "public", "partners", "internal"]),
        "syndication": st.sampled_from(
            [(), (("acme", "none"),), (("partners", "summary"),), (("public", "none"),)]
        ),
        "embargo": st.none() | st.integers(-1, 4).map(lambda hours: NOON + hours * HOUR),
        "expires": st.none() | st.integers(0, 8).map(lambda hours: NOON + hours * HOUR),
        "status": st.sampled_from(["published", "published", "draft", "withdrawn"]),
    }
)
_STEPS = st.lists(_FIELDS | st.sampled_from(["poll", "wait", "remove"]), max_size=10)


@settings(max_examples=60)
@given(steps=_STEPS)
def test_no_holder_is_untold_and_nobody_else_is_told(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Acme is on the list if it holds what it may not have, unless that ended when it was always said to."""
    folder = tmp_path_factory.mktemp("newsroom")
    licensed = Licensed(f"sqlite:///{folder}/a.db", folder, Clock(NOON))
    acme = licensed.rules.partners[0].audience
    holds = knows = said = False
    story: Article | None = None
    for step in steps:
        licensed.clock.forward(minutes=30)
        licensed.publish()
        if step == "wait":
            licensed.clock.forward(hours=1)
            licensed.publish()
        elif step == "remove":
            with licensed.store.write() as tx:
                if story:
                    change = Change(story, None)
                    apply.apply(
                        tx, [IncomingChange(change, licensed.clock())], licensed.rules, licensed.clock()
                    )
            story, knows = None, False
            licensed.publish()
        elif step == "poll":
            body = poll(licensed)
            may = story is not None and gate.eligible(story, acme, licensed.clock())
            assert (b"<entry>" in body) == may
            assert not (may and b"deleted-entry" in body)
            knows = True
            if may and story:
                holds, said = True, story.expires is not None
        else:
            story = versioned(replace(article("a", published=NOON - HOUR), **step))
            licensed.put(story)
            knows = False
        may = story is not None and gate.eligible(story, acme, licensed.clock())
        listed = {one[0] for one in unaware(licensed) if one[2] != "corrected" and one[3] == "none"}
        if may or not holds:
            assert listed == set()
        elif not knows and not said and (story is None or story.expires is None):
            assert listed == {"acme"}, (step, story)
        if not holds:
            assert unaware(licensed) == []
    licensed.store.close()


def test_very_large_ledger_is_gone_through_in_little_memory(tmp_path: Path) -> None:
    licensed = Licensed(f"sqlite:///{tmp_path}/a.db", tmp_path, Clock(NOON))
    stories = [article(f"s{number:05}", source=Term("dpa", "dpa"), body="x" * 500) for number in range(3_000)]
    with licensed.store.write() as tx:
        arrivals = [IncomingChange(Change(None, one), NOON) for one in stories]
        articles.apply(tx, apply.prepared(tx, arrivals, licensed.rules, NOON), NOON)
        deliveries.record(
            tx,
            [
                Delivery(f"t{token}", one.id, one.digest, "acme", "all", "rss", 1, NOON)
                for one in stories
                for token in range(3)
            ],
        )
    licensed.publish()
    tracemalloc.start()
    configured(licensed, more='\n[sources.dpa]\npartners = "none"\n')
    licensed.refresher.tell_lost_rights()
    peak = tracemalloc.get_traced_memory()[1]
    with licensed.store.read() as connection:
        assert sum(1 for _ in holdings.each_unaware(connection, now=licensed.clock())) == 3_000
    tracemalloc.stop()
    assert peak < 30_000_000
    assert len(licensed.get("/partners/acme/feeds/all.atom", licensed.acme).data) < 60_000
    licensed.store.close()
