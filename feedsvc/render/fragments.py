"""Fragments: each story rendered once per version, format and dialect, and spliced into a feed's shell.

Knows nothing of any format but where its fragments go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

from feedsvc.domain.model import Article, Feed, Format
from feedsvc.util.lru import ByteLRU


@dataclass(frozen=True, slots=True)
class Shell:
    """A feed's bytes without its stories: what stands before them, between two of them, and after them."""

    head: bytes
    tail: bytes
    between: bytes = b""

    def around(self, fragments: Sequence[bytes]) -> bytes:
        """The whole document."""
        if self.between:
            return b"".join((self.head, self.between.join(fragments), self.tail))
        return b"".join((self.head, *fragments, self.tail))


_STILL = attrgetter(*(one.name for one in fields(Feed) if one.name not in {"articles", "updated"}))
"""All that a shell is made of but its date."""


class _Known(NamedTuple):
    """A shell that was made: of what of a feed (see `_STILL`), and how its date stands in it."""

    still: tuple[object, ...]
    date: bytes
    shell: Shell


class FragmentCache:
    """The fragments used last, up to `max_bytes`, and a few bytes more for shells.

    An article's digest stands for all that is in it, the site being the same for the life of the process. A
    dialect names what else a fragment depends on: the feed's content and its profile.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shells: ByteLRU[tuple[str, Format], _Known] = ByteLRU(max_bytes // 16)
        self._kept: ByteLRU[tuple[str, str, Format, str], bytes] = ByteLRU(max_bytes)

    def get_all(self, articles: Sequence[Article], fmt: Format, dialect: str) -> list[bytes | None]:
        """The fragments of these versions of articles; None for one that isn't kept."""
        return self._kept.get_all([(one.id, one.digest, fmt, dialect) for one in articles])

    def put(self, article: Article, fmt: Format, dialect: str, fragment: bytes) -> None:
        """Keep a fragment; the ones used longest ago go when there is no more room."""
        self._kept.put((article.id, article.digest, fmt, dialect), fragment, len(fragment))

    def shell(self, feed: Feed, fmt: Format, make: Callable[[Feed], Shell], date: bytes) -> Shell:
        """The shell of a feed as `make` makes it; it isn't asked if but the date is another than last time.

        `date` is how the feed's date stands in it. A story changes that of all its feeds, and rarely anything
        else of a shell.
        """
        still = _STILL(feed)
        known = self._shells.get((feed.key, fmt))
        if known is not None and known.still == still:
            made = known.shell
            return Shell(made.head.replace(known.date, date, 1), made.tail, made.between) if date else made
        made = make(feed)
        if not feed.tombstones:  # they have a say in the date
            self._shells.put((feed.key, fmt), _Known(still, date, made), len(made.head) + len(made.tail))
        return made

    @property
    def is_full(self) -> bool:
        """Whether something went, or soon will, to make room."""
        return self._kept.size > 0.95 * self._max_bytes

    @property
    def size(self) -> int:
        """Bytes held, with what holding them takes."""
        return self._kept.size
