"""Representations of feeds: the refresher writes them, the web reads them.

The publication number tells readers that something changed, and `changed_since` what.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, text

from feedsvc.domain.model import Format, Representation, from_micros, to_micros
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.tables import former_dates, representations
from feedsvc.store.upserts import among, upsert, upsert_tuples

_SECOND = timedelta(seconds=1)
_REMOVALS = "removals"


class Unpublished(NamedTuple):
    """A rendered representation that is to be published.

    `content_at` is the newest instant that its content reflects, `valid_until` the first at which a story in
    it expires (both aware UTC). `max_age` is in seconds. `partner` and `contents` are as in Representation.
    """

    key: str
    format: Format
    title: str
    body: bytes
    digest: str
    max_age: int
    content_at: datetime
    valid_until: datetime | None = None
    partner: str = ""
    contents: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> "Name":
        """What identifies it."""
        return self.partner, self.key, self.format


Name = tuple[str, str, Format]
"""Whom a representation is for ("" for everybody), its feed key, and its format."""


class _Before(NamedTuple):
    """The representation that is published already."""

    title: str
    digest: str
    changed_at: int
    max_age: int
    valid_until: int | None
    contents: str | None


class Listing(NamedTuple):
    """A feed as a directory shows it."""

    key: str
    title: str
    formats: tuple[Format, ...]


def publish(tx: Connection, candidates: Sequence[Unpublished], now: datetime) -> list[Unpublished]:
    """Write the representations that differ from the published ones; returns just those.

    `changed_at` of a first publication is `content_at` (at most `now`), so that a store made anew gives the
    same date. When the bytes change, it becomes `now`, but at least a second later than before, because
    Last-Modified has a resolution of one second; with the same bytes it stays. The same holds for a
    representation that was removed for a while.
    """
    before = _published(tx, {one.partner for one in candidates}, {one.key for one in candidates})
    changed = [one for one in candidates if _differs(before.get(one.name), one)]
    if not changed:
        return []
    number = _next_publication(tx)
    new = {one.key for one in changed if one.name not in before}
    dates = _former_dates(tx, new) if new else {}
    dates |= {name: (one.digest, one.changed_at) for name, one in before.items()}
    upsert(
        tx,
        representations,
        [
            {
                "partner": one.partner,
                "feed_key": one.key,
                "format": one.format,
                "title": one.title,
                "body": one.body,
                "digest": one.digest,
                "changed_at": to_micros(_changed_at(dates.get(one.name), one, now)),
                "max_age": one.max_age,
                "publication": number,
                "valid_until": _micros(one.valid_until),
                "contents": _contents(one),
            }
            for one in changed
        ],
    )
    return changed


def _contents(one: Unpublished) -> str | None:
    return json.dumps(one.contents, ensure_ascii=False, separators=(",", ":")) if one.partner else None


def _published(tx: Connection, partners: Iterable[str], keys: Iterable[str]) -> dict[Name, _Before]:
    """The published representations of these feeds for these partners, by name.

    The query names the partners as well, because the primary key begins with the partner: with the feed key
    alone, each look-up would go through all rows.
    """
    columns = representations.c
    query = select(
        columns.partner,
        columns.feed_key,
        columns.format,
        columns.title,
        columns.digest,
        columns.changed_at,
        columns.max_age,
        columns.valid_until,
        columns.contents,
    ).where(columns.partner.in_(sorted(partners)), columns.feed_key.in_(sorted(keys)))
    return {(partner, key, fmt): _Before(*values) for partner, key, fmt, *values in tx.execute(query)}


def _differs(before: _Before | None, one: Unpublished) -> bool:
    now = (one.title, one.digest, one.max_age, _micros(one.valid_until), _contents(one))
    return (
        before is None
        or (before.title, before.digest, before.max_age, before.valid_until, before.contents) != now
    )


def _micros(instant: datetime | None) -> int | None:
    return to_micros(instant) if instant else None


def _changed_at(before: tuple[str, int] | None, one: Unpublished, now: datetime) -> datetime:
    """The date of a representation; `before` is its earlier digest and date (microseconds), if it had one."""
    if before is None:
        return min(one.content_at, now).replace(microsecond=0)
    digest, micros = before
    changed_at = from_micros(micros)
    return changed_at if digest == one.digest else max(now.replace(microsecond=0), changed_at + _SECOND)


class Dated(NamedTuple):
    """The date of a representation (microseconds since 1970), and the digest of the bytes that it belongs to.

    In the order of the table's columns.
    """

    partner: str
    key: str
    format: str
    digest: str
    changed_at: int


def dates(connection: Connection) -> list[Dated]:
    """The date of every representation that exists or existed."""
    columns = representations.c
    query = select(columns.partner, columns.feed_key, columns.format, columns.digest, columns.changed_at)
    rows = [*connection.execute(select(former_dates)), *connection.execute(query)]
    return list(map(Dated._make, rows))


def keep_dates(tx: Connection, dated: Sequence[Dated]) -> None:
    """Keep the dates of representations that do not exist now, for when they are published again."""
    upsert_tuples(tx, former_dates, dated)


def _former_dates(connection: Connection, keys: Iterable[str]) -> dict[Name, tuple[str, int]]:
    """The digests and dates that removed representations of these feeds had last, by name."""
    query = select(former_dates).where(among(connection, former_dates.c.feed_key, sorted(keys)))
    return {
        (row.partner, row.feed_key, row.format): (row.digest, row.changed_at)
        for row in connection.execute(query)
    }


def _next_publication(tx: Connection) -> int:
    """The number of this commit. The row stays locked until the commit: numbers become visible in order."""
    return int(
        tx.execute(
            text(
                "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT)"
                " WHERE name = 'publication' RETURNING value"
            )
        ).scalar_one()
    )


def withdraw(tx: Connection, gone: Sequence[Name]) -> None:
    """Remove representations and keep their dates: the feed, or that format of it, is no longer published."""
    if gone:
        write_meta(tx, _REMOVALS, str(_next_publication(tx)))
    columns = representations.c
    for name in gone:
        query = select(columns.digest, columns.changed_at).where(_is(name))
        keep_dates(tx, [Dated(*name, *row) for row in tx.execute(query)])
        tx.execute(delete(representations).where(_is(name)))


def _is(name: Name) -> ColumnElement[bool]:
    columns = representations.c
    return and_(columns.partner == name[0], columns.feed_key == name[1], columns.format == name[2])


def withdraw_feeds(tx: Connection, keys: Sequence[str]) -> None:
    """Remove feeds, in every format and for every partner."""
    columns = representations.c
    query = select(columns.partner, columns.feed_key, columns.format).where(columns.feed_key.in_(keys))
    withdraw(tx, [(partner, key, cast(Format, fmt)) for partner, key, fmt in tx.execute(query)])


def get(connection: Connection, key: str, fmt: Format, partner: str = "") -> Representation | None:
    """One representation, everybody's or a partner's; None if there is none."""
    row = connection.execute(select(representations).where(_is((partner, key, fmt)))).one_or_none()
    if row is None:
        return None
    return Representation(
        key=row.feed_key,
        format=cast(Format, row.format),
        title=row.title,
        body=bytes(row.body),
        digest=row.digest,
        changed_at=from_micros(row.changed_at),
        max_age=row.max_age,
        valid_until=from_micros(row.valid_until) if row.valid_until is not None else None,
        partner=row.partner,
        contents=tuple((article_id, digest) for article_id, digest in json.loads(row.contents or "[]")),
        publication=row.publication if row.partner else 0,
    )


def probe(connection: Connection) -> None:
    """Read a feed's bytes as a request would. Raises what reading the store raises."""
    query = select(representations.c.body).where(_is(("", "all", "rss")))
    connection.execute(query).scalar()


