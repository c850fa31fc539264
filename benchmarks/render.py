"""`render`: a feed of 50 stories, 49 of them known and one new, spliced, and built in one piece by others.

Knows feedsvc's renderers from inside, as its tests do.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from benchmarks import corpus
from benchmarks.archives import Archives
from benchmarks.measuring import median
from benchmarks.results import Section, Table, Target
from benchmarks.scale import Scale
from feedsvc.domain.model import Feed, FeedSettings, Format, Loaded, Site
from feedsvc.domain.selection import PUBLIC, Rules, build
from feedsvc.loading.story_file import LoadRules, parse
from feedsvc.render import atom, rss
from feedsvc.render.feed import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.render.story import Story, story

_ENTRIES = 50
_WINDOWS = 40
"""Feeds rendered in a round: each is the one before with a new story at its head and the oldest gone."""
_CACHE_BYTES = 64_000_000
_LATER = datetime(2100, 1, 1, tzinfo=UTC)
_SITE = Site(
    name="The Daily Example",
    url="https://news.example.org",
    language="en",
    authority="news.example.org,2026",
)
_FORMATS: tuple[Format, ...] = ("rss", "atom")
_NAMES = {"rss": "RSS", "atom": "Atom"}
_FEEDGEN = "feedgen, in one piece"
_STORIES_TOLD = "the same, its stories converted to HTML before"
_SPLICED = "feedsvc, 49 of 50 known"
_ALL_KNOWN = "feedsvc, all 50 known"


@dataclass(frozen=True, slots=True)
class _Window:
    """A feed, and its stories as feeds tell them: HTML made, which only feedsvc is charged for."""

    feed: Feed
    stories: tuple[Story, ...]


def run(scale: Scale, _archives: Archives) -> Section:
    """Render every window with each renderer, in each of several rounds."""
    section = Section("render", "one new story into a feed of 50")
    for fmt in _FORMATS:
        medians = _medians(fmt, scale.rounds, section)
        section.tables.append(_table(fmt, medians))
        ratio = medians[_FEEDGEN] / medians[_SPLICED]
        what = f"{_ENTRIES} entries of {_NAMES[fmt]}, 49 known, to feedgen in one piece"
        section.targets.append(Target(what, f"{ratio:.0f} times as fast", "≥ 30 times", ratio >= 30))
    section.how += [
        f"Medians of {scale.rounds} rounds of {_WINDOWS} feeds, each with one story that the one before "
        "had not.",
        "feedgen in one piece is the same code without splicing: from the same articles, the same bytes, as "
        "was checked. It converts 50 stories to HTML where feedsvc converts the new one.",
        "What is said to be converted before is charged for nothing but the elements; Django's too.",
        "Django's feeds have fewer elements: title, link, HTML, author, categories, id and date.",
    ]
    return section


def _medians(fmt: Format, rounds: int, section: Section) -> dict[str, float]:
    """Seconds for a feed, by the name of the renderer."""
    renderers = _renderers(fmt, section)
    taken: dict[str, list[float]] = {name: [] for name in (_SPLICED, _ALL_KNOWN, *renderers)}
    for number in range(rounds):
        first, *later = _windows(fmt, number * (_ENTRIES + _WINDOWS))  # stories that no round before has seen
        _prove(first, fmt)
        for name, make in renderers.items():
            renderer = make()
            renderer(first)  # fills the cache, or whatever else a first time takes
            taken[name].append(median([_seconds(renderer, window) for window in later]))
            if name == _SPLICED:
                taken[_ALL_KNOWN].append(median([_seconds(renderer, window) for window in later]))
    return {name: median(values) for name, values in taken.items()}


def _windows(fmt: Format, start: int) -> list[_Window]:
    plans = corpus.stories(_ENTRIES + _WINDOWS, start=start)
    loaded = [parse(plan.path, plan.text.encode(), LoadRules()) for plan in plans]
    articles = [one.article for one in loaded if isinstance(one, Loaded)]
    rules = Rules(site=_SITE, default=FeedSettings(items=_ENTRIES, formats=(fmt,)))
    windows = []
    for oldest in range(len(articles) - _ENTRIES + 1):
        newest_first = reversed(articles[oldest : oldest + _ENTRIES])
        feed = build("all", newest_first, rules, PUBLIC, _LATER)
        windows.append(_Window(feed, tuple(story(_SITE, one) for one in feed.articles)))
    return windows


def _seconds(renderer: Callable[[_Window], bytes], window: _Window) -> float:
    began = time.perf_counter()
    renderer(window)
    return time.perf_counter() - began


def _prove(window: _Window, fmt: Format) -> None:
    """The two that are compared write the same bytes."""
    if _spliced(fmt)(window) != _in_one_piece(fmt)(window):
        raise AssertionError(f"{fmt}: the spliced feed differs from the one built in one piece")


def _renderers(fmt: Format, section: Section) -> dict[str, Callable[[], Callable[[_Window], bytes]]]:
    found = {
        _SPLICED: lambda: _spliced(fmt),
        _FEEDGEN: lambda: _from_articles(fmt),
        _STORIES_TOLD: lambda: _in_one_piece(fmt),
    }
    if find_spec("django"):
        found["Django's feedgenerator, its stories converted to HTML before"] = lambda: _django(fmt)
    elif fmt == _FORMATS[0]:
        section.missing.append("Django's feedgenerator: not installed")
    return found


def _spliced(fmt: Format) -> Callable[[_Window], bytes]:
    cache = FragmentCache(_CACHE_BYTES)
    return lambda window: render(window.feed, cache)[fmt].body


def _in_one_piece(fmt: Format) -> Callable[[_Window], bytes]:
    module: Any = {"rss": rss, "atom": atom}[fmt]
    fill = rss.fill_item if fmt == "rss" else atom.fill_entry

    def whole(window: _Window) -> bytes:
        document = module.generator(window.feed)
        for told in window.stories:
            fill(document.new_entry(), window.feed, told)
        made: bytes = module.plainly(document.rss_str() if fmt == "rss" else document.atom_str())
        return made

    return whole


def _from_articles(fmt: Format) -> Callable[[_Window], bytes]:
    whole = _in_one_piece(fmt)

    def converted(window: _Window) -> bytes:
        told = tuple(story(_SITE, one) for one in window.feed.articles)
        return whole(_Window(window.feed, told))

    return converted


def _django(fmt: Format) -> Callable[[_Window], bytes]:
    from django.conf import settings
    from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed

    if not settings.configured:
        settings.configure()
    generator = Rss201rev2Feed if fmt == "rss" else Atom1Feed

    def whole(window: _Window) -> bytes:
        document = generator(window.feed.title, _SITE.url, window.feed.description, language="en")
        for told in window.stories:
            document.add_item(
                told.title,
                told.url,
                told.html,
                author_name=_names(told),
                categories=[category.label for category in told.categories],
                unique_id=told.id,
                pubdate=told.published,
                updateddate=told.modified,
            )
        return document.writeString("utf-8").encode()

    return whole


def _names(told: Story) -> str:
    return ", ".join(author.name for author in told.authors)


def _table(fmt: Format, medians: dict[str, float]) -> Table:
    best = medians[_SPLICED]
    rows: Sequence[tuple[str, ...]] = [
        (name, f"{seconds * 1e3:.3f}", f"{seconds / best:.1f}") for name, seconds in medians.items()
    ]
    return Table("", (_NAMES[fmt], "ms a feed", "× feedsvc's time"), list(rows))
