"""Names in the configuration that no story has are told, with the line and the nearest name there is."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from feedsvc.config import file, names, options
from feedsvc.config.schema import Config
from feedsvc.domain import selection
from feedsvc.domain.model import Change, Term, versioned
from feedsvc.domain.names import Named, Names, unknown
from feedsvc.lint import check as checking
from feedsvc.refresh import naming
from feedsvc.refresh.naming import CONDITION, NameCheck
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, conditions
from feedsvc.store import names as known_names
from feedsvc.store.articles import ArticleWrite
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.stories import NOON, article, write_story

CONFIG = """\
[sections.World]
title = "World"
[sections.wrold]
title = "A slip"
[sections.science]
title = "To come"
[tags."Isalmic State"]
title = "A slip"
[authors.jane-do]
title = "A slip"
[sources.retuers]
public = "none"
[sources."Agence France-Presse"]
partners = "none"
[sources.Rueters]
name = "Reuters"
[sources.newswire]
name = "To come"
[sources]
st-john = { public = "summary" }

[custom.top]
include = { sections = ["wrold", "World/Middle East"] }
exclude = { sources = ["retuers", "Reuters"], tags = ["nowhere"] }
[custom.more]
include = ["authors/jane doe", "tags/Isalmic State"]

[partners.acme]
feeds = [
    "all",
    "sections/World",
    "sections/wrold",
    "sections/*",
    "sections/World/*",
    "sections/Wrold/*",
    "tags/Islamic *",
    "tags/Isalmic*",
    "custom/top",
    "custom/t*",
    "custom/x*",
]
exclude = { authors = ["Jane Do"] }
"""
NO_EFFECT = ", so that it has no effect"
OUT = "; mend the name, or take it out"
UNKNOWN = [
    "3: sections.wrold: no story has the section 'wrold'; did you mean 'world'?",
    "7: tags.Isalmic State: no story has the tag 'isalmic-state'; did you mean 'islamic-state'?",
    "9: authors.jane-do: no story has the author 'jane-do'; did you mean 'jane-doe'?",
    f"11: sources.retuers: no story has the source 'retuers'{NO_EFFECT}; did you mean 'reuters'?",
    "15: sources.Rueters: no story has the source 'rueters'; did you mean 'reuters'?",
    f"20: sources.st-john: no story has the source 'st-john'{NO_EFFECT}{OUT}",
    f"23: custom.top.include.sections: no story has the section 'wrold'{NO_EFFECT}; did you mean 'world'?",
    f"24: custom.top.exclude.tags: no story has the tag 'nowhere'{NO_EFFECT}{OUT}",
    f"24: custom.top.exclude.sources: no story has the source 'retuers'{NO_EFFECT}; did you mean 'reuters'?",
    f"26: custom.more.include.tags: no story has the tag 'isalmic-state'{NO_EFFECT};"
    " did you mean 'islamic-state'?",
    f"32: partners.acme.feeds: no story has the section 'wrold'{NO_EFFECT}; did you mean 'world'?",
    f"35: partners.acme.feeds: no section matches 'wrold/*'{NO_EFFECT}; did you mean 'world'?",
    f"37: partners.acme.feeds: no tag matches 'isalmic*'{NO_EFFECT}{OUT}",
    f"40: partners.acme.feeds: no feed matches 'x*'{NO_EFFECT}{OUT}",
    f"42: partners.acme.exclude.authors: no story has the author 'jane-do'{NO_EFFECT};"
    " did you mean 'jane-doe'?",
]


def configured(folder: Path, text: str = CONFIG) -> Config:
    (folder / "config.toml").write_text(text)
    return file.load(folder / "config.toml", {})


def write_stories(root: Path) -> None:
    """Stories of every status: a name is known whoever may see its stories."""
    write_story(root, "a.md", section="World/Middle East", tags="[Islamic State]", source="Reuters")
    write_story(root, "b.md", author="Jane Doe", status="draft")
    write_story(root, "c.md", source="Agence France-Presse", status="withdrawn", reason="Wrong.")


def shown(found: list[str], folder: Path) -> list[str]:
    return sorted(one.removeprefix(f"{folder}/config.toml:") for one in found)


def checked(config: Config, known: frozenset[str] = frozenset()) -> list[str]:
    found = checking.check(
        config.content_root,
        options.load_rules(config),
        options.rules(config),
        names=names.names(config),
        known=known,
    )
    return [f"{one.place}:{one.line}: {one.reason}" for one in found if one.rule == "name-unknown"]


def test_check_names_each_line_and_the_nearest_name(tmp_path: Path) -> None:
    write_stories(tmp_path / "content")
    assert shown(checked(configured(tmp_path)), tmp_path) == sorted(UNKNOWN)


def test_check_says_nothing_where_there_are_no_stories(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    assert checked(configured(tmp_path)) == []


def test_names_of_pushed_stories_are_known_to_check(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    config = configured(tmp_path, '[sources.reuters]\npublic = "none"\n[sources.retuers]\npublic = "none"\n')
    assert shown(checked(config, frozenset({"sources/reuters"})), tmp_path) == [
        f"3: sources.retuers: no story has the source 'retuers'{NO_EFFECT}; did you mean 'reuters'?"
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("sections/World/*", "sections/world/*"),
        ("sections/World/Middle*", "sections/world/middle*"),
        ("tags/Middle *", "tags/middle-*"),
        ("tags/*East", "tags/*east"),
        ("tags/* East", "tags/*-east"),
        ("sections/World News", "sections/world-news"),
        ("authors/Jane Doe", "authors/jane-doe"),
        ("custom/top", "custom/top"),
        ("*", "*"),
    ],
)
def test_feed_keys_are_read_in_any_case(written: str, key: str) -> None:
    assert options.feed_key(written) == key


def test_line_of_a_setting_is_found_however_toml_has_it() -> None:
    text = (
        '[ sources . "St. John" ]\nname = "x"\n[sources]\n"Agence \\"X\\"".public = "none"\n'
        "a.b = 1\n[[c]]\nd = 2\n"
    )
    assert file.line_of(text, ("sources", "St. John")) == 1
    assert file.line_of(text, ("sources", 'Agence "X"', "public")) == 4
    assert file.line_of(text, ("sources", 'Agence "X"')) == 4
    assert file.line_of(text, ("c", "d")) == 7
    assert file.line_of("", ("a",), "b") == 1


def test_title_of_a_section_to_come_is_no_finding() -> None:
    used = Named("sections/science", "sections.science", "config.toml", 1, is_right=False)
    assert unknown([used], {"sections/world"}, Names()) == []
    assert unknown([used._replace(is_right=True)], {"sections/world"}, Names())[0].nearest == ""
    assert unknown([used], {"sections/sience"}, Names())[0].nearest == "sience"


def test_names_stay_known_when_their_stories_are_gone(store: Store) -> None:
    story = versioned(article("a", section="World/Europe", tags=["Syria"], authors=["Jane Doe"]))
    agency = article("b", source=Term("Reuters", "reuters"), status="draft")
    expected = {
        "sections/world",
        "sections/world/europe",
        "tags/syria",
        "authors/jane-doe",
        "sources/reuters",
    }
    with store.write() as tx:
        for change in (Change(None, story), Change(None, agency), Change(story, None), Change(agency, None)):
            new = selection.placed(change.new) if change.new else None
            articles.apply(tx, [ArticleWrite(change.article_id, new, selection.affected(change))], NOON)
    with store.read() as connection:
        assert known_names.beginning(connection, "") == expected
        assert known_names.beginning(connection, "tags/") == {"tags/syria"}
        assert known_names.known(connection, ["tags/syria", "tags/nobody"]) == {"tags/syria"}


@pytest.fixture
def refreshed(
    tmp_path: Path, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[tuple[str, str]]]:
    """Scans and refreshes with a configuration; the condition that stands then, and what was logged."""
    warnings = structlog.make_filtering_bound_logger(logging.WARNING)
    monkeypatch.setattr(naming, "log", structlog.wrap_logger(None, wrapper_class=warnings))
    config = configured(tmp_path)
    (tmp_path / "content").mkdir()
    refresher = Refresher(
        store,
        config.content_root,
        options.load_rules(config),
        options.rules(config),
        clock=clock,
        names=names.names(config),
    )
    refresher.prepare()

    def refresh() -> list[tuple[str, str]]:
        refresher.scan()
        with capture_logs() as logs:
            refresher.refresh()
        with store.read() as connection:
            standing = [one.detail for one in conditions.current(connection) if one.name == CONDITION]
        warned = [
            f"{one['file']}:{one['line']}: {one['reason']}" for one in logs if one["event"] == "name_unknown"
        ]
        return [("status", one) for one in standing] + [("log", one) for one in warned]

    return refresh


def test_unknown_names_are_told_once_after_the_first_load(
    refreshed: Callable[[], list[tuple[str, str]]], tmp_path: Path
) -> None:
    assert refreshed() == []
    write_stories(tmp_path / "content")
    told = refreshed()
    assert shown([text for where, text in told if where == "log"], tmp_path) == sorted(UNKNOWN)
    assert [where for where, _ in told].count("status") == 1
    assert "sources.retuers" in told[0][1]
    assert [where for where, _ in refreshed()] == ["status"]


def test_condition_ends_when_the_name_is_mended(store: Store, clock: Clock) -> None:
    wrong = Names((Named("sources/retuers", "sources.retuers", "config.toml", 1, is_right=True),))
    right = Names((Named("sources/reuters", "sources.reuters", "config.toml", 1, is_right=True),))

    def standing() -> list[str]:
        with store.read() as connection:
            return [one.name for one in conditions.current(connection)]

    with store.write() as tx:
        story = versioned(article(source=Term("Reuters", "reuters")))
        articles.apply(tx, [ArticleWrite(story.id, selection.placed(story), ["all"])], NOON)
    NameCheck(wrong).look(store, clock())
    assert standing() == [CONDITION]
    NameCheck(right).look(store, clock())
    assert standing() == []


def test_condition_ends_when_a_story_brings_the_name(store: Store, clock: Clock) -> None:
    check = NameCheck(Names((Named("sections/sport", "custom.top.exclude.sections", "c", 1, is_right=True),)))
    for section, stands in (("World", True), ("World", True), ("Sport", False), ("World", False)):
        with store.write() as tx:
            story = article(section, section=section)
            articles.apply(tx, [ArticleWrite(story.id, selection.placed(story), ["all"])], NOON)
        check.look(store, clock())
        with store.read() as connection:
            assert bool(conditions.current(connection)) == stands


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("Europe", {"sections/world/europe"}, "world/europe"),
        ("eurpe", {"sections/world", "sections/world/europe"}, "world/europe"),
        ("Europes", {"sections/europe", "sections/world/europe"}, "europe"),
        ("technology/europe", {"sections/world/europe"}, ""),
        ("Asia", {"sections/world/europe"}, ""),
    ],
)
def test_section_within_another_is_found_by_its_own_name(name: str, known: set[str], nearest: str) -> None:
    used = Named(f"sections/{name}", "custom.top.exclude.sections", "config.toml", 1, is_right=True)
    assert [one.nearest for one in unknown([used], known, Names())] == [nearest]
