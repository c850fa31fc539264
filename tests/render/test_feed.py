"""Every format is well-formed, tells the same stories, and is spliced as feedgen would write it."""

import json
import locale
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feedsvc.domain import constraints, urls
from feedsvc.domain.model import (
    DEFAULT_PROFILE,
    FORMATS,
    Agency,
    Article,
    Author,
    Enclosure,
    Feed,
    FeedSettings,
    Format,
    Image,
    Profile,
    Site,
    Term,
    Tombstone,
)
from feedsvc.domain.profiles import BUILT_IN
from feedsvc.domain.selection import PUBLIC, Rules, build
from feedsvc.html.sanitize import to_text
from feedsvc.render import atom, jsonfeed, rss
from feedsvc.render.feed import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.render.story import story, summarized
from tests.stories import NOON, article, articles

SITE = Site(
    name="R&D <Daily>",
    url="https://news.example.org",
    language="en",
    authority="news.example.org,2026",
    timezone="Europe/Brussels",
    rights="© Daily",
    hub="https://hub.example.org",
)
ATOM = "{http://www.w3.org/2005/Atom}"
FULL = {
    "section": "World/Middle East",
    "tags": ["Syria", "Ferries & ports"],
    "authors": ["Jane Doe"],
    "updated": NOON,
    "language": "nl",
    "source": Term("Northwire", "northwire"),
    "dateline": "ANTWERP",
    "summary": "They met.",
    "correction": "It was Tuesday.",
    "rights": "© Northwire",
    "images": (Image("/a.jpg", "image/jpeg", 800, 600, caption="Boats", credit="N. Obody"),),
    "enclosures": (Enclosure("https://cdn.example.org/a.mp3", "audio/mpeg", 123),),
}


def feed_of(
    *shown: Article,
    content: str = "full",
    key: str = "all",
    site: Site = SITE,
    profile: Profile = DEFAULT_PROFILE,
    tombstones: tuple[Tombstone, ...] = (),
) -> Feed:
    settings = FeedSettings(content=content, items=100, profile=profile)  # type: ignore[arg-type]
    ranked = sorted(shown, key=lambda one: (-one.visible_from.timestamp(), one.id))
    feed = build(key, ranked, Rules(site=site, default=settings), PUBLIC, datetime(2101, 1, 1, tzinfo=UTC))
    return replace(feed, tombstones=tombstones)


def body_of(feed: Feed, fmt: Format) -> bytes:
    rendered = render(feed, FragmentCache(10**6))[fmt]
    assert rendered.failed == ()
    return rendered.body


def in_one_piece(feed: Feed, fmt: Format) -> bytes:
    """The whole feed as feedgen (or, for JSON, the json module) writes it without any splicing."""
    told = [story(feed.site, one) for one in feed.articles]
    if fmt == "json":
        whole = jsonfeed.feed_object(feed) | {"items": [jsonfeed.item_object(feed, one) for one in told]}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    module: Any = {"rss": rss, "atom": atom}[fmt]
    document = module.generator(feed)
    for one in told:
        (module.fill_item if fmt == "rss" else module.fill_entry)(document.new_entry(), feed, one)
    made: bytes = module.plainly(document.rss_str() if fmt == "rss" else document.atom_str())
    return made


@settings(max_examples=60)
@given(st.lists(articles(), max_size=4, unique_by=lambda one: one.id), st.sampled_from(["full", "summary"]))
def test_spliced_bytes_are_those_of_the_feed_in_one_piece(shown: list[Article], content: str) -> None:
    feed = feed_of(*shown, content=content)
    for fmt in FORMATS:
        assert body_of(feed, fmt) == in_one_piece(feed, fmt)


@settings(max_examples=60)
@given(
    st.lists(articles(), min_size=1, max_size=4, unique_by=lambda one: one.id),
    st.sampled_from(["R&D", "R&D <Daily>"]),
)
def test_feed_that_moves_on_has_the_bytes_of_one_made_anew(shown: list[Article], name: str) -> None:
    cache = FragmentCache(10**6)
    for number in range(len(shown) + 1):
        feed = feed_of(*shown[:number], site=replace(SITE, name=name if number == 2 else SITE.name))
        for fmt, made in render(feed, cache).items():
            assert made.body == in_one_piece(feed, fmt)


