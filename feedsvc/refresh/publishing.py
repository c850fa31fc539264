"""Articles → representations: every dirty feed built, rendered and published.

Knows nothing of files. A claim is released in one transaction with its work: a crash leaves the feed dirty.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from feedsvc import selection
from feedsvc.model import Article, Feed, Rejected, to_micros
from feedsvc.refresh.ahead import Ahead
from feedsvc.render import render
from feedsvc.render.fragments import FragmentCache
from feedsvc.rights import Audience
from feedsvc.selection import Rules
from feedsvc.store import articles, dirty, recalls, representations, revocations, sources, tombstones
from feedsvc.store.articles import ArticleCache
from feedsvc.store.connections import stay, take_time
from feedsvc.store.representations import Unpublished
from feedsvc.store.schema import Store

log = structlog.get_logger(__name__)

_FEEDS_A_BATCH = 50
_FEEDS_FIRST = 1  # who polls the feed of everything, first by its key, doesn't wait for the others of a story
_MARKS = 1_000  # of withdrawn stories that a feed is made with: not every audience is shown each of them
_BYTES_A_BATCH = 32_000_000
_SECONDS_A_BATCH = (
    0.1  # that a transaction goes on for, or as long as one feed takes: others wait for its locks
)
_SECONDS_AMID_MANY = 0.5  # the same where very many feeds are made at once, as after a first load
_BREATH = 0.01  # seconds between two feeds that are rendered ahead: whoever has work to do comes first


T = TypeVar("T")


class Replayed(Generic[T]):
    """What an iterator gives, for several to go through from the beginning; it is asked for nothing twice."""

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


class _Batch(NamedTuple):
    """Some feeds that were made: how many, what of them was another than before; how many to claim next."""

    feeds: int
    published: list[Unpublished]
    next: int


class Publisher:
    """Publishes dirty feeds, and makes feeds dirty that change by time alone. `clock` returns aware UTC.

    Once `stopped` is set, the work under way ends after its present transaction; nothing is published while
    `is_held`. `cache_bytes` bounds the stories kept in memory, as articles and as fragments.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        clock: Callable[[], datetime],
        stopped: threading.Event,
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
        self._cache_bytes = cache_bytes
        # As what they take of a store's stories is about three to one.
        self._fragments = FragmentCache(cache_bytes * 3 // 4)
        self._articles = ArticleCache(cache_bytes // 4)
        self._rendered: set[str] = set()

    def next_flip(self) -> datetime | None:
        """When a feed changes by time alone next: by an embargo, an expiry, a tombstone (aware UTC)."""
        with self._store.read() as connection:
            after = dirty.flips_until(connection) or self._clock()
            flips = (
                articles.next_flip(connection, after, self._rules.delays),
                tombstones.next_fall(connection, after),
                revocations.next_turn(connection, after, selection.TOMBSTONE_STANDS),
            )
            return min((flip for flip in flips if flip), default=None)

    def mark_flips(self) -> None:
        """Turn every flip since the last run into dirty feeds; if the clock was set back, those, too."""
        with self._store.write() as tx:
            now = self._clock()
            until = dirty.flips_until(tx) or now
            span = min(until, now), max(until, now)
            flipped = articles.flipped(tx, *span, self._rules.delays)
            turned = revocations.turning(tx, *span, selection.TOMBSTONE_STANDS)
            dirty.mark(tx, flipped | turned | tombstones.falling(tx, *span), now)
            dirty.set_flips_until(tx, now)

    def publish_dirty(self, on_published: Callable[[int], None] | None = None) -> int:
        """Publish every dirty feed; returns how many representations changed.

        `on_published` is told how many feeds were made so far.
        """
        changed, made, failed = 0, 0, set[str]()
        feeds = _FEEDS_FIRST
        with self._store.read() as connection:
            waiting, _ = dirty.backlog(connection)
            owed = articles.are_places_owed(connection)
        with Ahead(waiting, self._fragments, self._cache_bytes) as ahead:
            if owed:
                with self._store.write(long=True) as tx:
                    articles.place_all(tx)  # while that is done, the other process starts
            while not self._stopped.is_set():
                batch = self._publish_batch(feeds, failed, ahead)
                if batch is None:
                    break
                feeds = batch.next
                changed += len(batch.published)
                made += batch.feeds
                if on_published:
                    on_published(made)
                for one in batch.published:
                    log.debug(
                        "feed_published",
                        partner=one.partner,
                        key=one.key,
                        format=one.format,
                        bytes=len(one.body),
                    )
        return changed

    def _publish_batch(self, feeds_at_most: int, failed: set[str], ahead: Ahead) -> _Batch | None:
        """Publish some dirty feeds but those that `failed`, to which it adds; None if there are none."""
        seconds = _SECONDS_AMID_MANY if ahead.is_shared else _SECONDS_A_BATCH
        with self._store.write() as tx:
            if self._is_held():
                return None
            if articles.are_places_owed(tx):  # another process has begun a first load
                take_time(tx)
                articles.place_all(tx)
            began = time.monotonic()
            keys = dirty.claim(tx, feeds_at_most, failed)
            if not keys:
                self.is_any_claimed = dirty.is_any(tx, failed)
                return None
            now = self._clock()
            revoked = revocations.noted(tx, keys)
            feeds = self._feeds(tx, keys, now, failed, ahead, revoked)
            candidates: list[Unpublished] = []
            built: list[str] = []
            for key, by_audience in feeds.items():
                is_late = bool(built) and time.monotonic() > began + seconds
                if is_late or sum(len(one.body) for one in candidates) > _BYTES_A_BATCH:
                    break  # the rest stays dirty, and is claimed again
                ahead.have(key, lambda: stay(tx))
                with self._harming_only_itself(key, failed):
                    candidates += self._representations(tx, key, by_audience, now, key in revoked)
                    built.append(key)
            published = representations.publish(tx, candidates, now)
            dirty.release(tx, built)
        took = (time.monotonic() - began) / max(len(built), 1)
        return _Batch(len(built), published, max(1, min(_FEEDS_A_BATCH, int(seconds / max(took, 0.001)))))

    def _feeds(
        self,
        tx: Connection,
        keys: Sequence[str],
        now: datetime,
        failed: set[str],
        ahead: Ahead,
        revoked: set[str],
    ) -> dict[str, list[Feed]]:
        """Feed key → what it shows to everybody, and to each partner that is given it."""
        feeds: dict[str, list[Feed]] = {}
        for key in keys:
            with self._harming_only_itself(key, failed):
                feeds[key] = self._feeds_of(tx, key, now, is_any_revoked=key in revoked)
                ahead.want(key, feeds[key])
        return feeds

    def _feeds_of(
        self, connection: Connection, key: str, now: datetime, *, is_any_revoked: bool = True
    ) -> list[Feed]:
        """What a feed shows to everybody, and to each partner that is given it: its stories are read once."""
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
        """Render what published feeds show, as far as there is room for it, and keep it.

        After a restart the first story into a feed would wait until the other forty-nine were rendered again.
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
            raise  # the store is gone: so it is for every other feed
        except Exception:  # one that can't be built harms no other; publishing it will say so again
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
                stay(tx)  # one for each partner: all of them take longer than PostgreSQL would wait
            # A feed is not named before a story of it may be seen; once it was, it stays, empty and valid.
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
