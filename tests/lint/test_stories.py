"""Each rule of the linter names what is wrong and what to write, and says nothing of a good story."""

from dataclasses import replace
from datetime import timedelta

import pytest

from feedsvc.domain.model import Article, Author, Enclosure, FeedSettings, Image, Profile, Site
from feedsvc.domain.profiles import BUILT_IN
from feedsvc.domain.selection import PUBLIC, Rules, build
from feedsvc.lint.stories import lint_article, lint_links, lint_profile, lint_sizes
from tests.stories import NOON, article

GOOD = article(
    authors=["Jane Doe"],
    images=(Image("/a.jpg", "image/jpeg", 1200, 600, alt="Boats"),),
    enclosures=(Enclosure("/a.mp3", "audio/mpeg", 9),),
    updated=NOON - timedelta(minutes=1),
    correction="It was Tuesday.",
)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"title": ""}, "title-missing"),
        ({"body": "", "summary": ""}, "content-missing"),
        ({"language": "Nederlands!"}, "language-invalid"),
        ({"updated": NOON + timedelta(days=1)}, "updated-future"),
        ({"expires": NOON - timedelta(days=1)}, "expires-early"),
        ({"authors": (Author("J", "j", email="jane at example"),)}, "email-invalid"),
        ({"contributors": (Author("J", "j", email="@"),)}, "email-invalid"),
        ({"enclosures": (Enclosure("/a.mp3", "audio/mpeg"),)}, "enclosure-length"),
        ({"enclosures": (Enclosure("/a", "application/octet-stream", 9),)}, "enclosure-type"),
        ({"enclosures": (Enclosure("ftp://x/a.mp3", "audio/mpeg", 9),)}, "media-url"),
        ({"images": (Image("data:image/png;base64,x", alt="x"),)}, "media-url"),
        ({"images": (Image("/a.jpg"),)}, "image-alt"),
        ({"status": "withdrawn"}, "withdrawal-unexplained"),
        ({"body": "<i>a</i>" * 60_000, "markup": "html"}, "body-excessive"),
        ({"body": "".join(f"[a](/{n}) " for n in range(11_000))}, "body-excessive"),
    ],
)
def test_rule_finds_its_fault_and_only_that(fields: dict[str, object], rule: str, site: Site) -> None:
    assert list(lint_article(GOOD, site, NOON)) == []
    remarks = list(lint_article(replace(GOOD, **fields), site, NOON))  # type: ignore[arg-type]
    assert [remark.rule for remark in remarks] == [rule]
    assert "; write" in remarks[0].reason


def test_image_that_stays_at_home_may_be_anywhere(site: Site) -> None:
    kept = replace(GOOD, images=(Image("data:image/png;base64,x", alt="x", may_syndicate=False),))
    assert list(lint_article(kept, site, NOON)) == []


def test_two_stories_at_one_place_are_found(site: Site) -> None:
    stories = [article("a", url="/x"), article("b", url="https://news.example.org/x"), article("c")]
    found = list(lint_links(stories, site))
    assert [(story.id, remark.rule) for story, remark in found] == [("b", "url-duplicate")]


def found_by(profile: Profile, *stories: Article, site: Site) -> list[str]:
    rules = Rules(site=site, default=FeedSettings(profile=profile))
    feed = build("custom/x", stories, rules, PUBLIC, NOON)
    remarks = [remark for _, remark in lint_profile(feed)]
    remarks += lint_sizes(feed, {"rss": b"x" * 100})
    return [remark.rule for remark in remarks]


def test_profile_holds_stories_and_feeds_to_its_limits(site: Site) -> None:
    strict = Profile(
        "strict",
        required=("title", "summary", "content", "image", "author"),
        items_least=2,
        items_most=1,
        title_length=5,
        summary_length=5,
        image_width=1300,
        feed_bytes=99,
    )
    assert found_by(strict, GOOD, site=site) == [
        "profile-title-length",
        "profile-summary-length",
        "profile-image-width",
        "profile-items-least",
        "profile-feed-bytes",
    ]
    bare = article("bare", title="", body="", summary="")
    assert found_by(replace(strict, items_least=0), bare, GOOD, site=site)[:5] == [
        "profile-title",
        "profile-summary",
        "profile-content",
        "profile-image",
        "profile-author",
    ]
    assert "profile-items-most" in found_by(strict, bare, GOOD, site=site)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_built_in_profiles_take_a_story_that_has_everything(name: str, site: Site) -> None:
    rules = found_by(BUILT_IN[name], GOOD, site=site)
    assert set(rules) <= {"profile-items-least"}
