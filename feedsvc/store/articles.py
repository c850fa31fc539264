"""Articles, the feeds they belong to, the files they came from, and the files that wait in quarantine.

Every function takes an open transaction; which feeds an article belongs to is said by the caller.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, or_, select, tuple_, update

from feedsvc.model import ARTICLE, Article, Quarantined, Rejected
from feedsvc.store.dirty import mark
from feedsvc.store.schema import (
    articles,
    from_micros,
    memberships,
    quarantine,
    sources_seen,
    to_micros,
    upsert,
)

_IDS_A_QUERY = 500  # SQLite takes a bounded number of variables in one statement


@dataclass(frozen=True, slots=True)
class Application:
    """A change ready to be written: the article as it is to be (None: removed), and the feeds it is in.

    `ranks` holds feed key → the instant it ranks by there; `dirty` every feed key the change touches.
    """

    article_id: str
    new: Article | None
    ranks: Mapping[str, datetime]
    dirty: Collection[str]


def apply(tx: Connection, changes: Sequence[Application], now: datetime) -> None:
    """Write articles and memberships, and mark every feed touched, in the caller's one transaction."""
    ids = [change.article_id for change in changes]
    before = {
        (key, position, article_id)
        for article_id, places in _places(tx, ids).items()
        for key, position in places
    }
    after = {
        (key, -to_micros(rank), change.article_id) for change in changes for key, rank in change.ranks.items()
    }
    _forget_memberships(tx, before - after)
    upsert(tx, memberships, [_membership(*place) for place in sorted(after - before)])
    upsert(tx, articles, [_row(change) for change in changes if change.new is not None])
    removed = [change.article_id for change in changes if change.new is None]
    for some in _chunks(removed):
        tx.execute(delete(articles).where(articles.c.id.in_(some)))
    mark(tx, {key for change in changes for key in change.dirty}, now)


def _row(change: Application) -> dict[str, Any]:
    article = change.new
    assert article is not None
    return {
        "id": article.id,
        "digest": article.digest,
        "status": article.status,
        "visible_from": to_micros(article.visible_from),
        "visible_until": to_micros(article.expires) if article.expires else None,
        "places": json.dumps(
            [[key, -to_micros(rank)] for key, rank in sorted(change.ranks.items())], ensure_ascii=False
        ),
        "article": ARTICLE.dump_json(article).decode(),
    }


def _membership(key: str, position: int, article_id: str) -> dict[str, Any]:
    return {"feed_key": key, "position": position, "article_id": article_id}


def _places(tx: Connection, ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    return {
        article_id: [(key, position) for key, position in json.loads(places)]
        for some in _chunks(ids)
        for article_id, places in tx.execute(
            select(articles.c.id, articles.c.places).where(articles.c.id.in_(some))
        )
    }


def _forget_memberships(tx: Connection, places: Iterable[tuple[str, int, str]]) -> None:
    rows = [{"k": key, "p": position, "a": article_id} for key, position, article_id in sorted(places)]
    if rows:
        tx.execute(
            delete(memberships).where(
                memberships.c.feed_key == bindparam("k"),
                memberships.c.position == bindparam("p"),
                memberships.c.article_id == bindparam("a"),
            ),
            rows,
        )


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_A_QUERY):
        yield ids[start : start + _IDS_A_QUERY]


def get(connection: Connection, article_id: str) -> Article | None:
    """One article, whatever its status."""
    return get_many(connection, [article_id]).get(article_id)


def get_many(connection: Connection, ids: Sequence[str]) -> dict[str, Article]:
    """Those of the articles that are there, by id."""
    return {
        article_id: ARTICLE.validate_json(article)
        for some in _chunks(ids)
        for article_id, article in connection.execute(
            select(articles.c.id, articles.c.article).where(articles.c.id.in_(some))
        )
    }


def each(connection: Connection, page: int = 500) -> Iterator[Article]:
    """Every article in order of id, a page at a time, so that memory does not grow with the archive."""
    last = ""
    while rows := connection.execute(
        select(articles.c.id, articles.c.article)
        .where(articles.c.id > last)
        .order_by(articles.c.id)
        .limit(page)
    ).all():
        for _, article in rows:
            yield ARTICLE.validate_json(article)
        last = rows[-1].id


def window(
    connection: Connection, key: str, not_above: datetime | None = None, page: int = 64
) -> Iterator[Article]:
    """The articles of a feed, highest rank first, then by id: an index range scan, a page at a time.

    `not_above` skips what ranks after that instant.
    """
    place = tuple_(memberships.c.position, memberships.c.article_id)
    after: tuple[int, str] = (-to_micros(not_above) if not_above else -(2**62), "")
    while rows := connection.execute(
        select(memberships.c.position, memberships.c.article_id, articles.c.article)
        .join(articles, articles.c.id == memberships.c.article_id)
        .where(memberships.c.feed_key == key, place > after)
        .order_by(memberships.c.position, memberships.c.article_id)
        .limit(page)
    ).all():
        for row in rows:
            yield ARTICLE.validate_json(row.article)
        after = (rows[-1].position, rows[-1].article_id)


