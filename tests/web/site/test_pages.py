import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from sqlalchemy import text
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from feedsvc.domain import selection, urls
from feedsvc.domain.model import (
    FORMATS,
    Agency,
    Article,
    Author,
    Change,
    Enclosure,
    Format,
    Image,
    Site,
    Term,
    versioned,
)
from feedsvc.domain.selection import PUBLIC, Rules
from feedsvc.store import articles, representations, tombstones
from feedsvc.store.articles import ArticleWrite
from feedsvc.store.engine import Store
from feedsvc.store.representations import Unpublished
from feedsvc.web.site import pages
from feedsvc.web.site.directory import CurrentDirectory, Directory
from feedsvc.web.site.errors import register_errors
from feedsvc.web.site.story_page import direction, moment
from tests.conftest import Clock
from tests.stories import NOON, article
from tests.stories import articles as any_article

SECRET = "Quicksilver"


class Newsroom:
    """A store with stories in it, and a browser on its pages."""

    def __init__(self, store: Store, rules: Rules, clock: Clock) -> None:
        self.store, self.rules, self.clock = store, rules, clock
        app = Flask("newsroom", static_folder=None)
        app.register_blueprint(pages.blueprint(store, rules, clock))
        register_errors(app)
        self.client: FlaskClient = app.test_client()

    def put(self, *stories: Article) -> None:
        """Store stories, as the refresher does."""
        changes = [
            ArticleWrite(story.id, selection.placed(story), selection.affected(Change(None, story)))
            for story in stories
        ]
        with self.store.write() as tx:
            articles.apply(tx, changes, self.clock())
            for story in stories:
                if mark := selection.tombstone(Change(None, story), self.clock(), self.clock()):
                    tombstones.add_tombstone(tx, mark, selection.keys_of(story), selection.TOMBSTONE_STANDS)

    def publish(self, *keys: str, formats: tuple[Format, ...] = FORMATS) -> None:
        """Publish feeds under the titles they have; their bytes do not matter to pages."""
        with self.store.write() as tx:
            for key in keys:
                title = self.feed(key).title
                representations.publish(
                    tx,
                    [Unpublished(key, fmt, title, title.encode(), title, 300, NOON) for fmt in formats],
                    self.clock(),
                )

    def feed(self, key: str) -> selection.Feed:
        """What the feed shows now."""
        with self.store.read() as connection:
            candidates = articles.window(connection, key, self.clock())
            return selection.build(key, candidates, self.rules, PUBLIC, self.clock())

    def get(self, path: str, method: str = "GET", **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(path, method=method, headers=named)

    def page(self, path: str) -> html.HtmlElement:
        """The page there, parsed; it must be one."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return html.document_fromstring(answer.text)

    def crawl(self) -> Iterator[tuple[str, str]]:
        """Every page that can be reached from the front page: its path, and its text as sent."""
        waiting, seen = ["/"], {"/"}
        while waiting:
            path = waiting.pop()
            answer = self.get(path)
            if answer.mimetype != "text/html":
                continue
            yield path, answer.text
            for href in html.document_fromstring(answer.text).xpath("//a/@href"):
                found = href.removeprefix(self.rules.site.url).partition("#")[0]
                if found.startswith("/") and not found.startswith("/feeds") and found not in seen:
                    seen.add(found)
                    waiting.append(found)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One engine is enough for most: that both give pages the same is the store's own promise."""
    opened = Store(f"sqlite:///{tmp_path / 'feedsvc.db'}")
    yield opened
    opened.close()


@pytest.fixture
def newsroom(store: Store, rules: Rules, clock: Clock) -> Newsroom:
    return Newsroom(store, rules, clock)


def headlines(page: html.HtmlElement) -> list[str]:
    """The links of a page's list of stories."""
    return [str(href) for href in page.xpath("//li[@class='teaser']//*[self::h2 or self::h3]/a/@href")]


def shown(page: html.HtmlElement, path: str) -> str:
    """The text of what `path` finds, white space collapsed."""
    return " ".join(" ".join(node.text_content() for node in page.xpath(path)).split())


# -- nothing leaks ---------------------------------------------------------------------------------------


def secrets(**fields: object) -> Article:
    """A story whose every word gives it away."""
    return article(
        f"world/{SECRET}",
        title=f"{SECRET} talks",
        summary=f"{SECRET} in short",
        body=f"{SECRET} at length",
        section=f"World/{SECRET}",
        tags=[SECRET],
        authors=[SECRET],
        **fields,
    )


def test_embargoed_story_is_on_no_page_before_its_hour_and_on_its_pages_from_then(newsroom: Newsroom) -> None:
    newsroom.put(article(section="World", tags=["Ports"]), secrets(embargo=NOON + timedelta(seconds=20)))
    newsroom.publish("all", "sections/world", "tags/ports")
    slug = SECRET.lower()
    for moved_by in (0, 19.999):
        newsroom.clock.now = NOON + timedelta(seconds=moved_by)
        for path, sent in newsroom.crawl():
            assert SECRET.lower() not in sent.lower(), path
        for path in (f"/sections/world/{slug}", f"/tags/{slug}", f"/authors/{slug}"):
            assert newsroom.get(path).status_code == 404, path
    newsroom.clock.now = NOON + timedelta(seconds=20)
    for path in ("/", "/sections/world", f"/tags/{slug}", f"/authors/{slug}", f"/stories/world/{SECRET}"):
        assert SECRET in newsroom.get(path).text, path


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "draft"},
        {"embargo": NOON + timedelta(days=1)},
        {"published": NOON + timedelta(microseconds=1)},
        {"status": "withdrawn", "embargo": NOON + timedelta(days=1), "withdrawal": f"{SECRET} was wrong"},
        {"embargo": NOON + timedelta(days=2), "expires": NOON - timedelta(days=1)},
        {"embargo": NOON - timedelta(minutes=1), "expires": NOON - timedelta(days=1)},
        {
            "status": "withdrawn",
            "embargo": NOON - timedelta(minutes=1),
            "withdrawn": NOON - timedelta(minutes=2),
            "withdrawal": f"{SECRET} was wrong",
        },
    ],
)
def test_story_that_was_never_visible_is_answered_like_one_that_there_is_not(
    newsroom: Newsroom, fields: dict[str, object]
) -> None:
    newsroom.put(secrets(**fields))
    answer, unknown = newsroom.get(f"/stories/world/{SECRET}"), newsroom.get("/stories/no-such-story")
    assert answer.status_code == unknown.status_code == 404
    assert (answer.data, dict(answer.headers)) == (unknown.data, dict(unknown.headers))
    assert answer.headers["Cache-Control"] == "no-cache"


