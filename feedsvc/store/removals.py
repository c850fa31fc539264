"""Which stories lost their files lately, and which stay published until somebody confirms their removal.

Every function takes an open transaction. The caller says how many are too many. A story is held if its file
in `sources_seen` has `missing_since`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
    update,
)

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.domain.removals import WINDOW
from feedsvc.store import conditions
from feedsvc.store.sources import Source
from feedsvc.store.tables import articles, removals, sources_seen
from feedsvc.store.upserts import among, upsert_tuples

_LOCK = 0x66656565  # any number of our own: PostgreSQL's advisory locks are named by numbers
HELD = "removals-held"
CONFIRM = "feedsvc refresh --allow-removals"


class Removed(NamedTuple):
    """A story that was removed: the file it came from, and the fingerprint of the file's bytes."""

    path: str
    article_id: str
    fingerprint: str


class Held(NamedTuple):
    """A story file that is gone and whose story stays published; since when (aware UTC)."""

    path: str
    article_id: str
    since: datetime


def lock(tx: Connection) -> None:
    """Lock decisions about removals until the transaction ends; SQLite has only one writer anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def lately(connection: Connection, now: datetime) -> list[Removed]:
    """The stories that were removed in the minute before `now` (aware UTC)."""
    columns = removals.c
    query = select(columns.path, columns.article_id, columns.fingerprint).where(_within(columns.at, now))
    return [Removed(*row) for row in connection.execute(query)]


def held_lately(connection: Connection, now: datetime) -> set[str]:
    """The ids of the held stories whose files went missing in the minute before `now` (aware UTC)."""
    columns = sources_seen.c
    query = select(columns.article_id).where(_is_held(), _within(columns.missing_since, now))
    return set(connection.execute(query).scalars())


def found_lately(connection: Connection, now: datetime) -> dict[str, str]:
    """The files first found with their present bytes in the minute before `now`: path → fingerprint."""
    columns = sources_seen.c
    query = select(columns.path, columns.fingerprint).where(
        columns.found_at > literal_column("0"),  # a literal, so that the partial index of `found_at` applies
        _within(columns.found_at, now),
        columns.fingerprint.is_not(None),
        columns.missing_since.is_(None),
    )
    return {row.path: row.fingerprint for row in connection.execute(query)}


def note(tx: Connection, removed: Iterable[Source], now: datetime) -> None:
    """Record stories as removed; delete what is older than a minute."""
    forget_old(tx, now)
    rows = [(one.path, one.article_id, one.fingerprint or "", to_micros(now)) for one in removed]
    upsert_tuples(tx, removals, rows)


def is_any_old(connection: Connection, now: datetime) -> bool:
    """Whether a story is recorded that was not removed in the minute before `now` (aware UTC)."""
    query = select(removals.c.path).where(not_(_within(removals.c.at, now))).limit(1)
    return connection.execute(query).first() is not None


def forget_old(tx: Connection, now: datetime) -> None:
    """Delete the records of stories that were not removed in the minute before `now` (aware UTC)."""
    tx.execute(delete(removals).where(not_(_within(removals.c.at, now))))


def discount(tx: Connection, paths: Sequence[str]) -> None:
    """No longer count the stories of these files as removed: they were found again."""
    if paths:
        tx.execute(delete(removals).where(among(tx, removals.c.path, paths)))


def account_for(tx: Connection, paths: Sequence[str]) -> None:
    """Record files as no longer new: each replaces one file that is gone, and must not replace another."""
    if paths:
        tx.execute(update(sources_seen).where(among(tx, sources_seen.c.path, paths)).values(found_at=0))


def hold(tx: Connection, paths: Collection[str], now: datetime) -> None:
    """Record files as gone since `now` whose stories stay published."""
    tx.execute(
        update(sources_seen)
        .where(among(tx, sources_seen.c.path, paths), sources_seen.c.missing_since.is_(None))
        .values(missing_since=to_micros(now))
    )


def returned(tx: Connection, paths: Sequence[str]) -> None:
    """Record files as there again."""
    tx.execute(update(sources_seen).where(among(tx, sources_seen.c.path, paths)).values(missing_since=None))


def held(connection: Connection) -> list[Held]:
    """Every story that is held, by the path its file had."""
    columns = sources_seen.c
    query = select(columns.path, columns.article_id, columns.missing_since).where(_is_held())
    rows = connection.execute(query.order_by(columns.path))
    return [Held(path, article_id, from_micros(since)) for path, article_id, since in rows]


def held_at(connection: Connection, article_id: str) -> str | None:
    """The path that the file of a story had, if the story is held."""
    query = select(sources_seen.c.path).where(_is_held(), sources_seen.c.article_id == article_id)
    return connection.execute(query.order_by(sources_seen.c.path).limit(1)).scalar()


def count_held(connection: Connection) -> int:
    """How many stories are held."""
    return connection.execute(select(func.count()).select_from(sources_seen).where(_is_held())).scalar_one()


def is_any_gone(connection: Connection) -> bool:
    """Whether any file is recorded as missing, or any story as removed lately."""
    held = select(literal_column("1")).where(sources_seen.c.missing_since.is_not(None)).exists()
    removed = select(literal_column("1")).select_from(removals).exists()
    return bool(connection.execute(select(or_(held, removed))).scalar())


def is_any_held(connection: Connection) -> bool:
    """Whether any file is recorded as missing."""
    query = select(sources_seen.c.path).where(sources_seen.c.missing_since.is_not(None)).limit(1)
    return connection.execute(query).first() is not None


def held_like(
    connection: Connection, ids: Sequence[str], fingerprints: Sequence[str]
) -> Mapping[str, Source]:
    """The missing files, by path, that own one of these stories or had bytes with one of the fingerprints."""
    columns = sources_seen.c
    missing = columns.missing_since.is_not(None)
    by_id = select(sources_seen).where(missing, among(connection, columns.article_id, ids))
    by_bytes = select(sources_seen).where(missing, among(connection, columns.fingerprint, fingerprints))
    return {row.path: Source(*row) for query in (by_id, by_bytes) for row in connection.execute(query)}


def live(connection: Connection, ids: Sequence[str], now: datetime) -> set[str]:
    """The ids of those of the stories that are published, now or at a later date, and have not expired."""
    query = select(articles.c.id).where(among(connection, articles.c.id, ids), _is_live(now))
    return set(connection.execute(query).scalars())


def count_live(connection: Connection, now: datetime, at_most: int) -> int:
    """How many `live` stories have a file or are held; counts no further than `at_most`."""
    some = _files_of_live(now).with_only_columns(sources_seen.c.article_id).distinct().limit(at_most)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def is_any_left(connection: Connection, gone: Sequence[str], now: datetime) -> bool:
    """Whether any `live` story has a file that is neither missing nor among `gone`."""
    query = _files_of_live(now).where(
        sources_seen.c.missing_since.is_(None), not_(among(connection, sources_seen.c.path, gone))
    )
    return connection.execute(query.limit(1)).first() is not None


def tell(tx: Connection, now: datetime) -> int:
    """Set or clear the condition `removals-held` according to what is held; returns how many stories are."""
    columns = sources_seen.c
    query = select(func.count(), func.min(columns.path), func.max(columns.path)).where(_is_held())
    number, first, last = tx.execute(query).one()
    if number:
        conditions.put(tx, HELD, _detail(number, _common_folder(first, last)), now)
    else:
        conditions.clear(tx, HELD)
    return int(number)


def _detail(number: int, folder: str) -> str:
    stories = "1 story stays as it is" if number == 1 else f"{number:,} stories stay as they are"
    files = "its file is gone" if number == 1 else "their files are gone"
    where = f" from {folder}/" if folder else ""
    return (
        f"{stories} although {files}{where}; bring the files back, or confirm the removal: "
        f"`{CONFIRM}` removes all of them, `{CONFIRM} PATH` those of a file or folder"
    )


def _common_folder(first: str, last: str) -> str:
    """The deepest folder that contains both paths, and so every path that sorts between them."""
    shared = []
    for one, other in zip(first.split("/")[:-1], last.split("/")[:-1], strict=False):
        if one != other:
            break
        shared.append(one)
    return "/".join(shared)


def _is_held() -> ColumnElement[bool]:
    return and_(sources_seen.c.missing_since.is_not(None), sources_seen.c.article_id.is_not(None))


def _is_live(now: datetime) -> ColumnElement[bool]:
    until = articles.c.visible_until
    return and_(articles.c.status == "published", or_(until.is_(None), until > to_micros(now)))


def _files_of_live(now: datetime) -> Select[str]:
    stories = sources_seen.join(articles, articles.c.id == sources_seen.c.article_id)
    return select(sources_seen.c.path).select_from(stories).where(_is_live(now))


def _within(column: Column[int], now: datetime) -> ColumnElement[bool]:
    """Whether an instant is less than a minute from `now`; one further ahead comes from a wrong clock."""
    return column.between(to_micros(now - WINDOW) + 1, to_micros(now + WINDOW) - 1)
