"""What a story says comes out of every feed as it went in, and the formats say the same.

Whatever its characters: the stories are generated, and hostile.
"""

import calendar
import html
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feedsvc.domain.model import Article, Feed
from feedsvc.render.story import Story, all_there_is, story
from tests.stories import articles, write_story
from tests.validation import findings
from tests.validation.atom import ATOM, grammar
from tests.validation.feeds import SITE, Published, feed_of, published, rendered
from tests.validation.xml import NAMESPACES

pytestmark = pytest.mark.slow

feeds = st.builds(
    lambda stories, content: feed_of(*stories, key="sections/world", content=content),
    st.lists(articles(), max_size=4, unique_by=lambda one: one.id),
    st.sampled_from(["full", "summary"]),
)


def bodies(feed: Feed) -> dict[str, bytes]:
    return {one.format: one.body for one in rendered(feed)}


def told(feed: Feed) -> list[Story]:
    """What each story of the feed is to say, in every format."""
    return [story(feed.site, article) for article in feed.articles]


def parsed(body: bytes) -> Any:
    made = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    assert not made.bozo, made.bozo_exception
    return made


def repaired(text: str) -> str:
    """A text as feedparser gives it: what could be UTF-8 read as Latin-1, it takes for that."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def instant(parts: Any) -> datetime:
    return datetime.fromtimestamp(calendar.timegm(parts), UTC)


@settings(max_examples=100)
@given(feeds)
def test_every_feed_is_well_formed_and_atom_keeps_to_the_grammar(feed: Feed) -> None:
    made = bodies(feed)
    etree.fromstring(made["rss"])
    json.loads(made["json"])
    rules = grammar()
    assert rules.validate(etree.fromstring(made["atom"])), rules.error_log


@pytest.mark.parametrize("fmt", ["rss", "atom"])
@settings(max_examples=100)
@given(feed=feeds)
def test_feedparser_reads_back_what_the_story_says(fmt: str, feed: Feed) -> None:
    entries = parsed(bodies(feed)[fmt]).entries
    assert len(entries) == len(feed.articles)
    for entry, one in zip(entries, told(feed), strict=True):
        assert (entry.id, entry.link) == (one.id, one.url)
        assert instant(entry.published_parsed) == one.published
        if fmt == "atom" or one.is_modified:
            assert instant(entry.updated_parsed) == one.modified
        # It repairs some of them, by element and format.
        names = [repaired(author.name) for author in entry.get("authors", []) if author]
        assert names == [repaired(author.name) for author in one.authors]
        tags = {repaired(tag.label or tag.term) for tag in entry.get("tags", [])}
        assert tags == {repaired(category.label) for category in one.categories}
        wanted = one.enclosures if fmt == "atom" else one.enclosures[:1]
        assert [(e.href, e.type) for e in entry.enclosures] == [(e.url, e.type) for e in wanted]
        assert [int(e.get("length", 0)) for e in entry.enclosures] == [e.length for e in wanted]


@pytest.mark.parametrize("fmt", ["rss", "atom"])
@settings(max_examples=100)
@given(feed=feeds)
def test_feedparser_reads_back_the_words(fmt: str, feed: Feed) -> None:
    for entry, one in zip(parsed(bodies(feed)[fmt]).entries, told(feed), strict=True):
        title, summary = entry.get("title", ""), entry.get("summary", "")
        if fmt == "rss":
            # An RSS description is HTML; and what looks like HTML in a title is taken for it by readers that
            # guess, feedparser among them, however it is written.
            summary = html.unescape(summary)
            wanted = {repaired(one.title), html.unescape(repaired(one.title))}
            assert title in wanted or (title and not one.title)
        else:
            assert title == repaired(one.title) or (title and not one.title)
        if expected := (one.summary if feed.content == "full" else all_there_is(one)).strip():
            # Where there is none, feedparser gives the content instead.
            assert summary in {repaired(expected), expected}
        if feed.content == "full" and one.html:
            assert entry.content[0].value == repaired(one.html.strip())


@dataclass(frozen=True)
class Said:
    """What every format says of a story."""

    id: str
    url: str
    title: str
    published: datetime
    modified: datetime
    tags: tuple[str, ...]
    enclosure: str | None


def said_by_rss(body: bytes) -> list[Said]:
    return [
        Said(
            id=item.findtext("guid", ""),
            url=item.findtext("link", ""),
            title=item.findtext("title", ""),
            published=(published := parsedate_to_datetime(item.findtext("pubDate", ""))),
            modified=datetime.fromisoformat(
                item.findtext("dcterms:modified", published.isoformat(), dict(NAMESPACES))
            ),
            tags=tuple(category.text or "" for category in item.findall("category")),
            enclosure=next((one.get("url") for one in item.findall("enclosure")), None),
        )
        for item in etree.fromstring(body)[0].findall("item")
    ]


def said_by_atom(body: bytes) -> list[Said]:
    return [
        Said(
            id=entry.findtext(f"{ATOM}id", ""),
            url=links["alternate"][0],
            title=entry.findtext(f"{ATOM}title", ""),
            published=datetime.fromisoformat(entry.findtext(f"{ATOM}published", "")),
            modified=datetime.fromisoformat(entry.findtext(f"{ATOM}updated", "")),
            tags=tuple(one.get("label", "") for one in entry.findall(f"{ATOM}category")),
            enclosure=next(iter(links.get("enclosure", [])), None),
        )
        for entry in etree.fromstring(body).findall(f"{ATOM}entry")
        if (links := links_of(entry))
    ]


def links_of(entry: Any) -> dict[str, list[str]]:
    links: dict[str, list[str]] = {}
    for link in entry.findall(f"{ATOM}link"):
        links.setdefault(link.get("rel"), []).append(link.get("href"))
    return links


def said_by_json(body: bytes) -> list[Said]:
    return [
        Said(
            id=item["id"],
            url=item["url"],
            title=item.get("title", ""),
            published=datetime.fromisoformat(item["date_published"]),
            modified=datetime.fromisoformat(item["date_modified"]),
            tags=tuple(item.get("tags", ())),
            enclosure=next((one["url"] for one in item.get("attachments", [])), None),
        )
        for item in json.loads(body)["items"]
    ]


@settings(max_examples=150)
@given(feeds)
def test_formats_say_the_same(feed: Feed) -> None:
    made = bodies(feed)
    by_rss, by_atom, by_json = (
        said_by_rss(made["rss"]),
        said_by_atom(made["atom"]),
        said_by_json(made["json"]),
    )
    assert [one.id for one in by_rss] == [one.id for one in told(feed)]
    assert [comparable(one) for one in by_rss] == [comparable(one) for one in by_json]
    # Atom alone may not go without a title (RFC 4287 §4.1.2), and makes one.
    assert all(one.title for one in by_atom)
    titled = [
        replace(atom, title=atom.title if rss.title else "")
        for atom, rss in zip(by_atom, by_rss, strict=True)
    ]
    assert titled == by_rss


def comparable(said: Said) -> Said:
    """JSON Feed has bare labels: a tag that is called like its section stands in it once."""
    return replace(said, tags=tuple(dict.fromkeys(said.tags)))


@settings(max_examples=60)
@given(articles())
def test_all_feeds_show_a_story_with_the_same_identifier(one: Article) -> None:
    keys = ("all", "sections/world", "tags/rail", "custom/top")
    seen = {said.id for key in keys for said in said_by_rss(bodies(feed_of(one, key=key))["rss"])}
    assert len(seen) == len(feed_of(one).articles)
    assert all(story(SITE, one).id == identifier for identifier in seen)


ODD_BODIES = [
    "<p>Tom &amp; Jo</p><iframe src='https://video.example.org/1'></iframe>",
    "<img src='//cdn.example.org/a.gif'><img data-src='b.jpg'><img src='data:image/gif;base64,AA'>",
    "<p onclick='x'>\ufffd \ufdd0 \U0001fffe</p><script>x</script><style>p {}</style>",
    "<audio controls src='/a.mp3'></audio><bdo dir='rtl'>x</bdo><object data='x'></object>",
    "1 < 2 && 3 > 2; &amp;lt; &nosuch; &#65; ]]> <![CDATA[x]]> <!-- y --> <?php z ?>",
    "<table><tr><td><p>x<p>y</table><ul><li>a<li>b</ul><a href='/x'><a href='y'>z</a></a>",
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n\nNote[^1]\n\n[^1]: here\n\n```html\n<b>\n```",
    "",
]
ODD_TITLES = [
    "<b>Bold</b> &amp; <i>slanted</i>",
    "AT&amp;T &lt; its rivals",
    "Caf\ufffd \ufdd0 x",
    "&#65;&eacute; &copy 2026",
    "long " * 100,
    "مرحبا \u202e abc 👩‍🚒 e\u0301",
    "]]> <!-- x --> <![CDATA[y]]>",
    "Plain",
]


@pytest.fixture(scope="module")
def odd_feeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Published, ...]:
    folder = tmp_path_factory.mktemp("odd")
    for number, (title, body) in enumerate(zip(ODD_TITLES, ODD_BODIES, strict=True)):
        date = f"2026-01-0{number + 1}T10:00:00Z"
        for ending in ("html", "md"):
            file = f"{ending}/{number}.{ending}"
            changed = date.replace("10:00", "10:00" if ending == "md" else "11:00")
            words = json.dumps(title, ensure_ascii=False)
            write_story(folder, file, body, title=words, summary=words, date=date, lastmod=changed)
    return published(folder)


@pytest.mark.parametrize("fmt", ["rss", "atom", "json"])
def test_odd_story_files_break_no_rule(odd_feeds: tuple[Published, ...], fmt: str) -> None:
    seen = {
        (finding, one.url)
        for one in odd_feeds
        if one.format == fmt
        for finding in findings(fmt, one.body, one.url, datetime.now(UTC))
    }
    assert seen == set()
    assert any(b"AT" in one.body for one in odd_feeds)
