"""Conditions: what is wrong with the service, or waits for an operator's decision, as long as it lasts.

Must not know what a condition means: whoever detects one sets it here, and clears it when it is over.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.tables import conditions
from feedsvc.store.upserts import upsert


class Condition(NamedTuple):
    """One condition: its static name (`removals-held`), what to do about it, and since when (aware UTC).

    `detail` may name files and hosts: it is for `feedsvc status` and the log, never for HTTP clients.
    """

    name: str
    detail: str
    since: datetime


def put(tx: Connection, name: str, detail: str, now: datetime) -> None:
    """Set a condition. If it is set already, it keeps its `since` and gets the new `detail`."""
    row = tx.execute(select(conditions).where(conditions.c.name == name)).one_or_none()
    since = to_micros(now) if row is None else row.since
    if row is None or row.detail != detail:
        upsert(tx, conditions, [{"name": name, "detail": detail, "since": since}])


def clear(tx: Connection, name: str) -> None:
    """Clear a condition, if it is set."""
    tx.execute(delete(conditions).where(conditions.c.name == name))


def current(connection: Connection) -> list[Condition]:
    """Every condition that is set, by name."""
    rows = connection.execute(select(conditions).order_by(conditions.c.name))
    return [Condition(row.name, row.detail, from_micros(row.since)) for row in rows]
