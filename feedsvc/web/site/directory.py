"""Lists all published feeds, by key and in groups for readers: for the front page, pages and OPML.

Knows neither templates nor XML, and nothing of stories: it uses only the store's listings.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from feedsvc.domain.model import CONTENT_TYPES, FORMATS, Format, Site
from feedsvc.domain.slugs import humanized
from feedsvc.domain.urls import feed_path, feed_url, mounted, page_path
from feedsvc.store import representations
from feedsvc.store.representations import Listing

_FORMAT_NAMES: dict[Format, str] = {"rss": "RSS", "atom": "Atom", "json": "JSON"}
_KINDS = {
    "all": "All stories",
    "sections": "Sections",
    "tags": "Tags",
    "authors": "Authors",
    "custom": "Edited feeds",
}


class FeedLink(NamedTuple):
    """One feed in one format. `path` is for links within the site, `url` for autodiscovery."""

    name: str
    title: str
    path: str
    url: str
    media_type: str


class PageLink(NamedTuple):
    """A page that lists stories, with its label for readers."""

    label: str
    path: str


class Entry(NamedTuple):
    """A feed in the directory. `depth` counts the listed sections above it; `page` is None if it has none."""

    listing: Listing
    label: str
    page: str | None
    depth: int
    links: tuple[FeedLink, ...]


class Group(NamedTuple):
    """The feeds of one kind, in the order that pages list them in. `name` is the kind: `sections`, `tags`."""

    name: str
    title: str
    entries: tuple[Entry, ...]

    @property
    def opml(self) -> str | None:
        """The path of the kind's own OPML file; None for the one feed of everything, which needs none."""
        return f"/feeds/{self.name}.opml" if self.name != "all" else None


class Directory:
    """The feeds of one publication. Values only: any thread may read it, and keep it."""

    def __init__(self, site: Site, listings: Iterable[Listing], partner: str = "") -> None:
        self._site = site
        self._partner = partner
        self._listings = {listing.key: listing for listing in listings}

    def __contains__(self, key: str) -> bool:
        return key in self._listings

    def label(self, key: str) -> str:
        """The feed's label for readers: its title without the site's name."""
        if key == "all":
            return _KINDS["all"]
        listing = self._listings.get(key)
        return without_site(self._site, listing.title) if listing else humanized(key.rpartition("/")[2])

    def links(self, key: str) -> tuple[FeedLink, ...]:
        """Links to the feed in each published format, in the order RSS, Atom, JSON; empty if none."""
        listing = self._listings.get(key)
        if listing is None:
            return ()
        return tuple(
            FeedLink(
                name=_FORMAT_NAMES[fmt],
                title=f"{listing.title} ({_FORMAT_NAMES[fmt]})",
                path=mounted(self._site, feed_path(key, fmt, self._partner)),
                url=feed_url(self._site, key, fmt, self._partner),
                media_type=CONTENT_TYPES[fmt].partition(";")[0],
            )
            for fmt in FORMATS
            if fmt in listing.formats
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All feeds by kind; a kind without feeds has no group."""
        keys: dict[str, list[str]] = {kind: [] for kind in _KINDS}
        for key in self._listings:
            keys[key.partition("/")[0]].append(key)
        return tuple(
            Group(kind, _KINDS[kind], tuple(self._entry(key) for key in sorted(some, key=self._place)))
            for kind, some in keys.items()
            if some
        )

    def group(self, kind: str) -> Group | None:
        """The feeds of one kind (`sections`); None if there are none."""
        return next((group for group in self.groups if group.name == kind), None)

    @cached_property
    def top_sections(self) -> tuple[PageLink, ...]:
        """The sections at the top level."""
        return self.sections_in("sections")

    def sections_in(self, key: str) -> tuple[PageLink, ...]:
        """The sections directly below a section."""
        return self._pages(self._children.get(key, ()))

    def sections_around(self, key: str) -> tuple[PageLink, ...]:
        """The sections above a section, the topmost first."""
        return self._pages(one for one in _around(key) if one in self._listings)

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for key in self._listings:
            if key.startswith("sections/"):
                children.setdefault(key.rpartition("/")[0], []).append(key)
        return children

    def _pages(self, keys: Iterable[str]) -> tuple[PageLink, ...]:
        return tuple(PageLink(self.label(key), self._page(key)) for key in sorted(keys, key=self._place))

    def _page(self, key: str) -> str:
        return mounted(self._site, page_path(key))

    def _entry(self, key: str) -> Entry:
        return Entry(
            listing=self._listings[key],
            label=self.label(key),
            page=None if key.startswith("custom/") else self._page(key),
            depth=sum(one in self._listings for one in _around(key)),
            links=self.links(key),
        )

    def _place(self, key: str) -> tuple[tuple[str, str], ...]:
        """The sort key of a feed within its kind: by label, with each section right after its parent."""
        return tuple((self.label(one).casefold(), one) for one in (*_around(key), key))


def without_site(site: Site, title: str) -> str:
    """A feed's title without the site's name, for the site's own pages, which show that at the top."""
    return title.removesuffix(f" – {site.name}")


def _around(key: str) -> list[str]:
    kind, *parts = key.split("/")
    return ["/".join([kind, *parts[:depth]]) for depth in range(1, len(parts))] if kind == "sections" else []


class CurrentDirectory:
    """The current directory, read again only if something was published since the last time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read: tuple[tuple[int, int], Directory] | None = None

    def at(self, connection: Connection) -> Directory:
        """The directory in the view of the store that `connection` has. For any thread."""
        number = representations.publication(connection)
        held = self._read
        if held is None or held[0] != number:
            held = (number, Directory(self._site, representations.listings(connection)))
            self._read = held
        return held[1]
