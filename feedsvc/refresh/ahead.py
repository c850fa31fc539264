"""Fragments made by two processes: where very many feeds are made at once, as after a first load.

Knows nothing of the store. What it leaves undone, rendering the feeds does.
"""

from collections.abc import Iterable, Sequence
from types import TracebackType

import structlog

from feedsvc.model import Article, Feed, Format
from feedsvc.processes import Process, ProcessLostError, processors
from feedsvc.render import dialect_of, fragments, missing
from feedsvc.render.fragments import FragmentCache

log = structlog.get_logger(__name__)

_MANY_FEEDS = 100  # for fewer, starting a process takes longer than rendering
_MANY_STORIES = 20  # for fewer, telling it takes as long
_LEAST_CACHE = 16_000_000  # bytes: in less, fragments would be gone before their feeds are rendered

Wanted = Sequence[tuple[Feed, Article]]


class Ahead:
    """Renders fragments before their feeds are: half of them in another process, if `feeds` are very many."""

    def __init__(self, feeds: int, cache_bytes: int) -> None:
        self._other: Process[Wanted, list[dict[Format, bytes]]] | None = None
        if feeds >= _MANY_FEEDS and cache_bytes >= _LEAST_CACHE and processors() > 1:
            try:
                self._other = Process("feedsvc.render:fragments", None)
            except ProcessLostError as error:
                self._lost(error)

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def render(self, feeds: Iterable[Feed], cache: FragmentCache) -> None:
        """Put into the cache what rendering the feeds would miss there."""
        if self._other is None:
            return
        wanted = missing(feeds, cache)
        if len(wanted) < _MANY_STORIES:
            return
        half = len(wanted) // 2
        try:
            self._other.ask(wanted[:half])
            own = fragments(None, wanted[half:])
            made = [*self._other.answer(), *own]
        except ProcessLostError as error:
            self._lost(error)
            return
        for (feed, article), by_format in zip(wanted, made, strict=True):
            for fmt, fragment in by_format.items():
                cache.put(article, fmt, dialect_of(feed), fragment)

    def _lost(self, error: ProcessLostError) -> None:
        log.error("renderer_lost", error=repr(error.__cause__))
        self._end()

    def _end(self) -> None:
        other, self._other = self._other, None
        if other is not None:
            other.end()
