import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import (
    BEGINNING,
    Article,
    Author,
    Enclosure,
    Image,
    Loaded,
    Rejected,
    Term,
    versioned,
)
from feedsvc.domain.xml_text import ILLEGAL
from feedsvc.loading import fields
from feedsvc.loading.dates import instant
from feedsvc.loading.plain import escaped, plain
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse

RULES = LoadRules(timezone="Europe/Brussels")
BRUSSELS = ZoneInfo("Europe/Brussels")
JANE = Author("Jane", "jane")


def story(*keys: str, body: str = "Text.") -> bytes:
    return "\n".join(["---", "title: T", *keys, "---", body, ""]).encode()


def article(
    *keys: str, path: str = "story.md", body: str = "Text.", date: str = "2026-02-11T14:00:00Z"
) -> Article:
    made = parse(path, story(*([f"date: {date}"] if date else []), *keys, body=body), RULES)
    assert isinstance(made, Loaded), made
    return made.article


def reason(*keys: str, path: str = "story.md") -> str:
    made = parse(path, story(*keys), RULES)
    assert isinstance(made, Rejected), made
    return str(made)


def toml(text: str) -> Article:
    made = parse("story.md", f"+++\ntitle = 'T'\n{text}\n+++\nText.\n".encode(), RULES)
    assert isinstance(made, Loaded), made
    return made.article


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# Rights


@pytest.mark.parametrize(
    ("key", "rights"),
    [
        ("syndication: none", (("partners", "none"),)),
        ("syndication: false", (("partners", "none"),)),
        ("syndication: {Public: Summary, acme: full}", (("acme", "full"), ("public", "summary"))),
        ("Syndication: {PARTNERS: no}", (("partners", "none"),)),
    ],
)
def test_syndication_is_read_in_any_case(key: str, rights: tuple[tuple[str, str], ...]) -> None:
    rules = LoadRules(partners=("acme",))
    made = parse("a.md", story("date: 2026-02-11", key), rules)
    assert isinstance(made, Loaded)
    assert made.article.syndication == rights


@pytest.mark.parametrize("key", ["{acmee: none}", "{partner: none}", "some", "{acme: some}", "[none]"])
def test_syndication_that_means_nothing_is_refused(key: str) -> None:
    made = parse("a.md", story("date: 2026-02-11", f"syndication: {key}"), LoadRules(partners=("acme",)))
    assert isinstance(made, Rejected)


def test_image_may_say_syndication_itself() -> None:
    made = article("images: [{url: /a.jpg, syndication: none}, {url: /b.jpg, syndicate: true}]")
    assert [image.may_syndicate for image in made.images] == [False, True]


# The short way


@given(
    title=st.text(max_size=20),
    body=st.sampled_from(["Text.", "", "# Heading\n\nText.", "   "]),
    keys=st.dictionaries(
        st.sampled_from(["section", "tags", "author", "authors", "summary", "date"]),
        st.one_of(
            st.text(max_size=12),
            st.lists(st.text(max_size=8), max_size=3),
            st.sampled_from(["2026-02-11", "World/Middle East", "Jane Doe, Al Roe <al@a.example>"]),
        ),
    ),
    path=st.sampled_from(["a.md", "world/a.md", "2026-02-01-a.md", "_drafts/a.md", "_posts/index.md"]),
)
def test_story_of_common_keys_is_what_the_long_way_makes_of_it(
    title: str, body: str, keys: dict[str, object], path: str
) -> None:
    written = json.dumps({"title": title, "body": body, "date": "2026-02-11", **keys})
    with pytest.MonkeyPatch.context() as patched:
        short = parse(path.replace(".md", ".json"), written.encode(), RULES)
        patched.setattr(fields, "_COMMON", frozenset())
        assert parse(path.replace(".md", ".json"), written.encode(), RULES) == short


