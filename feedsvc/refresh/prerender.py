"""Fragments made by two processes: where very many feeds are made at once, as after a first load.

Knows nothing of the store. What it leaves undone, rendering the feeds does.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple

import structlog

from feedsvc.domain.model import Article, Feed, Format
from feedsvc.render.feed import dialect_of, fragments, missing
from feedsvc.render.fragments import FragmentCache
from feedsvc.util.processes import Process, ProcessLostError, processors

log = structlog.get_logger(__name__)

_MANY_FEEDS = 100  # for fewer, starting a process takes longer than rendering
_LEAST_CACHE = 16_000_000  # bytes: in less, fragments would be gone before their feeds are rendered
_STORIES = 40  # in a chunk: for fewer, telling of them takes as long as rendering
_BEAT = 0.5  # seconds between two signs of life while the other process is waited for
_PATIENCE = 10.0  # seconds that it may take for a chunk; then all is made here
_OWN = 5  # one chunk in so many is made here: reading and publishing the feeds takes the rest of the time

Wanted = Sequence[tuple[Feed, Article]]


class _Chunk(NamedTuple):
    """Some stories whose fragments are made in one go, here (`own`) or there."""

    wanted: Wanted
    own: bool


class Ahead:
    """Has fragments made before their feeds are: in another process for the most part, if `feeds` are many.

    Feeds are told of with `want` as they are read, and with `have` before each is rendered, in the same
    order: meanwhile the other process is at work on those between.
    """

    def __init__(self, feeds: int, cache: FragmentCache, cache_bytes: int) -> None:
        self._cache = cache
        self._asked: set[tuple[str, str, str]] = set()
        self._gathered: list[tuple[Feed, Article]] = []
        self._chunks: deque[_Chunk] = deque()
        self._needed: dict[str, int] = {}
        self._begun = self._done = 0
        self._other: Process[Wanted, list[dict[Format, bytes]]] | None = None
        if feeds >= _MANY_FEEDS and cache_bytes >= _LEAST_CACHE and processors() > 1:
            try:
                self._other = Process("feedsvc.render.feed:fragments", None)
            except ProcessLostError as error:
                self._lost(error)

    @property
    def is_shared(self) -> bool:
        """Whether another process takes part: there are very many feeds."""
        return self._other is not None

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def want(self, key: str, feeds: Sequence[Feed]) -> None:
        """Begin with what rendering a feed would miss in the cache, as everybody and each partner has it."""
        if self._other is None:
            return
        for feed, article in missing(feeds, self._cache):
            name = (article.id, article.digest, dialect_of(feed))
            if name not in self._asked:
                self._asked.add(name)
                self._gathered.append((feed, article))
        if len(self._gathered) >= _STORIES:
            self._begin()
        self._needed[key] = self._begun + bool(self._gathered)

    def have(self, key: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Put into the cache what was wanted for a feed, and for those before it.

        As long as that is waited for, `meanwhile` is called twice a second.
        """
        needed = self._needed.pop(key, 0)
        if needed > self._begun:
            self._begin()
        while self._other is not None and self._done < needed:
            self._finish(self._other, meanwhile)

    def _begin(self) -> None:
        if self._other is None:
            return
        chunk = _Chunk(self._gathered, own=self._begun % _OWN == _OWN - 1)
        self._gathered = []
        self._begun += 1
        self._chunks.append(chunk)
        if not chunk.own:
            try:
                self._other.ask(chunk.wanted)
            except ProcessLostError as error:
                self._lost(error)

    def _finish(
        self, other: Process[Wanted, list[dict[Format, bytes]]], meanwhile: Callable[[], None]
    ) -> None:
        chunk = self._chunks.popleft()
        self._done += 1
        until = time.monotonic() + _PATIENCE
        try:
            while not (chunk.own or other.is_answering(_BEAT)):
                if time.monotonic() > until:  # it is suspended, or the machine has no time for it
                    raise ProcessLostError from TimeoutError("it does not answer")
                meanwhile()
            made = fragments(None, chunk.wanted) if chunk.own else other.answer()
        except ProcessLostError as error:
            self._lost(error)
            return
        for (feed, article), by_format in zip(chunk.wanted, made, strict=True):
            for fmt, fragment in by_format.items():
                self._cache.put(article, fmt, dialect_of(feed), fragment)

    def _lost(self, error: ProcessLostError) -> None:
        log.error("renderer_lost", error=repr(error.__cause__))
        self._end()

    def _end(self) -> None:
        other, self._other = self._other, None
        if other is not None:
            other.end()
