"""Articles, and the feeds they belong to.

Every function takes an open transaction; which feeds an article belongs to is said by the caller.
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
from feedsvc.store.schema import (
    PLACES_BY_KEY,
    among,
    read_meta,
    upsert_tuples,
    write_meta,
)
from feedsvc.store.tables import (
    articles,
    memberships,
    representations,
)
from feedsvc.util.lru import ByteLRU

_UNPLACED = "unplaced"
_FEW = 50  # changes in one transaction: what they make dirty is published before what very many did
_LOCKS = 256
_LOCK_CLASS = 0x66656564  # any number of our own: PostgreSQL's advisory locks are named by numbers


@dataclass(frozen=True, slots=True)
class Application:
    """A change ready to be written: the article as it is to be (None: removed), and every feed it touches."""

    article_id: str
    new: Placed | None
    dirty: Collection[str]


def apply(tx: Connection, changes: Sequence[Application], now: datetime, *, filling: bool = False) -> None:
    """Write articles and memberships, and mark every feed touched, in the caller's one transaction.

    With `filling`, a store that was empty owes the memberships: `place_all` makes them, in order, which
    takes a fraction of the time. Who publishes calls it first.
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
    """The feeds of stories that are in none any more."""
    kept = {article_id for _, _, article_id in after}
    return {key for key, _, article_id in before if article_id not in kept}


def _held_back(new: Iterable[Placed], now: int) -> set[str]:
    """The feeds of stories that may not be seen now: they may have shown them until now."""
    return {
        key
        for one in new
        if one.visible_from > now or (one.visible_until is not None and one.visible_until <= now)
        for key in one.keys
    }


def _may_owe(tx: Connection) -> bool:
    """Whether memberships may be left to `place_all`; if so, that they are owed is noted with them."""
    may = are_places_owed(tx) or is_empty(tx)
    if may:
        # Written each time: whoever pays what is owed waits for this transaction, or this note outlives it.
        write_meta(tx, _UNPLACED, "1")
    return may


def are_places_owed(connection: Connection) -> bool:
    """Whether memberships were left to `place_all`, and it has not made them yet."""
    return read_meta(connection, _UNPLACED) == "1"


def place_all(tx: Connection) -> None:
    """Make the memberships that are owed, of every article, from what is noted with it."""
    if not are_places_owed(tx):
        return
    write_meta(tx, _UNPLACED, "0")
    engine = tx.dialect.name
    if engine == "postgresql":
        # Who takes a place away while it is made anew would miss it, and leave the new one.
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
    """Those of the articles that are there, by id."""
    query = select(articles.c.id, articles.c.article).where(among(connection, articles.c.id, ids))
    return {article_id: ARTICLE.validate_json(article) for article_id, article in connection.execute(query)}


def lock(tx: Connection, ids: Iterable[str]) -> None:
    """Have nobody else who asks for it write these stories before the transaction ends.

    On SQLite nobody else writes at all. PostgreSQL locks rows, but none that are yet to come; so a few locks
    stand for all stories, taken in order, that two writers can't block each other for good.
    """
    _take(tx, sorted({crc32(article_id.encode()) % _LOCKS for article_id in ids}))


def lock_all(tx: Connection) -> None:
    """As `lock`, for all stories there are or will be. Before the transaction has written anything."""
    _take(tx, range(_LOCKS))


def _take(tx: Connection, locks: Iterable[int]) -> None:
    if tx.dialect.name == "postgresql":
        statement = text(
            f"SELECT pg_advisory_xact_lock({_LOCK_CLASS}, one) FROM unnest(CAST(:locks AS INTEGER[])) AS one"
        )
        tx.execute(statement, {"locks": [*locks]}).all()


def digests(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The versions of those of the articles that are there, by id."""
    query = select(articles.c.id, articles.c.digest).where(among(connection, articles.c.id, ids))
    return {row.id: row.digest for row in connection.execute(query)}


def withdrawn(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the stories that are there, and are withdrawn."""
    query = select(articles.c.id).where(among(connection, articles.c.id, ids))
    return set(connection.execute(query.where(articles.c.status == "withdrawn")).scalars())


def is_any(connection: Connection, beginning: str) -> bool:
    """Whether there is an article whose id begins so."""
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
    """The articles that windows showed last, up to `max_bytes`: a feed has fifty of which one is new."""

    def __init__(self, max_bytes: int) -> None:
        self._kept: ByteLRU[tuple[str, str], Article] = ByteLRU(max_bytes)

    def read(self, connection: Connection, versions: Sequence[tuple[str, str]]) -> dict[str, Article]:
        """The articles of these ids and digests, by id; what isn't kept comes from the store."""
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
"""How much larger an article is as an object than its JSON, about."""


def window(
    connection: Connection,
    key: str,
    not_above: datetime | None = None,
    page: int = 64,
    cache: ArticleCache | None = None,
) -> Iterator[Article]:
    """The articles of a feed, highest rank first, then by id: an index range scan, a page at a time.

    `not_above` skips what ranks after that instant. What `cache` keeps is not read again.
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


def next_flip(connection: Connection, after: datetime, delays: Sequence[timedelta] = ()) -> datetime | None:
    """The first instant after `after` at which an embargo or publication date comes, or an expiry.

    Or the end of one of the `delays` after a first publication.
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


def flipped(
    connection: Connection, after: datetime, until: datetime, delays: Sequence[timedelta] = ()
) -> set[str]:
    """The feed keys of stories whose visibility to anyone changed in (after, until]; see `next_flip`."""
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
    """The columns of instants at which stories appear or go, each by how many microseconds later."""
    yield articles.c.visible_from, 0, ()
    yield articles.c.visible_until, 0, ()
    for delay in delays:
        later = delay // _MICROSECOND
        yield articles.c.visible_from, later, (articles.c.published.is_(None),)
        yield articles.c.published, later, ()


_MICROSECOND = timedelta(microseconds=1)


def keys(connection: Connection) -> set[str]:
    """Every feed key that a published story belongs to, or a feed of it is published."""
    held = connection.execute(select(memberships.c.feed_key).distinct()).scalars()
    return {*held, *connection.execute(select(representations.c.feed_key).distinct()).scalars()}


def is_empty(connection: Connection) -> bool:
    """Whether there is no article, of whatever status."""
    return connection.execute(select(articles.c.id).limit(1)).first() is None


def count(connection: Connection) -> int:
    """How many articles there are, of every status."""
    return connection.execute(select(func.count()).select_from(articles)).scalar_one()
