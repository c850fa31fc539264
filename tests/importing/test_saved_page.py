import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedsvc.domain.model import Loaded, Term
from feedsvc.html.sanitize import to_html, to_text
from feedsvc.importing.saved_page import Block, Page, read_page, to_story
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.story_file import parse
from feedsvc.util.errors import PageRefused

PAGE = """Monday 3 August 2026
\u00a0
»
\u00a0
»
Story

Harbour towns agree on night-time pilot boats

PORT ELLERY, March 4, 2025

Four harbour towns will share pilot boats at night from next month, officials said on Tuesday.

"We tried it last winter, and it worked," said the harbour master - a former pilot. - Northwire

COSTS, CREWS

Each town pays by the tonne, and crews are hired for a year at a time. -

The first boats sail on April 1. - Northwire




Tags: Harbours | Night Work |

More COASTAL NEWS Stories

calendarCalendar of Events

Ads"""


def page(*lines: str) -> str:
    return "\n\n".join(lines)


def paragraphs(found: Page) -> list[str]:
    return [block.text for block in found.blocks if not block.is_heading]


def test_a_saved_page_gives_every_part() -> None:
    found = read_page(PAGE)
    assert found.title == "Harbour towns agree on night-time pilot boats"
    assert found.dateline == "PORT ELLERY"
    assert found.published == date(2025, 3, 4)
    assert found.section == "Coastal"
    assert found.tags == ("Harbours", "Night Work")
    assert found.source == "Northwire"
    assert found.missing == ()
    assert found.blocks == (
        Block(
            "Four harbour towns will share pilot boats at night from next month, officials said on Tuesday."
        ),
        Block('"We tried it last winter, and it worked," said the harbour master - a former pilot.'),
        Block("COSTS, CREWS", is_heading=True),
        Block("Each town pays by the tonne, and crews are hired for a year at a time."),
        Block("The first boats sail on April 1."),
    )


def test_the_story_made_of_a_page_loads() -> None:
    path, text = to_story(read_page(PAGE))
    assert path == "coastal/2025-03-04-harbour-towns-agree-on-night-time-pilot-boats.md"
    loaded = parse(path, text.encode(), LoadRules())
    assert isinstance(loaded, Loaded)
    article = loaded.article
    assert article.id == path.removesuffix(".md")
    assert article.title == "Harbour towns agree on night-time pilot boats"
    assert article.published.date() == date(2025, 3, 4)
    assert (article.section, article.section_labels) == ("coastal", ("Coastal",))
    assert article.tags == (Term("Harbours", "harbours"), Term("Night Work", "night-work"))
    assert article.source == Term("Northwire", "northwire")
    assert article.dateline == "PORT ELLERY"
    assert "<h2>COSTS, CREWS</h2>" in to_html(article.body, article.markup, "https://news.example.org/a")
    assert loaded.notes == ()


def test_importing_again_gives_the_same_bytes_at_the_same_place() -> None:
    assert to_story(read_page(PAGE)) == to_story(read_page(PAGE.replace("\n", "\r\n")))
    assert to_story(read_page(PAGE)) == to_story(read_page(PAGE.replace("Monday 3", "Sunday 9")))


def test_the_real_page_gives_what_was_asked() -> None:
    sample = Path(__file__).parents[3] / "shared" / "samples" / "news-page.txt"
    if not sample.exists():
        pytest.skip("the sample page is not kept in this repository")
    found = read_page(sample.read_text(encoding="utf-8"))
    assert (found.dateline, found.published) == ("BRUSSELS", date(2016, 2, 11))
    assert (found.section, found.tags, found.source) == (
        "International",
        ("Syria", "Islamic State"),
        "Reuters",
    )
    assert [block.text for block in found.blocks if block.is_heading] == ["WARPLANES, TRAINING"]
    assert len(paragraphs(found)) == 14
    assert not any(text.endswith(("-", "Reuters")) for text in paragraphs(found))
    assert found.missing == ()