def test_withdrawn_story_is_gone_with_its_reason_and_without_its_words(newsroom: Newsroom) -> None:
    newsroom.put(secrets(status="withdrawn", withdrawal="The quotes <b>could not</b> be confirmed."))
    answer = newsroom.get(f"/stories/world/{SECRET}")
    assert answer.status_code == 410
    assert "This story was withdrawn. The quotes &lt;b&gt;could not&lt;/b&gt; be confirmed." in answer.text
    assert SECRET not in answer.text


def test_expired_story_is_gone_from_its_hour_without_its_words(newsroom: Newsroom) -> None:
    newsroom.put(secrets(expires=NOON + timedelta(seconds=5)))
    newsroom.publish("all")
    assert SECRET in newsroom.get(f"/stories/world/{SECRET}").text
    newsroom.clock.forward(seconds=5)
    answer = newsroom.get(f"/stories/world/{SECRET}")
    assert answer.status_code == 410
    assert "This story is no longer available." in answer.text
    assert SECRET not in answer.text + newsroom.get("/").text


@pytest.mark.parametrize(
    ("seconds", "max_age"), [(0.4, 0), (20, 20), (20.9, 20), (59.99, 59), (60, 60), (3600, 60)]
)
@pytest.mark.parametrize("flip", ["embargo", "expires"])
def test_no_page_is_kept_beyond_the_next_flip(
    newsroom: Newsroom, seconds: float, max_age: int, flip: str
) -> None:
    newsroom.put(
        article(section="World"),
        article("later", section="World", **{flip: NOON + timedelta(seconds=seconds)}),
    )
    newsroom.publish("all", "sections/world")
    for path in ("/", "/sections/world", "/stories/world/talks"):
        assert newsroom.get(path).headers["Cache-Control"] == f"public, max-age={max_age}", path