# Dates


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-02-11", "2026-02-10T23:00:00+00:00"),
        ("2026/2/1", "2026-01-31T23:00:00+00:00"),
        ("2026-07-11 14:00", "2026-07-11T12:00:00+00:00"),
        ("2026-02-11 14:00:05,25", "2026-02-11T13:00:05.250000+00:00"),
        ("2026-02-11T14:00:00+05:30", "2026-02-11T08:30:00+00:00"),
        ("2026-02-11 14:00 -0500", "2026-02-11T19:00:00+00:00"),
        ("2026-02-11 14:00:00 +01", "2026-02-11T13:00:00+00:00"),
        ("2026-02-11t14:00:00z", "2026-02-11T14:00:00+00:00"),
        ("2026-02-11 14:00 UTC", "2026-02-11T14:00:00+00:00"),
        ("2026-02-11 14:00:00 -4", "2026-02-11T18:00:00+00:00"),
        ("2026-02-11 14:00:00 +5:30", "2026-02-11T08:30:00+00:00"),
        ("2026-02-11T14:00:00-0430", "2026-02-11T18:30:00+00:00"),
        ("Wed, 11 Feb 2026 14:00:00 +0100", "2026-02-11T13:00:00+00:00"),
        ("11 Feb 2026 14:00 GMT", "2026-02-11T14:00:00+00:00"),
        ("Wed, 11 Feb 2026 14:00:00 -0000", "2026-02-11T14:00:00+00:00"),
        ("Wed, 11 Feb 2026 14:00:00", "2026-02-11T13:00:00+00:00"),
        ("Wed, 11 Feb 2026 14:00:00 EST", "2026-02-11T19:00:00+00:00"),
    ],
)
def test_dates_are_read_as_people_write_them(written: str, expected: str) -> None:
    assert article(date=f'"{written}"').published == at(expected)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "yesterday",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2026-02/11",
            "2026-02-11 25:00",
            "2026-02-11 14:00 XYZ",
        ),
        *(
            "2026-02-11 14:00 +99:00",
            "12:30",
            "true",
        ),
    ],
)
def test_what_is_no_date_is_told_with_what_to_write(written: str) -> None:
    wanted = "write 2026-02-11 or 2026-02-11T14:00:00+01:00"
    assert reason(f"pubDate: {written}") == f"story.md:3: pubDate: '{written}' is not a date; {wanted}"


@pytest.mark.parametrize("written", ["1969-12-31", "0001-01-01T00:00:00+23:00", "1969-12-31T23:30:00-02:00"])
def test_a_date_before_1970_is_rejected(written: str) -> None:
    assert "before 1970" in reason(f"date: {written}")


def test_dates_at_the_ends_of_time_are_kept_within_them() -> None:
    assert article(date="1970-01-01").published == BEGINNING  # Brussels was an hour ahead
    assert article("expires: 9999-12-31T23:59:59-10:00").expires == at("9999-12-30T00:00:00+00:00")


def test_picture_written_into_the_story_is_left_out_and_the_story_stays() -> None:
    made = toml('date = 2026-02-11\nimages = ["data:image/png;base64,AA==", {url = "DATA:,x"}, "/a.jpg"]')
    assert [image.url for image in made.images] == ["/a.jpg"]


def test_toml_dates_are_read_in_every_type() -> None:
    assert toml("date = 2026-02-11").published == at("2026-02-10T23:00:00+00:00")
    assert toml("date = 2026-02-11T14:00:00").published == at("2026-02-11T13:00:00+00:00")
    assert toml("date = 2026-02-11T14:00:00.5-05:00").published == at("2026-02-11T19:00:00.500000+00:00")
    made = parse("a.md", b"+++\ndate = 07:32:00\n+++\nx", RULES)
    assert isinstance(made, Rejected)
    assert made.reason.startswith("date: 07:32:00 is not a date")


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9990, 1, 1)),  # noqa: DTZ001 - zone below
    st.integers(-14 * 60, 14 * 60),
)
def test_every_moment_comes_back_from_every_spelling(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for written in (moment.isoformat(), moment.isoformat(sep=" "), moment):
        assert instant(written, BRUSSELS) == moment
    assert instant(format_datetime(moment), BRUSSELS) == moment.replace(microsecond=0)
    assert instant(moment.isoformat(), BRUSSELS).tzinfo is UTC  # type: ignore[union-attr]


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text(alphabet="0123456789-/:T +Z.,Feb"))
def test_no_text_makes_the_reader_of_dates_fail(text: str) -> None:
    made = instant(text, BRUSSELS)
    assert made is None or made.tzinfo is UTC


def test_an_embargo_keeps_its_part_of_a_second() -> None:
    assert article("embargo: 2026-03-01T00:00:00.9999999Z").embargo == at("2026-03-01T00:00:00.999999+00:00")


