"""RSS keeps to its rules: each finds the fault it is for, and none finds one in what feedsvc publishes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.model import Article
from tests.validation import BOOKS, findings
from tests.validation.feeds import LATER, feed_of, hostile, rendered, sample_content
from tests.validation.samples import Break, broken, html_breaks, rules_broken, sample, untested

_TITLE = "<title>Lighthouse repainted</title>"
_LIGHTHOUSE = f"""{_TITLE}
      <link>https://news.example.org/stories/lighthouse</link>
      <description>It is red again.</description>"""
_GUID = '<guid isPermaLink="true">https://news.example.org/stories/lighthouse</guid>'
_SELF = 'ports.rss" rel="self" type="application/rss+xml"'
_CREDIT = '<media:credit role="photographer" scheme="urn:ebu">'

BREAKS: list[Break] = [
    ("rss-encoding", 'encoding="UTF-8"', ""),
    ("rss-namespaces", "xmlns:dc=", 'xmlns:odd="https://example.org/odd" xmlns:dc='),
    ("rss-namespaces", "mrss/", "mrss"),
    ("rss-characters", "The Daily", "The \ufffd Daily"),
    ("rss-characters", "The Daily", "The \u0091 Daily"),
    ("rss-link-relation", 'rel="hub"', 'rel="https"'),
    ("rss-link-url", "https://hub.example.org/", "/hub"),
    ("rss-link-type", _SELF, 'ports.rss" rel="self" type="text/html"'),
    ("rss-link-language", 'rel="hub"', 'rel="hub" hreflang="english"'),
    ("rss-link-empty", 'rel="hub"', 'rel="hub" title=""'),
    ("rss-version", 'version="2.0"', 'version="0.92"'),
    ("rss-channel-required", "<description>What sails, and when</description>", ""),
    ("rss-channel-required", "<language>en-GB</language>", ""),
    ("rss-item-title-or-description", _LIGHTHOUSE, ""),
    ("rss-content-needs-description", "<description>They met &amp;amp; left.</description>", ""),
    ("rss-once", "<ttl>5</ttl>", "<ttl>5</ttl><ttl>6</ttl>"),
    ("rss-once", "<enclosure ", '<enclosure url="https://a.example/" type="a/b" length="1"/><enclosure '),
    ("rss-elements-known", "<ttl>5</ttl>", "<ttl>5</ttl><blink>now</blink>"),
    ("rss-elements-known", _TITLE, f"{_TITLE}<media:status>gone</media:status>"),
    ("rss-attributes-known", "<ttl>", '<ttl unit="minutes">'),
    ("rss-items-last", "</item>\n  </channel>", "</item><category>x</category></channel>"),
    ("rss-not-blank", _TITLE, "<title> </title>"),
    ("rss-not-blank", ">Ferries</category>", "></category>"),
    ("rss-white-space", "<link>https://news.example.org/stories/talks", "<link> https://news.example.org/x"),
    ("rss-language", "en-GB", "english"),
    ("rss-date", "Sun, 22 Nov 2026 10:00:00 +0100", "2026-11-22T10:00:00+01:00"),
    ("rss-date", "Sun, 22 Nov 2026 10:00:00 +0100", "Sun, 22 Nov 26 10:00:00 +0100"),
    ("rss-date", "Sun, 22 Nov 2026 10:00:00 +0100", "Sun, 31 Nov 2026 10:00:00 +0100"),
    ("rss-date-weekday", "Sat, 21 Nov 2026", "Fri, 21 Nov 2026"),
    ("rss-date-plausible", "Sat, 21 Nov 2026", "Mon, 21 Nov 2033"),
    ("rss-date-plausible", "Sat, 21 Nov 2026", "Sat, 21 Nov 1970"),
    ("rss-last-build-date-newest", "<lastBuildDate>Sun, 22", "<lastBuildDate>Sat, 21"),
    ("rss-modified", "2026-11-22T11:00:00+01:00", "2026-11-22 11:00"),
    ("rss-modified", "2026-11-22T11:00:00+01:00", "2026-11-21T11:00:00+01:00"),
    ("rss-url", "<link>https://news.example.org/stories/talks<", "<link>/stories/talks<"),
    ("rss-url", "<link>https://news.example.org/stories/talks<", "<link>https://news.example.org/tälks<"),
    ("rss-url", 'url="https://northwire.example.org/feed"', 'url=""'),
    ("rss-docs", "www.rssboard.org/rss-specification", "example.org/rss"),
    ("rss-ttl", "<ttl>5", "<ttl>0"),
    ("rss-guid-present", _GUID, ""),
    ("rss-guid-unique", _GUID, '<guid isPermaLink="false">tag:news.example.org,2026:talks</guid>'),
    ("rss-guid-permalink", 'isPermaLink="false"', 'isPermaLink="true"'),
    ("rss-guid-permalink", 'isPermaLink="true"', 'isPermaLink="false"'),
    ("rss-guid-permalink", ' isPermaLink="false"', ""),
    ("rss-guid-distinctive", "tag:news.example.org,2026:talks", "1234"),
    ("rss-enclosure", 'length="1234"', ""),
    ("rss-enclosure", 'length="1234"', 'length="-1"'),
    ("rss-enclosure", 'url="https://cdn.example.org/talks.mp3"', 'url="/talks.mp3"'),
    ("rss-enclosure", 'type="audio/mpeg"', 'type="mp3"'),
    ("rss-email", "desk@example.org (The Desk)", "The Desk"),
    ("rss-email", "jane@example.org (Jane Doe)", "jane@example.org"),
    ("rss-image-required", "<url>https://news.example.org/logo.png</url>", ""),
    (
        "rss-image-matches-channel",
        "<title>Ports &#x26; Ferries</title>\n      <link>",
        "<title>Logo</title><link>",
    ),
    ("rss-image-size", "<width>144", "<width>145"),
    ("rss-image-size", "<height>40", "<height>401"),
    ("rss-image-format", "logo.png", "logo.svg"),
    ("rss-self-link", _SELF, 'other.rss" rel="self" type="application/rss+xml"'),
    ("rss-self-link", 'rel="self"', 'rel="alternate"'),
    ("rss-same-meaning", "<author>", "<dc:creator>Jane Doe</dc:creator><author>"),
    ("rss-same-meaning", "<source url", "<dc:source>Northwire</dc:source><source url"),
    ("rss-plain-text", _TITLE, "<title>&#x3C;b>Lighthouse&#x3C;/b> repainted</title>"),
    ("rss-plain-text-references", _TITLE, "<title>Tom &amp; Jo</title>"),
    ("rss-plain-text-references", "What sails, and when", "Tom &lt; Jo"),
    ("media-content-url", 'url="https://news.example.org/boats.jpg"', 'url="boats.jpg"'),
    ("media-medium", 'medium="image"', 'medium="picture"'),
    ("media-type", 'type="image/jpeg"', 'type="jpeg"'),
    ("media-size", 'width="800"', 'width="0"'),
    ("media-thumbnail-url", 'url="https://news.example.org/boats-small.jpg"', ""),
    ("media-credit", _CREDIT, '<media:credit role="Snapper">'),
    ("media-credit", _CREDIT, '<media:credit scheme="ebu">'),
    ("media-text", "Boats at the quay", "&#x3C;b>Boats&#x3C;/b>"),
    ("media-text", '<media:title type="plain">', '<media:title type="text">'),
    ("media-text-references", "Boats at the quay", "Boats &lt;at the quay"),
    ("media-group", '<media:content url="https://news.example.org/light.webp" medium="image"/>', ""),
    ("media-once", "<media:title", '<media:title type="plain">Two</media:title><media:title'),
    *html_breaks("rss"),
]


def test_faultless_feed_breaks_no_rule() -> None:
    assert rules_broken("rss", sample("rss")) == set()


@pytest.mark.parametrize(("rule", "old", "new"), BREAKS)
def test_rule_finds_the_fault_it_is_for(rule: str, old: str, new: str) -> None:
    assert rule in rules_broken("rss", broken("rss", old, new))


def test_every_rule_was_seen_to_find_something() -> None:
    assert untested("rss", BREAKS) == set()
    assert len(BOOKS["rss"].checks) > 50


def test_sample_content_breaks_no_rule() -> None:
    feeds = [one for one in sample_content() if one.format == "rss"]
    assert len(feeds) > 20
    for one in feeds:
        assert findings("rss", one.body, one.url, datetime.now(UTC)) == [], one.url


@pytest.mark.parametrize("key", ["all", "sections/world", "tags/κόσμος", "custom/top"])
def test_empty_feed_breaks_no_rule(key: str) -> None:
    made = rendered(feed_of(key=key))[0]
    assert findings("rss", made.body, made.url, LATER) == []


@settings(max_examples=100)
@given(hostile(), st.sampled_from(["full", "summary"]))
def test_hostile_stories_break_no_rule(stories: list[Article], content: str) -> None:
    made = rendered(feed_of(*stories, key="sections/world", content=content))[0]
    assert findings("rss", made.body, made.url, LATER) == []