def test_addresses_of_authors_are_on_no_page(newsroom: Newsroom) -> None:
    jane = Author("Jane Doe", "jane-doe", email="jane@news.example.org")
    newsroom.put(versioned(Article(id="a", title="A", published=NOON, updated=NOON, authors=(jane,))))
    newsroom.publish("all", "authors/jane-doe")
    sent = dict(newsroom.crawl())
    assert {"/", "/authors/jane-doe", "/stories/a"} <= sent.keys()
    assert "jane@" not in "".join(sent.values())


# -- nothing breaks --------------------------------------------------------------------------------------

HOSTILE = "\"><script>alert('&amp;')</script> ]]> {{ 7*7 }} ‮gnp\u202c <b>\u2028"


def test_hostile_words_are_shown_and_never_run(newsroom: Newsroom) -> None:
    words = " ".join(HOSTILE.split())
    newsroom.put(
        versioned(
            Article(
                id="a",
                title=words,
                published=NOON,
                updated=NOON,
                url="javascript:alert(1)",
                section="world",
                section_labels=(words,),
                tags=(Term(words, "ports"),),
                authors=(Author(words, "jane", url="javascript:alert(2)"),),
                source=Term(words, "wire"),
                dateline=words,
                summary=words,
                body=words,
                language='"><script>',
                correction=words,
                rights=words,
                images=(
                    Image("https://x.example/a.jpg", alt=words, caption=words, credit=words),
                    Image("javascript:alert(3)"),
                    Image("http://[half"),
                ),
                enclosures=(Enclosure('https://x.example/"><script>', '"><script>', 1),),
            )
        )
    )
    newsroom.publish("all", "sections/world", "tags/ports", "authors/jane")
    for path, sent in newsroom.crawl():
        page = html.document_fromstring(sent)
        assert {script.get("type") for script in page.iter("script")} <= {"application/ld+json"}, path
        assert not page.xpath("//@*[starts-with(name(), 'on')]"), path
        for url in page.xpath("//@href | //@src"):
            assert re.match(r"https?://[^/]|/(?!/)|#feedsvc-main$", url), (path, url)
    page = newsroom.page("/stories/a")
    assert shown(page, "//h1") == words
    assert json.loads(page.xpath("//script")[0].text)["headline"] == words
    assert page.xpath("//meta[@property='og:title']/@content") == [words]


@settings(max_examples=60)
@given(story=any_article())
def test_any_story_has_a_page_that_says_what_it_says(newsroom: Newsroom, story: Article) -> None:
    seen = replace(story, status="published", embargo=None, expires=None, published=NOON, updated=NOON)
    newsroom.put(versioned(seen))
    page = newsroom.page(urls.story_path(story.id))
    linked_data = json.loads(page.xpath("//script")[0].text)
    if story.title:
        assert shown(page, "//h1") == story.title
        assert linked_data["headline"] == story.title
    assert shown(page, "//h1")
    assert [" ".join(link.text_content().split()) for link in page.xpath("//a[@rel='tag']")] == [
        " ".join(tag.label.split()) for tag in story.tags
    ]
    assert len(page.xpath("//main")) == 1


def test_every_link_within_the_site_leads_somewhere(newsroom: Newsroom) -> None:
    newsroom.put(
        article("a", section="World/Middle East", tags=["Syria", "Сирия"], authors=["Jane Doe"]),
        article("world/b b?#%", section="World", tags=["C++", "🚒"], authors=["رنا الحموي"]),
        article("https://old.example/story//1/", section="Business"),
    )
    newsroom.publish("all", *newsroom_keys(newsroom))
    crawled = [path for path, _ in newsroom.crawl()]
    assert len(crawled) == 13
    assert {newsroom.get(path).status_code for path in crawled} == {200}


def newsroom_keys(newsroom: Newsroom) -> set[str]:
    with newsroom.store.read() as connection:
        return {key for story in articles.each(connection) for key in selection.keys_of(story)}