def test_the_first_name_of_a_key_that_holds_something_wins() -> None:
    made = article("created: 2026-01-01", "publishedDate: 2026-01-02", "expires:", "expiryDate: 2027-01-01")
    assert made.published == at("2026-02-11T14:00:00+00:00")
    assert made.expires == at("2026-12-31T23:00:00+00:00")


@pytest.mark.parametrize(
    "key", ["updated", "lastmod", "modified", "last_modified_at", "dateUpdated", "Last-Mod"]
)
def test_updated_goes_by_many_names(key: str) -> None:
    assert article(f"{key}: 2026-03-01T00:00:00Z").updated == at("2026-03-01T00:00:00+00:00")


def test_updated_is_never_before_published() -> None:
    assert article().updated == article().published
    assert article("updated: 2026-01-01").updated == article().published


def test_hugos_publish_date_is_an_embargo_and_a_date_if_there_is_no_other() -> None:
    made = article("publishDate: 2026-03-01T00:00:00Z")
    assert (made.embargo, made.published) == (
        at("2026-03-01T00:00:00+00:00"),
        at("2026-02-11T14:00:00+00:00"),
    )
    assert article("publish_date: 2026-03-01T00:00:00Z", date="").published == at("2026-03-01T00:00:00+00:00")
    assert article("embargo: 2026-04-01", "publishDate: 2026-03-01").embargo == at(
        "2026-03-31T22:00:00+00:00"
    )


def test_a_date_is_wanted_unless_nobody_sees_the_story() -> None:
    assert reason().startswith("story.md:1: no date; write 2026-02-11")
    assert article("draft: true", date="").published == BEGINNING
    assert article("status: withdrawn", date="").published == BEGINNING


def test_jekylls_published_flag_is_no_date() -> None:
    made = article("published: true", "created: 2026-03-01T00:00:00Z", date="")
    assert (made.published, made.status) == (at("2026-03-01T00:00:00+00:00"), "published")
    assert article("published: false", date="").published == BEGINNING


def test_jekylls_file_names_give_the_date() -> None:
    made = article(path="_posts/2026-02-11-night-boats.md", date="")
    assert made.published == at("2026-02-10T23:00:00+00:00")
    assert made.id == "posts/2026-02-11-night-boats"
    assert article(path="2026-02-11-night-boats.md", date="2026-02-12").published.day == 11
    assert "no date" in reason(path="2026-13-11-night-boats.md")


# Identity


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("world/Some Story.md", "world/some-story"),
        ("World/Middle East/a.b.html", "world/middle-east/a-b"),
        ("world/talks/index.md", "world/talks"),
        ("index.md", "index"),
        ("мир/История.md", "мир/история"),
    ],
)
def test_ids_come_from_paths(path: str, made: str) -> None:
    assert article(path=path).id == made


def test_composed_and_decomposed_file_names_make_one_id() -> None:
    assert article(path="caf\u00e9.md").id == article(path="cafe\u0301.md").id


def test_slug_title_and_date_do_not_move_an_id() -> None:
    assert article("slug: other", path="a.md").id == article(path="a.md", date="2026-05-05").id == "a"


@pytest.mark.parametrize("key", ["id", "guid", "ID"])
@pytest.mark.parametrize("value", ["tag:example.org,2026:x", "https://example.org/a", "world/a", "42", "x'y"])
def test_a_written_id_is_kept(key: str, value: str) -> None:
    assert article(f'{key}: "{value}"').id == value


@pytest.mark.parametrize(
    "value", ["a b", "a?b", "a#b", "a\\\\b", "/a", "a/", "../a", "a/./b", "<a>", "x" * 513, "a\\tb"]
)
def test_an_id_that_cannot_stand_in_a_url_is_rejected(value: str) -> None:
    assert "story.md:3: id: " in reason(f'id: "{value}"', "date: 2026-02-11")


# Standing


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([], "published"),
        (["draft: true"], "draft"),
        (["draft: no"], "published"),
        (["status: Draft"], "draft"),
        (["status: hidden"], "draft"),
        (["status: published"], "published"),
        (["status: published", "draft: true"], "draft"),
        (["published: false"], "draft"),
        (["published: true"], "published"),
        (["withdrawn: true"], "withdrawn"),
        (["withdrawn: false"], "published"),
        (["withdrawn: It was wrong.", "draft: true"], "withdrawn"),
        (["status: withdrawn", "published: false"], "withdrawn"),
        (["withdrawn_reason: It was wrong."], "withdrawn"),
        (["status: published", "withdrawal: It was wrong."], "published"),
        (["reason: A theme's own."], "published"),
    ],
)
def test_status_is_what_keeps_a_story_in_or_out(keys: list[str], status: str) -> None:
    assert article(*keys).status == status


