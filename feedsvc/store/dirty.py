"""Dirty marks: which feeds must be published again, and until when visibility transitions were marked.

A visibility transition is a change of visibility by time alone, as at the end of an embargo. Marks are
claimed and released in the same transaction as the work they ask for: after a crash they are still there.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, func, select, text

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.tables import dirty

_FLIPS_UNTIL = "flips_until"
_GATHERING_UNTIL = "gathering_until"
_MARK = text(
    "INSERT INTO dirty (feed_key, marked_at, since, urgent) VALUES (:key, :at, :at, :urgent)"
    " ON CONFLICT (feed_key) DO UPDATE"
    " SET marked_at = excluded.marked_at, urgent = dirty.urgent | excluded.urgent"
)
_LEFT = 1  # a bit of the column `urgent`
_URGENT = 2  # another bit, which weighs more


def mark(
    tx: Connection,
    keys: Iterable[str],
    now: datetime,
    *,
    urgent: bool = False,
    left: Collection[str] = (),
) -> None:
    """Mark feeds dirty, in order of their keys, so that two writers cannot deadlock.

    Urgent feeds are published before the others, and among each, first those that a story must leave
    (`left`), however many others are marked meanwhile. A feed that is marked again keeps both properties, and
    its place in the queue.
    """
    micros = to_micros(now)
    levels = {key: _URGENT * urgent | _LEFT * (key in left) for key in sorted(keys)}
    if rows := [{"key": key, "at": micros, "urgent": level} for key, level in levels.items()]:
        tx.execute(_MARK, rows)


def claim(
    tx: Connection, limit: int, passing_over: Collection[str] = (), *, urgent: bool = False
) -> list[str]:
    """Claim up to `limit` dirty feeds that nobody else has claimed, and return their keys.

    Urgent feeds come first, then those that have been dirty longest; with `urgent`, only urgent feeds. Feeds
    in `passing_over` are left out. The feeds stay claimed until the transaction ends, and dirty unless it
    releases them.
    """
    order = dirty.c.urgent.desc(), dirty.c.since, dirty.c.feed_key
    query = select(dirty.c.feed_key).order_by(*order).limit(limit)
    if passing_over:
        query = query.where(dirty.c.feed_key.not_in(sorted(passing_over)))
    if urgent:
        query = query.where(dirty.c.urgent >= _URGENT)
    return list(tx.execute(query.with_for_update(skip_locked=True)).scalars())


def release(tx: Connection, keys: Sequence[str]) -> None:
    """Remove the dirty marks of claimed feeds."""
    tx.execute(delete(dirty).where(dirty.c.feed_key.in_(keys)))


def marked(connection: Connection) -> list[str]:
    """Every dirty feed, by key."""
    return list(connection.execute(select(dirty.c.feed_key).order_by(dirty.c.feed_key)).scalars())


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """How many feeds are dirty, and since when the one that has waited longest is (aware UTC; or None)."""
    number, oldest = connection.execute(select(func.count(), func.min(dirty.c.since))).one()
    return number, from_micros(oldest) if oldest is not None else None


def is_any(connection: Connection, passing_over: Collection[str] = ()) -> bool:
    """Whether any feed other than these is dirty, claimed or not."""
    query = select(dirty.c.feed_key).limit(len(passing_over) + 1)
    return bool(set(connection.execute(query).scalars()) - set(passing_over))


class Newest(NamedTuple):
    """Time of the newest dirty mark (aware UTC), among all feeds and among urgent ones; None without any."""

    any: datetime | None
    urgent: datetime | None


def newest(connection: Connection) -> Newest:
    """The times of the newest dirty marks."""
    of_urgent = case((dirty.c.urgent >= _URGENT, dirty.c.marked_at))
    row = connection.execute(select(func.max(dirty.c.marked_at), func.max(of_urgent))).one()
    return Newest(*(from_micros(at) if at is not None else None for at in row))


def debounce(tx: Connection, until: datetime) -> None:
    """Announce that more feeds will be marked until that instant (aware UTC): publishing had better wait."""
    write_meta(tx, _GATHERING_UNTIL, str(to_micros(until)))


def debounced_until(connection: Connection) -> datetime | None:
    """The instant given to `debounce` last (aware UTC); None if there was none."""
    value = read_meta(connection, _GATHERING_UNTIL)
    return from_micros(int(value)) if value else None


def transitions_until(connection: Connection) -> datetime | None:
    """Until when visibility transitions have been marked (aware UTC); None before the first run."""
    value = read_meta(connection, _FLIPS_UNTIL)
    return from_micros(int(value)) if value else None


def set_transitions_until(tx: Connection, now: datetime) -> None:
    """Record that transitions up to `now` are marked; to be called in the transaction that marks them."""
    write_meta(tx, _FLIPS_UNTIL, str(to_micros(now)))