# -- lists -----------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(stories=st.lists(any_article(), min_size=1, max_size=6))
def test_list_page_shows_the_stories_of_its_feed_in_their_order(
    newsroom: Newsroom, stories: list[Article]
) -> None:
    newsroom.clock.now = sorted(story.visible_from for story in stories)[len(stories) // 2]
    newsroom.put(*stories)
    for key in {key for story in stories for key in selection.keys_of(story)} - {"all"}:
        feed = newsroom.feed(key)
        answer = newsroom.get(urls.page_path(key))
        if feed.articles:
            page = html.document_fromstring(answer.text)
            assert headlines(page) == [urls.story_url(feed.site, one) for one in feed.articles]
            assert shown(page, "//title") == " ".join(feed.title.split())
        else:
            assert answer.status_code == 404


def test_list_says_date_dateline_credit_authors_and_summary(store: Store, site: Site, clock: Clock) -> None:
    newsroom = Newsroom(
        store, Rules(site=replace(site, agencies={"northwire": Agency("Northwire Agency")})), clock
    )
    newsroom.put(
        article(
            section="World",
            authors=["Jane Doe", "Li Wei"],
            source=Term("northwire", "northwire"),
            dateline="PORT SOLDE",
            summary="They met.",
        )
    )
    page = newsroom.page("/sections/world")
    assert shown(page, "//ul[@class='facts']").split(" ", 4)[4] == (
        "CET PORT SOLDE Jane Doe Li Wei Northwire Agency"
    )
    assert page.xpath("//time/@datetime") == ["2026-11-22T12:00:00+01:00"]
    assert shown(page, "//p[@class='summary']") == "They met."
    assert shown(newsroom.page("/stories/world/talks"), "//span[@class='source']") == "Northwire Agency"


def test_list_page_is_discoverable_as_each_published_format(newsroom: Newsroom) -> None:
    newsroom.put(article(section="World"))
    newsroom.publish("sections/world", formats=("json", "rss"))
    page = newsroom.page("/sections/world")
    found = [tuple(link.attrib[name] for name in ("type", "href", "title")) for link in page.xpath(
        "//link[@rel='alternate']"
    )]  # fmt: skip
    assert found == [
        (
            "application/rss+xml",
            "https://news.example.org/feeds/sections/world.rss",
            "World – The Daily Example (RSS)",
        ),
        (
            "application/feed+json",
            "https://news.example.org/feeds/sections/world.json",
            "World – The Daily Example (JSON)",
        ),
    ]
    assert page.xpath("//ul[@class='formats']//a/@href") == [
        "/feeds/sections/world.rss",
        "/feeds/sections/world.json",
    ]


def test_published_feed_without_stories_keeps_its_page_and_one_never_published_has_none(
    newsroom: Newsroom,
) -> None:
    newsroom.publish("tags/quiet")
    assert shown(newsroom.page("/tags/quiet"), "//p[@class='none']") == "No stories at the moment."
    assert newsroom.get("/tags/unheard").status_code == 404
    assert newsroom.get("/tags/quiet/er").status_code == 404


def test_address_that_no_database_takes_is_not_found(postgres_url: str, rules: Rules, clock: Clock) -> None:
    store = Store(postgres_url)
    newsroom = Newsroom(store, rules, clock)
    for path in ("/tags/a%00b", "/tags/%ff", "/stories/a%00b", "/stories/%ed%a0%80", "/sections/a%0ab"):
        assert newsroom.get(path).status_code == 404, path
    newsroom.put(article(section="World"))
    assert len(headlines(newsroom.page("/sections/world"))) == 1
    store.close()


def test_slug_in_any_script_and_normal_form_finds_its_page(newsroom: Newsroom) -> None:
    newsroom.put(article(tags=["Café", "Сирия"]))
    newsroom.publish("tags/café")
    assert newsroom.get("/tags/caf%C3%A9").status_code == 200
    assert newsroom.get("/tags/" + unicodedata.normalize("NFD", "café")).status_code == 200
    page = newsroom.page("/stories/world/talks")
    assert page.xpath("//a[@rel='tag']/@href") == [
        "/tags/caf%C3%A9",
        "/tags/%D1%81%D0%B8%D1%80%D0%B8%D1%8F",
    ]


# -- the front page --------------------------------------------------------------------------------------


def test_front_page_lists_every_feed_with_its_formats_and_page(newsroom: Newsroom) -> None:
    newsroom.put(article(section="World/Middle East", tags=["Syria"], authors=["Jane Doe"]))
    newsroom.publish("all", "sections/world", "sections/world/middle-east", "tags/syria", "custom/top")
    newsroom.publish("authors/jane-doe", formats=("atom",))
    page = newsroom.page("/")
    assert [shown(page, f"(//section[@id='feeds']/h3)[{n}]") for n in range(1, 6)] == [
        "All stories", "Sections", "Tags", "Authors", "Edited feeds",
    ]  # fmt: skip
    listed = [
        (
            entry.get("class"),
            shown(entry, "./span"),
            entry.xpath("./span/a/@href"),
            [a.text for a in entry.xpath(".//ul//a")],
        )
        for entry in page.xpath("//ul[@class='directory']/li")
    ]
    every = ["RSS", "Atom", "JSON"]
    assert listed == [
        ("depth-0", "All stories", ["/"], every),
        ("depth-0", "World", ["/sections/world"], every),
        ("depth-1", "Middle East", ["/sections/world/middle-east"], every),
        ("depth-0", "Syria", ["/tags/syria"], every),
        ("depth-0", "Jane Doe", ["/authors/jane-doe"], ["Atom"]),
        ("depth-0", "Top", [], every),
    ]
    assert page.xpath("//link[@rel='alternate']/@type") == [
        "application/rss+xml", "application/atom+xml", "application/feed+json", *["text/x-opml"] * 5,
    ]  # fmt: skip
    assert all(
        urlsplit(url).netloc == "news.example.org" for url in page.xpath("//link[@rel='alternate']/@href")
    )


def test_front_page_shows_the_ten_newest_stories_that_may_be_seen(newsroom: Newsroom) -> None:
    stories = [article(f"s{n:02}", published=NOON - timedelta(hours=n)) for n in range(-3, 14)]
    newsroom.put(*stories, article("gone", status="withdrawn"))
    newsroom.publish("all")
    assert headlines(newsroom.page("/")) == [f"https://news.example.org/stories/s{n:02}" for n in range(10)]


def test_front_page_of_a_new_newsroom_is_a_page(newsroom: Newsroom) -> None:
    assert "No feed has been published yet." in shown(newsroom.page("/"), "//main")


def test_sections_stand_after_the_one_they_are_in_whatever_their_slugs(site: Site) -> None:
    keys = ["sections/a", "sections/a-b", "sections/a/z", "sections/b/c", "sections/a/z/y"]
    listings = [representations.Listing(key, f"{key[9:].upper()} – {site.name}", ("rss",)) for key in keys]
    (group,) = Directory(site, listings).groups
    assert [(entry.listing.key[9:], entry.depth) for entry in group.entries] == [
        ("a", 0), ("a/z", 1), ("a/z/y", 2), ("a-b", 0), ("b/c", 0),
    ]  # fmt: skip


def feed_url(name: str) -> str:
    return f"https://news.example.org/feeds/{name}"


def page_url(path: str) -> str:
    return f"https://news.example.org/{path}"


def test_directory_is_read_again_only_when_something_was_published(newsroom: Newsroom, site: Site) -> None:
    current = CurrentDirectory(site)

    def read() -> Directory:
        with newsroom.store.read() as connection:
            return current.at(connection)

    newsroom.publish("all")
    first = read()
    newsroom.put(article(tags=["Ports"]))
    assert read() is first
    newsroom.publish("tags/ports")
    assert "tags/ports" in read()
    with newsroom.store.write() as tx:
        representations.withdraw(tx, [("", "tags/ports", fmt) for fmt in FORMATS])
    assert "tags/ports" not in read()


# -- a story ---------------------------------------------------------------------------------------------


def test_story_page_tells_all_that_readers_should_know(newsroom: Newsroom) -> None:
    newsroom.put(
        article(
            section="World",
            tags=["Syria", "Ports"],
            authors=["Jane Doe"],
            source=Term("Northwire", "northwire"),
            dateline="BRUSSELS",
            summary="They met.",
            body='See [the *map*](map.html).\n\n<script>no</script><img src="/b.jpg">',
            updated=NOON - timedelta(minutes=30),
            correction="It was Tuesday.",
            rights="© Northwire",
            images=(
                Image("/a.jpg", "image/jpeg", 800, 600, alt="A boat", caption="Boat", credit="J. Doe"),
                Image("/b.jpg", caption="Shown in the text already"),
                Image("/c.jpg"),
            ),
            enclosures=(
                Enclosure("/talk.mp3", "audio/mpeg", 1_234_567),
                Enclosure("/x.pdf", "application/pdf"),
            ),
        )
    )
    page = newsroom.page("/stories/world/talks")
    assert shown(page, "//h1") == "Harbour talks resume"
    assert shown(page, "//article//ul[@class='facts']") == (
        "BRUSSELS 22 November 2026, 12:00 CET Updated 22 November 2026, 12:30 CET"
    )
    assert shown(page, "//p[@class='byline']") == "By Jane Doe · Northwire"
    assert page.xpath("//a[@rel='author']/@href") == ["/authors/jane-doe"]
    assert shown(page, "//p[@class='correction']") == "Correction: It was Tuesday."
    assert page.xpath("//figure/img/@src") == [page_url("a.jpg"), page_url("c.jpg")]
    assert shown(page, "//figcaption") == "Boat J. Doe"
    assert page.xpath("//div[@class='body']//a/@href") == [page_url("stories/world/map.html")]
    assert shown(page, "//div[@class='body']") == "See the map."
    assert page.xpath("//audio/@src") == [page_url("talk.mp3")]
    assert shown(page, "//div[@class='attachment']/p") == (
        "talk.mp3 audio/mpeg, 1.2 MB x.pdf application/pdf"
    )
    assert shown(page, "//p[@class='tags']") == "Tags: Syria Ports"
    assert page.xpath("//a[@rel='tag']/@href") == ["/tags/syria", "/tags/ports"]
    assert shown(page, "//p[@class='rights']") == "© Northwire"


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        ({"summary": "They met.", "body": "It rained."}, "They met."),
        ({"body": "It **rained** " + "and rained " * 20}, "It rained " + "and rained " * 5 + "and rained…"),
        ({"body": '<img src="a.jpg">'}, "Untitled"),
    ],
)
def test_story_without_a_title_is_called_by_its_first_words(
    newsroom: Newsroom, fields: dict[str, str], called: str
) -> None:
    newsroom.put(article("a", title="", section="World", **fields))
    assert shown(newsroom.page("/stories/a"), "//h1") == called
    assert shown(newsroom.page("/sections/world"), "//h2") == called