def test_jekylls_drafts_folder_holds_drafts() -> None:
    assert article(path="_drafts/a.md").status == "draft"


def test_the_reason_of_a_withdrawal_is_kept() -> None:
    assert article("withdrawn: It was wrong.").withdrawal == "It was wrong."
    assert article("withdrawn: true", "reason: It was wrong.").withdrawal == "It was wrong."
    assert article("reason: A theme's own.").withdrawal == ""


@pytest.mark.parametrize(
    ("keys", "at_hour", "told"),
    [
        (["withdrawn: 2026-11-20T10:00"], "2026-11-20T09:00", ""),
        (
            ["withdrawn: 2026-11-20T10:00", "reason: Wrong.", "updated: 2026-11-21"],
            "2026-11-20T09:00",
            "Wrong.",
        ),
        (["withdrawn: Fri, 20 Nov 2026 10:00:00 GMT"], "2026-11-20T10:00", ""),
        (["withdrawn: true", "updated: 2026-11-20T10:00Z"], "2026-11-20T10:00", ""),
        (["status: withdrawn", "updated: 2026-11-20T10:00Z"], "2026-11-20T10:00", ""),
        (["withdrawn: It was wrong.", "updated: 2026-11-20T10:00Z"], "2026-11-20T10:00", "It was wrong."),
        (["withdrawn: 2026 was the wrong year"], None, "2026 was the wrong year"),
        (["status: withdrawn"], None, ""),
    ],
)
def test_a_withdrawal_has_the_date_its_author_wrote_or_that_of_the_last_change(
    keys: list[str], at_hour: str | None, told: str
) -> None:
    made = article(*keys)
    assert (made.status, made.withdrawal) == ("withdrawn", told)
    assert made.withdrawn == (at(f"{at_hour}:00+00:00") if at_hour else None)


def test_toml_dates_withdraw_too() -> None:
    made = toml("date = 2026-02-11\nwithdrawn = 2026-11-20T10:00:00Z")
    assert (made.status, made.withdrawn) == ("withdrawn", at("2026-11-20T10:00:00+00:00"))


def test_a_story_that_is_not_withdrawn_has_no_date_of_it() -> None:
    made = article("withdrawn: false", "updated: 2026-11-20")
    assert (made.status, made.withdrawn) == ("published", None)


# Filing


@pytest.mark.parametrize(
    ("keys", "path", "section", "labels"),
    [
        (
            ["section: World/Middle East", "categories: [Other]"],
            "a/b.md",
            "world/middle-east",
            ("World", "Middle East"),
        ),
        (["categories: [Sport, News]"], "a/b.md", "sport", ("Sport",)),
        (["category: Sport"], "a/b.md", "sport", ("Sport",)),
        ([], "world/middle-east/b.md", "world/middle-east", ("World", "Middle East")),
        ([], "world/talks/index.md", "world", ("World",)),
        ([], "_posts/a.md", "", ()),
        ([], "a.md", "", ()),
    ],
)
def test_section_is_the_key_else_the_first_category_else_the_folder(
    keys: list[str], path: str, section: str, labels: tuple[str, ...]
) -> None:
    made = article(*keys, path=path)
    assert (made.section, made.section_labels) == (section, labels)


def test_other_categories_become_tags() -> None:
    made = article(
        "section: World/Coast", "categories: [coast, World/Coast, Boats, Fish]", "tags: [fish, Nets]"
    )
    assert made.tags == (Term("fish", "fish"), Term("Nets", "nets"), Term("Boats", "boats"))


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("tags: [Boats, 'Nets, ropes', boats, '']", ["Boats", "Nets, ropes"]),
        ("tags: Boats,  Night   Work ,", ["Boats", "Night Work"]),
        ("keywords: Boats; Nets, ropes", ["Boats", "Nets, ropes"]),
        ("tag: [2026, no, 漁]", ["2026", "no", "漁"]),
        ("tags:", []),
    ],
)
def test_tags_are_lists_or_strings_and_one_of_a_slug(written: str, labels: list[str]) -> None:
    assert [tag.label for tag in article(written).tags] == labels


