"""Articles → representations: builds, renders and publishes every dirty feed.

Must not know files. A claim is released in the same transaction as its work: after a crash the feed is still
dirty.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from feedsvc.domain import selection
from feedsvc.domain.model import Article, Feed, Rejected, to_micros
from feedsvc.domain.rights import Audience
from feedsvc.domain.selection import Rules
from feedsvc.refresh.overtaking import Overtaking
from feedsvc.refresh.prerender import Prerenderer
from feedsvc.render.feed import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.store import articles, dirty, recalls, representations, revocations, sources, tombstones
from feedsvc.store.articles import ArticleCache
from feedsvc.store.connections import stay, take_time
from feedsvc.store.engine import Store
from feedsvc.store.representations import Unpublished

log = structlog.get_logger(__name__)

_FEEDS_A_BATCH = 50
_FLIPS = 0.5  # seconds between two checks for visibility transitions, while very many feeds are made
_FEEDS_FIRST = 1  # in the first transaction: the feed of everything, first by its key, waits for no other
_MARKS = 1_000  # tombstones that are read for a feed: not every audience is shown each of them
_BYTES_A_BATCH = 32_000_000
_SECONDS_A_BATCH = 0.1  # after which a transaction begins with no further feed: others wait for its locks
_SECONDS_AMID_MANY = 0.5  # the same where very many feeds are made at once, as after a first load
_BREATH = 0.01  # seconds between two feeds that are rendered ahead, so that other work comes first


T = TypeVar("T")


class Replayed(Generic[T]):
    """Lets several consumers go through one iterator from the beginning; each item is taken from it once."""

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._seen: list[T] = []

    def __iter__(self) -> Iterator[T]:
        place = 0
        while True:
            if place == len(self._seen):
                try:
                    self._seen.append(next(self._source))
                except StopIteration:
                    return
            yield self._seen[place]
            place += 1


@dataclass(slots=True)
class _Run:
    """One run through the dirty feeds, or through the `urgent` ones only.

    `made` is how many feeds were made, `changed` how many of their representations changed. The next
    transaction makes at most `at_most` feeds, and none of those that `failed`.
    """

    prerenderer: Prerenderer
    urgent: bool = False
    made: int = 0
    changed: int = 0
    at_most: int = _FEEDS_FIRST
    failed: set[str] = field(default_factory=set)

    def note(self, made: int, changed: int, seconds: float) -> None:
        """Count what a transaction made, and decide from its seconds how many feeds the next one makes."""
        self.made += made
        self.changed += changed
        fitting = int(made * self.seconds / max(seconds, 0.001))
        self.at_most = min(max(fitting, 1), _FEEDS_A_BATCH)

    @property
    def seconds(self) -> float:
        """Seconds after which a transaction begins with no further feed."""
        return _SECONDS_AMID_MANY if self.prerenderer.is_shared else _SECONDS_A_BATCH


class Publisher:
    """Publishes dirty feeds, and marks feeds dirty that change by time alone. `clock` returns aware UTC.

    Once `stopped` is set, the work under way ends after its present transaction; nothing is published while
    `is_held`. It gives way to urgent work (see `overtaking`). `cache_bytes` limits the memory for cached
    articles and fragments together.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        clock: Callable[[], datetime],
        stopped: threading.Event,
        overtaking: Overtaking,
        cache_bytes: int,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._is_held = is_held
        self.is_any_claimed = False
        """Whether other refreshers had claimed dirty feeds when this one had none left to publish."""
        self._rules = rules
        self._clock = clock
        self._stopped = stopped
        self._overtaking = overtaking
        self._cache_bytes = cache_bytes
        # A store's fragments take about three times the memory of its articles.
        self._fragments = FragmentCache(cache_bytes * 3 // 4)
        self._articles = ArticleCache(cache_bytes // 4)
        self._rendered: set[str] = set()

    def next_transition(self) -> datetime | None:
        """When an embargo, an expiry or a tombstone next changes a feed (aware UTC); or None."""
        with self._store.read() as connection:
            after = dirty.transitions_until(connection) or self._clock()
            transitions = (
                articles.next_transition(connection, after, self._rules.delays),
                tombstones.next_fall(connection, after),
                revocations.next_turn(connection, after, selection.TOMBSTONE_STANDS),
            )
            return min((transition for transition in transitions if transition), default=None)

    def mark_flips(self) -> None:
        """Mark the feeds of every visibility transition between the last run and now dirty.

        That holds in both directions: if the clock was set back, what was published too early is corrected.
        """
        with self._store.write() as tx:
            now = self._clock()
            until = dirty.transitions_until(tx) or now
            span = min(until, now), max(until, now)
            transitioned = articles.transitioned(tx, *span, self._rules.delays)
            turned = revocations.turning(tx, *span, selection.TOMBSTONE_STANDS)
            keys = transitioned | turned | tombstones.falling(tx, *span)
            dirty.mark(tx, keys, now, urgent=True, left=keys)
            dirty.set_transitions_until(tx, now)

    def publish_dirty(self, on_published: Callable[[int], None] | None = None) -> int:
        """Publish every dirty feed; returns how many representations changed.

        `on_published` is called with the number of feeds made so far.
        """
        with self._store.read() as connection:
            waiting, _ = dirty.backlog(connection)
            owed = articles.are_places_owed(connection)
            # A second process helps only in a first load, or where there never is urgent work: otherwise that
            # would have to wait for the process, too.
            is_alone = self._overtaking.urgent is None or representations.is_empty(connection)
        helped = waiting if is_alone else 0
        with Prerenderer(helped, self._fragments, self._cache_bytes) as prerenderer:
            if owed:
                with self._store.write(long=True) as tx:
                    articles.place_all(tx)  # while that is done, the other process starts
            run = _Run(prerenderer)
            transitioned = time.monotonic()
            while not self._stopped.is_set():
                self._overtaking.give_way()
                if time.monotonic() > transitioned + _FLIPS:
                    transitioned = time.monotonic()
                    self.mark_flips()
                if not self._publish_batch(run):
                    break
                if on_published:
                    on_published(run.made)
        return run.changed

    def publish_urgent(self) -> int:
        """Publish the dirty feeds that are urgent; returns how many representations changed."""
        with Prerenderer(0, self._fragments, self._cache_bytes) as prerenderer:
            run = _Run(prerenderer, urgent=True)
            while not self._stopped.is_set() and self._publish_batch(run):
                pass
        return run.changed

    def _publish_batch(self, run: "_Run") -> bool:
        """Publish some dirty feeds, except those that failed; returns whether there were any."""
        with self._store.write() as tx:
            if self._is_held():
                return False
            if articles.are_places_owed(tx):  # another process has begun a first load
                take_time(tx)
                articles.place_all(tx)
            began = time.monotonic()
            keys = dirty.claim(tx, run.at_most, run.failed, urgent=run.urgent)
            if not keys:
                if not run.urgent:
                    self.is_any_claimed = dirty.is_any(tx, run.failed)
                return False
            now = self._clock()
            revoked = revocations.noted(tx, keys)
            feeds = self._feeds(tx, keys, now, run.failed, run.prerenderer, revoked)
            candidates: list[Unpublished] = []
            built: list[str] = []
            for key, by_audience in feeds.items():
                is_late = bool(built) and time.monotonic() > began + run.seconds
                if is_late or sum(len(one.body) for one in candidates) > _BYTES_A_BATCH:
                    break  # the rest stays dirty, and is claimed again
                run.prerenderer.have(key, lambda: stay(tx))
                with self._harming_only_itself(key, run.failed):
                    candidates += self._representations(tx, key, by_audience, now, key in revoked)
                    built.append(key)
            published = representations.publish(tx, candidates, now)
            dirty.release(tx, built)
        run.note(len(built), len(published), time.monotonic() - began)
        for one in published:
            log.debug(
                "feed_published", partner=one.partner, key=one.key, format=one.format, bytes=len(one.body)
            )
        return True

    def _feeds(
        self,
        tx: Connection,
        keys: Sequence[str],
        now: datetime,
        failed: set[str],
        prerenderer: Prerenderer,
        revoked: set[str],
    ) -> dict[str, list[Feed]]:
        """Feed key → the feed for everybody, and for each partner that may have it."""
        feeds: dict[str, list[Feed]] = {}
        for key in keys:
            with self._harming_only_itself(key, failed):
                feeds[key] = self._feeds_of(tx, key, now, is_any_revoked=key in revoked)
                prerenderer.want(key, feeds[key])
        return feeds

    def _feeds_of(
        self, connection: Connection, key: str, now: datetime, *, is_any_revoked: bool = True
    ) -> list[Feed]:
        """A feed for everybody, and for each partner that may have it. Its stories are read only once."""
        audiences = self._audiences(key)
        custom = self._rules.custom(key)
        by_update = custom is not None and custom.order == "updated"
        candidates = Replayed(
            articles.window(connection, key, None if by_update else now, cache=self._articles)
        )
        marks = tombstones.standing(connection, key, _MARKS)
        if is_any_revoked:
            marks += revocations.tombstones(connection, key, now, _MARKS)
            marks.sort(key=lambda one: (-to_micros(one.at), one.article_id))
        return [selection.build(key, candidates, self._rules, audience, now, marks) for audience in audiences]

    def _audiences(self, key: str) -> list[Audience]:
        return [audience for audience in self._rules.audiences if audience.may_have_feed(key)]

    @contextmanager
    def _harming_only_itself(self, key: str, failed: set[str]) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError:
            raise  # the whole batch stays dirty, and is tried again
        except Exception:  # a feed that can't be built stays dirty; the others go out
            log.exception("feed_not_built", key=key)
            failed.add(key)

    def warm(self) -> None:
        """Render the fragments of published feeds into the cache, as far as there is room.

        Otherwise, after a restart, the first new story in a feed would wait until the other forty-nine were
        rendered again.
        """
        with self._store.read() as connection:
            keys = [listing.key for listing in representations.listings(connection)]
        for key in keys:
            if self._stopped.is_set() or self._fragments.is_full:
                return
            if key not in self._rendered:
                self._render_ahead(key)
                self._stopped.wait(_BREATH)

    def _render_ahead(self, key: str) -> None:
        try:
            with self._store.read() as connection:
                feeds = self._feeds_of(connection, key, self._clock())
            for feed in feeds:
                render(feed, self._fragments)
        except SQLAlchemyError:
            raise  # the store is at fault: every other feed would fail, too
        except Exception:  # one that can't be built must not stop the others; publishing it logs this again
            log.exception("feed_not_built", key=key)
        self._rendered.add(key)

    def _representations(
        self, tx: Connection, key: str, feeds: Sequence[Feed], now: datetime, is_any_revoked: bool
    ) -> list[Unpublished]:
        self._rendered.add(key)
        is_partners = any(feed.partner for feed in feeds)
        marks = recalls.marks(tx, key) if is_partners else ()
        revoked = revocations.marks(tx, key, now) if is_partners and is_any_revoked else {}
        made: list[Unpublished] = []
        for number, feed in enumerate(feeds):
            if number:
                stay(tx)  # a feed for each partner: together they may take longer than the idle timeout
            # A feed's name is not public before one of its stories may be seen. Once published, the feed
            # stays, valid although empty.
            if feed.articles or self._is_always_published(feed) or self._was_published(tx, feed):
                own = [revoked[feed.partner]] if feed.partner in revoked else []
                made += self._rendered_in_each_format(tx, feed, [*marks, *own])
        return made

    def _rendered_in_each_format(
        self, tx: Connection, feed: Feed, marks: Sequence[tuple[str, str]]
    ) -> Iterator[Unpublished]:
        valid_until = min((a.expires for a in feed.articles if a.expires), default=None)
        for fmt, (body, failed) in render(feed, self._fragments).items():
            self._set_aside(tx, failed)
            left_out = {article.id for article, _ in failed}
            shown = [(one.id, one.digest) for one in feed.articles if one.id not in left_out]
            yield Unpublished(
                feed.key,
                fmt,
                feed.title,
                body,
                hashlib.blake2b(body, digest_size=16).hexdigest(),
                feed.max_age,
                feed.updated,
                valid_until,
                partner=feed.partner,
                contents=(*shown, *marks) if feed.partner else (),
            )

    def _is_always_published(self, feed: Feed) -> bool:
        partner = self._rules.partner(feed.partner)
        is_named = partner is not None and partner.audience.is_named(feed.key)
        return is_named or feed.key == "all" or feed.key in self._rules.by_key

    def _was_published(self, tx: Connection, feed: Feed) -> bool:
        return bool(representations.published_keys(tx, [feed.key], feed.partner))

    def _set_aside(self, tx: Connection, failed: Sequence[tuple[Article, str]]) -> None:
        if not failed:
            return
        paths = sources.owners(tx, [article.id for article, _ in failed])
        rejected = [
            Rejected(path, 1, reason, rule="story-unrenderable")
            for article, reason in failed
            for path in paths.get(article.id, ())
        ]
        sources.put_in_quarantine(tx, rejected, self._clock())
