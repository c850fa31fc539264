"""Recalls: what those who hold a story must know, that it was withdrawn, corrected or removed.

Knows nothing of who holds it: that is the ledger's, `deliveries`.
"""

import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, func, select

from feedsvc.model import from_micros, to_micros
from feedsvc.store.representations import publication
from feedsvc.store.schema import among, upsert
from feedsvc.store.tables import recalls

Kind = Literal["withdrawn", "corrected", "removed"]

STANDS = timedelta(days=90)
"""How long it is noted of a partner's feeds that a story is not in them any more."""


class Recall(NamedTuple):
    """What happened to a story that may have been delivered, and when (aware UTC).

    `digest` is that of the version before. `publication` is the number of the last publication before it:
    what was published later knows of it.
    """

    article_id: str
    kind: Kind
    at: datetime
    reason: str
    title: str
    digest: str
    publication: int = 0

    @property
    def mark(self) -> str:
        """What stands for it among the contents of a feed, in place of a version."""
        return f"{self.kind}@{to_micros(self.at)}"

    def notice_id(self, partner: str) -> str:
        """What identifies the notice of it to a partner: the same whoever makes it."""
        named = json.dumps([partner, self.article_id, self.kind, to_micros(self.at)])
        return hashlib.blake2b(named.encode(), digest_size=16).hexdigest()


def note(tx: Connection, recall: Recall, keys: Collection[str]) -> None:
    """Note a recall in each feed that the story was or is in, in place of one before of the same story."""
    forget(tx, [recall.article_id])
    number, _ = publication(tx)
    values = recall._asdict() | {"at": to_micros(recall.at), "publication": number}
    upsert(tx, recalls, [values | {"feed_key": key} for key in sorted(keys)])


def forget(tx: Connection, ids: Collection[str]) -> None:
    """Forget the recalls of stories."""
    tx.execute(delete(recalls).where(among(tx, recalls.c.article_id, ids)))


def forget_gone(tx: Connection, ids: Collection[str]) -> None:
    """Forget that stories were withdrawn or removed: they are published again."""
    gone = recalls.c.kind != "corrected"
    tx.execute(delete(recalls).where(among(tx, recalls.c.article_id, ids), gone))


def marks(connection: Connection, key: str, now: datetime) -> tuple[tuple[str, str], ...]:
    """What stands in a feed for stories that do not: (id, mark) of those withdrawn or removed from it."""
    columns = recalls.c
    recent = columns.at > to_micros(now - STANDS)
    query = select(recalls).where(columns.feed_key == key, columns.kind != "corrected", recent)
    rows = connection.execute(query.order_by(columns.article_id))
    return tuple((row.article_id, f"{row.kind}@{row.at}") for row in rows)


def newest(connection: Connection) -> datetime | None:
    """When the last recall was (aware UTC); None if there never was any."""
    at = connection.execute(select(func.max(recalls.c.at))).scalar()
    return from_micros(at) if at is not None else None
