"""Which feeds must be published again, and up to when visibility flips were turned into that.

Marks are claimed and released in one transaction with the work they ask for: a crash leaves them standing.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, func, select, text

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.schema import read_meta, write_meta
from feedsvc.store.tables import dirty

_FLIPS_UNTIL = "flips_until"
_GATHERING_UNTIL = "gathering_until"
_MARK = text(
    "INSERT INTO dirty (feed_key, marked_at, since, urgent) VALUES (:key, :at, :at, :urgent)"
    " ON CONFLICT (feed_key) DO UPDATE"
    " SET marked_at = excluded.marked_at, urgent = dirty.urgent | excluded.urgent"
)
_LEFT = 1  # a bit beside the other
_URGENT = 2


def mark(
    tx: Connection,
    keys: Iterable[str],
    now: datetime,
    *,
    urgent: bool = False,
    left: Collection[str] = (),
) -> None:
    """Mark feeds dirty, in order of their keys, so that two writers can't block each other for good.

    Those that are `urgent` are published before the others, and of both those first that a story is to leave,
    which `left` has, however many others are marked meanwhile. Both stay so whoever marks them again, and so
    does their place in the queue.
    """
    micros = to_micros(now)
    levels = {key: _URGENT * urgent | _LEFT * (key in left) for key in sorted(keys)}
    if rows := [{"key": key, "at": micros, "urgent": level} for key, level in levels.items()]:
        tx.execute(_MARK, rows)


def claim(
    tx: Connection, limit: int, passing_over: Collection[str] = (), *, urgent: bool = False
) -> list[str]:
    """Up to `limit` dirty feeds, urgent ones and then the longest dirty first, that nobody else has claimed.

    With `urgent`, only those that are. They stay claimed until the transaction ends, and dirty unless it
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
    """Take the marks of claimed feeds off."""
    tx.execute(delete(dirty).where(dirty.c.feed_key.in_(keys)))


def marked(connection: Connection) -> list[str]:
    """Every dirty feed, by key."""
    return list(connection.execute(select(dirty.c.feed_key).order_by(dirty.c.feed_key)).scalars())


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """How many feeds are dirty, and since when the longest."""
    number, oldest = connection.execute(select(func.count(), func.min(dirty.c.since))).one()
    return number, from_micros(oldest) if oldest is not None else None


def is_any(connection: Connection, passing_over: Collection[str] = ()) -> bool:
    """Whether any feed is dirty, claimed or not, but for these."""
    query = select(dirty.c.feed_key).limit(len(passing_over) + 1)
    return bool(set(connection.execute(query).scalars()) - set(passing_over))


class Newest(NamedTuple):
    """When the feed that was marked last was (aware UTC), of all and of those that are urgent; or None."""

    any: datetime | None
    urgent: datetime | None


def newest(connection: Connection) -> Newest:
    """When the feeds that were marked last were."""
    of_urgent = case((dirty.c.urgent >= _URGENT, dirty.c.marked_at))
    row = connection.execute(select(func.max(dirty.c.marked_at), func.max(of_urgent))).one()
    return Newest(*(from_micros(at) if at is not None else None for at in row))


def gather(tx: Connection, until: datetime) -> None:
    """Say that more of what marks feeds is to come, so that to publish them is better left until then."""
    write_meta(tx, _GATHERING_UNTIL, str(to_micros(until)))


def gathering_until(connection: Connection) -> datetime | None:
    """The instant up to which more was said to come; None if it never was."""
    value = read_meta(connection, _GATHERING_UNTIL)
    return from_micros(int(value)) if value else None


def flips_until(connection: Connection) -> datetime | None:
    """The instant up to which flips have been marked; None before the first run."""
    value = read_meta(connection, _FLIPS_UNTIL)
    return from_micros(int(value)) if value else None


def set_flips_until(tx: Connection, now: datetime) -> None:
    """Say that flips up to `now` are marked; to be called in the transaction that marks them."""
    write_meta(tx, _FLIPS_UNTIL, str(to_micros(now)))