def test_what_a_page_lacks_is_named_and_left_out_of_the_story() -> None:
    found = read_page(page("A headline", "A paragraph of the story."))
    assert found.missing == ("tags", "section", "source", "dateline", "date")
    path, text = to_story(found)
    assert path == "a-headline.md"
    assert text == "---\nid: a-headline\ntitle: A headline\n---\n\nA paragraph of the story.\n"


@pytest.mark.parametrize(
    "text", ["", "\n \n", "Monday 3 August 2026\n»\nStory\n", "Tags: A |\n\nMore A Stories"]
)
def test_a_page_without_a_headline_is_refused(text: str) -> None:
    with pytest.raises(PageRefused, match="headline"):
        read_page(text)


def test_a_dateline_is_no_headline() -> None:
    with pytest.raises(PageRefused, match="headline"):
        read_page(page("Story", "PORT ELLERY, March 4, 2025", "A paragraph of the story."))


@pytest.mark.parametrize(
    "rest", ["", "PORT ELLERY, March 4, 2025", "ONE, TWO\n\nTHREE", "- Northwire", "Tags: A |"]
)
def test_a_page_without_a_body_is_refused(rest: str) -> None:
    with pytest.raises(PageRefused, match="body"):
        read_page(page("A headline", rest))


@pytest.mark.parametrize(
    ("line", "dateline", "published"),
    [
        ("NEW ELLERY, Feb 3, 2016", "NEW ELLERY", date(2016, 2, 3)),
        ("ELLERY/SANDFORD, September 30, 2016", "ELLERY/SANDFORD", date(2016, 9, 30)),
        ("ELLERY, Sept. 3rd 2016", "ELLERY", date(2016, 9, 3)),
        ("Port Ellery, 3 March 2016", "Port Ellery", date(2016, 3, 3)),
        ("March 4, 2025", "", date(2025, 3, 4)),
        ("PORT ELLERY", "PORT ELLERY", None),
        ("PORT ELLERY, Marchember 4, 2025", "PORT ELLERY", None),
        ("PORT ELLERY, February 31, 2025", "PORT ELLERY", None),
    ],
)
def test_datelines_are_taken_as_far_as_they_can_be_read(
    line: str, dateline: str, published: date | None
) -> None:
    found = read_page(page("A headline", line, "A paragraph of the story."))
    assert (found.dateline, found.published) == (dateline, published)
    assert paragraphs(found) == ["A paragraph of the story."]


def test_a_short_sentence_that_ends_in_a_date_stays_in_the_body() -> None:
    found = read_page(page("Vote set for March 3, 2026", "They meet on March 3, 2026.", "More is to come."))
    assert found.title == "Vote set for March 3, 2026"
    assert paragraphs(found) == ["They meet on March 3, 2026.", "More is to come."]
    assert "dateline" in found.missing


@pytest.mark.parametrize(
    ("end", "source"),
    [
        (" - Northwire", "Northwire"),
        (" – AFP", "AFP"),
        (" -Agencies", "Agencies"),
        ("-Agencies", "Agencies"),
        (" -- Northwire/Coast Desk", "Northwire/Coast Desk"),
        (" - AFP & Northwire", "AFP & Northwire"),
        (" - Agence Nord-Ouest", "Agence Nord-Ouest"),
        (" -", ""),
        (" –", ""),
        ("", ""),
    ],
)
def test_credits_leave_the_text_and_name_the_source(end: str, source: str) -> None:
    found = read_page(page("A headline", f"The boats sail on Monday.{end}"))
    assert paragraphs(found) == ["The boats sail on Monday."]
    assert found.source == source


@pytest.mark.parametrize(
    "text",
    [
        "The plan was called off - again",
        "The plan was called off - Again and for good this time",
        "It was signed in Port-Ellery",
        "The campaign is anti-IS",
        "The plan was called off - Northwire said so.",
        "They met in the town hall - Ellery",
    ],
)
def test_text_with_a_dash_is_not_cut(text: str) -> None:
    assert paragraphs(read_page(page("A headline", text))) == [text]