def test_ids_of_a_body_are_not_those_of_its_page(newsroom: Newsroom) -> None:
    names = ("main", "feeds", "more-title", "all", "sections")
    newsroom.put(
        article("a", section="World", body=" ".join(f'<i id="{name}">x</i>' for name in names)),
        article("b", section="World"),
    )
    newsroom.publish("all", "sections/world")
    page = newsroom.page("/stories/a")
    ids = [str(found) for found in page.xpath("//@id")]
    assert set(names) <= set(ids)
    assert len(ids) == len(set(ids))
    for pointer in page.xpath("//*[starts-with(@href, '#')]/@href | //@aria-labelledby"):
        assert not page.xpath("//div[@class='body']//*[@id=$id]", id=pointer.removeprefix("#")), pointer


def test_headline_is_the_only_h1_and_the_headings_of_a_body_keep_their_order(newsroom: Newsroom) -> None:
    newsroom.put(
        article("with", body="# One\n\n## Two\n\n<h6 id='s' title='<h1>'>Six</h6>\n\n<hr>\n\n1 <h1 2"),
        article("without", body="## Two\n\n### Three"),
    )

    def headings(path: str) -> list[tuple[str, str]]:
        found = newsroom.page(path).xpath("//article//*[self::h1 or self::h2 or self::h3 or self::h6]")
        return [(heading.tag, heading.text_content()) for heading in found]

    assert headings("/stories/with") == [
        ("h1", "Harbour talks resume"), ("h2", "One"), ("h3", "Two"), ("h6", "Six"),
    ]  # fmt: skip
    (six,) = newsroom.page("/stories/with").xpath("//h6")
    assert dict(six.attrib) == {"id": "s", "title": "<h1>"}
    assert headings("/stories/without") == [
        ("h1", "Harbour talks resume"), ("h2", "Two"), ("h3", "Three"),
    ]  # fmt: skip


