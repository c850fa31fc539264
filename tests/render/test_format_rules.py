"""Each format keeps to its rules: each finds its fault, and none finds one in what feedsvc publishes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import FORMATS, Article, Format
from tests.validation import BOOKS, atom_breaks, findings, jsonfeed_breaks, rss_breaks
from tests.validation.feeds import LATER, feed_of, hostile, rendered, sample_content
from tests.validation.samples import Break, broken, rules_broken, sample, untested

pytestmark = pytest.mark.slow

BREAKS: dict[Format, list[Break]] = {
    "rss": rss_breaks.BREAKS,
    "atom": atom_breaks.BREAKS,
    "json": jsonfeed_breaks.BREAKS,
}
LEAST_RULES: dict[Format, int] = {"rss": 50, "atom": 50, "json": 25}
every_format = pytest.mark.parametrize("fmt", FORMATS)


@every_format
def test_faultless_feed_breaks_no_rule(fmt: Format) -> None:
    assert rules_broken(fmt, sample(fmt)) == set()


@pytest.mark.parametrize(
    ("fmt", "rule", "old", "new"), [(fmt, *one) for fmt, breaks in BREAKS.items() for one in breaks]
)
def test_rule_finds_the_fault_it_is_for(fmt: Format, rule: str, old: str, new: str) -> None:
    assert rule in rules_broken(fmt, broken(fmt, old, new))


@every_format
def test_every_rule_was_seen_to_find_something(fmt: Format) -> None:
    assert untested(fmt, BREAKS[fmt]) == set()
    assert len(BOOKS[fmt].checks) > LEAST_RULES[fmt]


@every_format
def test_sample_content_breaks_no_rule(fmt: Format) -> None:
    feeds = [one for one in sample_content() if one.format == fmt]
    assert len(feeds) > 20
    for one in feeds:
        assert findings(fmt, one.body, one.url, datetime.now(UTC)) == [], one.url


@every_format
@pytest.mark.parametrize("key", ["all", "sections/world", "tags/κόσμος", "custom/top"])
def test_empty_feed_breaks_no_rule(fmt: Format, key: str) -> None:
    made = next(one for one in rendered(feed_of(key=key)) if one.format == fmt)
    assert findings(fmt, made.body, made.url, LATER) == []


@settings(max_examples=100)
@given(hostile(), st.sampled_from(["full", "summary"]))
def test_hostile_stories_break_no_rule(stories: list[Article], content: str) -> None:
    for made in rendered(feed_of(*stories, key="sections/world", content=content)):
        assert findings(made.format, made.body, made.url, LATER) == []
