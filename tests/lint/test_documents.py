"""Good documents have no fault; each rule fires alone on a document that breaks it."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import FORMATS, Format
from feedsvc.lint import atom, documents, json_feed, rss
from feedsvc.lint.documents import lint_document
from tests.validation.feeds import sample_content

URL = "https://news.example.org/feeds/all"
STORY = "tag:news.example.org,2026:tides"

RSS = f"""<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>Quay News</title><link>https://news.example.org/</link><description>From the quay</description>
<atom:link href="{URL}" rel="self"/><language>en-GB</language>
<managingEditor>desk@example.org (The Desk)</managingEditor><webMaster>web@example.org</webMaster>
<lastBuildDate>Sun, 22 Nov 2026 12:00:00 +0100</lastBuildDate><ttl>5</ttl>
<image><url>https://news.example.org/logo.png</url><title>Quay News</title>
<link>https://news.example.org/</link><width>144</width><height>400</height></image>
<item><title>Tides</title><link>https://news.example.org/tides</link><description>High</description>
<guid isPermaLink="false">{STORY}</guid><pubDate>Sun, 22 Nov 2026 10:00:00 GMT</pubDate>
<dc:creator>Ada Quay</dc:creator><source url="https://wire.example.org/feed">Wire</source>
<enclosure url="https://news.example.org/t.mp3" length="9" type="audio/mpeg"/>
<media:content url="https://news.example.org/t.jpg" type="image/jpeg" medium="image"/></item>
<item><description>Only a note</description>
<guid>https://news.example.org/note</guid></item>
</channel></rss>"""

ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">
<id>tag:news.example.org,2026:feeds/all</id><title>Quay News</title><updated>2026-11-22T12:00:00Z</updated>
<link rel="self" href="{URL}"/><link href="https://news.example.org/" type="text/html"/>
<at:deleted-entry ref="tag:news.example.org,2026:gone" when="2026-11-21T12:00:00Z"/>
<entry><id>{STORY}</id><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Tides</div></title>
<published>2026-11-22T10:00:00+01:00</published><updated>2026-11-22T11:00:00+01:00</updated>
<author><name>Ada Quay</name></author><content type="html">&lt;p&gt;High&lt;/p&gt;</content>
<link href="https://news.example.org/tides" type="text/html" hreflang="en"/>
<link href="https://news.example.org/nl" type="text/html" hreflang="nl"/>
<source><id>tag:wire.example.org,2026:feed</id><updated>2026-11-22T11:00:00Z</updated></source></entry>
<entry><id>urn:example:note</id><title>Note</title><updated>2026-11-22T09:00:00Z</updated>
<source><author><name>Wire</name></author></source><content>Short</content></entry>
</feed>"""

JSON = f"""{{"version": "https://jsonfeed.org/version/1.1", "title": "Quay News",
"home_page_url": "https://news.example.org/", "feed_url": "{URL}", "language": "en-GB",
"authors": [{{"name": "The Desk"}}], "hubs": [{{"type": "WebSub", "url": "https://hub.example.org/"}}],
"_quay": {{"tide": 1}}, "items": [
{{"id": "{STORY}", "url": "https://news.example.org/tides", "content_html": "<p>High</p>",
"date_published": "2026-11-22T10:00:00+01:00", "tags": ["Sea"], "language": "en",
"authors": [{{"url": "mailto:ada@example.org"}}],
"attachments": [{{"url": "https://news.example.org/t.mp3", "mime_type": "audio/mpeg"}}]}},
{{"id": "note", "content_text": "Short", "summary": "A note"}}]}}"""

GOOD: dict[Format, str] = {"rss": RSS, "atom": ATOM, "json": JSON}

