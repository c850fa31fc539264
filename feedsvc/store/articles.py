"""Reads and writes articles and memberships (which feed an article is in, and at which rank).

Every function takes an open transaction. Must not know which feeds an article belongs to: the caller says it.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    tuple_,
)

from feedsvc.domain.model import ARTICLE, Article, Placed, from_micros, to_micros
from feedsvc.store import names
from feedsvc.store.dirty import mark
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.migrations import PLACES_BY_KEY
from feedsvc.store.tables import (
    articles,
    memberships,
    representations,
)
from feedsvc.store.upserts import among, upsert_tuples
from feedsvc.util.lru import ByteLRU

_UNPLACED = "unplaced"
_FEW = 50  # a transaction with at most this many changes marks its feeds urgent: they are published first
_LOCKS = 256
_LOCK_CLASS = 0x66656564  # any number of our own: PostgreSQL's advisory locks are named by numbers


@dataclass(frozen=True, slots=True)
class ArticleWrite:
    """A change ready to be written: the new article (None: removed), and the key of every feed it affects."""

    article_id: str
    new: Placed | None
    dirty: Collection[str]


def apply(tx: Connection, changes: Sequence[ArticleWrite], now: datetime, *, filling: bool = False) -> None:
    """Write articles and memberships, and mark every affected feed dirty, in the caller's transaction.

    With `filling`, the first load of an empty store leaves the memberships to `place_all`, which inserts them
    in index order, in a fraction of the time. `place_all` must be called before anything is published.
    """
    new = [change.new for change in changes if change.new]
    left: set[str] = set()
    if not (filling and _may_owe(tx)):
        before = _memberships(_places(tx, [change.article_id for change in changes]))
        after = _memberships({one.id: one.places for one in new})
        _forget_memberships(tx, before - after)
        upsert_tuples(tx, memberships, sorted(after - before))
        left = _left(before, after) | _held_back(new, to_micros(now))
    upsert_tuples(tx, articles, list(map(_row, new)))
    names.note(tx, new)
    if removed := [change.article_id for change in changes if change.new is None]:
        tx.execute(delete(articles).where(among(tx, articles.c.id, removed)))
    keys = {key for change in changes for key in change.dirty}
    mark(tx, keys, now, urgent=len(changes) <= _FEW and not filling, left=left)


def _left(before: Iterable[tuple[str, int, str]], after: Iterable[tuple[str, int, str]]) -> set[str]:
    """The keys of the feeds that stories were in before which are in no feed now."""
    kept = {article_id for _, _, article_id in after}
    return {key for key, _, article_id in before if article_id not in kept}


def _held_back(new: Iterable[Placed], now: int) -> set[str]:
    """The keys of the feeds of stories that are not visible at `now` (microseconds since 1970).

    These feeds may have shown them until now.
    """
    return {
        key
        for one in new
        if one.visible_from > now or (one.visible_until is not None and one.visible_until <= now)
        for key in one.keys
    }


def _may_owe(tx: Connection) -> bool:
    """Whether memberships may be left to `place_all`; if so, record with them that they are pending."""
    may = are_places_owed(tx) or is_empty(tx)
    if may:
        # Written each time, although it may be set already: a concurrent `place_all` writes the same row, so
        # that it waits for this transaction, or this one waits for it and sets the note again afterwards.
        write_meta(tx, _UNPLACED, "1")
    return may


def are_places_owed(connection: Connection) -> bool:
    """Whether memberships are pending: they were left to `place_all`, which has not run since."""
    return read_meta(connection, _UNPLACED) == "1"


def place_all(tx: Connection) -> None:
    """Rebuild the memberships of all articles from their column `places`, if memberships are pending."""
    if not are_places_owed(tx):
        return
    write_meta(tx, _UNPLACED, "0")
    engine = tx.dialect.name
    if engine == "postgresql":
        # A concurrent transaction that deletes a membership while it is rebuilt here would not find the new
        # row, and would leave it behind.
        tx.execute(text("LOCK TABLE memberships IN EXCLUSIVE MODE"))
    by_key = f"CASE WHEN places LIKE '[%' THEN {PLACES_BY_KEY[engine]} ELSE places END"
    each = f"json_each({by_key})" if engine == "sqlite" else f"jsonb_each(CAST({by_key} AS JSONB))"
    tx.execute(delete(memberships))
    # In order, so that the index grows at its end only.
    tx.execute(
        text(
            "INSERT INTO memberships SELECT place.key, CAST(place.value AS BIGINT), articles.id"
            f" FROM articles, {each} AS place ORDER BY 1, 2, 3"
        )
    )


def _memberships(places: Mapping[str, str]) -> set[tuple[str, int, str]]:
    return {
        (key, position, article_id)
        for article_id, written in places.items()
        for key, position in dict(json.loads(written)).items()  # see PLACES_BY_KEY
    }


def _row(article: Placed) -> tuple[Any, ...]:
    """The columns of `articles`, in their order."""
    return (
        article.id,
        article.digest,
        article.status,
        article.visible_from,
        article.visible_until,
        article.places,
        article.json,
        article.published,
    )


def _places(tx: Connection, ids: Sequence[str]) -> dict[str, str]:
    query = select(articles.c.id, articles.c.places).where(among(tx, articles.c.id, ids))
    return {row.id: row.places for row in tx.execute(query)}


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


def get(connection: Connection, article_id: str) -> Article | None:
    """One article, whatever its status."""
    return get_many(connection, [article_id]).get(article_id)


def get_many(connection: Connection, ids: Sequence[str]) -> dict[str, Article]:
    """The articles with these ids, by id; ids without an article are left out."""
    query = select(articles.c.id, articles.c.article).where(among(connection, articles.c.id, ids))
    return {article_id: ARTICLE.validate_json(article) for article_id, article in connection.execute(query)}


def lock(tx: Connection, ids: Iterable[str]) -> None:
    """Lock stories until the transaction ends: others that call this for the same stories wait.

    SQLite has only one writer at a time anyway. PostgreSQL locks rows, but not rows that do not exist yet; so
    a few advisory locks stand for all stories. They are taken in order, so that two writers cannot deadlock.
    """
    _take(tx, sorted({crc32(article_id.encode()) % _LOCKS for article_id in ids}))


def lock_all(tx: Connection) -> None:
    """Like `lock`, for all stories, existing and new. Call it before the transaction writes anything."""
    _take(tx, range(_LOCKS))


def _take(tx: Connection, locks: Iterable[int]) -> None:
    if tx.dialect.name == "postgresql":
        statement = text(
            f"SELECT pg_advisory_xact_lock({_LOCK_CLASS}, one) FROM unnest(CAST(:locks AS INTEGER[])) AS one"
        )
        tx.execute(statement, {"locks": [*locks]}).all()


def digests(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The digests (versions) of the articles with these ids, by id; ids without an article are left out."""
    query = select(articles.c.id, articles.c.digest).where(among(connection, articles.c.id, ids))
    return {row.id: row.digest for row in connection.execute(query)}