def test_typed_tags_are_text() -> None:
    assert [tag.label for tag in toml("date = 2026-02-11\ntags = [2026, 1.5, 'a']").tags] == [
        "2026",
        "1.5",
        "a",
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("author: Jane Doe", [Author("Jane Doe", "jane-doe")]),
        ("byline: Jane Doe <jane@example.org>", [Author("Jane Doe", "jane-doe", email="jane@example.org")]),
        ("author: Jane, Ed Poe and Al", [JANE, Author("Ed Poe", "ed-poe"), Author("Al", "al")]),
        (
            "authors: ['Doe, Jane', Sea and Sky]",
            [Author("Doe, Jane", "doe-jane"), Author("Sea and Sky", "sea-and-sky")],
        ),
        (
            "creator: {name: Jane, email: j@example.org, uri: /j}",
            [Author("Jane", "jane", "j@example.org", "/j")],
        ),
        (
            "authors: [{name: Jane, url: 'https://example.org/'}, jane]",
            [replace(JANE, url="https://example.org/")],
        ),
        (
            "author: Jane <https://example.org/jane>",
            [Author("Jane", "jane", None, "https://example.org/jane")],
        ),
        ("author: Anders Sandberg", [Author("Anders Sandberg", "anders-sandberg")]),
    ],
)
def test_authors_are_read_from_bylines_and_mappings(written: str, expected: list[Author]) -> None:
    assert list(article(written).authors) == expected


def test_contributors_are_read_as_authors_are() -> None:
    made = article("author: Jane", "contributors: Ed Poe <ed@example.org> and Al")
    assert made.authors == (JANE,)
    assert made.contributors == (Author("Ed Poe", "ed-poe", email="ed@example.org"), Author("Al", "al"))
    assert [one.name for one in article("contributor: {name: Al}").contributors] == ["Al"]


def test_source_is_a_name_or_a_mapping_with_one() -> None:
    assert article("source: Northwire").source == Term("Northwire", "northwire")
    assert article("credit: {name: Northwire, url: x}").source == Term("Northwire", "northwire")
    assert article().source is None


# Media


def test_images_come_in_every_shape() -> None:
    assert article("image: /media/a.JPG?w=1").images == (Image("/media/a.JPG?w=1", "image/jpeg"),)
    assert article("images: [a.png, b, '']").images == (Image("a.png", "image/png"), Image("b"))
    cover = "cover: {image: a b.webp, alt: Al, title: Cap, credit: Cr, relative: true}"
    assert article(cover).images == (Image("a%20b.webp", "image/webp", alt="Al", caption="Cap", credit="Cr"),)
    full = "images: [{src: a, type: Image/PNG, width: 640, height: '480', may_syndicate: no}]"
    assert article(full).images == (Image("a", "image/png", 640, 480, may_syndicate=False),)
    assert article("cover: {image: '', alt: x}").images == ()
    for cover in ("cover: {relative: false, hidden: true}", 'featured_image: {uid: x, alt: ""}'):
        assert article(cover).images == ()


def test_enclosures_come_in_every_shape() -> None:
    assert article("audio: /a.mp3").enclosures == (Enclosure("/a.mp3", "audio/mpeg"),)
    assert article("podcast: {url: a, length: 12}").enclosures == (
        Enclosure("a", "application/octet-stream", 12),
    )
    listed = "enclosures: [{url: a.pdf, size_in_bytes: 5}, {url: b, mime_type: video/mp4}]"
    assert article(listed).enclosures == (
        Enclosure("a.pdf", "application/pdf", 5),
        Enclosure("b", "video/mp4"),
    )


# Text


def test_lines_are_collapsed_and_texts_are_stripped() -> None:
    made = article(
        'dateline: "  PORT\\n ELLERY "', 'summary: " One.\\n\\nTwo. "', "rights: ' © us '", "lang: en_GB"
    )
    assert (made.dateline, made.summary, made.rights, made.language) == (
        "PORT ELLERY",
        "One.\n\nTwo.",
        "© us",
        "en-GB",
    )