def test_the_agency_named_most_often_is_the_source() -> None:
    found = read_page(page("A headline", "One. - AFP", "Two. - Northwire", "Three. - Northwire"))
    assert found.source == "Northwire"
    assert read_page(page("A headline", "One. - AFP", "Two. - Northwire")).source == "AFP"


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("More COASTAL NEWS Stories", "Coastal"),
        ("More NEWS Stories", "News"),
        ("More MIDDLE COAST Stories", "Middle Coast"),
        ("More ARTS & WOMEN'S SPORT Stories", "Arts & Women's Sport"),
        ("More Science in Depth Stories", "Science in Depth"),
    ],
)
def test_section_labels_are_readable(line: str, section: str) -> None:
    assert read_page(page("A headline", "Text.", line)).section == section


def test_furniture_below_the_story_is_dropped() -> None:
    found = read_page(
        page("A headline", "Text.", "Ads", "Buy this", "calendarCalendar of Events", "Tags: A | A |")
    )
    assert paragraphs(found) == ["Text."]
    assert found.tags == ("A",)


def test_wrapped_lines_are_one_paragraph_and_long_ones_are_several() -> None:
    assert paragraphs(read_page("Title\n\nOne line\nand the next.\n\nAnother.")) == [
        "One line and the next.",
        "Another.",
    ]
    long = "A sentence that goes on and on. " * 8
    assert len(paragraphs(read_page(f"Title\n\n{long}\n{long}"))) == 2


@pytest.mark.parametrize(
    "title", ["2026", "no", "a: b # c", "\"Quoted\" & 'so'", "- dash", "null", "漢字の見出し", "@x"]
)
def test_any_headline_survives_the_front_matter(title: str) -> None:
    path, text = to_story(read_page(page(title, "ELLERY, March 4, 2025", "Text.")))
    loaded = parse(path, text.encode(), LoadRules())
    assert isinstance(loaded, Loaded)
    assert loaded.article.title == title


def test_file_names_stay_within_what_file_systems_hold() -> None:
    path, _ = to_story(read_page(page("語" * 200, "ELLERY, March 4, 2025", "Text.")))
    assert len(path.encode()) < 230
    path, _ = to_story(read_page(page("word " * 40, "Text.")))
    assert len(path) <= 84
    assert path.endswith("-word.md")


MARKUP = st.text(alphabet="ab1. #*_`<>&;[]()!~|\\-+=:\"'^$amplt", min_size=1, max_size=30)
TEXTS = (MARKUP | st.text(min_size=1, max_size=30)).map(
    lambda text: " ".join(re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "", text).split())
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(TEXTS.filter(bool), st.booleans()), min_size=1, max_size=4))
@example([("A #", True), ("# B ##", True), ("1. C", False), ("&lt; D", False), ("[^1]: E", False)])
def test_accidental_markup_in_a_page_stays_text(texts: list[tuple[str, bool]]) -> None:
    blocks = tuple(Block(text, heading) for text, heading in texts)
    _, story = to_story(Page("T", "", None, blocks, "", (), "", ()))
    body = story.split("---\n", 2)[2]
    html = to_html(body, "markdown", "https://news.example.org/a")
    assert html.count("<p>") + html.count("<h2>") == len(blocks)
    assert to_text(html) == " ".join(text for text, _ in texts)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text() | st.sampled_from(PAGE.splitlines()), max_size=12).map("\n".join))
def test_any_text_is_a_page_that_loads_or_is_refused(text: str) -> None:
    try:
        found = read_page(text)
    except PageRefused:
        return
    path, story = to_story(found)
    loaded = parse(path, story.encode(), LoadRules())
    if found.published:
        assert isinstance(loaded, Loaded)
        assert loaded.article.id == path.removesuffix(".md")


def test_what_looks_like_markup_in_a_page_comes_through_as_printed() -> None:
    tags = "Tags: R&amp;D | a < b |"
    printed = page("Why <em> is not <i>", "PORT ELLERY, March 4, 2025", "Text.", tags)
    path, text = to_story(read_page(printed))
    loaded = parse(path, text.encode(), LoadRules())
    assert isinstance(loaded, Loaded)
    assert loaded.article.title == "Why <em> is not <i>"
    assert [tag.label for tag in loaded.article.tags] == ["R&amp;D", "a < b"]
