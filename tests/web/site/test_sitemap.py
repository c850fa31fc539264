from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import event

from feedsvc.domain.model import Article, Site, versioned
from feedsvc.domain.selection import PUBLIC, Rules, eligible
from feedsvc.store.engine import Store
from feedsvc.web.site import sitemap
from tests.conftest import Clock
from tests.stories import NOON, article
from tests.stories import articles as any_article
from tests.web.site.test_pages import Newsroom

NAMESPACES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "n": "http://www.google.com/schemas/sitemap-news/0.9",
}
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def newsroom(tmp_path: Path, rules: Rules, clock: Clock) -> Iterator[Newsroom]:
    store = Store(f"sqlite:///{tmp_path / 'feedsvc.db'}")
    yield Newsroom(store, rules, clock)
    store.close()


def listed(newsroom: Newsroom) -> list[str]:
    """The ids of the stories in the sitemap, in its order; they must have no URL of their own."""
    answer = newsroom.get("/sitemap-news.xml")
    assert answer.status_code == 200
    places = etree.fromstring(answer.data).xpath("s:url/s:loc/text()", namespaces=NAMESPACES)
    prefix = f"{newsroom.rules.site.url}/stories/"
    assert all(place.startswith(prefix) for place in places)
    return [place.removeprefix(prefix) for place in places]


def max_age(newsroom: Newsroom) -> int:
    return int(newsroom.get("/sitemap-news.xml").headers["Cache-Control"].removeprefix("public, max-age="))


# -- what is listed --------------------------------------------------------------------------------------


def test_entry_says_what_the_rules_of_news_sitemaps_ask_for(newsroom: Newsroom) -> None:
    newsroom.put(
        article("a&b", title="Ports & <Seas>", language="fr-BE", embargo=NOON - timedelta(minutes=30))
    )
    root = etree.fromstring(newsroom.get("/sitemap-news.xml").data)
    assert root.tag == f"{{{NAMESPACES['s']}}}urlset"
    (entry,) = root
    assert [(part.tag.rpartition("}")[2], part.text) for part in entry.iter() if not len(part)] == [
        ("loc", "https://news.example.org/stories/a%26b"),
        ("name", "The Daily Example"),
        ("language", "fr"),
        ("publication_date", "2026-11-22T12:30:00+01:00"),
        ("title", "Ports & <Seas>"),
    ]
    assert not entry.xpath("n:news/n:publication[n:publication_date or n:title]", namespaces=NAMESPACES)


def test_story_is_listed_from_its_first_publication_for_two_days(newsroom: Newsroom) -> None:
    newsroom.put(
        article("talks", published=NOON - timedelta(days=9), embargo=NOON, updated=NOON + timedelta(days=1))
    )
    for after, expected in (
        (-MICROSECOND, []),
        (timedelta(0), ["talks"]),
        (timedelta(days=2) - MICROSECOND, ["talks"]),
        (timedelta(days=2), []),
    ):
        newsroom.clock.now = NOON + after
        assert listed(newsroom) == expected, after


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "draft"},
        {"status": "withdrawn"},
        {"expires": NOON},
        {"embargo": NOON + timedelta(seconds=1)},
        {"published": NOON + timedelta(seconds=1)},
    ],
)
def test_story_that_may_not_be_seen_is_not_listed(newsroom: Newsroom, fields: dict[str, object]) -> None:
    newsroom.put(article("seen"), article("unseen", title="Quicksilver", **fields))
    assert listed(newsroom) == ["seen"]
    assert b"Quicksilver" not in newsroom.get("/sitemap-news.xml").data


@settings(max_examples=40)
@given(
    stories=st.lists(any_article(), max_size=8, unique_by=lambda one: one.id),
    now=st.integers(0, 200),
)
def test_sitemap_lists_exactly_the_eligible_stories_of_two_days_newest_first(
    newsroom: Newsroom, stories: list[Article], now: int
) -> None:
    newsroom.clock.now = NOON + timedelta(hours=now)
    near = [
        versioned(replace(one, id=f"{n}", published=NOON + timedelta(hours=17 * n), embargo=None))
        for n, one in enumerate(stories)
    ]
    with newsroom.store.write() as tx:
        for table in ("articles", "memberships"):
            tx.exec_driver_sql(f"DELETE FROM {table}")
    newsroom.put(*near)
    expected = [
        one
        for one in near
        if eligible(one, PUBLIC, newsroom.clock()) and newsroom.clock() - one.visible_from < timedelta(days=2)
    ]
    expected.sort(key=lambda one: one.visible_from, reverse=True)
    assert listed(newsroom) == [one.id for one in expected]


@pytest.mark.parametrize(
    ("url", "is_listed"),
    [
        (None, True),
        ("/2026/talks.html", True),
        ("https://news.example.org/talks", True),
        ("https://NEWS.example.org:443/talks", True),
        ("http://news.example.org/talks", False),
        ("https://news.example.org:8443/talks", False),
        ("https://elsewhere.example/talks", False),
        ("https://news.example.org.elsewhere.example/", False),
        ("https://news.example.org:99999999/talks", False),
        ("https://news.example.org/" + "x" * 2_030, False),
    ],
)
def test_only_stories_of_this_site_are_listed(site: Site, url: str | None, is_listed: bool) -> None:
    assert sitemap.is_listable(site, article(url=url)) == is_listed


def test_a_thousand_stories_are_listed_and_others_do_not_count(newsroom: Newsroom) -> None:
    stories = [article(f"s{n:04}", published=NOON - timedelta(seconds=n)) for n in range(1, 1_003)]
    newsroom.put(*stories, article("elsewhere", published=NOON, url="https://elsewhere.example/"))
    assert listed(newsroom) == [f"s{n:04}" for n in range(1, 1_001)]


