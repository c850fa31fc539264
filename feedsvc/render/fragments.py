"""Caches fragments: a story is rendered once per version, format and dialect, for all its feeds.

Knows nothing of any format except where its fragments go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

from feedsvc.domain.model import Article, Feed, Format
from feedsvc.util.lru import ByteLRU


@dataclass(frozen=True, slots=True)
class Shell:
    """A feed's bytes without its stories: what comes before them, between two of them, and after them."""

    head: bytes
    tail: bytes
    between: bytes = b""

    def around(self, fragments: Sequence[bytes]) -> bytes:
        """The whole document, with these fragments."""
        if self.between:
            return b"".join((self.head, self.between.join(fragments), self.tail))
        return b"".join((self.head, *fragments, self.tail))


_STILL = attrgetter(*(one.name for one in fields(Feed) if one.name not in {"articles", "updated"}))
"""Everything that a shell is made from, except its date."""


class _Known(NamedTuple):
    """A cached shell: the values of the feed that it was made from (see `_STILL`), and its date as bytes."""

    still: tuple[object, ...]
    date: bytes
    shell: Shell


class FragmentCache:
    """The most recently used fragments, up to `max_bytes`, and shells in a sixteenth of that in addition.

    An article's digest identifies its content; the site is the same for the life of the process. A dialect
    names what else a fragment depends on: content mode, profile and partner (see `feed.dialect_of`).
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shells: ByteLRU[tuple[str, Format], _Known] = ByteLRU(max_bytes // 16)
        self._kept: ByteLRU[tuple[str, str, Format, str], bytes] = ByteLRU(max_bytes)

    def get_all(self, articles: Sequence[Article], fmt: Format, dialect: str) -> list[bytes | None]:
        """The fragments of these versions of articles; None for each that is not cached."""
        return self._kept.get_all([(one.id, one.digest, fmt, dialect) for one in articles])

    def put(self, article: Article, fmt: Format, dialect: str, fragment: bytes) -> None:
        """Cache a fragment; the least recently used ones are evicted when there is no room left."""
        self._kept.put((article.id, article.digest, fmt, dialect), fragment, len(fragment))

    def shell(self, feed: Feed, fmt: Format, make: Callable[[Feed], Shell], date: bytes) -> Shell:
        """The shell of a feed: made by `make`, or the cached one if at most the date has changed since.

        `date` is the feed's date as the shell has it; in a cached shell it replaces the old date. A changed
        story changes the date of all its feeds, and rarely anything else in their shells.
        """
        still = _STILL(feed)
        known = self._shells.get((feed.key, fmt))
        if known is not None and known.still == still:
            made = known.shell
            return Shell(made.head.replace(known.date, date, 1), made.tail, made.between) if date else made
        made = make(feed)
        if not feed.tombstones:  # the date may be theirs
            self._shells.put((feed.key, fmt), _Known(still, date, made), len(made.head) + len(made.tail))
        return made

    @property
    def is_full(self) -> bool:
        """Whether fragments have been evicted to make room, or soon will be."""
        return self._kept.size > 0.95 * self._max_bytes

    @property
    def size(self) -> int:
        """Bytes held, including the cache's own overhead."""
        return self._kept.size
