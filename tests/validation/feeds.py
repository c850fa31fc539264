"""The feeds that the rules are held against: of the sample content, of nothing, and of hostile stories."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import strategies as st

from feedsvc.config import file, options
from feedsvc.domain import urls
from feedsvc.domain.model import FORMATS, Article, Feed, FeedSettings, Format, Image, Site
from feedsvc.domain.selection import PUBLIC, Rules, build
from feedsvc.refresh.refresher import Refresher
from feedsvc.render.feed import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.store import representations
from feedsvc.store.engine import Store
from tests.stories import articles

ROOT = Path(__file__).parents[2]
LATER = datetime(2101, 1, 1, tzinfo=UTC)
"""After every date of a generated story."""

_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
SITE = Site(
    name="R&D <Daily>",
    url="https://news.example.org",
    language="en",
    authority="news.example.org,2026",
    timezone="Europe/Brussels",
    rights="© Daily & Sons",
    hub="https://hub.example.org/",
    editor="desk@news.example.org (The Desk)",
    webmaster="web@news.example.org (The Web Desk)",
    logo=Image("https://news.example.org/logo.png", "image/png", 144, 40),
    icon="https://news.example.org/icon.png",
    favicon="https://news.example.org/favicon.png",
)


class Published(NamedTuple):
    """A feed in one format, as it is served at `url`."""

    format: Format
    url: str
    body: bytes


def feed_of(*stories: Article, key: str = "all", content: str = "full") -> Feed:
    """A feed of the stories that are eligible long after all of them."""
    settings = FeedSettings(content=content, items=100)  # type: ignore[arg-type]
    ranked = sorted(stories, key=lambda one: (-one.visible_from.timestamp(), one.id))
    return build(key, ranked, Rules(site=SITE, default=settings), PUBLIC, LATER)


def rendered(feed: Feed) -> list[Published]:
    """A feed in every format, with no story left out."""
    made = render(feed, FragmentCache(10**6))
    assert [why for one in made.values() for _, why in one.failed] == []
    return [Published(fmt, urls.feed_url(feed.site, feed.key, fmt), made[fmt].body) for fmt in FORMATS]


def hostile() -> st.SearchStrategy[list[Article]]:
    """Stories in any characters, with markup where none belongs.

    Their dates are after 1990, and no two were changed in the same second: validators doubt both, and both
    are the newsroom's to say, not the feed's.
    """
    recent = articles().filter(lambda one: one.visible_from >= _OLDEST)
    distinct = st.lists(recent, max_size=4, unique_by=lambda one: one.modified)
    return distinct.filter(lambda some: len({one.id for one in some}) == len(some))


@cache
def sample_content() -> tuple[Published, ...]:
    """Every feed of the sample content, by its own configuration."""
    return published(ROOT / "content")


def published(content: Path) -> tuple[Published, ...]:
    """Every feed of a folder of stories by the sample's configuration, published through a store."""
    settings = file.load(ROOT / "config.toml", {})
    rules = options.rules(settings)
    with TemporaryDirectory(prefix="feedsvc-rules-") as folder:
        store = Store(f"sqlite:///{folder}/feedsvc.db")
        refresher = Refresher(store, content, options.load_rules(settings), rules)
        refresher.prepare()
        refresher.scan()
        refresher.refresh()
        made = tuple(_published(store, rules.site))
        store.close()
    return made


def _published(store: Store, site: Site) -> Iterator[Published]:
    with store.read() as connection:
        for listing in representations.listings(connection):
            for fmt in listing.formats:
                one = representations.get(connection, listing.key, fmt)
                assert one is not None
                yield Published(fmt, urls.feed_url(site, listing.key, fmt), one.body)