def test_a_heading_is_the_title_if_there_is_no_other() -> None:
    made = parse("a.md", b"---\ndate: 2026-02-11\n---\n\n# Night *boats* #\n\nText.\n", RULES)
    assert isinstance(made, Loaded)
    assert (made.article.title, made.article.body) == ("Night *boats*", "Text.")
    assert article(body="# Head\n\nText").body == "# Head\n\nText"


def test_a_story_may_lack_a_title_or_a_body_but_not_both() -> None:
    untitled = parse("a.md", b"---\ndate: 2026-02-11\n---\nText", RULES)
    assert isinstance(untitled, Loaded)
    assert untitled.article.title == ""
    assert article(body="").body == ""
    made = parse("a.md", b"---\ndate: 2026-02-11\n---\n \n", RULES)
    assert isinstance(made, Rejected)
    assert made.reason.startswith("no title and no body")


def test_an_indented_first_line_stays_code() -> None:
    assert article(body="\n \n    code\n\n").body == "    code"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("url: https://example.org/a?b#c", "https://example.org/a?b#c"),
        ("permalink: /world/a/", "/world/a/"),
        ("link: world/a", "/world/a"),
        ("canonical_url: HTTP://example.org", "HTTP://example.org"),
        ("slug: a", None),
    ],
)
def test_urls_are_absolute_or_paths(written: str, url: str | None) -> None:
    assert article(written).url == url


def test_the_original_of_agency_copy_is_an_absolute_url() -> None:
    for key in ("original", "original_url", "external_url", "sourceURL"):
        assert article(f"{key}: https://wire.example/1").original == "https://wire.example/1"
    assert article("original: true").original is None


@pytest.mark.parametrize(
    ("keys", "comments"),
    [
        (["comments: https://example.org/a#comments"], "https://example.org/a#comments"),
        (["comments: /a/comments"], "/a/comments"),
        (["comments: true", "comments_url: /a"], "/a"),
        (["comments_link: HTTP://example.org/a"], "HTTP://example.org/a"),
        (["comments: true"], None),
        (["comments: no"], None),
        (["comments: {provider: giscus}"], None),
        (["comments: [a]"], None),
        (["comments: closed"], None),
    ],
)
def test_comments_are_a_page_or_a_setting_that_feeds_need_not_know(keys: list[str], comments: str) -> None:
    assert article(*keys).comments == comments


# Plain text


@pytest.mark.parametrize(
    ("written", "plain_title"),
    [
        ("<em>Night</em> boats", "Night boats"),
        ("H<sub>2</sub>O", "H2O"),
        ("Boats<br/>at night", "Boats at night"),
        ("<span class=x data-a='b'>Boats</span>", "Boats"),
        ("<script>x()</script>Boats <!-- draft -->", "Boats"),
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;T", "AT&amp;T"),
        ("AT&T", "AT&T"),
        ("It&#8217;s &#x201C;on&rdquo;", "It’s “on”"),
        ("&lt;em&gt; explained", "<em> explained"),
        ("a < b and b > c", "a < b and b > c"),
        ("a <b and c> d", "a <b and c> d"),
        ("<3 <jane@example.org> <unknown>", "<3 <jane@example.org> <unknown>"),
        ("?a=1&copy=2&unknown;", "?a=1&copy=2&unknown;"),
        ("*Night* `boats` _sail_", "*Night* `boats` _sail_"),
        ("a&nbsp;&#10; b&#x0B;&#xFFFE;", "a b"),
    ],
)
def test_titles_are_plain_text_unescaped_once(written: str, plain_title: str) -> None:
    made = parse("a.json", json.dumps({"title": written, "date": "2026-02-11", "body": "x"}).encode(), RULES)
    assert isinstance(made, Loaded)
    assert made.article.title == plain_title
    headed = parse("a.md", f"---\ndate: 2026-02-11\n---\n# {written}\n".encode(), RULES)
    assert isinstance(headed, Loaded)
    assert headed.article.title == plain_title


