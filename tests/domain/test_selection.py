"""Which feeds a story belongs to, and what a feed shows: decided purely, tested without a database."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedsvc.domain import selection
from feedsvc.domain.model import Agency, Article, Change, CustomFeed, FeedSettings, Site
from feedsvc.domain.selection import PUBLIC, Rules, affected, build, eligible, keys_of
from tests.stories import NOON, article, articles, instants


def test_section_holds_its_sub_sections() -> None:
    story = article(section="World/Middle East", tags=["Syria"], authors=["Jane Doe"])
    assert keys_of(story) == {
        "all",
        "sections/world",
        "sections/world/middle-east",
        "tags/syria",
        "authors/jane-doe",
    }


def test_story_that_moved_sections_touches_both() -> None:
    change = Change(article(section="world"), article(section="sport"))
    assert affected(change) == {"all", "sections/world", "sections/sport"}


def test_embargo_holds_until_its_instant_and_expiry_from_its_instant() -> None:
    story = article(embargo=NOON, expires=NOON + timedelta(hours=1))
    assert not eligible(story, PUBLIC, NOON - timedelta(microseconds=1))
    assert eligible(story, PUBLIC, NOON)
    assert not eligible(story, PUBLIC, NOON + timedelta(hours=1))


@given(articles(), instants)
def test_only_published_stories_in_their_hours_are_eligible(story: Article, now: datetime) -> None:
    starts = [story.published, story.embargo or story.published]
    allowed = story.status == "published" and all(start <= now for start in starts)
    assert eligible(story, PUBLIC, now) == (allowed and not (story.expires and story.expires <= now))


@pytest.mark.slow
@given(st.lists(articles(), max_size=12), instants, st.integers(1, 5))
def test_feed_shows_the_newest_eligible_stories_in_order(
    stories: list[Article], now: datetime, items: int
) -> None:
    site = Site(name="S", url="https://s.example", language="en", authority="s.example,2026")
    rules = Rules(site=site, default=FeedSettings(items=items))
    ranked = sorted(stories, key=lambda story: (-story.visible_from.timestamp(), story.id))
    feed = build("all", ranked, rules, PUBLIC, now)
    assert list(feed.articles) == [story for story in ranked if eligible(story, PUBLIC, now)][:items]


def test_labels_that_slug_alike_are_one_feed_named_as_most_stories_do(rules: Rules) -> None:
    stories = [article("a", tags=["islamic state"]), article("b", tags=["Islamic State"])]
    stories.append(article("c", tags=["Islamic State"]))
    assert {key for story in stories for key in keys_of(story)} == {"all", "tags/islamic-state"}
    assert (
        build("tags/islamic-state", stories, rules, PUBLIC, NOON).title == "Islamic State – The Daily Example"
    )


def test_titles_have_sensible_defaults(rules: Rules) -> None:
    story = article(section="international", authors=["Jane Doe"])
    titles = {key: build(key, [story], rules, PUBLIC, NOON).title for key in keys_of(story)}
    assert titles == {
        "all": "The Daily Example",
        "sections/international": "International – The Daily Example",
        "authors/jane-doe": "Jane Doe – The Daily Example",
    }


def test_section_keeps_the_label_its_author_wrote(rules: Rules) -> None:
    story = article(section="Arts & Culture/Music")
    assert build("sections/arts-culture", [story], rules, PUBLIC, NOON).title.startswith("Arts & Culture –")


def test_custom_feed_takes_what_it_includes_less_what_it_excludes() -> None:
    custom = CustomFeed(
        "top", include_sections=("world",), include_tags=("ferry",), exclude_sources=("wire",)
    )
    assert "custom/top" in keys_of(article(section="world/europe"), [custom])
    assert "custom/top" in keys_of(article(section="sport", tags=["Ferry"]), [custom])
    assert "custom/top" not in keys_of(article(section="sport"), [custom])
    wired = replace(article(section="world"), source=selection.Term("Wire", "wire"))
    assert "custom/top" not in keys_of(wired, [custom])


def test_custom_feed_without_includes_starts_from_every_story() -> None:
    custom = CustomFeed("top", exclude_sections=("sport",))
    assert "custom/top" in keys_of(article(section="world"), [custom])
    assert "custom/top" not in keys_of(article(section="sport/rowing"), [custom])


def test_oldest_first_turns_the_newest_around(rules: Rules) -> None:
    stories = [article(str(hour), published=NOON - timedelta(hours=hour)) for hour in range(5)]
    oldest = replace(rules, by_key={"custom/x": FeedSettings(items=3, order="oldest")})
    feed = build("custom/x", stories, oldest, PUBLIC, NOON)
    assert [story.id for story in feed.articles] == ["2", "1", "0"]


def test_automatic_max_age_follows_the_rhythm_between_floor_and_ceiling(rules: Rules) -> None:
    auto = replace(rules, default=FeedSettings(max_age="auto", max_age_floor=60, max_age_ceiling=3600))

    def max_age(gap: timedelta) -> int:
        stories = [article(str(n), published=NOON - gap * n) for n in range(10)]
        return build("all", stories, auto, PUBLIC, NOON).max_age

    assert max_age(timedelta(seconds=1)) == 60
    assert max_age(timedelta(minutes=40)) == 600
    assert max_age(timedelta(days=7)) == 3600


def test_agency_is_shown_by_its_configured_name(rules: Rules) -> None:
    story = replace(article(), source=selection.Term("reuters", "reuters"))
    named = replace(rules, site=replace(rules.site, agencies={"reuters": Agency("Reuters")}))
    source = build("all", [story], named, PUBLIC, NOON).articles[0].source
    assert source is not None
    assert source.label == "Reuters"