# The rule, what stands in the good document, what goes in its place, and the entry that is to be named.
BROKEN = [
    ("rss-not-well-formed", "</rss>", "", ""),
    ("rss-version", 'version="2.0"', 'version="0.91"', ""),
    ("rss-channel-required", "<description>From the quay</description>", "<description> </description>", ""),
    ("rss-self", f'"{URL}"', f'"{URL}.rss"', ""),
    ("rss-self", f'<atom:link href="{URL}" rel="self"/>', "", ""),
    ("rss-language", "en-GB", "British English", ""),
    ("rss-date", "Sun, 22 Nov 2026 12", "Mon, 22 Nov 2026 12", ""),
    ("rss-date", "Sun, 22 Nov 2026 10:00:00 GMT", "2026-11-22T10:00:00Z", STORY),
    ("rss-date", "Sun, 22 Nov 2026 10", "Sun, 31 Nov 2026 10", STORY),
    ("rss-ttl", "<ttl>5<", "<ttl>0<", ""),
    ("rss-mailbox", "desk@example.org (The Desk)", "The Desk", ""),
    ("rss-mailbox", "web@example.org", "web at example.org", ""),
    ("rss-image-url", "https://news.example.org/logo.png", "/logo.png", ""),
    ("rss-image-channel", "<image>", "<image><title>Quay</title>", ""),
    ("rss-image-size", "<width>144<", "<width>145<", ""),
    ("rss-image-size", "<height>400<", "<height>401<", ""),
    ("rss-item-text", "<description>Only a note</description>", "", "https://news.example.org/note"),
    ("rss-item-link", "https://news.example.org/tides", "/tides", STORY),
    ("rss-source-url", ' url="https://wire.example.org/feed"', "", STORY),
    ("rss-author-twice", "<dc:creator>", "<author>ada@example.org</author><dc:creator>", STORY),
    ("rss-guid-missing", f'<guid isPermaLink="false">{STORY}</guid>', "", "https://news.example.org/tides"),
    ("rss-guid-permalink", ' isPermaLink="false"', "", STORY),
    ("rss-guid-permalink", 'isPermaLink="false"', 'isPermaLink="no"', STORY),
    ("rss-guid-unique", "<guid>https://news.example.org/note", f'<guid isPermaLink="false">{STORY}', STORY),
    ("rss-enclosure", ' length="9"', "", STORY),
    ("rss-enclosure", "audio/mpeg", "mp3", STORY),
    ("rss-media-url", "https://news.example.org/t.jpg", "t.jpg", STORY),
    ("rss-media-medium", 'medium="image"', 'medium="video"', STORY),
    ("atom-not-well-formed", "</feed>", "", ""),
    ("atom-version", "http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", ""),
    ("atom-self", f'"{URL}"', f'"{URL}.atom"', ""),
    ("atom-required", "<title>Quay News</title>", "", ""),
    ("atom-required", "<title>Note</title>", "<title/>", "urn:example:note"),
    ("atom-id-unique", "urn:example:note", STORY, STORY),
    (
        "atom-id-distinct",
        "urn:example:note",
        "tag:wire.example.org,2026:feed",
        "tag:wire.example.org,2026:feed",
    ),
    (
        "atom-id-distinct",
        "urn:example:note",
        "tag:news.example.org,2026:feeds/all",
        "tag:news.example.org,2026:feeds/all",
    ),
    ("atom-id-absolute", "urn:example:note", "note", "note"),
    ("atom-id-tag", "urn:example:note", "tag:example.org:note", "tag:example.org:note"),
    ("atom-date", "2026-11-22T09:00:00Z", "2026-11-22 09:00", "urn:example:note"),
    ("atom-date", "2026-11-22T12:00:00Z", "2026-13-22T12:00:00Z", ""),
    ("atom-date-order", "2026-11-22T10:00:00+01:00", "2026-11-22T10:00:00-01:00", STORY),
    ("atom-link", "https://news.example.org/tides", "/tides", STORY),
    ("atom-alternate", 'hreflang="nl"', 'hreflang="en"', STORY),
    ("atom-author", "<author><name>Ada Quay</name></author>", "", STORY),
    ("atom-content", "<content>Short</content>", "", "urn:example:note"),
    ("atom-text-type", "<title>Note", '<title type="CDATA">Note', "urn:example:note"),
    ("atom-text-type", 'type="html"', 'type="xhtml"', STORY),
    ("atom-tombstone", ' when="2026-11-21T12:00:00Z"', "", "tag:news.example.org,2026:gone"),
    ("json-not-well-formed", '"title"', "title", ""),
    ("json-not-well-formed", '"tide": 1', '"tide": NaN', ""),
    ("json-version", "version/1.1", "version/1", ""),
    ("json-title", '"title": "Quay News"', '"title": ""', ""),
    ("json-self", f'"{URL}"', f'"{URL}.json"', ""),
    ("json-items", '"items"', '"_items"', ""),
    ("json-hub", '"type": "WebSub", ', "", ""),
    ("json-id", '"id": "note"', '"id": 7', "7"),
    ("json-id-unique", '"id": "note"', f'"id": "{STORY}"', STORY),
    ("json-content", '"content_text": "Short", ', "", "note"),
    ("json-date", "2026-11-22T10:00:00+01:00", "2026-11-22", STORY),
    ("json-attachment", ', "mime_type": "audio/mpeg"', "", STORY),
    ("json-tags", '["Sea"]', '["Sea", 7]', STORY),
    ("json-tags", '["Sea"]', '"Sea"', STORY),
    ("json-attachment", '"summary": "A note"', '"attachments": "t.mp3"', "note"),
    ("json-hub", '{"type": "WebSub", "url": "https://hub.example.org/"}', '"https://hub.example.org/"', ""),
    ("json-url", '"https://news.example.org/tides"', "7", STORY),
    ("json-null", '"A note"', "null", "note"),
    ("json-language", '"language": "en"', '"language": "English language"', STORY),
    ("json-author", '{"name": "The Desk"}', '"The Desk"', ""),
    ("json-author", '"url": "mailto:ada@example.org"', '"_role": "desk"', STORY),
    ("json-custom", '"_quay"', '"quay"', ""),
    ("json-custom", '"summary"', '"teaser"', "note"),
    ("json-url", '"https://news.example.org/tides"', '"/tides"', STORY),
    ("json-url", "https://news.example.org/t.mp3", "t.mp3", STORY),
]


