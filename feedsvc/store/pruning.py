"""Finds and deletes rows past their retention, page by page: each function finds a page, or deletes one.

Every function takes an open transaction. The caller says how old a row must be. A row that somebody may still
need to know of is kept, however old.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    not_,
    or_,
    select,
    tuple_,
)

from feedsvc.domain.model import to_micros
from feedsvc.store import articles, holdings, tokens
from feedsvc.store.revocations import FEED
from feedsvc.store.tables import articles as articles_table
from feedsvc.store.tables import deliveries as deliveries_table
from feedsvc.store.tables import former_dates, outbox, tombstones
from feedsvc.store.tables import recalls as recalls_table
from feedsvc.store.tables import revocations as revocations_table
from feedsvc.store.tables import tokens as tokens_table

Place = tuple[Any, ...]
"""Where a page ended; the next one begins after it. () begins the first page."""


class Page(NamedTuple):
    """The keys of some rows to delete, and where the page ended; `end` is None if it was the last."""

    keys: Sequence[tuple[Any, ...]]
    end: Place | None


# -- recalls and revocations -------------------------------------------------------------------------------


def recalled(
    connection: Connection, after: Place, limit: int, *, before: datetime, partners: Collection[str]
) -> Page:
    """Recalled stories whose holders all learnt of it earlier than `before` (aware UTC): (id, instant).

    The instant is that of the recall, in microseconds. `partners` are the present ones: former partners are
    not waited for.
    """
    columns = recalls_table.c
    query = select(columns.at, columns.article_id).where(columns.at < to_micros(before)).distinct()
    rows = _page(connection, query, (columns.at, columns.article_id), after, limit)
    known = holdings.settled(connection, [row.article_id for row in rows], partners)
    over = [
        (row.article_id, row.at) for row in rows if row.article_id in known and known[row.article_id] < before
    ]
    return Page(over, _end(rows, limit))


def remove_recalls(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete recalls, unless another has taken their place since they were found; returns how many."""
    articles.lock(tx, [article_id for article_id, _ in keys])
    columns = recalls_table.c
    return _delete(tx, recalls_table, (columns.article_id, columns.at), keys)


def revoked(
    connection: Connection, after: Place, limit: int, *, before: datetime, partners: Collection[str]
) -> Page:
    """Revocations whose audience learnt of them earlier than `before`: (id, audience, level, instant)."""
    columns = revocations_table.c
    query = select(columns.at, columns.article_id).where(columns.at < to_micros(before)).distinct()
    rows = _page(connection, query, (columns.at, columns.article_id), after, limit)
    known = holdings.settled_revocations(connection, [row.article_id for row in rows], partners)
    over = [
        (one.article_id, one.audience, one.level, to_micros(one.at))
        for one, learnt in known
        if learnt < before
    ]
    return Page(over, _end(rows, limit))


