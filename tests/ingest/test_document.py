"""Documents and stories: what is pushed is what is kept, and what is shown can be pushed again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from feedsvc.domain.model import BEGINNING, Article
from feedsvc.domain.slugs import section_path, slug
from feedsvc.ingest.document import ArticleDocument, article, document
from feedsvc.ingest.fields import story_id
from tests.stories import NOON, instants, texts

LATER = NOON + timedelta(days=1)
_any = st.text(max_size=20)
_labels = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
_urls = st.sampled_from(["/a", "https://example.org:8080/ä?b=c#d", "HTTP://example.org", "/", "/%2F?x"])
_dates = instants.map(lambda instant: instant.isoformat())
_named = st.fixed_dictionaries({"name": _labels}, optional={"email": st.just("j@x.org"), "url": _urls})
_authors = st.lists(_labels | _named, max_size=4)
documents = st.fixed_dictionaries(
    {"title": _any.map(lambda text: f"T{text}")},
    optional={
        "body": texts | _any,
        "markup": st.sampled_from(["markdown", "html", "text"]),
        "status": st.sampled_from(["draft", "published", "withdrawn", None]),
        "published": _dates,
        "updated": _dates,
        "embargo": _dates,
        "expires": _dates,
        "withdrawn": _dates,
        "section": _labels | st.sampled_from(["World/Middle East", "ß-x/ǆ", "a//b/", "istanbul/İ"]),
        "tags": st.lists(_labels, max_size=4),
        "authors": _authors,
        "contributors": _authors,
        "source": _labels,
        "original": st.just("https://example.org/x"),
        "comments": _urls,
        "dateline": _any,
        "summary": _any,
        "url": _urls,
        "language": st.sampled_from(["en", "nl-BE"]),
        "correction": _any,
        "withdrawal": _any,
        "rights": _any,
        "access": st.sampled_from(["public", "partners", "internal"]),
        "syndication": st.dictionaries(
            st.sampled_from(["public", "partners"]) | _labels, st.sampled_from(["full", "none"]), max_size=3
        ),
        "images": st.lists(
            st.fixed_dictionaries({"url": _urls}, optional={"width": st.just(640.0), "alt": _any}), max_size=2
        ),
        "enclosures": st.lists(
            st.fixed_dictionaries({"url": _urls}, optional={"length": st.integers(0, 9**9)}), max_size=2
        ),
    },
)


def read(written: dict[str, Any]) -> ArticleDocument:
    return ArticleDocument.model_validate_json(json.dumps(written))


def made(before: Article | None = None, now: datetime = NOON, **written: Any) -> Article:
    return article(read({"title": "Talks"} | written), "world/talks", before, now)


def faults(**written: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as raised:
        read({"title": "Talks"} | written)
    return [one["loc"] for one in raised.value.errors()]


@given(documents)
@settings(max_examples=400)
def test_what_is_shown_of_a_story_makes_the_same_story(written: dict[str, Any]) -> None:
    try:
        pushed = read(written)
    except ValidationError:  # a label of nothing but white space
        return
    first = article(pushed, "a", None, NOON)
    shown = document(first).model_dump_json(exclude_none=True)
    again = article(ArticleDocument.model_validate_json(shown), "a", first, LATER)
    assert again == first
    assert document(again).model_dump_json(exclude_none=True) == shown


def test_names_become_slugs_and_types_are_told_by_urls() -> None:
    story = made(
        section="World/Middle East",
        tags=["Fishing rights", "fishing rights", "Ferries"],
        authors=["Jane Doe", {"name": "Jo Roe", "email": "jo@example.org"}, "jane doe"],
        source="Reuters",
        images=[{"url": "/quay.jpg", "width": 640}],
        enclosures=[{"url": "/talk.mp3"}, {"url": "/x"}],
    )
    assert (story.section, story.section_labels) == ("world/middle-east", ("World", "Middle East"))
    assert [tag.slug for tag in story.tags] == ["fishing-rights", "ferries"]
    assert [(one.slug, one.email) for one in story.authors] == [
        ("jane-doe", None),
        ("jo-roe", "jo@example.org"),
    ]
    assert story.source is not None
    assert story.source.slug == "reuters"
    assert story.images[0].type == "image/jpeg"
    assert [one.type for one in story.enclosures] == ["audio/mpeg", "application/octet-stream"]


def test_section_whose_label_makes_another_slug_is_shown_by_its_slug() -> None:
    path, labels = section_path("ßx")
    assert slug(labels[0]) != path  # or this tests nothing
    story = made(section="ßx")
    assert document(story).section == "ßx"


def test_first_publication_is_when_a_story_first_came_and_stays_so() -> None:
    first = made()
    assert first.published == first.updated == NOON
    assert made(first, LATER, title="Other").published == NOON
    assert made(first, LATER, published="2026-02-11T14:00:00+01:00").published == datetime(
        2026, 2, 11, 13, tzinfo=UTC
    )


def test_draft_without_a_date_is_dated_when_it_is_published() -> None:
    draft = made(status="draft")
    assert draft.published == BEGINNING
    assert document(draft).published is None
    assert made(draft, LATER).published == LATER


def test_correction_that_says_not_when_moves_the_date_once() -> None:
    corrected = made(made(), LATER, correction="It was Thursday.")
    assert corrected.updated == LATER
    assert made(corrected, LATER + timedelta(days=1), correction="It was Thursday.") == corrected


def test_reason_for_withdrawal_withdraws_unless_the_status_says_otherwise() -> None:
    assert made(withdrawal="Wrong.").status == "withdrawn"
    assert made(withdrawal="Wrong.", status="published").withdrawal == ""


def test_characters_that_xml_forbids_are_taken_out() -> None:
    story = made(title="a\x00b\x85c\ufffe", body="x\r\ny\x0b", tags=["t\x07ag"])
    assert (story.title, story.body, story.tags[0].label) == ("ab c", "x\ny", "tag")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("published", "2026-02-30T00:00:00Z"),
        ("published", "2026-02-11T14:00:00"),
        ("published", "1969-12-31T00:00:00Z"),
        ("published", 1_700_000_000),
        ("url", "javascript:alert(1)"),
        ("url", "//example.org/x"),
        ("url", "https://user@example.org/"),
        ("url", "https://example.org:70000/"),
        ("url", "/a b"),
        ("original", "/x"),
        ("language", "en_GB"),
        ("status", "live"),
        ("access", "none"),
        ("tags", "a, b"),
        ("tags", [" "]),
        ("section", "x" * 301),
        ("syndication", {"acme": "some"}),
        ("syndication", {" ": "full"}),
        ("images", ["/a.jpg"]),
        ("authors", [{"email": "a@b.c"}]),
        ("titel", "x"),
    ],
)
def test_what_a_field_may_not_hold_is_refused_where_it_stands(field: str, value: Any) -> None:
    assert all(place[0] == field for place in faults(**{field: value}))


def test_story_without_title_and_body_is_refused() -> None:
    assert faults(title=" \u2003\x00") == [()]
    assert read({"body": "x"}).title == ""


@pytest.mark.parametrize(
    "good", ["a", "world/talks", "https://example.org/1", "urn:x:1", "сирия", "a.b", "...", "a//b"]
)
def test_id_is_kept(good: str) -> None:
    assert story_id(good) == good


@pytest.mark.parametrize(
    "bad", ["", " ", "a b", "/a", "a/", "a?b", "a#b", "..", "a/../b", "./a", "a\n", "a\x85", "x" * 513]
)
def test_id_that_no_url_can_carry_is_refused(bad: str) -> None:
    with pytest.raises(Exception, match="write at most 512"):
        story_id(bad)


def test_id_is_kept_as_browsers_send_it() -> None:
    assert story_id("cafe\u0301") == "caf\u00e9"


def test_date_for_never_has_a_date_in_every_zone() -> None:
    assert made(expires="9999-12-31T23:59:59-12:00").expires == datetime(9999, 12, 30, tzinfo=UTC)
