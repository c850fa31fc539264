"""Which partners hold a version of a story that was recalled or revoked since, by the log of deliveries.

Must not know HTTP. A recall is known by its mark (see `recalls`).
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from heapq import merge
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, Table, and_, func, or_, select

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.domain.rights import Revocation
from feedsvc.store import outbox, revocations
from feedsvc.store.deliveries import Delivery
from feedsvc.store.recalls import COLUMNS, Recall, of_row
from feedsvc.store.tables import articles, deliveries, recalls
from feedsvc.store.tables import revocations as revocations_table
from feedsvc.store.upserts import among


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


def unaware(
    connection: Connection, since: datetime | None = None, now: datetime | None = None
) -> list[Holding]:
    """Who holds a version that was recalled (since an instant), and has not received what tells of it.

    By recall, the newest first, then by partner. Without `now` what is yet to come counts, too.
    """
    return list(each_unaware(connection, since, now))


def each_unaware(
    connection: Connection, since: datetime | None = None, now: datetime | None = None, page: int = 500
) -> Iterator[Holding]:
    """The same, read as it is asked for, some recalls at a time: there may be very many."""
    until = now or _END
    recalled = _recalled(connection, since, until, page)
    revoked = _revoked(connection, since, until, page)
    yield from merge(recalled, revoked, key=_newest_first)


_END = datetime(9999, 1, 1, tzinfo=UTC)


def _newest_first(one: Holding) -> tuple[int, str, str]:
    return -to_micros(one.recall.at), one.recall.article_id, one.partner


def recalled_for(connection: Connection, partner: str, article_id: str, now: datetime) -> list[Holding]:
    """What stands of a story that the partner holds, whether it knows of it or not; at most one of a kind."""
    gone = [one for one in _recalls_of(connection, [article_id]) if one.kind != "corrected"]
    own = [one for one in _revocations_of(connection, [article_id], now) if one.audience == partner]
    lines, _ = _received(connection, [article_id]).get((article_id, partner), ([], None))
    told = gone or [_as_recall(one) for one in own if one.level == "none"]
    if not told:
        told = [*_recalls_of(connection, [article_id]), *map(_as_recall, own)]
    return [_holding(partner, one, held) for one in told if (held := _held(lines, one))]


def settled(connection: Connection, ids: Sequence[str], partners: Collection[str]) -> dict[str, datetime]:
    """Recalled story → when the last of `partners` that hold it learnt of it (aware UTC), by poll or webhook.

    If none holds it, that is when it was recalled. One that somebody doesn't know of is left out.
    """
    told = {one.article_id: one for one in _recalls_of(connection, ids)}
    noted = revocations.of(connection, list(told))
    learnt = {article_id: recall.at for article_id, recall in told.items()}
    for (article_id, partner), (lines, present) in _received(connection, list(told)).items():
        recall = told[article_id]
        if partner not in partners or not _held(lines, recall) or article_id not in learnt:
            continue
        own = [one.revocation for one in noted.get(article_id, ()) if one.revocation.audience == partner]
        if recall.kind == "corrected" and any(one.level == "none" for one in own):
            continue  # it is told of that instead
        at = [line.delivered_at for line in lines if _tells(line, recall, present)]
        _learn(learnt, article_id, at or _taken(connection, recall, partner))
    return learnt


def settled_revocations(
    connection: Connection, ids: Sequence[str], partners: Collection[str]
) -> list[tuple[Revocation, datetime]]:
    """The revocations of stories that whom they are of has learnt of, and when; see `settled`.

    Everybody is told by feeds alone.
    """
    received = _received(connection, ids)
    found = list[tuple[Revocation, datetime]]()
    for article_id, noted in revocations.of(connection, ids).items():
        for revocation, feeds in noted:
            learnt = {"": revocation.at}
            lines, _ = received.get((article_id, revocation.audience), ([], None))
            recall = _as_recall(revocation)
            if revocation.audience in partners and _held(lines, recall):
                at = _marked_since(connection, revocation, feeds)
                _learn(learnt, "", at or _taken(connection, recall, revocation.audience))
            found += [(revocation, at) for at in learnt.values()]
    return found


def _learn(learnt: dict[str, datetime], name: str, at: Sequence[datetime]) -> None:
    """Note when one more holder learnt first; one that never did takes the name out."""
    if at:
        learnt[name] = max(learnt[name], min(at))
    else:
        del learnt[name]


def _taken(connection: Connection, recall: Recall, partner: str) -> list[datetime]:
    """When a partner's webhook took the notice of a recall."""
    notice = recall.notice_id(partner)
    outcome = outbox.outcomes(connection, [notice]).get(notice)
    return [outcome.sent_at] if outcome and outcome.sent_at else []