def test_picture_of_which_nothing_is_said_is_decoration(newsroom: Newsroom) -> None:
    newsroom.put(
        article(
            "a", body='<img src="/a.png"><img src="/b.png" title=" alt=&quot;"><img src="/c.png" alt="C">'
        )
    )
    pictures = newsroom.page("/stories/a").xpath("//div[@class='body']//img")
    assert [picture.attrib["alt"] for picture in pictures] == ["", "", "C"]
    assert pictures[1].attrib["title"] == ' alt="'


def test_more_stories_of_the_section_are_others_that_may_be_seen(newsroom: Newsroom) -> None:
    inside = [article(f"in{n}", section="World/Asia", published=NOON - timedelta(hours=n)) for n in range(9)]
    newsroom.put(
        *inside,
        article("expired", section="World", expires=NOON),
        article("later", section="World", embargo=NOON + timedelta(seconds=1)),
        article("elsewhere", section="Sport"),
    )
    page = newsroom.page("/stories/in2")
    assert shown(page, "//h2[@id='feedsvc-more']") == "More Asia stories"
    assert headlines(page) == [page_url(f"stories/in{n}") for n in (0, 1, 3, 4, 5)]
    assert not headlines(newsroom.page("/stories/elsewhere"))


def test_story_page_is_discoverable_shareable_and_names_its_canonical_url(newsroom: Newsroom) -> None:
    newsroom.put(
        article(
            "a",
            url="https://elsewhere.example/story?a=1&b=2",
            section="World",
            images=(Image("/mine.jpg", may_syndicate=False), Image("/free.jpg")),
        )
    )
    newsroom.publish("all", "sections/world", formats=("rss",))
    page = newsroom.page("/stories/a")
    assert page.xpath("//link[@rel='canonical']/@href") == ["https://elsewhere.example/story?a=1&b=2"]
    assert page.xpath("//link[@rel='alternate']/@href") == [
        feed_url("all.rss"),
        feed_url("sections/world.rss"),
    ]
    meta = {tag.get("property"): tag.get("content") for tag in page.xpath("//meta[@property]")}
    assert meta["og:type"] == "article"
    assert meta["og:url"] == "https://elsewhere.example/story?a=1&b=2"
    assert meta["og:description"] == "The ferry operators met again. Nobody left early."
    assert meta["og:image"] == "https://elsewhere.example/free.jpg"
    assert headlines(newsroom.page("/sections/world")) == ["https://elsewhere.example/story?a=1&b=2"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        *((language, "rtl") for language in ("ar", "fa-IR", "ur", "he_IL", "az-Arab", "uz-Arab-AF")),
        *((language, "ltr") for language in ("en", "zh-Hant", "arn", "ar-Latn")),
        *((language, "auto") for language in (None, "")),
    ],
)
def test_direction_follows_the_script(language: str | None, expected: str) -> None:
    assert direction(language) == expected


