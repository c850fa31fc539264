"""Renders fragments in two processes where very many feeds are made at once, as after a first load.

Must not know the store. Fragments that it does not render are rendered with their feeds.
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
_LEAST_CACHE = 16_000_000  # bytes: in less, fragments would be evicted before their feeds are rendered
_STORIES = 40  # in a chunk: for fewer, passing them to the other process takes as long as rendering
_BEAT = 0.5  # seconds between two calls of `meanwhile` while waiting for the other process
_PATIENCE = 10.0  # seconds that it may take for a chunk; after that, everything is rendered here
_OWN = 5  # one chunk in so many is rendered here: reading and publishing the feeds takes the rest of the time

Wanted = Sequence[tuple[Feed, Article]]


class _Chunk(NamedTuple):
    """Some stories whose fragments are rendered together, in this process (`own`) or the other one."""

    wanted: Wanted
    own: bool


class Prerenderer:
    """Renders fragments before their feeds: mostly in another process, if the number of `feeds` is large.

    Call `want` for each feed once it is read, and `have` before it is rendered, in the same order: meanwhile
    the other process works on the feeds in between.
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
        """Whether another process takes part, because there are very many feeds."""
        return self._other is not None

    def __enter__(self) -> "Prerenderer":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def want(self, key: str, feeds: Sequence[Feed]) -> None:
        """Begin with the fragments that are not in the cache; `feeds` are everybody's and each partner's."""
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
        """Put the fragments of a feed, and of those before it, into the cache.

        While it waits for them, it calls `meanwhile` twice a second.
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
