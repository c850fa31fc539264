"""Keys that may hold a story back, where they are not read: within tables, and below the front matter."""

import pytest

from feedsvc.domain.model import Loaded, Rejected
from feedsvc.loading.story_file import parse
from tests.loading.test_held_back import RULES, is_out, read

MISPLACED = [
    ("author: {name: Jane, embargo: 2099-01-01}", "author.embargo"),
    ("authors: [{name: Jane}, {name: Joe, embargo: 2099-01-01}]", "authors[2].embargo"),
    ("author: {name: Jane, embagro: 2099-01-01}", "author.embagro"),
    ("author: {name: Jane, draft: true}", "author.draft"),
    ("author: {name: Jane, draf: true}", "author.draf"),
    ("author: {name: Jane, published: false}", "author.published"),
    ("source: {name: Northwire, access: internal}", "source.access"),
    ("source: {name: Northwire, acces: internal}", "source.acces"),
    ("source: {name: Northwire, expires: 2025-01-01}", "source.expires"),
    ("source: {name: Northwire, syndication: none}", "source.syndication"),
    ("params: {deep: {embargo: 2099-01-01}}", "params.deep.embargo"),
    ("params: {deep: {er: {status: draft}}}", "params.deep.er.status"),
    ("taxonomies: {tags: [a], draft: true}", "taxonomies.draft"),
    ("custom: {draft: true}", "custom.draft"),
    ("page: {status: draft}", "page.status"),
    ("desk: {status: draft}", "desk.status"),
    ("desk: {access: members}", "desk.access"),
    ("options: {embargo: 2099-01-01}", "options.embargo"),
    ("gate: {hold_until: 2099-01-01}", "gate.hold_until"),
    ("document: {withdrawn: libel}", "document.withdrawn"),
    ("data: {embargo: 20990101}", "data.embargo"),
    ("whatever: {embargo: until Monday}", "whatever.embargo"),
    ("whatever: {drafft: yes}", "whatever.drafft"),
    ("whatever: [{embargo: 2099-01-01}]", "whatever[1].embargo"),
    ("schedule: {publish: 2099-01-01}", "schedule.publish"),
    ("schedule: {from: 2099-01-01 10:00}", "schedule.from"),
    ("schedule: {publish_at: 01/02/2099}", "schedule.publish_at"),
    ("publishing: {date: 2099-01-01}", "publishing.date"),
    ("cms: {schedule: {at: 4070908800}}", "cms.schedule.at"),
]


@pytest.mark.parametrize(("key", "place"), MISPLACED, ids=[key for key, _ in MISPLACED])
def test_restricting_key_within_a_table_sets_aside(key: str, place: str) -> None:
    made = read(key)
    assert isinstance(made, Rejected), made
    assert (made.rule, made.line) == ("key-misplaced", 4)
    assert f"{place}: " in made.reason


def test_misplaced_key_is_told_with_its_own_line() -> None:
    made = read("author:", "  name: Jane", "  embargo: 2099-01-01")
    assert isinstance(made, Rejected)
    assert made.line == 6


NOT_OF_THE_STORY = [
    *("author: {name: Jane, url: https://example.org}", "authors: [{name: Jane, role: staff}]"),
    *("authors: [{name: Jane, status: inactive}]", "primary_author: {name: Jane, status: inactive}"),
    *("author: {name: Jane, draft: false, embargo: none, status: active}", "event: {start: 2099-01-01}"),
    *("project: {status: archived}", "repository: {access: private}", "offer: {expires: 2025-01-01}"),
    *("projects: [{name: A, status: draft, draft: true}]", "candidates: [{name: A, withdrawn: true}]"),
    *("sidebar: {hidden: true}", "math: {enable: false}", "translations: {fr: {published: false}}"),
    *("schedule: {interval: weekly}", "schedule: {from: 2015-01-01}", "publication: {name: The Daily}"),
    *("release: {version: 2099.1, status: archived}", "venue: {state: D.C.}", "extra: {status: accepted}"),
    *(
        "player: {draft: Round 1}",
        "player: {draft: 2015}",
        "tags: [a, b]",
        "countries: [{embargoed_goods: x}]",
        "taxonomies: {tags: [a]}",
    ),
    *("draft: false\ndefaults: {draft: true}", "feed: {title: A}", "resources: [{src: a.jpg, title: B}]"),
]


@pytest.mark.parametrize("key", NOT_OF_THE_STORY)
def test_key_of_another_thing_within_a_table_lets_the_story_out(key: str) -> None:
    assert is_out(read(key)), read(key)


BELOW = [
    ("---\ndraft: true\n---\nText.", 5, False),
    ("\n---\nembargo: until Monday\n---\nText.", 6, False),
    ("---\ndraft: true\n\nText.", 5, False),
    ("draft: true\n\nText.", 4, False),
    ("draft: true\nText.", 4, False),
    ("tags: [a]\ndraft: true\n---\nText.", 5, False),
    ("embagro: 2099-01-01\n\nText.", 4, False),
    ("access: members\n\nText.", 4, False),
    ("draft = true\n\nText.", 4, False),
    ("---\n\nText.\n\n---\n\nMore.", 0, True),
    ("Embargo: the word of the year\n\nText.", 0, True),
    ("Published: 2015-01-01\n\nText.", 0, True),
    ("\nStatus: draft\n\nText.", 0, True),
    ("Access: by road only.\n\nText.", 0, True),
    ("title: T\ndate: 2015-01-01\n---\nText.", 0, True),
    ("Text: draft\n---\nText.", 0, True),
]
"""What stands below front matter, the line that is told less one, and whether the story goes out."""


@pytest.mark.parametrize(("body", "line", "out"), BELOW)
@pytest.mark.parametrize("fence", ["---", "+++"])
def test_key_below_the_closing_line_sets_aside(body: str, line: int, out: bool, fence: str) -> None:
    pairs = "title: T\ndate: 2026-02-11" if fence == "---" else 'title = "T"\ndate = 2026-02-11'
    made = parse("story.md", f"{fence}\n{pairs}\n{fence}\n{body}\n".encode(), RULES)
    assert is_out(made) is out, made
    if isinstance(made, Rejected):
        assert (made.rule, made.line) == ("key-unknown", line + 1)


def test_key_below_json_front_matter_sets_aside() -> None:
    made = parse("story.md", b'{"title": "T", "date": "2026-02-11"}\ndraft: true\n\nText.\n', RULES)
    assert isinstance(made, Rejected)
    assert (made.rule, made.line) == ("key-unknown", 2)


@pytest.mark.parametrize("key", ["syndication: none", "syndicate: false", "may_syndicate: false"])
def test_picture_that_may_not_be_syndicated_stays_so(key: str) -> None:
    made = read(f"image: {{url: /a.jpg, {key}}}")
    assert isinstance(made, Loaded)
    assert [image.may_syndicate for image in made.article.images] == [False]