def test_right_to_left_story_reads_so_on_its_page_and_in_lists(newsroom: Newsroom) -> None:
    newsroom.put(article("كتب", title="عربة الكتب", language="ar", section="World"), article("plain"))
    page = newsroom.page(urls.story_path("كتب"))
    (told,) = page.xpath("//article")
    assert (told.get("lang"), told.get("dir")) == ("ar", "rtl")
    (listed,) = newsroom.page("/sections/world").xpath("//h2")
    assert (listed.get("lang"), listed.get("dir")) == ("ar", "rtl")
    (told,) = newsroom.page("/stories/plain").xpath("//article")
    assert (told.get("lang"), told.get("dir")) == ("en", "ltr")


def test_dates_are_in_the_site_s_zone(site: Site) -> None:
    summer = NOON.replace(month=7, hour=23)
    assert moment(site, summer) == ("2026-07-23T01:00:00+02:00", "23 July 2026, 01:00 CEST")


# -- HTTP ------------------------------------------------------------------------------------------------

EVERY = ("/", "/sections/world", "/tags/ports", "/authors/jane", "/stories/world/talks", "/feeds.opml",
         "/static/feedsvc.css")  # fmt: skip


@pytest.fixture
def small(newsroom: Newsroom) -> Newsroom:
    newsroom.put(article(section="World", tags=["Ports"], authors=["Jane"]))
    newsroom.publish("all", "sections/world", "tags/ports", "authors/jane")
    return newsroom