def test_neither_the_archive_nor_what_is_to_come_is_read(newsroom: Newsroom) -> None:
    hours = range(-100, 200)
    newsroom.put(*(article(f"{n}", published=NOON - timedelta(hours=n)) for n in hours))
    read: list[str] = []
    with newsroom.store.read() as connection:
        engine = connection.engine
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: read.append(statement),
    )
    assert len(listed(newsroom)) == 48
    assert len([statement for statement in read if "memberships" in statement]) == 1


# -- how it says it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("EN_gb", "en"),
        ("ckb-Arab", "ckb"),
        ("zh", "zh-cn"),
        ("zh-Hans-SG", "zh-cn"),
        ("zh-Hant", "zh-tw"),
        ("zh-HK", "zh-tw"),
        ("english", ""),
        ('"><script>', ""),
        (None, ""),
    ],
)
def test_language_is_a_code_that_news_sitemaps_know(tag: str | None, code: str) -> None:
    assert sitemap.language_code(tag) == code


def test_story_in_no_known_language_is_in_the_site_s(site: Site) -> None:
    root = etree.fromstring(sitemap.document(replace(site, language="nl-BE"), [article(language="?")]))
    assert root.xpath("//n:language/text()", namespaces=NAMESPACES) == ["nl"]


@pytest.mark.parametrize(
    ("name", "said"), [("Example (Evening) Post", "Example Post"), ("(Untitled)", "(Untitled)")]
)
def test_publication_is_named_without_what_stands_in_parentheses(site: Site, name: str, said: str) -> None:
    root = etree.fromstring(sitemap.document(replace(site, name=name), [article()]))
    assert root.xpath("//n:name/text()", namespaces=NAMESPACES) == [said]


def test_story_without_a_title_is_called_by_its_first_words(site: Site) -> None:
    root = etree.fromstring(sitemap.document(site, [article(title="", summary="They met.")]))
    assert root.xpath("//n:title/text()", namespaces=NAMESPACES) == ["They met."]


@given(title=st.text(max_size=20), language=st.none() | st.text(max_size=8))
def test_sitemap_is_well_formed_whatever_a_story_says(title: str, language: str | None) -> None:
    site = Site(title or "D", "https://news.example.org", "en", "a.example,2026")
    story = Article(id="a", title=title, published=NOON, updated=NOON, language=language)
    assert len(etree.fromstring(sitemap.document(site, [story]))) == 1


# -- HTTP ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "now", "expected"),
    [
        (NOON, NOON, 60),
        (NOON, NOON + timedelta(days=2, seconds=-60), 60),
        (NOON, NOON + timedelta(days=2, seconds=-20.5), 20),
        (NOON, NOON + timedelta(days=2, seconds=-0.5), 0),
        (NOON, NOON + timedelta(days=2), 60),
    ],
)
def test_sitemap_is_not_kept_beyond_the_moment_its_oldest_story_leaves(
    newsroom: Newsroom, published: datetime, now: datetime, expected: int
) -> None:
    newsroom.put(article("old", published=published), article("new", published=now - timedelta(hours=1)))
    newsroom.clock.now = now
    assert max_age(newsroom) == expected


@pytest.mark.parametrize("flip", ["embargo", "expires"])
def test_sitemap_is_not_kept_beyond_the_next_flip(newsroom: Newsroom, flip: str) -> None:
    newsroom.put(article("seen"), article("flips", **{flip: NOON + timedelta(seconds=7)}))
    assert max_age(newsroom) == 7


@pytest.mark.parametrize("path", ["/sitemap-news.xml", "/robots.txt", "/static/feed.css"])
def test_file_can_be_read_and_validated_and_nothing_else(newsroom: Newsroom, path: str) -> None:
    newsroom.put(article())
    get, head = newsroom.get(path), newsroom.get(path, "HEAD")
    assert (get.status_code, head.status_code, head.data) == (200, 200, b"")
    assert list(head.headers) == list(get.headers)
    again = newsroom.get(path, If_None_Match=get.headers["ETag"])
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", get.headers["ETag"])
    refused = newsroom.get(path, "POST")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_sitemap_changes_its_tag_with_its_stories_only(newsroom: Newsroom) -> None:
    newsroom.put(article())
    first = newsroom.get("/sitemap-news.xml")
    assert first.content_type == "application/xml; charset=utf-8"
    newsroom.clock.forward(minutes=10)
    assert newsroom.get("/sitemap-news.xml").headers["ETag"] == first.headers["ETag"]
    newsroom.put(article(title="Harbour talks stall"))
    assert newsroom.get("/sitemap-news.xml").headers["ETag"] != first.headers["ETag"]


def test_robots_lets_everybody_in_and_points_to_the_sitemap(newsroom: Newsroom) -> None:
    answer = newsroom.get("/robots.txt", Host="evil.example")
    assert answer.content_type == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines == [
        "User-agent: *",
        "Allow: /",
        "",
        "Sitemap: https://news.example.org/sitemap-news.xml",
    ]
    assert newsroom.get("/sitemap-news.xml").status_code == 200


def test_style_sheet_of_feeds_is_asked_for_again_every_hour(newsroom: Newsroom) -> None:
    answer = newsroom.get("/static/feed.css")
    assert answer.content_type == "text/css; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    versioned_path = newsroom.page("/").xpath("//link[@rel='stylesheet']/@href")[0]
    assert newsroom.get(versioned_path).headers["Cache-Control"] == "public, max-age=31536000, immutable"
