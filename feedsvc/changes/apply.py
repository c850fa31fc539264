"""Changes of stories → the store, with what follows from them: tombstones, recalls, revocations, dirty feeds.

Knows neither files nor HTTP: the caller brings the new versions of stories, and an open transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from feedsvc.domain import revocation as revoking
from feedsvc.domain import selection
from feedsvc.domain.model import Change
from feedsvc.domain.rights import Revocation
from feedsvc.domain.selection import Rules
from feedsvc.store import articles, deliveries, recalls, revocations, tombstones
from feedsvc.store.articles import ArticleWrite
from feedsvc.store.recalls import Recall
from feedsvc.store.revocations import Standing


class IncomingChange(NamedTuple):
    """A change, and `seen`: when its source was last written (aware UTC)."""

    change: Change
    seen: datetime


def apply(tx: Connection, arrivals: Sequence[IncomingChange], rules: Rules, now: datetime) -> None:
    """Write changes, with their tombstones, recalls and revocations. `now` is aware UTC."""
    articles.apply(tx, prepared(tx, arrivals, rules, now), now)


def prepared(
    tx: Connection, arrivals: Sequence[IncomingChange], rules: Rules, now: datetime
) -> list[ArticleWrite]:
    """Write the tombstones, recalls and revocations of changes; returns the changes for `articles.apply`.

    The caller may write them together with others. `now` is aware UTC.
    """
    noted = _noted(tx, arrivals, rules)
    there = [one.change.new for one in arrivals if one.change.new]
    remove_tombstones(tx, [article.id for article in there if article.status == "published"], rules)
    # A story that becomes a draft keeps its recall: whoever holds the story must still learn of it.
    tombstones.remove_tombstones(tx, [article.id for article in there if article.status == "draft"])
    gone = [one.change.old for one in arrivals if one.change.old and one.change.new is None]
    # A withdrawn story keeps its tombstone when its source goes, for readers that have not polled since.
    tombstones.remove_tombstones(tx, [article.id for article in gone if article.status != "withdrawn"])
    return [_marked(tx, arrival, noted, rules, now) for arrival in arrivals]


def remove_tombstones(tx: Connection, ids: Sequence[str], rules: Rules) -> None:
    """Remove the tombstones of stories published again, and their recalls, except those of corrections."""
    tombstones.remove_tombstones(tx, ids)
    if rules.partners:
        recalls.forget_gone(tx, ids)


def gone_before(tx: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the stories that have a tombstone, a recall as gone, or a revocation."""
    return tombstones.left_by_any(tx, ids) | recalls.gone(tx, ids) | revocations.of(tx, ids).keys()


def application(change: Change, rules: Rules, keys: Collection[str] | None = None) -> ArticleWrite:
    """A change as the store takes it. `keys` are the feeds it makes dirty; None: those it was and is in."""
    new = selection.placed(change.new, rules.customs) if change.new else None
    dirty = selection.affected(change, rules.customs) if keys is None else keys
    return ArticleWrite(change.article_id, new, dirty)


class _Noted(NamedTuple):
    """What the store has of stories before they change: revocations, and who had those that come back.

    For stories that were withdrawn or removed, and not published since, also their recalls, and the feeds
    that have their tombstones.
    """

    standing: Mapping[str, Sequence[Standing]]
    had_by: Mapping[str, frozenset[str]]
    recalls: Mapping[str, Recall]
    buried_in: Mapping[str, frozenset[str]]


def _noted(tx: Connection, arrivals: Sequence[IncomingChange], rules: Rules) -> _Noted:
    back = [
        change.article_id
        for change, _ in arrivals
        if change.new and change.new.status != "withdrawn" and not _was_out(change)
    ]
    had_by = tombstones.had_by(tx, back) if back else {}
    out = [change.article_id for change, _ in arrivals if not _was_out(change)]
    recalled = recalls.of_gone(tx, out) if rules.partners and out else {}
    if rules.partners and back:
        for article_id in {*had_by, *(one for one in back if one in recalled)}:
            holders = {partner for partner, _ in deliveries.places(tx, article_id)}
            had_by[article_id] = had_by.get(article_id, frozenset()) | holders
    standing = revocations.of(tx, [change.article_id for change, _ in arrivals])
    return _Noted(standing, had_by, recalled, tombstones.feeds_of(tx, out) if out else {})


def _was_out(change: Change) -> bool:
    return change.old is not None and change.old.status == "published"


