"""Partners get their own feeds, by their tokens, and nobody gets another's."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.config import file as config_file
from feedsvc.config import options
from feedsvc.domain.model import Article, Change, Enclosure, Image, Term, versioned
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, deliveries, holdings, tokens
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Scope, Token, hashed
from feedsvc.web.app import application
from tests.conftest import Clock
from tests.stories import NOON, article

CONFIG = """
[site]
name = "The Daily Example"
url = "https://news.example.org"
hub = "https://hub.example.org/"

[store]
url = "{store}"

[http]
{http}

[partners.acme]
feeds = ["all", "sections/*"]
footer = "First published by {{source}}: {{title}}, {{url}}"
link_parameters = "utm_source=acme&utm_medium=feed"
rate = "3/m"

[partners.globex]
feeds = ["*"]
delay = "2h"
content = "summary"
"""


class Licensed:
    """A service with two partners, on a clock that stands."""

    def __init__(self, url: str, folder: Path, clock: Clock, http: str = "") -> None:
        file = folder / "config.toml"
        file.write_text(CONFIG.format(store=url, http=http), "utf-8")
        self.config = config_file.load(file, {})
        self.clock = clock
        self.store = Store(self.config.store_url)
        self.rules = options.rules(self.config)
        self.refresher = Refresher(
            self.store, folder / "content", options.load_rules(self.config), self.rules, clock=clock
        )
        self.refresher.prepare()
        app = application(self.config, self.store, clock=clock)
        self.follower, self.ledger = app.extensions["feedsvc"], app.extensions["feedsvc-ledger"]
        self.client = Client(app.wsgi_app)
        self.acme, self.globex = self.token("acme"), self.token("globex")
        self.publish()

    def token(self, name: str, scope: Scope = "read", expires: datetime | None = None) -> str:
        secret = secrets.token_urlsafe(32)
        with self.store.write() as tx:
            made = Token(secrets.token_hex(4), hashed(secret), name, scope, "", self.clock(), expires)
            tokens.add(tx, made)
        self.follower.look()
        return secret

    def put(self, *stories: Article) -> None:
        with self.store.write() as tx:
            for story in stories:
                old = articles.get(tx, story.id)
                apply.apply(tx, [IncomingChange(Change(old, story), self.clock())], self.rules, self.clock())
        self.publish()

    def publish(self) -> None:
        self.refresher.refresh()
        self.follower.look()

    def get(self, path: str, token: str | None = None, method: str = "GET", **headers: str) -> TestResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        return self.client.open(path, method=method, headers=fields)


@pytest.fixture
def licensed(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[Licensed]:
    made = Licensed(store_url, tmp_path, clock)
    yield made
    made.store.close()


ACME = "/partners/acme/feeds/all.rss"
ATOM = "/partners/acme/feeds/all.atom"


# -- who is let in -----------------------------------------------------------------------------------------


def basic(password: str, user: str = "reader") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_token_opens_its_partners_feeds_as_bearer_or_as_the_password_of_basic(licensed: Licensed) -> None:
    assert licensed.get(ACME, licensed.acme).status_code == 200
    assert licensed.get(ACME, Authorization=basic(licensed.acme)).status_code == 200
    assert licensed.get(ACME, Authorization=f"bearer {licensed.acme}").status_code == 200


def test_every_answer_below_partners_depends_on_who_asks_and_is_nobody_elses_to_keep(
    licensed: Licensed,
) -> None:
    for _ in range(3):
        licensed.get(ACME, licensed.acme)
    answers = {
        200: licensed.get("/partners/globex/feeds/all.rss", licensed.globex),
        404: licensed.get("/partners/acme/feeds/tags/none.rss", licensed.acme),
        405: licensed.get(ACME, licensed.acme, "POST"),
        406: licensed.get(ACME, licensed.acme, Accept_Encoding="identity;q=0, *;q=0"),
        412: licensed.get(ACME, licensed.acme, If_Match='"another"'),
        429: licensed.get(ACME, licensed.acme),
        400: licensed.get(ACME, licensed.acme, Host="a,b"),
        401: licensed.get(ACME),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {one: one for one in answers}
    for status, answer in answers.items():
        assert "Authorization" in answer.headers["Vary"].split(", "), status
        assert len(answer.headers.getlist("Cache-Control")) == 1, status
        assert status == 401 or "private" in answer.headers["Cache-Control"], status


def test_everything_else_gets_one_and_the_same_answer(licensed: Licensed) -> None:
    writer = licensed.token("acme", scope="write")
    answers = [
        licensed.get(ACME),
        licensed.get(ACME, "wrong"),
        licensed.get(ACME, licensed.globex),
        licensed.get(ACME, writer),
        licensed.get(ACME, Authorization=basic("", licensed.acme)),
        licensed.get(ACME, Authorization="Basic not-base64"),
        licensed.get(ACME, Authorization="Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()),
        licensed.get("/partners/nobody/feeds/all.rss", licensed.acme),
        licensed.get("/partners/nobody/feeds/all.rss"),
        licensed.get("/partners/", licensed.acme),
        licensed.get("/partners//feeds/all.rss", licensed.acme),
        licensed.get("/partners/acme/feeds.opml"),
    ]
    first = answers[0]
    assert first.status_code == 401
    assert first.headers.getlist("WWW-Authenticate") == [
        'Bearer realm="feedsvc"',
        'Basic realm="feedsvc", charset="UTF-8"',
    ]
    for answer in answers:
        assert (answer.status_code, answer.data, list(answer.headers)) == (
            first.status_code,
            first.data,
            list(first.headers),
        )


def test_several_tokens_open_at_once_until_one_is_revoked_or_runs_out(licensed: Licensed) -> None:
    second = licensed.token("acme", expires=licensed.clock() + timedelta(hours=1))
    assert {licensed.get(ACME, one).status_code for one in (licensed.acme, second)} == {200}
    with licensed.store.write() as tx:
        ids = [one.id for one in tokens.every(tx) if one.hash == hashed(licensed.acme)]
        tokens.revoke(tx, ids, licensed.clock())
    licensed.follower.look()
    assert licensed.get(ACME, licensed.acme).status_code == 401
    assert licensed.get(ACME, second).status_code == 200
    licensed.clock.now += timedelta(hours=1)
    assert licensed.get(ACME, second).status_code == 401


def test_who_shows_no_token_is_slowed_down_later_and_what_is_no_ascii_is_wrong(licensed: Licensed) -> None:
    statuses = [licensed.get(ACME).status_code for _ in range(101)]
    assert statuses == [401] * 100 + [429]
    # Some servers give an empty field for what isn't ASCII.
    statuses = [licensed.get(ACME, Authorization="").status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_wrong_tokens_from_one_address_are_slowed_down_and_good_ones_are_not(licensed: Licensed) -> None:
    statuses = [licensed.get(ACME, "wrong").status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = licensed.get(ACME, "wrong")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert licensed.get(ACME).status_code == 401  # who shows none is asked for one
    assert licensed.get(ACME, licensed.acme).status_code == 200
    licensed.clock.now += timedelta(seconds=int(refused.headers["Retry-After"]))
    assert licensed.get(ACME, "wrong").status_code == 401


# -- what they get -----------------------------------------------------------------------------------------


def test_partners_feeds_are_private_conditional_and_their_own(licensed: Licensed) -> None:
    licensed.put(article(section="World"))
    answer = licensed.get(ACME, licensed.acme)
    assert answer.headers["Cache-Control"].startswith("private, max-age=")
    assert answer.headers["Vary"] == "Authorization, Accept-Encoding"
    assert answer.headers["Link"] == '<https://news.example.org/partners/acme/feeds/all.rss>; rel="self"'
    assert b'href="https://news.example.org/partners/acme/feeds/all.rss"' in answer.data
    assert b"hub.example.org" not in answer.data
    unchanged = licensed.get(ACME, licensed.acme, If_None_Match=answer.headers["ETag"])
    assert unchanged.status_code == 304
    assert unchanged.headers["Cache-Control"] == answer.headers["Cache-Control"]
    assert unchanged.headers["Vary"] == answer.headers["Vary"]
    head = licensed.get(ACME, licensed.acme, method="HEAD")
    assert (head.status_code, head.data) == (200, b"")
    posted = licensed.get(ACME, licensed.acme, method="POST")
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD")


def test_what_is_in_memory_for_partners_is_at_no_public_path(licensed: Licensed) -> None:
    licensed.put(article(section="World"))
    assert licensed.get("/partners/acme/feeds/sections/world.atom", licensed.acme).status_code == 200
    public = licensed.get("/feeds/sections/world.atom")
    assert b"utm_source" not in public.data
    for path in (
        "/feeds/partners/acme/sections/world.atom",
        "/feeds/partners/acme/all.rss",
        "/feeds//partners/acme/feeds/all.rss",
    ):
        assert licensed.get(path).status_code == 404
    for path in (
        "/partners/acme/feeds/sections/world.atom",
        "//partners/acme/feeds/all.rss",
        "/partners/acme",
    ):
        assert licensed.get(path).status_code in (401, 404)


def test_links_carry_parameters_and_ids_do_not_and_the_footer_names_the_source(licensed: Licensed) -> None:
    url = "https://news.example.org/talks?utm_source=home&page=2#top"
    licensed.put(article(url=url, source=Term("Northwire", "northwire"), title="R&D"))
    item = json.loads(licensed.get("/partners/acme/feeds/all.json", licensed.acme).data)["items"][0]
    led = "https://news.example.org/talks?page=2&utm_source=acme&utm_medium=feed#top"
    assert item["url"] == led
    assert "utm_" not in item["id"]
    escaped = led.replace("&", "&amp;")
    assert f"<p>First published by Northwire: R&amp;D, {escaped}</p>" in item["content_html"]
    assert json.loads(licensed.get("/feeds/all.json").data)["items"][0]["url"] == url


def test_partner_has_a_story_later_and_only_its_summary(licensed: Licensed) -> None:
    told = article(published=NOON, summary="The short of it.", body="All there is to say.")
    licensed.put(told)
    path = "/partners/globex/feeds/all.atom"
    assert b"The short of it." not in licensed.get(path, licensed.globex).data
    assert licensed.refresher.next_transition() == NOON + timedelta(hours=2)
    licensed.clock.now = NOON + timedelta(hours=2)
    licensed.publish()
    body = licensed.get(path, licensed.globex).data
    assert b"The short of it." in body
    assert b"All there is" not in body


def test_the_latest_of_embargo_and_delay_counts(licensed: Licensed) -> None:
    licensed.put(article(published=NOON, embargo=NOON + timedelta(hours=1)))
    licensed.clock.now = NOON + timedelta(hours=1)
    licensed.publish()
    path = "/partners/globex/feeds/all.json"
    assert len(json.loads(licensed.get("/feeds/all.json").data)["items"]) == 1
    assert json.loads(licensed.get(path, licensed.globex).data)["items"] == []
    assert licensed.refresher.next_transition() == NOON + timedelta(hours=2)
    licensed.clock.now = NOON + timedelta(hours=2)
    licensed.publish()
    assert len(json.loads(licensed.get(path, licensed.globex).data)["items"]) == 1


def test_feed_a_partner_is_not_given_is_404_to_it(licensed: Licensed) -> None:
    licensed.put(article(tags=["Ports"]))
    assert licensed.get("/partners/acme/feeds/tags/ports.rss", licensed.acme).status_code == 404
    assert licensed.get("/feeds/tags/ports.rss").status_code == 200


def test_list_of_a_partners_feeds_is_for_it_alone(licensed: Licensed) -> None:
    licensed.put(article(section="World", tags=["Ports"]))
    answer = licensed.get("/partners/acme/feeds.opml", licensed.acme)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.data.count(b"https://news.example.org/partners/acme/feeds/") == 2
    assert b"tags/ports" not in answer.data
    public = licensed.get("/feeds.opml")
    assert b"partners" not in public.data
    unchanged = licensed.get("/partners/acme/feeds.opml", licensed.acme, If_None_Match=answer.headers["ETag"])
    assert unchanged.status_code == 304


def test_image_that_may_not_be_syndicated_is_in_no_feed_wherever_it_stands(licensed: Licensed) -> None:
    kept, given = "https://img.example.org/kept.jpg", "https://img.example.org/given.jpg"
    licensed.put(
        article(
            images=(Image(kept, may_syndicate=False), Image(given)),
            body=f"One ![]({kept}) two ![]({given}) three [all of it]({kept}).",
        )
    )
    for path, token in (("/feeds/all", None), ("/partners/acme/feeds/all", licensed.acme)):
        for fmt in ("rss", "atom", "json"):
            body = licensed.get(f"{path}.{fmt}", token).data
            assert kept.encode() not in body
            assert given.encode() in body


def test_story_killed_within_its_first_second_leaves_its_mark_to_those_who_had_it(licensed: Licensed) -> None:
    licensed.clock.now = NOON + timedelta(milliseconds=169)
    story = article("a", published=licensed.clock())
    licensed.put(story)
    licensed.clock.now += timedelta(milliseconds=400)
    licensed.put(versioned(replace(story, status="withdrawn")))
    # The entry says 12:00:00, too: its mark is later.
    mark = b'ref="tag:news.example.org,2026:a" when="2026-11-22T12:00:01+00:00"'
    assert mark in licensed.get("/feeds/all.atom").data
    assert mark in licensed.get("/partners/acme/feeds/all.atom", licensed.acme).data
    assert mark not in licensed.get("/partners/globex/feeds/all.atom", licensed.globex).data
    assert licensed.get("/stories/a").status_code == 410


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("https://img.example.org/w_300,h_200/p.jpg", "https://img.example.org/w_300,h_200/p.jpg"),
        ("https://img.example.org/o'neil.jpg", "https://img.example.org/o'neil.jpg"),
        ("https://img.example.org/p.jpg", "http://IMG.example.org:443/a/../p.jpg#top"),
        ("https://img.example.org/p.jpg", "https://img.example.org/%70.jpg?w=300"),
        ("/media/caf\u00e9.jpg", "https://news.example.org/media/caf%c3%a9.jpg"),
    ],
)
def test_image_kept_back_is_known_however_it_is_written(
    licensed: Licensed, listed: str, written: str
) -> None:
    enclosure = Enclosure(written, "image/jpeg")
    licensed.put(
        article(
            images=(Image(listed, may_syndicate=False), Image(listed)),
            enclosures=(enclosure,),
            body=f'One ![]({written}) two <img src="{written}" srcset="{written} 2x"> three.',
        )
    )
    for fmt in ("rss", "atom", "json"):
        body = licensed.get(f"/feeds/all.{fmt}").data.decode()
        for part in ("<img", "&lt;img", "enclosure", "media:", "attachments", '"image"'):
            assert part not in body.replace("xmlns:media", "")


def test_footer_stands_where_there_is_no_text_too(licensed: Licensed) -> None:
    licensed.put(
        article("a", syndication=(("partners", "summary"),), summary="Short.", title="One"),
        article("b", syndication=(("partners", "headline"),), title="Two"),
        article("c", body="", summary="Short.", correction="It was Tuesday.", title="Three"),
    )
    for fmt in ("rss", "atom", "json"):
        body = licensed.get(f"/partners/acme/feeds/all.{fmt}", licensed.acme).data
        assert body.count(b"First published by") >= 3


@pytest.mark.parametrize(
    "before", [{"status": "draft"}, {"access": "internal"}, {"embargo": NOON + timedelta(days=9)}]
)
def test_story_that_nobody_ever_had_leaves_no_mark_however_it_is_withdrawn(
    licensed: Licensed, before: dict[str, Any]
) -> None:
    licensed.put(article("a", **before))
    for number in range(2):
        licensed.put(article("a", status="withdrawn", withdrawal=f"Reason {number}"))
        licensed.clock.now += timedelta(hours=3)
        licensed.publish()
        assert b"deleted-entry" not in licensed.get("/feeds/all.atom").data
        assert licensed.get("/stories/a").status_code == 404


def test_mark_stays_whatever_is_edited_in_a_withdrawn_story_and_whenever_it_is_dated(
    licensed: Licensed,
) -> None:
    story = article("a", published=NOON - timedelta(hours=3))
    licensed.put(story)
    globex = "/partners/globex/feeds/all.atom"
    gone = versioned(replace(story, status="withdrawn", withdrawn=NOON - timedelta(hours=2)))
    licensed.put(gone)
    assert b"deleted-entry" in licensed.get(globex, licensed.globex).data
    licensed.put(versioned(replace(gone, access="internal", withdrawal="Not true.")))
    for path, token in (("/feeds/all.atom", None), (globex, licensed.globex)):
        assert b"Not true." in licensed.get(path, token).data
    assert licensed.get("/stories/a").status_code == 410


def test_licence_that_became_smaller_holds_before_anything_is_published(licensed: Licensed) -> None:
    licensed.put(article("a", section="World"))
    text = licensed.config.path.read_text("utf-8").replace('feeds = ["all", "sections/*"]', 'feeds = ["all"]')
    licensed.config.path.write_text(text, "utf-8")
    app = application(config_file.load(licensed.config.path, {}), licensed.store, clock=licensed.clock)
    client, fields = Client(app.wsgi_app), {"Authorization": f"Bearer {licensed.acme}"}
    assert client.get("/partners/acme/feeds/sections/world.rss", headers=fields).status_code == 404
    assert b"sections/world" not in client.get("/partners/acme/feeds.opml", headers=fields).data
    assert client.get(ACME, headers=fields).status_code == 200


# -- how often ---------------------------------------------------------------------------------------------


def test_only_full_answers_count_against_a_partners_rate(licensed: Licensed) -> None:
    etag = licensed.get(ACME, licensed.acme).headers["ETag"]
    for _ in range(5):
        assert licensed.get(ACME, licensed.acme, If_None_Match=etag).status_code == 304
        assert licensed.get(ACME, licensed.acme, method="HEAD").status_code == 200
    assert [licensed.get(ACME, licensed.acme).status_code for _ in range(3)] == [200, 200, 429]
    refused = licensed.get(ACME, licensed.acme)
    assert int(refused.headers["Retry-After"]) == 20
    assert licensed.get(ACME, licensed.acme, If_None_Match=etag).status_code == 304
    assert licensed.get("/partners/globex/feeds/all.rss", licensed.globex).status_code == 200
    licensed.clock.now += timedelta(seconds=20)
    assert licensed.get(ACME, licensed.acme).status_code == 200


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "counted_apart"),
    [
        ([], "192.0.2.1", "198.51.100.{}", False),
        (["192.0.2.0/24"], "192.0.2.1", "198.51.100.{}", True),
        (["192.0.2.0/24"], "203.0.113.1", "198.51.100.{}", False),
        (["192.0.2.0/24"], "192.0.2.1", "10.0.0.{}, 198.51.100.7", False),
        (["192.0.2.0/24"], "192.0.2.1", "198.51.100.{}, 192.0.2.7", True),
        (["192.0.2.0/24"], "192.0.2.1", "198.51.100.{}, nonsense", False),
        (["2001:db8::/32"], "2001:db8::1", "2001:db9::{}", False),
        (["2001:db8::/32"], "2001:db8::1", "2001:db9:0:{}::1", True),
    ],
)
def test_addresses_are_counted_by_the_word_of_trusted_proxies_alone(
    tmp_path: Path, clock: Clock, proxies: list[str], remote: str, forwarded: str, counted_apart: bool
) -> None:
    http = f'rate = "2/m"\ntrusted_proxies = {json.dumps(proxies)}'
    service = Licensed(f"sqlite:///{tmp_path / 'feedsvc.db'}", tmp_path, clock, http)
    statuses = []
    for number in range(1, 5):
        answer = service.client.get(
            "/feeds/all.rss",
            headers={"X-Forwarded-For": forwarded.format(number)},
            environ_overrides={"REMOTE_ADDR": remote},
        )
        statuses.append(answer.status_code)
    assert statuses == ([200] * 4 if counted_apart else [200, 200, 429, 429])
    etag = service.client.get("/feeds/all.atom", environ_overrides={"REMOTE_ADDR": "8.8.8.8"}).headers["ETag"]
    for _ in range(5):
        unchanged = service.client.get(
            "/feeds/all.atom", headers={"If-None-Match": etag}, environ_overrides={"REMOTE_ADDR": remote}
        )
        assert unchanged.status_code == 304
    service.store.close()


# -- what is noted -----------------------------------------------------------------------------------------


def delivered(licensed: Licensed, **chosen: Any) -> list[tuple[str, str, str]]:
    licensed.ledger.write()
    with licensed.store.read() as connection:
        return [
            (one.partner, one.article_id, one.feed_key) for one in deliveries.listed(connection, **chosen)
        ]


def test_ledger_has_what_was_sent_and_nothing_that_was_not(licensed: Licensed) -> None:
    licensed.put(article("a"), article("b"))
    etag = licensed.get("/partners/acme/feeds/all.json", licensed.acme, method="HEAD").headers["ETag"]
    licensed.get("/partners/acme/feeds/all.json", licensed.acme, If_None_Match=etag)
    licensed.get("/partners/acme/feeds/all.json", "wrong")
    licensed.get("/feeds/all.json")
    assert delivered(licensed) == []
    licensed.get("/partners/acme/feeds/all.json", licensed.acme)
    licensed.get("/partners/acme/feeds/all.atom", licensed.acme)
    assert delivered(licensed) == [("acme", "a", "all"), ("acme", "b", "all")]
    assert delivered(licensed, partner="globex") == []
    assert len(delivered(licensed, article_ids=["a"])) == 1


# -- when rights change ------------------------------------------------------------------------------------


def test_rights_that_were_taken_are_noticed_before_anything_is_served(
    licensed: Licensed, tmp_path: Path, clock: Clock
) -> None:
    licensed.put(article("a", source=Term("Reuters", "reuters"), title="Wire copy"))
    assert b"Wire copy" in licensed.get(ACME, licensed.acme).data
    licensed.config.path.write_text(
        CONFIG.format(store=licensed.config.store.url, http="") + '\n[sources.reuters]\npartners = "none"\n',
        "utf-8",
    )
    config = config_file.load(licensed.config.path, {})
    refresher = Refresher(
        licensed.store,
        tmp_path / "content",
        options.load_rules(config),
        options.rules(config),
        clock=clock,
    )
    refresher.prepare()
    assert refresher.rights_changed
    refresher.refresh()
    licensed.follower.look()
    assert b"Wire copy" not in licensed.get(ACME, licensed.acme).data


# -- who holds what is gone --------------------------------------------------------------------------------


def test_partner_that_holds_a_story_is_told_that_it_is_gone_though_its_rights_went_before(
    licensed: Licensed,
) -> None:
    story = article("a")
    licensed.put(story)
    licensed.get(ATOM, licensed.acme)
    licensed.ledger.write()
    licensed.clock.forward(hours=1)
    kept_back = versioned(replace(story, syndication=(("acme", "none"),)))
    licensed.put(kept_back)
    assert b"Not true." not in licensed.get(ATOM, licensed.acme).data
    licensed.put(versioned(replace(kept_back, status="withdrawn", withdrawal="Not true.")))
    told = licensed.get(ATOM, licensed.acme).data
    assert (b"Not true." in told, told.count(b"at:deleted-entry")) == (True, 2)


def test_partner_that_holds_a_story_is_told_that_it_is_gone_in_the_feed_that_it_left(
    licensed: Licensed,
) -> None:
    before = article("a", section="World")
    licensed.put(before)
    world = "/partners/acme/feeds/sections/world.atom"
    licensed.get(world, licensed.acme)
    licensed.ledger.write()
    licensed.clock.forward(hours=1)
    moved = article("a", section="Sport")
    licensed.put(moved)
    licensed.put(versioned(replace(moved, status="withdrawn", withdrawal="Not true.")))
    assert b"Not true." in licensed.get(world, licensed.acme).data
    licensed.ledger.write()
    with licensed.store.read() as connection:
        assert holdings.unaware(connection) == []


def test_partner_that_never_had_a_story_is_not_told_that_it_is_gone(licensed: Licensed) -> None:
    story = versioned(replace(article("a"), syndication=(("acme", "none"),)))
    licensed.put(story)
    licensed.get(ATOM, licensed.acme)
    licensed.ledger.write()
    licensed.clock.forward(hours=1)
    licensed.put(versioned(replace(story, status="withdrawn", withdrawal="Not true.")))
    assert b"Not true." not in licensed.get(ATOM, licensed.acme).data
    assert b"Not true." in licensed.get("/feeds/all.atom").data


def test_mark_that_a_story_is_gone_makes_nobody_a_holder_of_it(licensed: Licensed) -> None:
    story = versioned(replace(article("a"), syndication=(("acme", "none"),)))
    gone = versioned(replace(story, status="withdrawn", withdrawal="Not true."))
    for again in (story, gone, story, gone):
        licensed.put(again)
        licensed.clock.forward(hours=1)
        licensed.publish()
        assert b"Not true." not in licensed.get(ATOM, licensed.acme).data
        licensed.ledger.write()