@pytest.mark.parametrize("path", EVERY)
def test_head_has_the_headers_of_get_and_no_body(small: Newsroom, path: str) -> None:
    get, head = small.get(path), small.get(path, "HEAD")
    assert get.status_code == head.status_code == 200
    assert list(head.headers) == list(get.headers)
    assert int(head.headers["Content-Length"]) == len(get.data) > 0
    assert head.data == b""


@pytest.mark.parametrize("path", EVERY)
def test_unchanged_page_is_not_sent_again(small: Newsroom, path: str) -> None:
    first = small.get(path)
    again = small.get(path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    small.put(article(title="Changed", section="World", tags=["Ports"], authors=["Jane"]))
    small.publish("custom/new")
    changed = small.get(path, If_None_Match=first.headers["ETag"])
    assert changed.status_code == (304 if path == "/static/feedsvc.css" else 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_pages_can_only_be_read(small: Newsroom, method: str) -> None:
    for path in (*EVERY, "/tags/unheard", "/stories/unheard"):
        answer = small.get(path, method)
        if path == "/feeds.opml" and method == "OPTIONS":
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
            continue
        allowed = "GET, HEAD, OPTIONS" if path == "/feeds.opml" else "GET, HEAD"
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), path


@pytest.mark.parametrize("method", ["get", "Head", "post"])
def test_method_in_another_case_is_another_method(small: Newsroom, method: str) -> None:
    # Werkzeug's client would write it in capitals.
    for path in (*EVERY, "/stories/unheard"):
        environ = create_environ(path) | {"REQUEST_METHOD": method}
        _, status, headers = run_wsgi_app(small.client.application, environ)
        assert (status[:3], headers["Allow"]) == ("405", "GET, HEAD"), path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/feeds.opml", 200),
        ("/static/feedsvc.css", 200),
        ("/nowhere", 404),
        ("/tags/ports/", 308),
    ],
)
def test_every_answer_forbids_what_pages_do_not_need(small: Newsroom, path: str, status: int) -> None:
    answer = small.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; img-src http: https:;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "Set-Cookie" not in answer.headers


def test_trailing_slash_leads_to_the_page_without(small: Newsroom) -> None:
    for path in ("/sections/world", "/tags/ports", "/authors/jane", "/stories/world/talks", "/tags/%C3%A9"):
        answer = small.get(path + "/", Host="evil.example")
        assert (answer.status_code, answer.headers["Location"]) == (308, path)


def test_doubled_slashes_are_not_found_rather_than_sent_to_the_host_that_was_named(small: Newsroom) -> None:
    for path in ("/tags//ports", "/stories//world/talks", "//tags/ports"):
        answer = small.client.get(path, base_url="http://evil.example")
        assert (answer.status_code, "evil" in str(answer.headers)) == (404, False), path


def test_urls_come_from_the_site_and_never_from_the_request(small: Newsroom) -> None:
    for path in EVERY:
        assert (
            small.get(path, Host="evil.example", X_Forwarded_Host="evil.example").data == small.get(path).data
        )


@pytest.mark.parametrize(
    ("rel", "content_type"), [("stylesheet", "text/css; charset=utf-8"), ("icon", "image/svg+xml")]
)
def test_what_pages_link_to_is_served(small: Newsroom, rel: str, content_type: str) -> None:
    (href,) = small.page("/").xpath(f"//link[@rel='{rel}']/@href")
    answer = small.get(href)
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert small.get("/static/none.css").status_code == 404


def test_broken_store_is_an_error_page_and_not_a_traceback(small: Newsroom) -> None:
    with small.store.write() as tx:
        tx.execute(text("DROP TABLE articles"))
    answer = small.get("/")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-cache")
    assert answer.headers["Retry-After"] == "5"
    page = html.document_fromstring(answer.text)
    assert shown(page, "//p[@class='name']") == "The Daily Example"
    assert "articles" not in answer.text
