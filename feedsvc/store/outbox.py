"""The outbox: notices to partners' webhooks, until each was taken or given up.

Knows nothing of what is in a notice, nor how it is sent.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, func, not_, or_, select, update

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.recalls import GONE
from feedsvc.store.revocations import in_force
from feedsvc.store.schema import among, insert_new
from feedsvc.store.tables import outbox, recalls, revocations


class Notice(NamedTuple):
    """What a partner is to be told of a story: `body` is what is sent, `attempts` how often that was tried.

    `kind` is that of the recall, or "restored". Notices of before these two were noted have neither.
    """

    id: str
    partner: str
    body: str
    created_at: datetime
    article_id: str | None = None
    kind: str | None = None
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
            (
                one.id,
                one.partner,
                one.body,
                to_micros(one.created_at),
                to_micros(one.created_at),
                0,
                None,
                "",
                one.article_id,
                one.kind,
            )
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
    return [_notice(row)._replace(attempts=row.attempts + 1) for row in rows]


def _notice(row: Any) -> Notice:
    created_at = from_micros(row.created_at)
    return Notice(row.id, row.partner, row.body, created_at, row.article_id, row.kind, row.attempts)


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


def drop(tx: Connection, notice: Notice, reason: str) -> None:
    """Don't send a notice that was claimed: it says what isn't so. One that never was sent is forgotten."""
    tries = notice.attempts - 1  # but for this one
    if not tries:
        tx.execute(delete(outbox).where(outbox.c.id == notice.id))
        return
    values = {"due_at": None, "error": reason, "attempts": tries}
    tx.execute(update(outbox).where(outbox.c.id == notice.id).values(**values))


def told_gone(connection: Connection, since: datetime, now: datetime) -> list[Notice]:
    """The last notices by which partners may know that a story is gone that is not recalled from them now.

    Of those made since an instant; one that was followed by another is left out.
    """
    columns, later = outbox.c, outbox.alias()
    query = select(outbox).where(
        columns.created_at >= to_micros(since),
        columns.kind.in_(GONE),
        or_(columns.sent_at.is_not(None), columns.attempts > 0),
        not_(
            exists().where(
                later.c.article_id == columns.article_id,
                later.c.partner == columns.partner,
                or_(
                    and_(later.c.kind == "restored", later.c.created_at >= columns.created_at),
                    and_(
                        later.c.kind.in_(GONE),
                        later.c.created_at > columns.created_at,
                        or_(later.c.sent_at.is_not(None), later.c.attempts > 0),
                    ),
                ),
            )
        ),
        not_(exists().where(recalls.c.article_id == columns.article_id, recalls.c.kind != "corrected")),
        not_(
            exists().where(
                revocations.c.article_id == columns.article_id,
                revocations.c.audience == columns.partner,
                in_force(now),
            )
        ),
    )
    return list(map(_notice, connection.execute(query)))


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