def remove_revocations(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete revocations, unless others have taken their place since they were found; returns how many."""
    articles.lock(tx, [key[0] for key in keys])
    columns = revocations_table.c
    places = (columns.article_id, columns.audience, columns.level, columns.at)
    return _delete(tx, revocations_table, places, keys)


# -- the delivery log, notices and tokens -----------------------------------------------------------


def delivered(connection: Connection, after: Place, limit: int, *, before: datetime) -> Page:
    """Lines older than `before`, except those that show who has to know of a recall or revocation."""
    columns = deliveries_table.c
    query = select(columns.delivered_at, columns.token_id, columns.article_id, columns.digest).where(
        columns.delivered_at < to_micros(before), _is_of_no_recall()
    )
    place = (columns.delivered_at, columns.token_id, columns.article_id, columns.digest)
    rows = _page(connection, query, place, after, limit)
    return Page([tuple(row[1:]) for row in rows], _end(rows, limit))


def remove_deliveries(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete lines of the delivery log, unless their story was recalled meanwhile."""
    articles.lock(tx, {key[1] for key in keys})
    columns = deliveries_table.c
    places = (columns.token_id, columns.article_id, columns.digest)
    return _delete(tx, deliveries_table, places, keys, _is_of_no_recall())


def _is_of_no_recall() -> ColumnElement[bool]:
    columns = deliveries_table.c
    story, feed = columns.article_id, columns.feed_key
    return and_(
        not_(exists().where(recalls_table.c.article_id == story)),
        not_(exists().where(revocations_table.c.article_id == story)),
        # The line with a feed's marker shows that its revocations are known to the partner.
        or_(
            story < FEED,
            story >= _after(FEED),
            not_(exists().where(revocations_table.c.feed_key == feed)),
        ),
    )


def _after(prefix: str) -> str:
    """The first string that sorts after all strings with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def noticed(connection: Connection, after: Place, limit: int, *, before: datetime) -> Page:
    """Notices older than `before`, except those of stories that are still recalled or revoked."""
    columns = outbox.c
    query = select(columns.created_at, columns.id).where(
        columns.created_at < to_micros(before),
        not_(exists().where(recalls_table.c.article_id == columns.article_id)),
        not_(exists().where(revocations_table.c.article_id == columns.article_id)),
    )
    rows = _page(connection, query, (columns.created_at, columns.id), after, limit)
    return Page([(row.id,) for row in rows], _end(rows, limit))


def remove_notices(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Remove notices."""
    return _delete(tx, outbox, (outbox.c.id,), keys)


def ended_tokens(connection: Connection, after: Place, limit: int, *, before: datetime) -> Page:
    """Tokens that expired or were revoked earlier than `before` and have no lines in the delivery log."""
    columns = tokens_table.c
    old = to_micros(before)
    query = select(columns.id).where(
        or_(columns.revoked_at < old, columns.expires_at < old),
        not_(exists().where(deliveries_table.c.token_id == columns.id)),
    )
    rows = _page(connection, query, (columns.id,), after, limit)
    return Page([tuple(row) for row in rows], _end(rows, limit))


def remove_tokens(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete tokens, unless something was received with them meanwhile."""
    unused = not_(exists().where(deliveries_table.c.token_id == tokens_table.c.id))
    number = _delete(tx, tokens_table, (tokens_table.c.id,), keys, unused)
    tokens.changed(tx)
    return number


# -- tombstones and former dates ---------------------------------------------------------------------------


def buried(connection: Connection, after: Place, limit: int, *, before: datetime) -> Page:
    """Tombstones that feeds stopped showing earlier than `before`.

    As long as a story exists, its tombstone in the feed of everything is kept: the story's page says by it
    that the story was withdrawn.
    """
    columns = tombstones.c
    query = select(columns.until, columns.feed_key, columns.article_id).where(
        columns.until < to_micros(before), _is_of_none_there()
    )
    rows = _page(connection, query, (columns.until, columns.feed_key, columns.article_id), after, limit)
    return Page([tuple(row[1:]) for row in rows], _end(rows, limit))


def remove_tombstones(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete tombstones, unless their story is back meanwhile."""
    articles.lock(tx, {key[1] for key in keys})
    columns = tombstones.c
    return _delete(tx, tombstones, (columns.feed_key, columns.article_id), keys, _is_of_none_there())


def _is_of_none_there() -> ColumnElement[bool]:
    columns = tombstones.c
    return or_(columns.feed_key != "all", not_(exists().where(articles_table.c.id == columns.article_id)))


def dated(connection: Connection, after: Place, limit: int, *, before: datetime) -> Page:
    """Dates older than `before` of representations that no longer exist."""
    columns = former_dates.c
    place = (columns.partner, columns.feed_key, columns.format)
    query = select(*place).where(columns.changed_at < to_micros(before))
    rows = _page(connection, query, place, after, limit)
    return Page([tuple(row) for row in rows], _end(rows, limit))


def remove_dates(tx: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
    """Delete dates of representations that no longer exist."""
    columns = former_dates.c
    return _delete(tx, former_dates, (columns.partner, columns.feed_key, columns.format), keys)


# -- pages -------------------------------------------------------------------------------------------------


def _page(connection: Connection, query: Any, place: Place, after: Place, limit: int) -> list[Any]:
    if after:
        query = query.where(tuple_(*place) > after)
    return list(connection.execute(query.order_by(*place).limit(limit)).all())


def _end(rows: Sequence[Any], limit: int) -> Place | None:
    """Where a page ended: its last row, whose columns are those of `place`; None if it was the last page."""
    return tuple(rows[-1]) if len(rows) == limit else None


def _delete(
    tx: Connection,
    table: Any,
    columns: Place,
    keys: Sequence[tuple[Any, ...]],
    *conditions: ColumnElement[bool],
) -> int:
    names = [f"key_{number}" for number in range(len(columns))]
    is_one = [column == bindparam(name) for column, name in zip(columns, names, strict=True)]
    statement = delete(table).where(*is_one, *conditions)
    rows = [dict(zip(names, key, strict=True)) for key in keys]
    return max(tx.execute(statement, rows).rowcount, 0) if rows else 0
