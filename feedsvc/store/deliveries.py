"""The delivery log: which token first received which version of which story, when, and through which feed.

Knows nothing of HTTP. A version is told by its digest, and a recall by its mark (see `recalls`).
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from feedsvc.domain.model import Format, from_micros, to_micros
from feedsvc.store import revocations
from feedsvc.store.tables import deliveries, tokens
from feedsvc.store.upserts import among, insert_new


class Delivery(NamedTuple):
    """One line of the delivery log. `publication` is the number of what it was in, `delivered_at` aware UTC.

    In the order of the table's columns, but for the instant.
    """

    token_id: str
    article_id: str
    digest: str
    partner: str
    feed_key: str
    format: Format
    publication: int
    delivered_at: datetime


def record(tx: Connection, new: Sequence[Delivery]) -> None:
    """Note deliveries, but those that are noted already: the first one counts."""
    rows = [(*one[:-1], to_micros(one.delivered_at)) for one in new]
    insert_new(tx, deliveries, rows)


def confirm(tx: Connection, new: Sequence[Delivery]) -> None:
    """Note what a token holds by its own word, but of those stories only that it was sent before.

    The mark of a feed counts in any case: the token holds that feed.
    """
    sent = set[tuple[str, str]]()
    for token_id in {one.token_id for one in new}:
        ids = {one.article_id for one in new if one.token_id == token_id}
        known = select(deliveries.c.article_id).where(deliveries.c.token_id == token_id)
        known = known.where(among(tx, deliveries.c.article_id, ids)).distinct()
        sent |= {(token_id, article_id) for article_id in tx.execute(known).scalars()}
    record(
        tx,
        [
            one
            for one in new
            if (one.token_id, one.article_id) in sent or one.article_id.startswith(revocations.FEED)
        ],
    )


def places(connection: Connection, article_id: str) -> set[tuple[str, str]]:
    """Who ever received the story, and through which feed: (partner, feed key)."""
    return places_of(connection, [article_id]).get(article_id, set())


def places_of(connection: Connection, ids: Collection[str]) -> dict[str, set[tuple[str, str]]]:
    """The same for many stories, by id; one that nobody received is left out."""
    columns = deliveries.c
    query = select(columns.article_id, columns.partner, columns.feed_key).where(
        among(connection, columns.article_id, ids),
        columns.digest.not_like("%@%"),  # a mark says that it is gone, to those who never had it as well
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for article_id, partner, key in connection.execute(query.distinct()):
        found.setdefault(article_id, set()).add((partner, key))
    return found


def received(connection: Connection, after: str, limit: int) -> list[str]:
    """The ids of stories that anybody ever received, in their order, from the one that follows `after` on."""
    column = deliveries.c.article_id
    query = select(column).where(column > after, deliveries.c.digest.not_like("%@%")).distinct()
    return list(connection.execute(query.order_by(column).limit(limit)).scalars())


def listed(
    connection: Connection,
    *,
    article_ids: Collection[str] | None = None,
    partner: str | None = None,
    since: datetime | None = None,
    page: int = 5_000,
) -> Iterator[Delivery]:
    """The log in order of time: all, or of some stories, of one partner, since an instant (aware UTC)."""
    columns = deliveries.c
    query = select(deliveries)
    if article_ids is not None:
        query = query.where(columns.article_id.in_(article_ids))
    if partner is not None:
        query = query.where(columns.partner == partner)
    if since is not None:
        query = query.where(columns.delivered_at >= to_micros(since))
    place = tuple_(columns.delivered_at, columns.token_id, columns.article_id, columns.digest)
    query = query.order_by(columns.delivered_at, columns.token_id, columns.article_id, columns.digest)
    after: tuple[int, str, str, str] = (-(2**62), "", "", "")
    while rows := connection.execute(query.where(place > after).limit(page)).all():
        for row in rows:
            yield Delivery._make((*row[:-1], from_micros(row.delivered_at)))
        last = rows[-1]
        after = (last.delivered_at, last.token_id, last.article_id, last.digest)


def labels(connection: Connection) -> dict[str, str]:
    """What tokens are called, by id."""
    return {row.id: row.label for row in connection.execute(select(tokens.c.id, tokens.c.label))}
