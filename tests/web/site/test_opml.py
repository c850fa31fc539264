from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feedsvc.domain.model import Site
from feedsvc.domain.selection import Rules
from feedsvc.store import representations
from feedsvc.store.engine import Store
from feedsvc.web.feeds.routes import blueprint
from feedsvc.web.site import opml
from feedsvc.web.site.directory import Directory
from tests.conftest import Clock
from tests.shelves import made_service
from tests.stories import article
from tests.web.site.test_pages import Newsroom, feed_url, page_url

EVERY = ("/feeds.opml", "/feeds/sections.opml", "/feeds/tags.opml", "/feeds/authors.opml",
         "/feeds/custom.opml")  # fmt: skip


@pytest.fixture
def newsroom(tmp_path: Path, rules: Rules, clock: Clock) -> Iterator[Newsroom]:
    store = Store(f"sqlite:///{tmp_path / 'feedsvc.db'}")
    made = Newsroom(store, rules, clock)
    made.client.application.register_blueprint(blueprint(made_service().feeds))
    yield made
    store.close()


@pytest.fixture
def full(newsroom: Newsroom) -> Newsroom:
    """A feed of each kind, and a section in another."""
    newsroom.put(article(section="World & <Sea>/Ports", tags=["Syria"]))
    newsroom.publish("all", "sections/world-sea", "sections/world-sea/ports", "custom/top")
    newsroom.publish("tags/syria", formats=("atom", "json"))
    newsroom.publish("authors/jane-doe", formats=("json",))
    return newsroom


def outlines(newsroom: Newsroom, path: str) -> list[tuple[str | None, list[list[str | None]]]]:
    """The groups of an OPML file: what each is called, and what is said of its feeds."""
    answer = newsroom.get(path)
    assert answer.content_type == "text/x-opml; charset=utf-8"
    root = etree.fromstring(answer.data)
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("opml", "2.0", ["head", "body"])
    names = ("type", "version", "text", "xmlUrl", "htmlUrl")
    return [(group.get("text"), [[feed.get(name) for name in names] for feed in group]) for group in root[1]]


SECTIONS = (
    "Sections",
    [
        ["rss", "RSS2", "World & <Sea> – The Daily Example", feed_url("sections/world-sea.rss"),
         page_url("sections/world-sea")],
        ["rss", "RSS2", "Ports – The Daily Example", feed_url("sections/world-sea/ports.rss"),
         page_url("sections/world-sea/ports")],
    ],
)  # fmt: skip
TAGS = ("Tags", [["rss", "ATOM1", "Syria – The Daily Example", feed_url("tags/syria.atom"),
                  page_url("tags/syria")]])  # fmt: skip
AUTHORS = ("Authors", [["rss", None, "Jane Doe – The Daily Example", feed_url("authors/jane-doe.json"),
                        page_url("authors/jane-doe")]])  # fmt: skip
CUSTOM = ("Edited feeds", [["rss", "RSS2", "Top – The Daily Example", feed_url("custom/top.rss"),
                            page_url("")]])  # fmt: skip


def test_opml_lists_exactly_the_published_feeds(full: Newsroom) -> None:
    everything = ("All stories", [["rss", "RSS2", "The Daily Example", feed_url("all.rss"), page_url("")]])
    assert outlines(full, "/feeds.opml") == [everything, SECTIONS, TAGS, AUTHORS, CUSTOM]


@pytest.mark.parametrize(
    ("kind", "group"),
    [("sections", SECTIONS), ("tags", TAGS), ("authors", AUTHORS), ("custom", CUSTOM)],
)
def test_each_kind_of_feed_has_an_opml_file_of_its_own(
    full: Newsroom, kind: str, group: tuple[str, object]
) -> None:
    assert outlines(full, f"/feeds/{kind}.opml") == [group]
    head = etree.fromstring(full.get(f"/feeds/{kind}.opml").data)[0]
    assert head.findtext("title") == f"{group[0]} – The Daily Example"


def test_kind_that_there_is_not_has_no_opml_file(newsroom: Newsroom) -> None:
    newsroom.publish("tags/syria")
    for path in ("/feeds/sections.opml", "/feeds/all.opml", "/feeds/nonsense.opml", "/feeds/tags/syria.opml"):
        answer = newsroom.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-cache"), path
    assert newsroom.get("/feeds/tags.opml").status_code == 200


def test_outline_of_a_feed_holds_no_other(full: Newsroom) -> None:
    root = etree.fromstring(full.get("/feeds.opml").data)
    feeds_listed = root.xpath("//outline[@xmlUrl]")
    assert len(feeds_listed) == 6
    assert not any(len(outline) for outline in feeds_listed)


def test_directory_leads_to_every_opml_file_and_announces_it(full: Newsroom) -> None:
    page = full.page("/")
    announced = page.xpath("//link[@rel='alternate'][@type='text/x-opml']/@href")
    assert announced == [f"https://news.example.org{path}" for path in EVERY]
    linked = page.xpath("//section[@id='feeds']//a[@type='text/x-opml']/@href")
    assert linked == list(EVERY)


def test_kind_without_feeds_is_not_announced(newsroom: Newsroom) -> None:
    newsroom.publish("all", "tags/syria")
    page = newsroom.page("/")
    assert page.xpath("//section[@id='feeds']//a[@type='text/x-opml']/@href") == [
        "/feeds.opml",
        "/feeds/tags.opml",
    ]


@pytest.mark.parametrize("path", EVERY)
def test_opml_file_stays_as_it_is_until_a_feed_comes_or_goes(full: Newsroom, path: str) -> None:
    first = full.get(path)
    full.clock.forward(days=1)
    assert full.get(path).data == first.data
    again = full.get(path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    head = full.get(path, "HEAD")
    assert (head.status_code, head.data, list(head.headers)) == (200, b"", list(first.headers))
    refused = full.get(path, "POST")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    full.publish("sections/new", "tags/new", "authors/new", "custom/new")
    assert full.get(path, If_None_Match=first.headers["ETag"]).status_code == 200


@given(title=st.text(max_size=20))
def test_opml_is_well_formed_whatever_a_feed_is_called(title: str) -> None:
    site = Site(title or "D", "https://news.example.org", "en", "a.example,2026")
    listing = representations.Listing("tags/x", title, ("rss",))
    groups = Directory(site, [listing]).groups
    assert len(etree.fromstring(opml.document(site, groups))[1][0]) == 1