def _marked_since(connection: Connection, one: Revocation, feeds: Collection[str]) -> list[datetime]:
    """When whom a revocation is of received the mark of it, or of a later one, in one of its feeds."""
    columns = deliveries.c
    query = select(columns.digest, columns.delivered_at).where(
        among(connection, columns.article_id, [f"{revocations.FEED}{key}" for key in feeds]),
        columns.partner == one.audience,
    )
    at = to_micros(one.at)
    return [
        from_micros(row.delivered_at)
        for row in connection.execute(query)
        if revocations.marked_at(row.digest) >= at
    ]


def _recalled(
    connection: Connection, since: datetime | None, until: datetime, page: int
) -> Iterator[Holding]:
    """Who holds what was withdrawn, corrected or removed, and does not know."""
    for recalled in _pages(connection, recalls, [recalls.c[name] for name in COLUMNS], since, until, page):
        told = {one.article_id: one for one in map(of_row, recalled)}
        ids = list(told)
        revoked = {
            (one.article_id, one.audience)
            for one in _revocations_of(connection, ids, until)
            if one.level == "none"
        }
        found: list[Holding] = []
        for (article_id, partner), (lines, present) in _received(connection, ids).items():
            recall = told[article_id]
            if recall.kind == "corrected" and (article_id, partner) in revoked:
                continue  # it may not have the corrected story either, and is told that
            held = _held(lines, recall)
            if held and not any(_tells(line, recall, present) for line in lines):
                found.append(_holding(partner, recall, held))
        yield from sorted(found, key=_newest_first)


def _revoked(connection: Connection, since: datetime | None, until: datetime, page: int) -> Iterator[Holding]:
    """Who holds what it may have no longer, or less of, and has not polled since."""
    polled = _polled(connection)
    keys = [revocations_table.c.article_id, revocations_table.c.at]
    for revoked in _pages(connection, revocations_table, keys, since, until, page):
        places = dict[str, set[datetime]]()
        for row in revoked:
            places.setdefault(row.article_id, set()).add(from_micros(row.at))
        gone = {one.article_id for one in _recalls_of(connection, list(places)) if one.kind != "corrected"}
        received = _received(connection, [one for one in places if one not in gone])
        noted = revocations.of(connection, places)
        found: list[Holding] = []
        for (article_id, partner), (lines, _) in received.items():
            own = [
                one
                for one in noted[article_id]
                if one.revocation.audience == partner and one.revocation.holds(until)
            ]
            is_gone = any(one.revocation.level == "none" for one in own)
            for revocation, feeds in own:
                if revocation.at not in places[article_id] or (is_gone and revocation.level != "none"):
                    continue
                recall = _as_recall(revocation)
                held = _held(lines, recall)
                at = to_micros(revocation.at)
                if held and not any(polled.get((partner, key), -1) >= at for key in feeds):
                    found.append(_holding(partner, recall, held))
        yield from sorted(found, key=_newest_first)