def test_every_text_that_people_read_is_plain() -> None:
    made = article(
        *("dateline: <b>R&amp;D</b>", "summary: '<p>R&amp;D</p> <p>x</p>'", "correction: <i>R&amp;D</i>"),
        *("rights: '&copy; R&amp;D'", "section: <i>R&amp;D</i>/<b>x</b>", "source: R&amp;D"),
        *("tags: R&amp;D; <b>x</b>", "author: M&uuml;ller &amp; Co, <b>Jane</b>", "categories: [R&amp;D]"),
        "images: [{url: '/a&amp;b', alt: <b>R&amp;D</b>, caption: R&amp;D, credit: R&amp;D}]",
    )
    assert (made.dateline, made.correction, made.rights) == ("R&D", "R&D", "© R&D")
    assert made.summary.split() == ["R&D", "x"]
    assert (made.section, made.section_labels) == ("r-d/x", ("R&D", "X"))
    assert made.source == Term("R&D", "r-d")
    assert [tag.label for tag in made.tags] == ["R&D", "x"]
    assert [one.name for one in made.authors] == ["Müller & Co", "Jane"]
    image = made.images[0]
    assert (image.url, image.alt, image.caption, image.credit) == ("/a&amp;b", "R&D", "R&D", "R&D")


def test_a_name_of_tags_alone_is_none() -> None:
    made = article("author: [<b></b>, Jane]", "source: <br>", "tags: [<i></i>]")
    assert (made.authors, made.source, made.tags) == ((JANE,), None, ())


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="<>/&;#xabi=' \"amp12"))
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    assert plain(escaped(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 0x110000).map(lambda code: f"&#{code};&#x{code:x};"))
def test_no_reference_brings_in_what_xml_forbids(text: str) -> None:
    assert not ILLEGAL.search(plain(text))


@pytest.mark.parametrize(
    "piece", ["<a ", '<a x="', "<!--", "&#", "<script>", "<b" + " " * 50, "<i a='<i a=\""]
)
def test_a_long_odd_summary_takes_no_long_time(piece: str) -> None:
    started = time.process_time()
    plain(piece * 100_000)
    assert time.process_time() - started < 2


# What is refused


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("url: javascript:alert(1)", "url: 'javascript:alert(1)' is not a web address"),
        ("url: mailto:a@example.org", "is not a web address"),
        ("url: /a b", "is not a web address"),
        ("url: //other.example.org/a", "is not a web address"),
        ("url: http://[", "is not a web address"),
        ("url: 'https:///a'", "is not a web address"),
        ("image: javascript:x", "is not a web address"),
        ("original: /a", "original: '/a' is not a web address; write https://…"),
        ("external_url: ftp://example.org/a", "is not a web address"),
        ("comments: http://[", "is not a web address"),
        ("withdrawn: 2026-13-45", "withdrawn: '2026-13-45' is not a date; write 2026-02-11"),
        ("enclosures: [{title: x}]", "enclosures[1]: has no url"),
        ("images: [{url: a, width: wide}]", "images[1].width: 'wide' is not a whole number"),
        ("images: [{url: a, type: jpeg}]", "images[1].type: 'jpeg' is not a media type"),
        ("images: [{url: a, syndicate: maybe}]", "images[1].syndicate: 'maybe' is not true or false"),
        ("images: [[a]]", "images[1]: a list is not text"),
        ("enclosure: {url: a, length: -1}", "enclosure.length: '-1' is not a whole number"),
        ("draft: maybe", "draft: 'maybe' is not true or false"),
        ("status: Evergreen", "status: 'Evergreen' is not a status; write draft, published or withdrawn"),
        ("section: [a]", "section: a list is not text"),
        ("Tags: {a: b}", "Tags: a mapping is not text"),
        ("tags: [[a]]", "tags[1]: a list is not text"),
        ("authors: [{email: a@example.org}]", "authors[1]: has no name"),
        ("author: {name: a, email: here}", "author.email: 'here' is not an e-mail address"),
        ("source: {url: a}", "source: has no name"),
        ("lang: English please", "lang: 'English please' is not a language"),
        ("summary: [a]", "summary: a list is not text; write text here"),
        (f"section: {'x' * 400}", "is too long; write at most 300 characters"),
    ],
)
def test_a_key_that_holds_what_it_cannot_is_told_with_its_line(written: str, told: str) -> None:
    found = reason("date: 2026-02-11", written)
    assert found.startswith("story.md:4: ")
    assert told in found


@pytest.mark.parametrize("value", ["true", "[1]", "{a = 1}"])
def test_typed_values_that_are_no_text_are_told(value: str) -> None:
    made = parse("a.md", f"+++\ndate = 2026-02-11\ntitle = {value}\n+++\nx".encode(), RULES)
    assert isinstance(made, Rejected)
    assert (made.line, "is not text" in made.reason) == (3, True)