@given(articles().map(lambda one: one.id) | st.text(min_size=1, max_size=20))
def test_two_ids_that_are_one_in_feeds_are_told_of_each_other(written: str) -> None:
    if constraints.ID.accepts(written) and written.isprintable():
        in_feeds = urls.entry_id(SITE, written)
        if in_feeds != written:
            assert urls.twin(SITE, written) == in_feeds
            assert urls.twin(SITE, in_feeds) == written
        other = urls.twin(SITE, written)
        assert other is None or urls.entry_id(SITE, other) == in_feeds


@settings(max_examples=60)
@given(st.lists(articles(), min_size=1, max_size=3, unique_by=lambda one: one.id))
def test_formats_hold_the_same_stories_in_the_same_order(shown: list[Article]) -> None:
    feed = feed_of(*shown)
    channel = etree.fromstring(body_of(feed, "rss"))[0]
    entries = etree.fromstring(body_of(feed, "atom")).findall(f"{ATOM}entry")
    items = json.loads(body_of(feed, "json"))["items"]
    ids = [urls.entry_id(SITE, one.id) for one in feed.articles]
    assert [item.findtext("guid") for item in channel.findall("item")] == ids
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == ids
    assert [item["id"] for item in items] == ids
    links = [urls.story_url(SITE, one) for one in feed.articles]
    assert [item.findtext("link") for item in channel.findall("item")] == links
    assert [item["url"] for item in items] == links


@pytest.mark.parametrize("fmt", ["rss", "atom"])
def test_feedparser_reads_back_everything(fmt: Format) -> None:
    # The control characters of a hostile title are the loader's business; markup in one is everybody's.
    told = article(title='R&D "<b>" ]]> done', **FULL)
    parsed = feedparser.parse(body_of(feed_of(told), fmt))
    assert not parsed.bozo
    entry = parsed.entries[0]
    assert entry.id == "tag:news.example.org,2026:world/talks"
    assert entry.link == "https://news.example.org/stories/world/talks"
    assert entry.summary == "They met."
    assert "Correction:" in entry.content[0].value
    assert entry.published_parsed[:5] == (2026, 11, 22, 11, 0)
    assert [tag.label or tag.term for tag in entry.tags] == ["Middle East", "Syria", "Ferries & ports"]
    assert entry.author == "Jane Doe"
    assert entry.enclosures[0].href == "https://cdn.example.org/a.mp3"
    assert (entry.enclosures[0].type, entry.enclosures[0].length) == ("audio/mpeg", "123")


def test_channel_links_to_itself_its_page_its_hub_and_its_other_formats() -> None:
    feed = feed_of(article(**FULL), key="sections/world")
    channel = etree.fromstring(body_of(feed, "rss"))[0]
    assert channel.findtext("link") == "https://news.example.org/sections/world"
    links = {(one.get("rel"), one.get("href")) for one in channel.findall(f"{ATOM}link")}
    base = "https://news.example.org/feeds/sections/world"
    assert links == {
        ("self", f"{base}.rss"),
        ("alternate", f"{base}.atom"),
        ("alternate", f"{base}.json"),
        ("hub", "https://hub.example.org"),
    }


def test_atom_links_keep_rel_type_length_and_language() -> None:
    entry = etree.fromstring(body_of(feed_of(article(**FULL)), "atom")).find(f"{ATOM}entry")
    links = [dict(link.attrib) for link in entry.findall(f"{ATOM}link")]
    assert links == [
        {
            "href": "https://news.example.org/stories/world/talks",
            "rel": "alternate",
            "type": "text/html",
            "hreflang": "nl",
        },
        {"href": "https://cdn.example.org/a.mp3", "rel": "enclosure", "type": "audio/mpeg", "length": "123"},
    ]


