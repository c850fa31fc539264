"""The files that stories came from, those that wait in quarantine, and the stories that were pushed.

Every function takes an open transaction. Must not know what is in a file: the caller says it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from feedsvc.domain.model import Quarantined, Rejected, from_micros, to_micros
from feedsvc.store.tables import ingested as pushed
from feedsvc.store.tables import (
    quarantine,
    sources_seen,
)
from feedsvc.store.upserts import among, upsert, upsert_tuples


class Source(NamedTuple):
    """A story file as it was when it was last read. `article_id` is the story it owns, if it ever loaded.

    `fingerprint` is that of its bytes: "" if no story could be made of them, None if a version of feedsvc
    read it that computed none. `found_at` is when it was first found with these bytes, `missing_since` when
    it was found gone and its story was kept; both in microseconds since 1970. In the order of the table's
    columns.
    """

    path: str
    size: int
    mtime_ns: int
    article_id: str | None
    fingerprint: str | None = ""
    found_at: int = 0
    missing_since: int | None = None


class Seen(NamedTuple):
    """A story file as it was when it was last read. `missing_since` is as in `Source`."""

    path: str
    size: int
    mtime_ns: int
    missing_since: int | None = None


def seen(connection: Connection, under: str = "", after: str = "", limit: int = 5_000) -> list[Seen]:
    """A page of the files that were read, in order of path, beginning after the path `after`.

    With `under`, only the file at that path and the files below it, if it is a folder.
    """
    path = sources_seen.c.path
    query = select(path, sources_seen.c.size, sources_seen.c.mtime_ns, sources_seen.c.missing_since)
    if not under:
        page = query.where(path > after)
        itself = None
    else:
        # "0" follows "/": every path below the folder sorts between the two.
        page = query.where(path > max(after, f"{under}/"), path < f"{under}0")
        itself = connection.execute(query.where(path == under)).one_or_none() if after < under else None
    rows = connection.execute(page.order_by(path).limit(limit)).all()
    return list(map(Seen._make, [*([itself] if itself else []), *rows]))


def seen_at(connection: Connection, paths: Sequence[str]) -> dict[str, Seen]:
    """Those of the files that were read, by path, as `seen` gives them."""
    columns = sources_seen.c
    query = select(columns.path, columns.size, columns.mtime_ns, columns.missing_since)
    rows = connection.execute(query.where(among(connection, columns.path, paths)))
    return {row.path: Seen(*row) for row in rows}


def at(connection: Connection, paths: Sequence[str]) -> dict[str, Source]:
    """Those of the files that were read, by path."""
    query = select(sources_seen).where(among(connection, sources_seen.c.path, paths))
    return {row.path: Source(*row) for row in connection.execute(query)}


def owners(connection: Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    """The paths of the files that own each of the stories: one each, or two while a story is moved."""
    found: dict[str, set[str]] = {}
    columns = sources_seen.c
    query = select(columns.article_id, columns.path).where(among(connection, columns.article_id, ids))
    for article_id, path in connection.execute(query):
        found.setdefault(article_id, set()).add(path)
    return found


class Ownership(NamedTuple):
    """A story that was pushed. `stated` is when it last changed according to its document (aware UTC).

    None if the document doesn't say.
    """

    article_id: str
    stated: datetime | None


def ingest(tx: Connection, owned: Iterable[Ownership], token_id: str, now: datetime) -> None:
    """Record stories as pushed, with which token; no file owns them."""
    rows = [
        (one.article_id, to_micros(now), token_id, None if one.stated is None else to_micros(one.stated))
        for one in owned
    ]
    upsert_tuples(tx, pushed, rows)


def ownerships(connection: Connection, ids: Sequence[str]) -> dict[str, Ownership]:
    """Those of the stories that were pushed, by id."""
    query = select(pushed.c.article_id, pushed.c.stated).where(among(connection, pushed.c.article_id, ids))
    return {
        row.article_id: Ownership(row.article_id, None if row.stated is None else from_micros(row.stated))
        for row in connection.execute(query)
    }


def ingested(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the stories that were pushed."""
    query = select(pushed.c.article_id).where(among(connection, pushed.c.article_id, ids))
    return set(connection.execute(query).scalars())


def disown(tx: Connection, ids: Sequence[str]) -> None:
    """Record stories as no longer pushed: a file takes them over."""
    tx.execute(delete(pushed).where(among(tx, pushed.c.article_id, ids)))


def give_up(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Record stories as owned by no file any more; returns the paths of the files that owned them."""
    paths = [path for some in owners(tx, ids).values() for path in sorted(some)]
    tx.execute(update(sources_seen).where(among(tx, sources_seen.c.path, paths)).values(article_id=None))
    return paths


def waiting_for_pushed(connection: Connection) -> list[str]:
    """The paths in quarantine because a story with the same id was pushed."""
    query = select(quarantine.c.path).join(pushed, pushed.c.article_id == quarantine.c.article_id)
    return list(connection.execute(query.order_by(quarantine.c.path)).scalars())


NOT_READ = -1
"""Stored in place of a file's modification time: whatever that is, the next scan reads the file."""


def reread_all(tx: Connection) -> None:
    """Have every file read again by the next scan of the folder."""
    tx.execute(update(sources_seen).values(mtime_ns=NOT_READ))


def remember(tx: Connection, seen: Iterable[Source]) -> None:
    """Record files as read, so that they are not read again until size or time changes."""
    upsert_tuples(tx, sources_seen, list(seen))


def forget(tx: Connection, paths: Sequence[str]) -> None:
    """Delete the records of files that are gone, also from quarantine."""
    tx.execute(delete(sources_seen).where(among(tx, sources_seen.c.path, paths)))
    release(tx, paths)


def put_in_quarantine(tx: Connection, rejected: Sequence[Rejected], now: datetime) -> None:
    """Put files in quarantine, each with line and reason."""
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


def reasons(connection: Connection, paths: Sequence[str]) -> dict[str, str]:
    """The reasons for those of the files that are in quarantine, by path."""
    query = select(quarantine.c.path, quarantine.c.reason).where(among(connection, quarantine.c.path, paths))
    return {row.path: row.reason for row in connection.execute(query)}


def release(tx: Connection, paths: Sequence[str]) -> None:
    """Take files out of quarantine: they loaded, or they are gone."""
    tx.execute(delete(quarantine).where(among(tx, quarantine.c.path, paths)))


def waiting_for(connection: Connection, ids: Sequence[str]) -> list[str]:
    """The paths in quarantine because another file has one of these ids."""
    query = select(quarantine.c.path).where(among(connection, quarantine.c.article_id, ids))
    return list(connection.execute(query.order_by(quarantine.c.path)).scalars())


def waiting(connection: Connection) -> int:
    """How many files are in quarantine."""
    return connection.execute(select(func.count()).select_from(quarantine)).scalar_one()


def quarantined(connection: Connection) -> list[Quarantined]:
    """Every file in quarantine, by path."""
    rows = connection.execute(select(quarantine).order_by(quarantine.c.path))
    return [Quarantined(row.path, row.line, row.reason, from_micros(row.since), row.rule) for row in rows]