@pytest.mark.parametrize("fmt", FORMATS)
def test_good_document_has_no_fault(fmt: Format) -> None:
    assert list(lint_document(fmt, GOOD[fmt].encode(), URL)) == []


@pytest.mark.parametrize("fmt", FORMATS)
def test_feeds_of_the_sample_content_have_no_fault(fmt: Format) -> None:
    feeds = [one for one in sample_content() if one.format == fmt]
    assert feeds
    assert [(one.url, fault) for one in feeds for fault in lint_document(fmt, one.body, one.url)] == []


@pytest.mark.parametrize(("rule", "old", "new", "entry"), BROKEN)
def test_rule_fires_alone_names_the_entry_and_says_what_to_do(
    rule: str, old: str, new: str, entry: str
) -> None:
    fmt: Format = next(one for one in FORMATS if rule.startswith(one))
    assert old in GOOD[fmt]
    faults = list(lint_document(fmt, GOOD[fmt].replace(old, new, 1).encode(), URL))
    assert [(one.rule, one.entry) for one in faults] == [(rule, entry)]
    assert re.search("; (write|please report) ", faults[0].reason)


def test_channel_link_that_is_not_absolute_is_a_fault() -> None:
    body = RSS.replace("<link>https://news.example.org/</link>", "<link>/</link>")
    assert [one.rule for one in lint_document("rss", body.encode(), URL)] == ["rss-channel-link"]


def test_every_rule_has_a_document_that_breaks_it() -> None:
    source = "".join(Path(one.__file__).read_text("utf-8") for one in (documents, rss, atom, json_feed))
    rules = set(re.findall(r'"((?:rss|atom|json)-[a-z-]+)"', source))
    assert rules == {rule for rule, *_ in BROKEN} | {"rss-channel-link"}


@given(st.sampled_from(FORMATS), st.data())
@settings(max_examples=200, deadline=None)
def test_document_cut_or_altered_anywhere_never_raises(fmt: Format, draw: st.DataObject) -> None:
    body = GOOD[fmt].encode()
    start = draw.draw(st.integers(0, len(body)))
    end = draw.draw(st.integers(start, min(len(body), start + 40)))
    altered = body[:start] + draw.draw(st.binary(max_size=8)) + body[end:]
    assert all("; " in one.reason for one in lint_document(fmt, altered, URL))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=2)
)
_NAMES = st.sampled_from(["id", "url", "tags", "authors", "attachments", "hubs", "language", "content_text"])


@given(st.dictionaries(_NAMES, _VALUES), _VALUES)
@settings(max_examples=200, deadline=None)
def test_members_of_any_type_never_raise(item: dict[str, object], other: object) -> None:
    body = json.dumps({**item, "items": [item, other]}).encode()
    assert list(lint_document("json", body, URL))
