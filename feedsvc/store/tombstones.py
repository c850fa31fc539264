"""Tombstones (RFC 6721): which feeds say that a story was withdrawn, and until when.

Must not know why: the caller, who applies the change, says whether there is one.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select

from feedsvc.domain.model import Tombstone, from_micros, to_micros
from feedsvc.store.tables import (
    tombstones,
)
from feedsvc.store.upserts import among, upsert


def add_tombstone(
    tx: Connection, tombstone: Tombstone, keys: Collection[str], stands: timedelta, *, again: bool = False
) -> None:
    """Set a tombstone in feeds, which show it for `stands`. An existing one keeps its instant and `had_by`.

    With `again`, a tombstone is written only if the story has one already: it was withdrawn before, and its
    reason or URL has changed.
    """
    query = select(tombstones.c.at, tombstones.c.had_by).where(
        tombstones.c.article_id == tombstone.article_id
    )
    earliest = tx.execute(query.order_by(tombstones.c.at).limit(1)).one_or_none()
    if earliest is None and again:
        return
    at = tombstone.at if earliest is None else from_micros(earliest.at)
    had_by = json.dumps(tombstone.had_by) if earliest is None else earliest.had_by
    upsert(
        tx,
        tombstones,
        [
            {
                "feed_key": key,
                "article_id": tombstone.article_id,
                "at": to_micros(at),
                "until": to_micros(at + stands),
                "reason": tombstone.reason,
                "url": tombstone.url,
                "had_by": had_by,
            }
            for key in sorted(keys)
        ],
    )


def remove_tombstones(tx: Connection, ids: Sequence[str]) -> None:
    """Delete the tombstones of stories: they are published again, or gone altogether."""
    if ids:
        tx.execute(delete(tombstones).where(among(tx, tombstones.c.article_id, ids)))


def standing(connection: Connection, key: str, limit: int) -> list[Tombstone]:
    """The newest tombstones of a feed, newest first."""
    query = select(tombstones).where(tombstones.c.feed_key == key)
    rows = connection.execute(query.order_by(tombstones.c.at.desc(), tombstones.c.article_id).limit(limit))
    return [_tombstone(row) for row in rows]


def falling(connection: Connection, after: datetime, until: datetime) -> set[str]:
    """The feeds that stop showing some tombstone in (after, until]."""
    query = select(tombstones.c.feed_key).where(
        tombstones.c.until > to_micros(after), tombstones.c.until <= to_micros(until)
    )
    return set(connection.execute(query).scalars())


def next_fall(connection: Connection, after: datetime) -> datetime | None:
    """The first instant after `after` at which a feed stops showing a tombstone (aware UTC); or None."""
    query = select(func.min(tombstones.c.until)).where(tombstones.c.until > to_micros(after))
    micros = connection.execute(query).scalar()
    return from_micros(micros) if micros is not None else None


def left_by(connection: Connection, article_id: str) -> Tombstone | None:
    """The tombstone of a story that was withdrawn after it could be seen, however long ago; or None."""
    query = select(tombstones).where(tombstones.c.article_id == article_id).limit(1)
    row = connection.execute(query).one_or_none()
    return _tombstone(row) if row else None


def left_by_any(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the stories that have a tombstone, however old."""
    query = select(tombstones.c.article_id).where(among(connection, tombstones.c.article_id, ids)).distinct()
    return set(connection.execute(query).scalars())


def feeds_of(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Story id → the feeds that its tombstone was set in; stories without one are left out."""
    columns = tombstones.c
    query = select(columns.article_id, columns.feed_key).where(among(connection, columns.article_id, ids))
    found: dict[str, frozenset[str]] = {}
    for article_id, key in connection.execute(query):
        found[article_id] = found.get(article_id, frozenset()) | {key}
    return found


def had_by(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Story id → the audiences that had it before it was withdrawn, for stories that have a tombstone."""
    query = select(tombstones).where(among(connection, tombstones.c.article_id, ids))
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(query):
        found[row.article_id] = found.get(row.article_id, frozenset()) | {*_tombstone(row).had_by}
    return found


def _tombstone(row: Any) -> Tombstone:
    had_by = tuple(json.loads(row.had_by)) if row.had_by else ("",)
    return Tombstone(row.article_id, from_micros(row.at), row.reason, row.url, had_by)