def withdrawn(connection: Connection, ids: Sequence[str]) -> set[str]:
    """The ids of those of the stories that exist and are withdrawn."""
    query = select(articles.c.id).where(among(connection, articles.c.id, ids))
    return set(connection.execute(query.where(articles.c.status == "withdrawn")).scalars())


def is_any(connection: Connection, beginning: str) -> bool:
    """Whether there is an article whose id begins with `beginning`."""
    column = articles.c.id
    query = select(column).where(column >= beginning, column < f"{beginning}\U0010ffff").limit(1)
    return connection.execute(query).first() is not None


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


class ArticleCache:
    """A cache of the articles that `window` read last, up to `max_bytes` (estimated bytes).

    When a feed changes, usually only one of its fifty articles is new.
    """

    def __init__(self, max_bytes: int) -> None:
        self._kept: ByteLRU[tuple[str, str], Article] = ByteLRU(max_bytes)

    def read(self, connection: Connection, versions: Sequence[tuple[str, str]]) -> dict[str, Article]:
        """The articles of these (id, digest) pairs, by id; those not cached are read from the store."""
        found = {article.id: article for article in self._kept.get_all(versions) if article}
        missing = [article_id for article_id, _ in versions if article_id not in found]
        if missing:
            query = select(articles.c.article).where(among(connection, articles.c.id, missing))
            for (text_of_it,) in connection.execute(query):
                article = ARTICLE.validate_json(text_of_it)
                found[article.id] = article
                self._kept.put((article.id, article.digest), article, _OBJECTS_TO_JSON * len(text_of_it))
        return found


