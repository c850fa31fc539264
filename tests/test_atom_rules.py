"""Atom keeps to its rules: each finds the fault it is for, and none finds one in what feedsvc publishes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.model import Article
from tests.validation import BOOKS, findings
from tests.validation.feeds import LATER, feed_of, hostile, rendered, sample_content
from tests.validation.samples import Break, broken, html_breaks, rules_broken, sample, untested

_SELF = 'ports.atom" rel="self" type="application/atom+xml"'
_ALTERNATE = '<link href="https://news.example.org/sections/ports" rel="alternate" type="text/html"/>'
_TALKS = "<id>tag:news.example.org,2026:talks</id>"
_LIGHT_LINK = '<link href="https://news.example.org/stories/lighthouse" rel="alternate" type="text/html"/>'
_LIGHT_SUMMARY = '<summary type="text">It is red again.</summary>'
_STONE = '<at:deleted-entry ref="tag:news.example.org,2026:gone" when="2026-11-20T09:00:00+01:00">'
_SOURCE_ID = "<id>https://northwire.example.org/feed</id>"
_CREDIT = '<media:credit role="photographer" scheme="urn:ebu">'

BREAKS: list[Break] = [
    ("atom-encoding", 'encoding="UTF-8"', ""),
    ("atom-namespaces", "xmlns:media=", 'xmlns:odd="https://example.org/odd" xmlns:media='),
    ("atom-namespaces", "xmlns:media=", 'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media='),
    ("atom-characters", "The Daily", "The \ufffd Daily"),
    ("atom-link-relation", 'rel="hub"', 'rel="centre"'),
    ("atom-link-url", "https://hub.example.org/", "/hub"),
    ("atom-link-type", 'type="text/html" hreflang', 'type="html" hreflang'),
    ("atom-link-type", _SELF, 'ports.atom" rel="self" type="text/html"'),
    ("atom-link-language", 'hreflang="en"', 'hreflang="english"'),
    ("atom-link-empty", 'title="Talks"', 'title=""'),
    ("atom-link-empty", 'length="1234"', 'length="much"'),
    ("atom-grammar", "<title>Ports &amp; Ferries</title>", ""),
    ("atom-grammar", "<name>Jane Doe</name>", ""),
    ("atom-grammar", _TALKS, f"{_TALKS}{_TALKS}"),
    ("atom-grammar", '<title type="text">Harbour', '<title type="plain">Harbour'),
    ("atom-grammar", 'term="ferries"', ""),
    ("atom-grammar", "<published>", "<issued>x</issued><published>"),
    ("atom-id", _TALKS, "<id>talks</id>"),
    ("atom-id", _TALKS, "<id>tag:news.example.org,2026:t%61lks</id>"),
    ("atom-id", _TALKS, "<id>HTTPS://news.example.org/talks</id>"),
    ("atom-id", _TALKS, "<id>https://news.example.org:443/talks</id>"),
    ("atom-id-unique", _TALKS, "<id>tag:news.example.org,2026:lighthouse</id>"),
    (
        "atom-author",
        "<author><name>The Daily Example</name><uri>https://news.example.org/</uri></author>",
        "",
    ),
    ("atom-self-link", _SELF, 'other.atom" rel="self" type="application/atom+xml"'),
    ("atom-links-distinct", _ALTERNATE, f"{_ALTERNATE}{_ALTERNATE}"),
    ("atom-links-distinct", _LIGHT_LINK, f"{_LIGHT_LINK}{_LIGHT_LINK}"),
    ("atom-content-or-alternate", _LIGHT_LINK, ""),
    ("atom-summary", _LIGHT_SUMMARY, ""),
    ("atom-summary", _LIGHT_SUMMARY, '<content type="text/html" src="https://news.example.org/x"/>'),
    ("atom-entries-last", "</feed>", '<category term="late"/></feed>'),
    ("atom-date", "<updated>2026-11-22T12:00:00+01:00", "<updated>2026-11-22T12:00:00"),
    ("atom-date", "<published>2026-11-22T10:00:00+01:00", "<published>2026-11-31T10:00:00+01:00"),
    ("atom-date-plausible", "<published>2026", "<published>1970"),
    ("atom-published-first", "<published>2026-11-22T10", "<published>2026-11-22T12"),
    ("atom-updated-newest", "<updated>2026-11-22T12", "<updated>2026-11-21T12"),
    ("atom-updated-distinct", "<updated>2026-11-21T10:00:00", "<updated>2026-11-22T11:00:00"),
    ("atom-link-history", 'rel="enclosure"', 'rel="next"'),
    ("atom-link-text", 'title="Talks"', 'title="&lt;b>Talks&lt;/b>"'),
    ("atom-language", ' xml:lang="en-GB"', ""),
    ("atom-language", 'xml:lang="en-GB"', 'xml:lang="english"'),
    ("atom-text-type", '<content type="html">', '<content type="multipart/mixed">'),
    ("atom-text-type", '<title type="text">Harbour', '<title type="text/plain">Harbour'),
    ("atom-text-html", "Harbour talks", "&lt;b&gt;Harbour&lt;/b&gt; talks"),
    ("atom-text-html", 'label="Ferries"', 'label="&lt;b&gt;Ferries&lt;/b&gt;"'),
    ("atom-text-references", "Harbour talks", "Harbour &amp;amp; talks"),
    ("atom-not-blank", "Harbour talks", ""),
    ("atom-white-space", _TALKS, _TALKS.replace("<id>", "<id> ")),
    ("atom-person", "jane@example.org", "jane at example.org"),
    ("atom-person", "<uri>https://news.example.org/</uri>", "<uri>/about</uri>"),
    ("atom-category", 'scheme="https://news.example.org/tags/"', 'scheme="/tags/"'),
    ("atom-category", 'label="Ferries"', 'label=""'),
    ("atom-uri", "https://news.example.org/logo.png", "/logo.png"),
    ("atom-uri", "https://example.org/feedsvc", "feedsvc"),
    ("atom-source", _SOURCE_ID, ""),
    ("atom-extensions-known", _LIGHT_SUMMARY, f'{_LIGHT_SUMMARY}<odd xmlns="https://example.org/odd"/>'),
    ("atom-tombstone", _STONE, _STONE.replace("ref=", "id=")),
    ("atom-tombstone", _STONE, _STONE.replace("T09:00:00+01:00", "")),
    ("atom-tombstone", _STONE, _STONE.replace(":gone", ":talks").replace("-20T", "-24T")),
    ("media-content-url", 'url="https://news.example.org/boats.jpg"', 'url="boats.jpg"'),
    ("media-medium", 'medium="image"', 'medium="picture"'),
    ("media-type", 'type="image/jpeg"', 'type="jpeg"'),
    ("media-size", 'width="800"', 'width="0"'),
    ("media-thumbnail-url", 'url="https://news.example.org/boats-small.jpg"', ""),
    ("media-credit", _CREDIT, '<media:credit role="Snapper">'),
    ("media-text", "Boats at the quay", "&lt;b>Boats&lt;/b>"),
    ("media-text-references", "Boats at the quay", "Boats &lt;at the quay"),
    ("media-group", '<media:content url="https://news.example.org/light.webp" medium="image"/>', ""),
    ("media-once", "<media:description", "<media:description>Two</media:description><media:description"),
    *html_breaks("atom"),
]


def test_faultless_feed_breaks_no_rule() -> None:
    assert rules_broken("atom", sample("atom")) == set()


@pytest.mark.parametrize(("rule", "old", "new"), BREAKS)
def test_rule_finds_the_fault_it_is_for(rule: str, old: str, new: str) -> None:
    assert rule in rules_broken("atom", broken("atom", old, new))


def test_every_rule_was_seen_to_find_something() -> None:
    assert untested("atom", BREAKS) == set()
    assert len(BOOKS["atom"].checks) > 50


def test_sample_content_breaks_no_rule() -> None:
    feeds = [one for one in sample_content() if one.format == "atom"]
    assert len(feeds) > 20
    for one in feeds:
        assert findings("atom", one.body, one.url, datetime.now(UTC)) == [], one.url


@pytest.mark.parametrize("key", ["all", "sections/world", "tags/κόσμος", "custom/top"])
def test_empty_feed_breaks_no_rule(key: str) -> None:
    made = rendered(feed_of(key=key))[1]
    assert findings("atom", made.body, made.url, LATER) == []


@settings(max_examples=100)
@given(hostile(), st.sampled_from(["full", "summary"]))
def test_hostile_stories_break_no_rule(stories: list[Article], content: str) -> None:
    made = rendered(feed_of(*stories, key="sections/world", content=content))[1]
    assert findings("atom", made.body, made.url, LATER) == []
