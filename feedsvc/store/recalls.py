"""Recalls: what partners that hold a story must know, namely that it was withdrawn, corrected or removed.

Must not know which partners hold it: that is in the delivery log, `deliveries`. That a single partner may no
longer have a story is in `revocations`.
"""

import hashlib
import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.domain.rights import Level
from feedsvc.store.representations import publication
from feedsvc.store.tables import recalls
from feedsvc.store.upserts import among, upsert

Kind = Literal["withdrawn", "corrected", "removed", "revoked"]
GONE: Final = ("withdrawn", "removed", "revoked")
"""The kinds after which a partner may no longer have the story, or only less of it."""


class Recall(NamedTuple):
    """What happened to a story that may have been delivered, and when (aware UTC).

    `digest` is that of the version before. `publication` is the number of the last publication before the
    recall: representations published later reflect it. `url` is the story's URL as its author wrote it.
    `level` is how much of a revoked story the partner may keep.
    """

    article_id: str
    kind: Kind
    at: datetime
    reason: str
    title: str
    digest: str
    publication: int = 0
    url: str | None = None
    level: Level = "none"

    @property
    def mark(self) -> str:
        """The marker that stands for the recall in the contents of a feed, in place of a version's digest."""
        return f"{self.kind}@{to_micros(self.at)}"

    def notice_id(self, partner: str) -> str:
        """The id of this recall's notice to a partner: the same whichever process makes it."""
        named = json.dumps([partner, self.article_id, self.kind, to_micros(self.at)])
        return hashlib.blake2b(named.encode(), digest_size=16).hexdigest()


COLUMNS: Final = tuple(name for name in Recall._fields if name in recalls.c)
"""The fields of a recall that are columns of its table; revocations have a table of their own."""


def of_row(row: Row[Any]) -> Recall:
    """A recall from a row with the columns of COLUMNS, in their order."""
    return Recall(**dict(zip(COLUMNS, row, strict=True)))._replace(at=from_micros(row.at))


def note(tx: Connection, recall: Recall, keys: Collection[str]) -> None:
    """Record a recall in each feed that the story was or is in; it replaces earlier recalls of the story."""
    forget(tx, [recall.article_id])
    number, _ = publication(tx)
    values = {name: value for name, value in recall._asdict().items() if name in COLUMNS}
    values |= {"at": to_micros(recall.at), "publication": number}
    upsert(tx, recalls, [values | {"feed_key": key} for key in sorted(keys)])


def forget(tx: Connection, ids: Collection[str]) -> None:
    """Delete the recalls of stories."""
    tx.execute(delete(recalls).where(among(tx, recalls.c.article_id, ids)))


def forget_gone(tx: Connection, ids: Collection[str]) -> None:
    """Delete the recalls of stories as withdrawn or removed: they are published again."""
    gone = recalls.c.kind != "corrected"
    tx.execute(delete(recalls).where(among(tx, recalls.c.article_id, ids), gone))


def gone(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of the stories that have a recall as withdrawn or removed."""
    query = select(recalls.c.article_id).where(among(connection, recalls.c.article_id, ids))
    return set(connection.execute(query.where(recalls.c.kind != "corrected").distinct()).scalars())


def of_gone(connection: Connection, ids: Collection[str]) -> dict[str, Recall]:
    """Story id → its recall, for those of the stories that were withdrawn or removed."""
    query = select(*(recalls.c[name] for name in COLUMNS)).where(
        among(connection, recalls.c.article_id, ids), recalls.c.kind != "corrected"
    )
    return {row.article_id: of_row(row) for row in connection.execute(query.distinct())}


def marks(connection: Connection, key: str) -> tuple[tuple[str, str], ...]:
    """(story id, marker) of each story that was withdrawn or removed from a feed, for the feed's contents.

    The marker is there as long as the recall is kept: who polls the feed meanwhile knows of the recall.
    """
    columns = recalls.c
    query = select(recalls).where(columns.feed_key == key, columns.kind != "corrected")
    rows = connection.execute(query.order_by(columns.article_id))
    return tuple((row.article_id, f"{row.kind}@{row.at}") for row in rows)


def newest(connection: Connection) -> datetime | None:
    """When the last recall was (aware UTC); None if there is none."""
    at = connection.execute(select(func.max(recalls.c.at))).scalar()
    return from_micros(at) if at is not None else None