def next_flip(connection: Connection, after: datetime) -> datetime | None:
    """The first instant after `after` at which an embargo or publication date comes, or an expiry."""
    instants = [
        connection.execute(
            select(func.min(column)).where(column > to_micros(after), articles.c.status == "published")
        ).scalar()
        for column in (articles.c.visible_from, articles.c.visible_until)
    ]
    return from_micros(min(known)) if (known := [one for one in instants if one is not None]) else None


def flipped(connection: Connection, after: datetime, until: datetime) -> set[str]:
    """The feed keys of stories whose visibility changed in (after, until]."""
    low, high = to_micros(after), to_micros(until)
    rows = connection.execute(
        select(articles.c.places).where(
            or_(
                *(
                    (column > low) & (column <= high)
                    for column in (articles.c.visible_from, articles.c.visible_until)
                )
            )
        )
    )
    return {key for (places,) in rows for key, _ in json.loads(places)}


def count(connection: Connection) -> int:
    """How many articles there are, of every status."""
    return connection.execute(select(func.count()).select_from(articles)).scalar_one()


@dataclass(frozen=True, slots=True)
class Source:
    """A story file as it was when it was last read. `article_id` is the story it owns, if it ever loaded."""

    path: str
    size: int
    mtime_ns: int
    article_id: str | None


def sources(connection: Connection, under: str = "") -> dict[str, Source]:
    """The files that were read, by path; with `under`, that file or what is below that folder."""
    query = select(sources_seen)
    if under:
        # "0" follows "/": every path below the folder sorts between the two.
        below = (sources_seen.c.path > f"{under}/") & (sources_seen.c.path < f"{under}0")
        query = query.where(or_(sources_seen.c.path == under, below))
    return {row.path: Source(*row) for row in connection.execute(query)}


def sources_at(connection: Connection, paths: Sequence[str]) -> dict[str, Source]:
    """Those of the files that were read, by path."""
    return {
        row.path: Source(*row)
        for some in _chunks(paths)
        for row in connection.execute(select(sources_seen).where(sources_seen.c.path.in_(some)))
    }


def owners(connection: Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    """The paths of the files that own each of the stories: one each, or two while a story is moved."""
    found: dict[str, set[str]] = {}
    for some in _chunks(ids):
        query = select(sources_seen.c.article_id, sources_seen.c.path)
        for article_id, path in connection.execute(query.where(sources_seen.c.article_id.in_(some))):
            found.setdefault(article_id, set()).add(path)
    return found


def reread_all(tx: Connection) -> None:
    """Have every file read again by the next look through the folder."""
    tx.execute(update(sources_seen).values(mtime_ns=-1))


def remember_sources(tx: Connection, seen: Iterable[Source]) -> None:
    """Note files as read, so that they are not read again until size or time changes."""
    upsert(
        tx,
        sources_seen,
        [
            {"path": one.path, "size": one.size, "mtime_ns": one.mtime_ns, "article_id": one.article_id}
            for one in seen
        ],
    )


def forget_sources(tx: Connection, paths: Sequence[str]) -> None:
    """Forget files that are gone, and what they had in quarantine."""
    for some in _chunks(paths):
        tx.execute(delete(sources_seen).where(sources_seen.c.path.in_(some)))
    release(tx, paths)


def put_in_quarantine(tx: Connection, rejected: Sequence[Rejected], now: datetime) -> None:
    """Set files aside, each with line and reason."""
    upsert(
        tx,
        quarantine,
        [
            {
                "path": one.path,
                "line": one.line,
                "reason": one.reason,
                "since": to_micros(now),
                "article_id": one.article_id,
                "rule": one.rule,
            }
            for one in rejected
        ],
    )


def release(tx: Connection, paths: Sequence[str]) -> None:
    """Take files out of quarantine: they loaded, or they are gone."""
    for some in _chunks(paths):
        tx.execute(delete(quarantine).where(quarantine.c.path.in_(some)))


def waiting_for(connection: Connection, ids: Sequence[str]) -> list[str]:
    """The paths in quarantine because another file had one of these ids."""
    return [
        path
        for some in _chunks(ids)
        for (path,) in connection.execute(
            select(quarantine.c.path).where(quarantine.c.article_id.in_(some)).order_by(quarantine.c.path)
        )
    ]


def quarantined(connection: Connection) -> list[Quarantined]:
    """Every file in quarantine, by path."""
    rows = connection.execute(select(quarantine).order_by(quarantine.c.path))
    return [Quarantined(row.path, row.line, row.reason, from_micros(row.since), row.rule) for row in rows]
