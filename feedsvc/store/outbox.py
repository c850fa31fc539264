"""The outbox: notices to partners' webhooks, until each was taken or given up.

Knows nothing of what is in a notice, nor how it is sent.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from feedsvc.model import from_micros, to_micros
from feedsvc.store.schema import among, insert_new
from feedsvc.store.tables import outbox


class Notice(NamedTuple):
    """What a partner is to be told: `body` is what is sent, `attempts` how often that was tried."""

    id: str
    partner: str
    body: str
    created_at: datetime
    attempts: int = 0


class Outcome(NamedTuple):
    """How far a notice has come: when it was taken (aware UTC), else whether it waits, and the last error."""

    sent_at: datetime | None
    waits: bool
    error: str


def put(tx: Connection, notices: Sequence[Notice]) -> None:
    """Put notices in, but those that are there already, by their ids."""
    insert_new(
        tx,
        outbox,
        [
            (one.id, one.partner, one.body, to_micros(one.created_at), to_micros(one.created_at), 0, None, "")
            for one in notices
        ],
    )


def claim(tx: Connection, now: datetime, until: datetime, limit: int = 20) -> list[Notice]:
    """Notices that are due, which nobody else claims until then: who dies with one leaves it for others."""
    columns = outbox.c
    due = select(outbox).where(columns.due_at <= to_micros(now)).order_by(columns.due_at, columns.id)
    rows = tx.execute(due.limit(limit).with_for_update(skip_locked=True)).all()
    claimed = among(tx, columns.id, [row.id for row in rows])
    tx.execute(update(outbox).where(claimed).values(due_at=to_micros(until), attempts=columns.attempts + 1))
    return [
        Notice(row.id, row.partner, row.body, from_micros(row.created_at), row.attempts + 1) for row in rows
    ]


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether a notice is to be sent."""
    query = select(outbox.c.id).where(outbox.c.due_at <= to_micros(now)).limit(1)
    return connection.execute(query).first() is not None


def taken(tx: Connection, notice_id: str, now: datetime) -> None:
    """Note that a notice was taken."""
    tx.execute(
        update(outbox).where(outbox.c.id == notice_id).values(due_at=None, sent_at=to_micros(now), error="")
    )


def failed(tx: Connection, notice_id: str, error: str, again: datetime | None) -> None:
    """Note why a notice was not taken, and when it is tried again; never, if that is None."""
    due_at = to_micros(again) if again else None
    tx.execute(update(outbox).where(outbox.c.id == notice_id).values(due_at=due_at, error=error))


def postpone(tx: Connection, partner: str, now: datetime, until: datetime) -> None:
    """Leave those of a partner's notices that are due until then."""
    columns = outbox.c
    due = (columns.partner == partner) & (columns.due_at <= to_micros(now))
    tx.execute(update(outbox).where(due).values(due_at=to_micros(until)))


def outcomes(connection: Connection, ids: Collection[str]) -> dict[str, Outcome]:
    """How far those of the notices that there are have come, by id."""
    query = select(outbox).where(among(connection, outbox.c.id, ids))
    return {
        row.id: Outcome(
            from_micros(row.sent_at) if row.sent_at is not None else None, row.due_at is not None, row.error
        )
        for row in connection.execute(query)
    }


def waiting(connection: Connection) -> int:
    """How many notices wait to be sent."""
    query = select(func.count()).select_from(outbox).where(outbox.c.due_at.is_not(None))
    return connection.execute(query).scalar_one()