def _marked(
    tx: Connection, arrival: IncomingChange, noted: _Noted, rules: Rules, now: datetime
) -> ArticleWrite:
    """Write the tombstone, recall and revocations of a change; returns the change, ready to be written."""
    change = arrival.change
    standing = noted.standing.get(change.article_id, ())
    recalled = _recall(change, now) if rules.partners else None
    revoked = revoking.after_change(
        change,
        rules.audiences,
        rules.customs,
        now,
        noted.had_by.get(change.article_id, frozenset()),
        [one.revocation for one in standing],
    )
    before = [one.revocation for one in standing]
    is_other = revoked != before
    # Whoever holds a story is told that it is gone, in the feeds they got it from, whatever their rights and
    # the story have become.
    asks = rules.partners and (_is_gone(change) or (is_other and revoked))
    held = deliveries.places(tx, change.article_id) if asks else set()
    keys = selection.affected(change, rules.customs).union(
        noted.buried_in.get(change.article_id, ()),
        (key for _, key in held),
        *(one.keys for one in standing),
    )
    if held and recalled is None:
        recalled = _kill(change, now)
    as_had = _as_had(standing, noted.recalls.get(change.article_id))
    holders = {partner for partner, _ in held} | {one.revocation.audience for one in standing}
    if tombstone := selection.tombstone(change, arrival.seen, now, rules.audiences, holders):
        again = change.old is not None and change.old.status == "withdrawn"
        tombstones.add_tombstone(tx, tombstone, keys, selection.TOMBSTONE_STANDS, again=again)
    if recalled:
        recalls.note(tx, recalled if recalled.kind == "corrected" else recalled._replace(**as_had), keys)
    if is_other:
        revoked = [one if one in before else replace(one, **as_had) for one in revoked]
        new_keys = selection.affected(change, rules.customs)
        placed = [_in_feeds(one, standing, new_keys, held, rules) for one in revoked]
        revocations.replace(tx, {change.article_id: placed})
        keys = keys.union(*(one.keys for one in placed))
    return application(change, rules, keys)


def _as_had(standing: Sequence[Standing], recalled: Recall | None) -> dict[str, Any]:
    """The title and URL of the version that partners could have: not those of a later version.

    A later version may be a draft, or embargoed: nobody may learn its title from a notice that the story is
    gone.
    """
    of_partners = [one.revocation for one in standing if one.revocation.audience]
    known = min(of_partners, key=lambda one: one.at, default=recalled)
    return {"title": known.title, "url": known.url} if known else {}


def _in_feeds(
    revocation: Revocation,
    standing: Sequence[Standing],
    keys: Collection[str],
    held: Collection[tuple[str, str]],
    rules: Rules,
) -> Standing:
    """A revocation with the feeds that announce it: those in which its audience had or could have the story.

    `keys` are the feeds the story was and is in, `held` those it was delivered by: (partner, feed key).
    """
    name = revocation.audience
    audience = next((one for one in rules.audiences if one.name == name), None)
    might = filter(audience.may_have_feed, keys) if audience else ()
    before = (one.keys for one in standing if one.revocation.audience == name)
    return Standing(revocation, frozenset(might).union((key for one, key in held if one == name), *before))


def revoke(tx: Connection, found: Mapping[str, Sequence[Revocation]], rules: Rules) -> set[str]:
    """Write the revocations, by story id, that follow from changed rights.

    Returns the keys of the feeds that announce them, or did before: they must be published again.
    """
    standing = revocations.of(tx, found)
    stories = articles.get_many(tx, list(found))
    held = deliveries.places_of(tx, list(found))
    placed: dict[str, list[Standing]] = {}
    dirty: set[str] = set()
    for article_id, revoked in found.items():
        before = standing.get(article_id, [])
        keys = selection.keys_of(stories[article_id], rules.customs) if article_id in stories else ()
        places = held.get(article_id, set())
        placed[article_id] = [_in_feeds(one, before, keys, places, rules) for one in revoked]
        dirty.update(*(one.keys for one in (*before, *placed[article_id])))
    revocations.replace(tx, placed)
    return dirty


def _is_gone(change: Change) -> bool:
    return change.old is not None and (change.new is None or change.new.status != "published")


def _kill(change: Change, now: datetime) -> Recall | None:
    """The recall of a draft that is withdrawn: whoever received it before it was a draft must know that."""
    old, new = change.old, change.new
    if old is None or new is None or (old.status, new.status) != ("draft", "withdrawn"):
        return None
    return Recall(old.id, "withdrawn", now, new.withdrawal, old.title, old.digest, url=old.url)


def _recall(change: Change, now: datetime) -> Recall | None:
    """The recall that tells holders of the old version of the new one; None if they need not know."""
    old, new = change.old, change.new
    if old is None:
        return None
    if old.status == "withdrawn" and new is not None and new.status == "published" and new.correction:
        # It comes back corrected: whoever holds the version from before the withdrawal must know.
        return Recall(old.id, "corrected", now, new.correction, old.title, old.digest, url=new.url)
    if old.status != "published":
        return None
    if new is None:
        return Recall(old.id, "removed", now, "", old.title, old.digest, url=old.url)
    if new.status != "published":
        return Recall(old.id, "withdrawn", now, new.withdrawal, old.title, old.digest, url=old.url)
    if new.correction and new.correction != old.correction:
        return Recall(old.id, "corrected", now, new.correction, old.title, old.digest, url=new.url)
    return None