def test_the_line_of_a_key_is_not_mistaken_for_a_nested_one() -> None:
    made = parse("a.md", b"---\nparams:\n  date: 2026\ntitle: T\ndate: soon\n---\nx", RULES)
    assert isinstance(made, Rejected)
    assert made.line == 5


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('{"title": "T",\n "x": 1, "date": "soon"}', "a.json", 2),
        ("+++\ntitle = 'T'\ndate = 2026-02-11\n[audio]\ntitle = 'x'\n+++\n", "a.md", 4),
        ("Title: T\nDATE: soon\n\nText", "a.md", 2),
        (
            '<html><head>\n<title>T</title>\n<meta name="date" content="soon">\n</head><body>x</body>',
            "a.html",
            3,
        ),
    ],
)
def test_lines_are_found_in_every_format(text: str, path: str, line: int) -> None:
    made = parse(path, text.encode(), RULES)
    assert isinstance(made, Rejected)
    assert made.line == line


def test_unknown_keys_are_ignored() -> None:
    assert article("layout: post", "weight: [1, {a: b}]", "toc: true") == article()


def test_articles_are_versioned() -> None:
    made = article()
    assert made.digest == versioned(made).digest != ""
    assert article("summary: other").digest != made.digest


@pytest.mark.parametrize(
    "lines",
    [
        ("embargo: 2026-03-01", "publishDate: 2026-04-01"),
        ("embargo: 2026-04-01", "publishDate: 2026-03-01"),
        ("published: 2026-04-01",),
        ("created: 2026-04-01", "embargo: 2026-02-20"),
    ],
)
def test_of_several_embargoes_the_latest_counts(lines: tuple[str, ...]) -> None:
    assert article(*lines).visible_from == at("2026-03-31T22:00:00+00:00")


def test_an_earlier_date_is_no_embargo() -> None:
    made = article("created: 2025-04-01", "published: true")
    assert made.embargo is None
    assert made.published == article().published


def test_of_several_expiries_the_earliest_counts() -> None:
    lines = ("expires: 2027-02-01", "expiryDate: 2027-01-01", "unpublish_date: 2027-03-01")
    assert article(*lines).expires == at("2026-12-31T23:00:00+00:00")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("status: published", "draft: true"), "draft"),
        (("status: draft", "published: true"), "draft"),
        (("draft: false", "published: false"), "draft"),
        (("status: published", "withdrawn: true"), "withdrawn"),
        (("status: withdrawn", "draft: false", "withdrawn: false"), "withdrawn"),
    ],
)
def test_any_key_that_keeps_a_story_back_wins(lines: tuple[str, ...], status: str) -> None:
    assert article(*lines).status == status


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("11 February 2026", "2026-02-10T23:00:00+00:00"),
        ("Feb 11, 2026", "2026-02-10T23:00:00+00:00"),
        ("Sept. 1 2026", "2026-08-31T22:00:00+00:00"),
        ("2026-02-11 14:00 CET", "2026-02-11T13:00:00+00:00"),
        ("2026-07-11 14:00 CEST", "2026-07-11T12:00:00+00:00"),
    ],
)
def test_dates_in_words_and_with_named_zones_are_read(written: str, instant: str) -> None:
    assert article(date=written).published == at(instant)


@pytest.mark.parametrize("written", ["31 February 2026", "11 Foo 2026", "2026-02-11 14:00 XYZ"])
def test_dates_that_nobody_can_read_are_no_dates(written: str) -> None:
    assert "is not a date" in reason(f"date: {written}")


@pytest.mark.parametrize("written", ["pretty", "date", "/:categories/:title/", "/news/:year.html"])
def test_a_pattern_of_jekylls_is_no_url(written: str) -> None:
    assert article(f"permalink: {written}").url is None
    assert article(f"permalink: {written}", "canonical: /a").url == "/a"


def test_names_with_commas_are_parted_by_semicolons() -> None:
    names = [author.name for author in article("Authors: Doe, Jane; Roe, Al").authors]
    assert names == ["Doe, Jane", "Roe, Al"]


@pytest.mark.parametrize(
    "key", ["tags: ['https://u:secret@h.example/x']", "source: 'https://u:secret@h.example'"]
)
def test_label_with_a_password_is_refused(key: str) -> None:
    assert "secret" not in reason("date: 2026-02-11", key)