_OBJECTS_TO_JSON = 2
"""About how many times more memory an article takes as an object than as JSON."""


def window(
    connection: Connection,
    key: str,
    not_above: datetime | None = None,
    page: int = 64,
    cache: ArticleCache | None = None,
) -> Iterator[Article]:
    """The articles of a feed, highest rank first, then by id: an index range scan, a page at a time.

    `not_above` (aware UTC) skips articles ranked by a later instant. Articles in `cache` are not read again.
    """
    cache = cache or ArticleCache(0)
    place = tuple_(memberships.c.position, memberships.c.article_id)
    after: tuple[int, str] = (-to_micros(not_above) if not_above else -(2**62), "")
    while rows := connection.execute(
        select(memberships.c.position, memberships.c.article_id, articles.c.digest)
        .join(articles, articles.c.id == memberships.c.article_id)
        .where(memberships.c.feed_key == key, place > after)
        .order_by(memberships.c.position, memberships.c.article_id)
        .limit(page)
    ).all():
        found = cache.read(connection, [(row.article_id, row.digest) for row in rows])
        for row in rows:
            yield found[row.article_id]
        after = (rows[-1].position, rows[-1].article_id)


def next_transition(
    connection: Connection, after: datetime, delays: Sequence[timedelta] = ()
) -> datetime | None:
    """The first instant after `after` at which time alone changes a story's visibility (aware UTC); or None.

    This is its publication date, the end of its embargo, its expiry, or the end of one of the `delays` after
    its first publication, after which some audience may have it.
    """
    first: int | None = None
    for column, delay, condition in _turns(delays):
        query = select(func.min(column)).where(
            column > to_micros(after) - delay, articles.c.status == "published", *condition
        )
        found = connection.execute(query).scalar()
        if found is not None and (first is None or found + delay < first):
            first = found + delay
    return from_micros(first) if first is not None else None


def transitioned(
    connection: Connection, after: datetime, until: datetime, delays: Sequence[timedelta] = ()
) -> set[str]:
    """The keys of the feeds of stories whose visibility changed in (after, until]; see `next_transition`."""
    low, high = to_micros(after), to_micros(until)
    rows = connection.execute(
        select(articles.c.places).where(
            or_(
                *(
                    and_(column > low - delay, column <= high - delay, *condition)
                    for column, delay, condition in _turns(delays)
                )
            )
        )
    )
    return {key for (places,) in rows for key in dict(json.loads(places))}


_Turn = tuple[Column[int], int, tuple[ColumnElement[bool], ...]]


def _turns(delays: Sequence[timedelta]) -> Iterator[_Turn]:
    """(column, delay, conditions): visibility changes `delay` microseconds after the column's instant."""
    yield articles.c.visible_from, 0, ()
    yield articles.c.visible_until, 0, ()
    for delay in delays:
        later = delay // _MICROSECOND
        yield articles.c.visible_from, later, (articles.c.published.is_(None),)
        yield articles.c.published, later, ()


_MICROSECOND = timedelta(microseconds=1)


def keys(connection: Connection) -> set[str]:
    """The keys of all feeds that a published story belongs to, or that have a representation."""
    held = connection.execute(select(memberships.c.feed_key).distinct()).scalars()
    return {*held, *connection.execute(select(representations.c.feed_key).distinct()).scalars()}


def is_empty(connection: Connection) -> bool:
    """Whether there is no article, of whatever status."""
    return connection.execute(select(articles.c.id).limit(1)).first() is None


def count(connection: Connection) -> int:
    """How many articles there are, of every status."""
    return connection.execute(select(func.count()).select_from(articles)).scalar_one()