def test_rss_item_carries_media_creator_modification_and_scheme() -> None:
    item = etree.fromstring(body_of(feed_of(article(**FULL)), "rss"))[0].find("item")
    names = {"media": "http://search.yahoo.com/mrss/", "dc": "http://purl.org/dc/elements/1.1/"}
    media = item.find("media:content", names)
    assert dict(media.attrib) == {
        "url": "https://news.example.org/a.jpg",
        "type": "image/jpeg",
        "medium": "image",
        "width": "800",
        "height": "600",
    }
    assert media.findtext("media:credit", namespaces=names) == "N. Obody"
    assert item.findtext("dc:creator", namespaces=names) == "Jane Doe"
    assert item.findtext("{http://purl.org/dc/terms/}modified") == "2026-11-22T13:00:00+01:00"
    assert item.find("category").get("domain") == "https://news.example.org/sections/"
    assert item.find("guid").get("isPermaLink") == "false"
    assert item.find("author") is None


def test_json_item_says_what_only_feedsvc_knows() -> None:
    item = json.loads(body_of(feed_of(article(**FULL)), "json"))["items"][0]
    assert item["_feedsvc"] == {
        "dateline": "ANTWERP",
        "source": "Northwire",
        "correction": "It was Tuesday.",
        "rights": "© Northwire",
    }
    assert item["image"] == "https://news.example.org/a.jpg"
    assert item["attachments"] == [
        {"url": "https://cdn.example.org/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 123}
    ]


def test_profile_says_when_a_story_changed_in_pubdate() -> None:
    told = article(updated=NOON)
    dates = {
        name: etree.fromstring(body_of(feed_of(told, profile=BUILT_IN[name]), "rss"))[0].findtext(
            "item/pubDate"
        )
        for name in BUILT_IN
    }
    first, last = "Sun, 22 Nov 2026 12:00:00 +0100", "Sun, 22 Nov 2026 13:00:00 +0100"
    assert dates == {
        "default": first,
        "google-news": last,
        "msn": first,
        "smartnews": last,
        "flipboard": first,
    }


def test_profile_that_deletes_by_status_keeps_nothing_of_the_story_but_its_id() -> None:
    gone = Tombstone("world/gone", NOON, "It was not so")
    feed = feed_of(article(), profile=BUILT_IN["smartnews"], tombstones=(gone,))
    items = etree.fromstring(body_of(feed, "rss"))[0].findall("item")
    withdrawn = next(item for item in items if item.findtext("guid").endswith("world/gone"))
    status = withdrawn.find("{http://search.yahoo.com/mrss/}status")
    assert dict(status.attrib) == {"state": "deleted", "reason": "It was not so"}
    assert withdrawn.findtext("title") == "Withdrawn"
    assert withdrawn.findtext("pubDate") == "Sun, 22 Nov 2026 13:00:00 +0100"
    assert b'xmlns:snf="http://www.smartnews.be/snf"' in body_of(feed, "rss")
    assert b"gone" not in body_of(replace(feed, profile=DEFAULT_PROFILE), "rss")


def test_guid_by_url_is_a_permalink() -> None:
    item = etree.fromstring(body_of(feed_of(article(), profile=Profile("x", guid="url")), "rss"))[0].find(
        "item"
    )
    assert item.findtext("guid") == item.findtext("link")
    assert item.find("guid").get("isPermaLink") == "true"


def test_tombstones_are_in_atom_and_move_its_date() -> None:
    gone = Tombstone("world/gone", NOON, "It was not so")
    feed = etree.fromstring(body_of(feed_of(article(), tombstones=(gone,)), "atom"))
    deleted = feed.find("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
    assert dict(deleted.attrib) == {
        "ref": "tag:news.example.org,2026:world/gone",
        "when": "2026-11-22T13:00:00+01:00",
    }
    assert feed.findtext(f"{ATOM}updated") == "2026-11-22T13:00:00+01:00"


def test_feeds_name_a_stylesheet_for_browsers() -> None:
    link = b'<?xml-stylesheet type="text/css" href="https://news.example.org/static/feed.css"?>'
    for fmt in ("rss", "atom"):
        assert body_of(feed_of(article()), fmt).splitlines()[1].startswith(link)


def test_agency_is_the_source_of_its_copy() -> None:
    site = replace(SITE, agencies={"northwire": Agency("Northwire", "https://wire.example/")})
    feed = feed_of(
        article(source=Term("Northwire", "northwire"), original="https://wire.example/1"), site=site
    )
    source = etree.fromstring(body_of(feed, "rss"))[0].find("item/source")
    assert (source.get("url"), source.text) == ("https://wire.example/", "Northwire")
    entry = etree.fromstring(body_of(feed, "atom")).find(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}source/{ATOM}title") == "Northwire"
    assert entry.findtext(f"{ATOM}source/{ATOM}id") == "tag:news.example.org,2026:/sources/northwire"
    assert json.loads(body_of(feed, "json"))["items"][0]["external_url"] == "https://wire.example/1"


def test_channel_says_who_answers_for_it_and_shows_its_logo() -> None:
    site = replace(
        SITE,
        editor="desk@example.org (The Desk)",
        webmaster="web@example.org",
        logo=Image("https://news.example.org/logo.png", width=100, height=40),
        icon="https://news.example.org/icon.png",
    )
    feed = feed_of(article(tags=["Rail"]), key="tags/rail", site=site)
    channel = etree.fromstring(body_of(feed, "rss"))[0]
    assert channel.findtext("managingEditor") == "desk@example.org (The Desk)"
    assert channel.findtext("webMaster") == "web@example.org"
    assert channel.findtext("image/title") == channel.findtext("title")
    assert channel.findtext("image/link") == channel.findtext("link")
    assert (channel.findtext("image/width"), channel.findtext("image/height")) == ("100", "40")
    assert channel.findtext("category") == "Rail"
    assert (
        etree.fromstring(body_of(feed, "atom")).findtext(f"{ATOM}icon") == "https://news.example.org/icon.png"
    )


def test_summary_that_looks_like_html_is_shown_as_it_was_written() -> None:
    body = body_of(feed_of(article(summary="5 < 6 & <script>x</script>")), "rss")
    described = etree.fromstring(body)[0].findtext("item/description")
    assert described == "5 &lt; 6 &amp; &lt;script&gt;x&lt;/script&gt;"


def test_atom_entry_says_its_language_where_it_is_another() -> None:
    feed = feed_of(article("a", language="nl"), article("b"))
    entries = etree.fromstring(body_of(feed, "atom")).findall(f"{ATOM}entry")
    assert [dict(entry.attrib) for entry in entries] == [
        {"{http://www.w3.org/XML/1998/namespace}lang": "nl"},
        {},
    ]


def test_summary_feeds_hold_no_body() -> None:
    feed = feed_of(article(summary="In short.", body="The secret full text."), content="summary")
    for fmt in FORMATS:
        assert b"secret" not in body_of(feed, fmt)
        assert b"In short." in body_of(feed, fmt)


def test_image_that_may_not_be_syndicated_is_dropped_and_the_story_kept() -> None:
    feed = feed_of(article(images=(Image("/secret.jpg", may_syndicate=False),)))
    for fmt in FORMATS:
        assert b"secret.jpg" not in body_of(feed, fmt)
        assert b"Harbour talks" in body_of(feed, fmt)


def test_bytes_do_not_depend_on_the_clock_the_locale_or_what_was_rendered_before() -> None:
    feed = feed_of(article("a", **FULL), article("b"))
    first = {fmt: body_of(feed, fmt) for fmt in FORMATS}
    cache = FragmentCache(10**6)
    render(feed_of(article("b")), cache)
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("nl_BE.UTF-8", "de_DE.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert {fmt: one.body for fmt, one in render(feed, cache).items()} == first
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_empty_feed_is_valid_and_dated_by_the_authority() -> None:
    feed = feed_of()
    assert etree.fromstring(body_of(feed, "atom")).findtext(f"{ATOM}updated") == "2026-01-01T01:00:00+01:00"
    assert etree.fromstring(body_of(feed, "rss"))[0].findall("item") == []
    assert json.loads(body_of(feed, "json"))["items"] == []


def test_story_that_cannot_be_rendered_harms_only_itself() -> None:
    # A control character never gets past the loader; if one did, lxml would refuse the whole document.
    feed = feed_of(article("bad", title="\x0b"), article("good"))
    for fmt in ("rss", "atom"):
        rendered = render(feed, FragmentCache(10**6))[fmt]
        assert [one.id for one, _ in rendered.failed] == ["bad"]
        assert b"good" in rendered.body
        etree.fromstring(rendered.body)


def test_fragments_are_kept_by_version_and_the_cache_is_bounded() -> None:
    cache, first = FragmentCache(2_000), article("a")
    cache.put(first, "rss", "full", b"x" * 500)
    assert cache.get_all([first], "rss", "full") == [b"x" * 500]
    assert cache.get_all([article("a", title="Another version")], "rss", "full") == [None]
    assert cache.get_all([first], "rss", "summary") == [None]
    for number in range(10):
        cache.put(article(str(number)), "rss", "full", b"y" * 500)
        assert cache.size <= 2_000
    assert cache.get_all([first], "rss", "full") == [None]


def test_known_story_is_not_rendered_again() -> None:
    cache, feed = FragmentCache(10**6), feed_of(article("a"), article("b"))
    cache.put(feed.articles[1], "rss", "full/default/", b"<item>as it is kept</item>")
    assert b"<item>as it is kept</item>" in render(feed, cache)["rss"].body
    broken = replace(article("a"), title="\x0b")  # not versioned: the digest says that it is known
    assert render(replace(feed, articles=(broken,)), cache)["rss"].failed == ()


@given(st.text(max_size=900))
def test_summary_is_at_most_300_characters_of_the_text(text: str) -> None:
    flat = " ".join(text.split())
    short = summarized(flat)
    assert len(short) <= 300
    assert flat.startswith(short.removesuffix("…").rstrip())


def test_summary_ends_with_a_sentence() -> None:
    text = "One sentence is here. " * 30
    assert summarized(text.strip()).endswith("here.")


def test_agency_copy_without_byline_is_credited_to_the_agency() -> None:
    told = story(SITE, article(source=Term("Northwire", "northwire")))
    assert told.authors == (Author("Northwire", "northwire"),)


def test_pubdate_is_when_the_embargo_lifted() -> None:
    told = story(SITE, article(embargo=NOON))
    assert told.published == NOON
    assert told.modified == NOON
    assert not told.is_modified


def test_permalink_is_exact() -> None:
    told = story(SITE, article("https://news.example.org/2026/talks", url="/2026/talks"))
    assert told.id == told.url
    for name, expected in (("default", "true"), ("msn", "false")):
        feed = feed_of(
            article("https://news.example.org/2026/talks", url="/2026/talks"), profile=BUILT_IN[name]
        )
        guid = etree.fromstring(body_of(feed, "rss"))[0].find("item/guid")
        assert (guid.text, guid.get("isPermaLink")) == (told.id, expected)


def test_ids_and_links_of_any_script_are_uris() -> None:
    told = story(SITE, article("κόσμος/φάρος", section="Κόσμος"))
    assert told.id.isascii()
    assert told.url.isascii()
    assert told.categories[0].term == "κόσμος"


def test_html_summary_is_plain_text() -> None:
    told = story(SITE, article(body="<p>Tom &amp; Jo <b>rowed</b>.</p>", markup="html"))
    assert told.summary == "Tom & Jo rowed."
    assert to_text(told.html) == told.summary
    assert replace(told, title="x").title == "x"
    assert told.modified - told.published == timedelta(0)


@pytest.mark.parametrize(
    ("days_apart", "ceiling", "max_age", "ttl", "period", "frequency"),
    [
        (1 / 1440, 3600, 60, "1", "hourly", "60"),
        (7, 3600, 3600, "60", "hourly", "1"),
        (7, 86_400, 86_400, "1440", "daily", "1"),
        (0.1, 86_400, 2160, "36", "hourly", "1"),
    ],
)
def test_feed_says_how_often_to_poll_by_its_own_rhythm(
    days_apart: float, ceiling: int, max_age: int, ttl: str, period: str, frequency: str
) -> None:
    shown = [
        article(str(number), published=NOON - timedelta(days=days_apart * number)) for number in range(5)
    ]
    settings = FeedSettings(max_age="auto", max_age_floor=60, max_age_ceiling=ceiling)
    feed = build("all", shown, Rules(site=SITE, default=settings), PUBLIC, NOON)
    channel = etree.fromstring(body_of(feed, "rss"))[0]
    sy = "{http://purl.org/rss/1.0/modules/syndication/}"
    told = [channel.findtext(name) for name in ("ttl", f"{sy}updatePeriod", f"{sy}updateFrequency")]
    assert (feed.max_age, told) == (max_age, [ttl, period, frequency])
