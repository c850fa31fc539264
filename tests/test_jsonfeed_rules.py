"""JSON Feed keeps to its rules: each finds the fault it is for, and none finds one in what is published."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.model import Article
from tests.validation import BOOKS, findings
from tests.validation.feeds import LATER, feed_of, hostile, rendered, sample_content
from tests.validation.samples import Break, broken, html_breaks, rules_broken, sample, untested

_HTML = r'"content_html": "<p>They <a href=\"https://news.example.org/a\">met</a>.</p>",'

BREAKS: list[Break] = [
    ("json-encoding", "{", "\ufeff{"),
    ("json-version", "version/1.1", "version/1"),
    ("json-required", '"title": "Ports & Ferries",', ""),
    ("json-required", '"id": "tag:news.example.org,2026:talks",', ""),
    ("json-required", '"type": "WebSub", ', ""),
    ("json-members-known", '"external_url"', '"original_url"'),
    ("json-types", '"id": "tag:news.example.org,2026:talks"', '"id": 17'),
    ("json-types", '"size_in_bytes": 1234', '"size_in_bytes": "1234"'),
    ("json-extensions", '{"dateline": "ANTWERP"}', '"ANTWERP"'),
    ("json-extensions", '"_feedsvc"', '"_feed.svc"'),
    ("json-not-empty", '"summary": "They met."', '"summary": ""'),
    ("json-not-empty", '"image": "https://news.example.org/boats.jpg"', '"image": null'),
    ("json-not-empty", '["Ports", "Ferries"]', "[]"),
    ("json-url", '"image": "https://news.example.org/boats.jpg"', '"image": "/boats.jpg"'),
    ("json-url", '"banner_image": "https://news.example.org/boats.jpg"', '"banner_image": "boats.jpg"'),
    ("json-url", "https://hub.example.org/", "hub"),
    ("json-url", "https://news.example.org/icon.png", "//news.example.org/icon.png"),
    ("json-self", "feeds/sections/ports.json", "feeds/all.json"),
    ("json-home-page", '"home_page_url": "https://news.example.org/sections/ports",', ""),
    ("json-language", "en-GB", "english"),
    ("json-author", '"authors": [{"name": "Jane Doe"}]', '"author": {"name": "Jane Doe"}'),
    ("json-author", '{"name": "Jane Doe"}', "{}"),
    ("json-id", "2026:lighthouse", "2026:talks"),
    ("json-content", _HTML, ""),
    ("json-date", '"date_published": "2026-11-22T10:00:00+01:00"', '"date_published": "2026-11-22"'),
    ("json-date", '"date_published": "2026-11-22T10:00:00+01:00"', '"date_published": "2026-11-22T10:00:00"'),
    ("json-date-plausible", '"date_published": "2026-11-21', '"date_published": "2036-11-21'),
    ("json-date-order", '"date_modified": "2026-11-22T11', '"date_modified": "2026-11-22T09'),
    ("json-tags", '["Ports", "Ferries"]', '["Ports", "Ports"]'),
    ("json-tags", '["Ports", "Ferries"]', '["Ports", 3]'),
    ("json-attachment", '"mime_type": "audio/mpeg", ', ""),
    ("json-attachment", '"size_in_bytes": 1234', '"size_in_bytes": 0'),
    ("json-plain-text", "Harbour talks", "<b>Harbour</b> talks"),
    ("json-characters", "Harbour talks", "Harbour \ufffd talks"),
    *html_breaks("json"),
]


def test_faultless_feed_breaks_no_rule() -> None:
    assert rules_broken("json", sample("json")) == set()


@pytest.mark.parametrize(("rule", "old", "new"), BREAKS)
def test_rule_finds_the_fault_it_is_for(rule: str, old: str, new: str) -> None:
    assert rule in rules_broken("json", broken("json", old, new))


def test_every_rule_was_seen_to_find_something() -> None:
    assert untested("json", BREAKS) == set()
    assert len(BOOKS["json"].checks) > 25


def test_sample_content_breaks_no_rule() -> None:
    feeds = [one for one in sample_content() if one.format == "json"]
    assert len(feeds) > 20
    for one in feeds:
        assert findings("json", one.body, one.url, datetime.now(UTC)) == [], one.url


@pytest.mark.parametrize("key", ["all", "sections/world", "tags/κόσμος", "custom/top"])
def test_empty_feed_breaks_no_rule(key: str) -> None:
    made = rendered(feed_of(key=key))[2]
    assert findings("json", made.body, made.url, LATER) == []


@settings(max_examples=100)
@given(hostile(), st.sampled_from(["full", "summary"]))
def test_hostile_stories_break_no_rule(stories: list[Article], content: str) -> None:
    made = rendered(feed_of(*stories, key="sections/world", content=content))[2]
    assert findings("json", made.body, made.url, LATER) == []