def publication(connection: Connection) -> tuple[int, int]:
    """The numbers of the last commit that wrote or removed a representation, and of the last removal."""
    return int(read_meta(connection, "publication") or 0), int(read_meta(connection, _REMOVALS) or 0)


def is_empty(connection: Connection) -> bool:
    """Whether nothing has ever been published."""
    return publication(connection)[0] == 0


def changed_since(connection: Connection, number: int) -> list[Name]:
    """The representations that were written after publication `number`."""
    columns = representations.c
    rows = connection.execute(
        select(columns.partner, columns.feed_key, columns.format).where(columns.publication > number)
    )
    return [(row.partner, row.feed_key, cast(Format, row.format)) for row in rows]


def published_keys(connection: Connection, keys: Iterable[str], partner: str = "") -> set[str]:
    """Those of the feeds that have a representation, for everybody or for a partner."""
    columns = representations.c
    query = select(columns.feed_key).where(columns.partner == partner, columns.feed_key.in_(sorted(keys)))
    return set(connection.execute(query).scalars())


def listings(connection: Connection, partner: str = "") -> list[Listing]:
    """Every feed published for everybody, or for a partner, by key."""
    columns = representations.c
    feeds: dict[str, Listing] = {}
    for row in connection.execute(
        select(columns.feed_key, columns.format, columns.title)
        .where(columns.partner == partner)
        .order_by(columns.feed_key, columns.format)
    ):
        known = feeds.get(row.feed_key)
        formats = (*known.formats, row.format) if known else (row.format,)
        feeds[row.feed_key] = Listing(row.feed_key, row.title, formats)
    return list(feeds.values())


def partners(connection: Connection) -> list[str]:
    """The partners that something is published for."""
    columns = representations.c
    query = select(columns.partner).where(columns.partner != "").distinct().order_by(columns.partner)
    return list(connection.execute(query).scalars())


def totals(connection: Connection) -> tuple[int, int]:
    """How many representations there are, and the total size of their bodies in bytes."""
    number, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(func.length(representations.c.body)), 0))
    ).one()
    return number, int(size)
