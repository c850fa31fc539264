"""Revocations: which audiences may no longer have a story, or only less of it, in each feed they had it in.

Must not know why: the caller says what is revoked. The contents of a partner's feed include one marker for
all revocations in it; the delivery log records who received the marker, and so has polled since.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from feedsvc.domain.model import Tombstone, from_micros, to_micros
from feedsvc.domain.rights import Revocation
from feedsvc.store.representations import publication
from feedsvc.store.tables import revocations
from feedsvc.store.upserts import among, upsert

FEED: Final = "/feeds/"
"""Prefix of a feed's key where the delivery log has a feed in place of a story: no story's id begins so."""
_MARK: Final = "revoked@"


class Standing(NamedTuple):
    """A revocation, and the keys of the feeds in which it is recorded."""

    revocation: Revocation
    keys: frozenset[str]


def of(connection: Connection, ids: Collection[str]) -> dict[str, list[Standing]]:
    """The revocations of stories, by story id; stories without any are left out."""
    columns = revocations.c
    query = select(revocations).where(among(connection, columns.article_id, ids))
    found: dict[str, dict[Revocation, set[str]]] = {}
    for row in connection.execute(query.order_by(columns.article_id, columns.audience, columns.level)):
        found.setdefault(row.article_id, {}).setdefault(_revocation(row), set()).add(row.feed_key)
    return {
        article_id: [Standing(one, frozenset(keys)) for one, keys in noted.items()]
        for article_id, noted in found.items()
    }


def replace(tx: Connection, noted: Mapping[str, Sequence[Standing]]) -> None:
    """Record these revocations of each of the stories, in place of all that were recorded before."""
    tx.execute(delete(revocations).where(among(tx, revocations.c.article_id, noted)))
    number, _ = publication(tx)
    rows = [_row(one.revocation, key, number) for some in noted.values() for one in some for key in one.keys]
    upsert(tx, revocations, sorted(rows, key=lambda row: (row["feed_key"], row["article_id"])))


def _row(one: Revocation, key: str, number: int) -> dict[str, Any]:
    return {
        "feed_key": key,
        "article_id": one.article_id,
        "audience": one.audience,
        "level": one.level,
        "at": to_micros(one.at),
        "until": None if one.until is None else to_micros(one.until),
        "reason": one.reason,
        "title": one.title,
        "url": one.url,
        "digest": one.digest,
        "publication": number if one.publication < 0 else one.publication,
    }


def _revocation(row: Any) -> Revocation:
    return Revocation(
        row.audience,
        row.article_id,
        from_micros(row.at),
        None if row.until is None else from_micros(row.until),
        row.level,
        row.reason,
        row.title,
        row.url,
        row.digest,
        row.publication,
    )


def in_force(now: datetime) -> ColumnElement[bool]:
    """The SQL condition that a revocation is in force at `now` (aware UTC)."""
    columns = revocations.c
    return and_(columns.at <= to_micros(now), or_(columns.until.is_(None), columns.until > to_micros(now)))


def tombstones(connection: Connection, key: str, now: datetime, limit: int) -> list[Tombstone]:
    """A feed's tombstones for stories that some audience may no longer have: the newest ones, newest first.

    Those for the public say that a story is gone, and not why. `limit` is the most to return.
    """
    columns = revocations.c
    query = select(revocations).where(columns.feed_key == key, columns.level == "none", in_force(now))
    rows = connection.execute(query.order_by(columns.at.desc(), columns.article_id).limit(limit))
    return [
        Tombstone(
            row.article_id,
            from_micros(row.at),
            row.reason if row.audience else "",
            row.url,
            (row.audience,),
        )
        for row in rows
    ]


def marks(connection: Connection, key: str, now: datetime) -> dict[str, tuple[str, str]]:
    """Partner → (id, marker) for the contents of its feed, if anything is revoked from it there at `now`."""
    columns = revocations.c
    query = select(columns.audience, func.max(columns.at)).where(columns.feed_key == key, in_force(now))
    rows = connection.execute(query.group_by(columns.audience))
    return {audience: (f"{FEED}{key}", f"{_MARK}{at}") for audience, at in rows if audience}


def marked_at(mark: str) -> int:
    """The instant of a marker, in microseconds since 1970."""
    return int(mark.removeprefix(_MARK))


def turning(connection: Connection, after: datetime, until: datetime, stands: timedelta) -> set[str]:
    """The feeds in which time alone begins or ends a revocation, or its tombstone, in (after, until].

    `stands` is how long feeds show the tombstone.
    """
    columns = revocations.c
    turns = [
        and_(column > to_micros(after - later), column <= to_micros(until - later))
        for column, later in ((columns.at, timedelta()), (columns.until, timedelta()), (columns.at, stands))
    ]
    return set(connection.execute(select(columns.feed_key).where(or_(*turns)).distinct()).scalars())


def next_turn(connection: Connection, after: datetime, stands: timedelta) -> datetime | None:
    """The first instant after `after` at which time alone begins or ends a revocation, or its tombstone.

    Aware UTC; None if there is none.
    """
    columns = revocations.c
    turns = ((columns.at, timedelta()), (columns.until, timedelta()), (columns.at, stands))
    firsts = (
        select(func.min(column)).where(column > to_micros(after - later)).scalar_subquery()
        for column, later in turns
    )
    row = connection.execute(select(*firsts)).one()
    found = [
        from_micros(first) + later for first, (_, later) in zip(row, turns, strict=True) if first is not None
    ]
    return min(found, default=None)


def noted(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the feeds in which any revocation is recorded."""
    query = select(revocations.c.feed_key).where(among(connection, revocations.c.feed_key, keys)).distinct()
    return set(connection.execute(query).scalars())


def newest(connection: Connection, now: datetime) -> datetime | None:
    """When the newest revocation from a partner that has begun by `now` began (aware UTC); or None."""
    columns = revocations.c
    query = select(func.max(columns.at)).where(columns.at <= to_micros(now), columns.audience != "")
    at = connection.execute(query).scalar()
    return from_micros(at) if at is not None else None
