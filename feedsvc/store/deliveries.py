"""The ledger: which token first received which version of which story, when, and through which feed.

Knows nothing of HTTP. A version is told by its digest, and a recall by its mark (see `recalls`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Subquery, select, tuple_

from feedsvc.model import Format, from_micros, to_micros
from feedsvc.store.recalls import Recall
from feedsvc.store.schema import among, insert_new
from feedsvc.store.tables import articles, deliveries, recalls, tokens


class Delivery(NamedTuple):
    """One line of the ledger. `publication` is the number of what it was in, `delivered_at` aware UTC.

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


class Holding(NamedTuple):
    """A partner that holds a version of a story which was recalled since, and does not know yet.

    `since` is when it first received the story, `last_at` when what it holds came (aware UTC).
    """

    partner: str
    recall: Recall
    since: datetime
    last_at: datetime
    tokens: tuple[str, ...]
    versions: tuple[str, ...]


def record(tx: Connection, new: Sequence[Delivery]) -> None:
    """Note deliveries, but those that are noted already: the first one counts."""
    rows = [(*one[:-1], to_micros(one.delivered_at)) for one in new]
    insert_new(tx, deliveries, rows)


def confirm(tx: Connection, new: Sequence[Delivery]) -> None:
    """Note what a token holds by its own word, but of those stories only that it was sent before."""
    sent = set[tuple[str, str]]()
    for token_id in {one.token_id for one in new}:
        ids = {one.article_id for one in new if one.token_id == token_id}
        known = select(deliveries.c.article_id).where(deliveries.c.token_id == token_id)
        known = known.where(among(tx, deliveries.c.article_id, ids)).distinct()
        sent |= {(token_id, article_id) for article_id in tx.execute(known).scalars()}
    record(tx, [one for one in new if (one.token_id, one.article_id) in sent])


def places(connection: Connection, article_id: str) -> set[tuple[str, str]]:
    """Who ever received the story, and through which feed: (partner, feed key)."""
    columns = deliveries.c
    query = select(columns.partner, columns.feed_key).where(
        columns.article_id == article_id,
        columns.digest.not_like("%@%"),  # a mark says that it is gone, to those who never had it as well
    )
    return {(row.partner, row.feed_key) for row in connection.execute(query.distinct())}


def listed(
    connection: Connection,
    *,
    article_ids: Collection[str] | None = None,
    partner: str | None = None,
    since: datetime | None = None,
    page: int = 5_000,
) -> Iterator[Delivery]:
    """The ledger in order of time: all, or of some stories, of one partner, since an instant (aware UTC)."""
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


def unaware(connection: Connection, since: datetime | None = None) -> list[Holding]:
    """Who holds a version that was recalled (since an instant), and has not received what tells of it.

    By recall, the newest first, then by partner.
    """
    told = _recalled(since)
    query = (
        select(told, deliveries, articles.c.digest.label("present"))
        .join(deliveries, deliveries.c.article_id == told.c.recalled_article_id)
        .outerjoin(articles, articles.c.id == told.c.recalled_article_id)
        .order_by(
            told.c.recalled_at.desc(),
            told.c.recalled_article_id,
            deliveries.c.partner,
            deliveries.c.delivered_at,
            deliveries.c.digest,
        )
    )
    width = len(Recall._fields)
    found: list[Holding] = []
    rows = connection.execute(query)
    for (*recalled, partner), group in groupby(rows, key=lambda row: (*row[:width], row.partner)):
        recall = Recall._make(recalled)._replace(at=from_micros(recalled[2]))
        lines, present = _lines(group)
        held = [line for line in lines if "@" not in line.digest]
        if held and not any(_tells(line, recall, present) for line in lines):
            ids = tuple(sorted({line.token_id for line in held}))
            times = [line.delivered_at for line in held]
            versions = tuple(dict.fromkeys(line.digest for line in held))
            found.append(Holding(partner, recall, min(times), max(times), ids, versions))
    return found


def _recalled(since: datetime | None) -> Subquery:
    """Every recall once, not once in each feed."""
    query = select(*(recalls.c[name].label(f"recalled_{name}") for name in Recall._fields)).distinct()
    return (query if since is None else query.where(recalls.c.at >= to_micros(since))).subquery()


def _lines(rows: Iterable[Row[Any]]) -> tuple[list[Delivery], str | None]:
    """What a partner received of a story, and the version there is now."""
    width = len(Recall._fields)
    lines, present = [], None
    for row in rows:
        present = row.present
        lines.append(Delivery._make((*row[width:-2], from_micros(row.delivered_at))))
    return lines, present


def _tells(line: Delivery, recall: Recall, present: str | None) -> bool:
    """Whether who received this knows of the recall: its mark, or a version that was published after it."""
    if recall.kind != "corrected":
        return line.digest == recall.mark
    # A version that is restored is not received for the first time; but who has what there is lacks nothing.
    if line.digest == present:
        return True
    # On PostgreSQL a feed that was built before may be published after: it still has the old version.
    return line.publication > recall.publication and line.digest != recall.digest and "@" not in line.digest