def _pages(
    connection: Connection,
    table: Table,
    columns: Sequence[Column[Any]],
    since: datetime | None,
    until: datetime,
    page: int,
) -> Iterator[list[Row[Any]]]:
    """What was recalled, each once and not once in each feed, the newest first, a page at a time."""
    query = select(*columns).where(table.c.at <= to_micros(until)).distinct()
    if since is not None:
        query = query.where(table.c.at >= to_micros(since))
    query = query.order_by(table.c.at.desc(), table.c.article_id).limit(page)
    rows = connection.execute(query).all()
    while rows:
        yield list(rows)
        last = rows[-1]
        later = or_(table.c.at < last.at, and_(table.c.at == last.at, table.c.article_id > last.article_id))
        rows = connection.execute(query.where(later)).all()


def _recalls_of(connection: Connection, ids: Sequence[str]) -> list[Recall]:
    columns = [recalls.c[name] for name in COLUMNS]
    query = select(*columns).where(among(connection, recalls.c.article_id, ids)).distinct()
    return list(map(of_row, connection.execute(query)))


def _revocations_of(connection: Connection, ids: Sequence[str], now: datetime) -> list[Revocation]:
    noted = revocations.of(connection, ids)
    return [one.revocation for some in noted.values() for one in some if one.revocation.holds(now)]


def _as_recall(one: Revocation) -> Recall:
    return Recall(
        one.article_id,
        "revoked",
        one.at,
        one.reason,
        one.title,
        one.digest,
        one.publication,
        one.url,
        one.level,
    )


def _holding(partner: str, recall: Recall, held: Sequence[Delivery]) -> Holding:
    ids = tuple(sorted({line.token_id for line in held}))
    times = [line.delivered_at for line in held]
    versions = tuple(dict.fromkeys(line.digest for line in held))
    return Holding(partner, recall, min(times), max(times), ids, versions)


def _received(
    connection: Connection, ids: Sequence[str]
) -> dict[tuple[str, str], tuple[list[Delivery], str | None]]:
    """(story, partner) → what the partner received of the story, and the version there is now."""
    columns = deliveries.c
    query = (
        select(deliveries, articles.c.digest.label("present"))
        .outerjoin(articles, articles.c.id == columns.article_id)
        .where(among(connection, columns.article_id, ids))
        .order_by(columns.article_id, columns.partner, columns.delivered_at, columns.digest)
    )
    found: dict[tuple[str, str], tuple[list[Delivery], str | None]] = {}
    for row in connection.execute(query):
        line = Delivery._make((*row[:-2], from_micros(row.delivered_at)))
        found.setdefault((line.article_id, line.partner), ([], row.present))[0].append(line)
    return found


def _held(lines: Sequence[Delivery], recall: Recall) -> list[Delivery]:
    """The versions among what was received that the recall is of.

    What a partner first received after its rights were cut to what they are, it received by these rights.
    """
    versions = [line for line in lines if "@" not in line.digest]
    if recall.kind != "revoked":
        return versions
    return [
        line for line in versions if line.publication <= recall.publication or line.digest == recall.digest
    ]


def _polled(connection: Connection) -> dict[tuple[str, str], int]:
    """(partner, feed key) → the last of the feed's marks that the partner received (see `revocations`)."""
    columns = deliveries.c
    beyond = chr(ord(revocations.FEED[-1]) + 1)
    query = (
        select(columns.partner, columns.feed_key, func.max(columns.digest))
        .where(columns.article_id >= revocations.FEED, columns.article_id < revocations.FEED[:-1] + beyond)
        .group_by(columns.partner, columns.feed_key)
    )
    return {(partner, key): revocations.marked_at(mark) for partner, key, mark in connection.execute(query)}


def _tells(line: Delivery, recall: Recall, present: str | None) -> bool:
    """Whether who received this knows of the recall: its mark, or a version that was published after it."""
    if recall.kind != "corrected":
        return line.digest == recall.mark
    # A version that is restored is not received for the first time; but who has what there is lacks nothing.
    if line.digest == present:
        return True
    # On PostgreSQL a feed that was built before may be published after: it still has the old version.
    return line.publication > recall.publication and line.digest != recall.digest and "@" not in line.digest
