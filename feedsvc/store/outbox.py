"""The outbox: notices to partners' webhooks, to be sent until each is accepted or given up.

Must not know what is in a notice, nor how it is sent.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, func, not_, or_, select, update

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.recalls import GONE
from feedsvc.store.revocations import in_force
from feedsvc.store.tables import outbox, recalls, revocations
from feedsvc.store.upserts import among, insert_new


class Notice(NamedTuple):
    """A notice to a partner about a story: `body` is what is sent, `attempts` how often sending was tried.

    `kind` is that of the recall, or "restored". Notices written before the columns `article_id` and `kind`
    existed have neither.
    """

    id: str
    partner: str
    body: str
    created_at: datetime
    article_id: str | None = None
    kind: str | None = None
    attempts: int = 0


class Outcome(NamedTuple):
    """A notice's state: when it was accepted (aware UTC), else whether it still waits; and the last error."""

    sent_at: datetime | None
    waits: bool
    error: str


def put(tx: Connection, notices: Sequence[Notice]) -> None:
    """Add notices, except those whose ids are there already."""
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
    """Claim up to `limit` notices that are due at `now`; nobody else claims them before `until` (aware UTC).

    If the process dies before it has sent them, they are due again then.
    """
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
    """Whether any notice is due at `now` (aware UTC)."""
    query = select(outbox.c.id).where(outbox.c.due_at <= to_micros(now)).limit(1)
    return connection.execute(query).first() is not None


def taken(tx: Connection, notice_id: str, now: datetime) -> None:
    """Record that a notice was accepted at `now` (aware UTC)."""
    tx.execute(
        update(outbox).where(outbox.c.id == notice_id).values(due_at=None, sent_at=to_micros(now), error="")
    )


def failed(tx: Connection, notice_id: str, error: str, again: datetime | None) -> None:
    """Record why a notice was not accepted, and when to try again (aware UTC); None: never."""
    due_at = to_micros(again) if again else None
    tx.execute(update(outbox).where(outbox.c.id == notice_id).values(due_at=due_at, error=error))


def drop(tx: Connection, notice: Notice, reason: str) -> None:
    """Don't send a claimed notice, as it is no longer true. One that was never tried before is deleted."""
    tries = notice.attempts - 1  # without this one
    if not tries:
        tx.execute(delete(outbox).where(outbox.c.id == notice.id))
        return
    values = {"due_at": None, "error": reason, "attempts": tries}
    tx.execute(update(outbox).where(outbox.c.id == notice.id).values(**values))


def told_gone(connection: Connection, since: datetime, now: datetime) -> list[Notice]:
    """Notices that may have told a partner that a story is gone, while it is not recalled from it at `now`.

    Only notices created at or after `since` (both aware UTC) and sent or tried at least once. A notice that
    was followed by a later one for the same story and partner is left out.
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
    """Put off those of a partner's notices that are due at `now` until `until` (aware UTC)."""
    columns = outbox.c
    due = (columns.partner == partner) & (columns.due_at <= to_micros(now))
    tx.execute(update(outbox).where(due).values(due_at=to_micros(until)))


def outcomes(connection: Connection, ids: Collection[str]) -> dict[str, Outcome]:
    """The states of those of the notices that exist, by id."""
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
