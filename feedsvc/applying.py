"""Changes of stories → the store, with what goes with them: tombstones, recalls, and what they make dirty.

Knows neither files nor HTTP: whoever has a new version of a story brings it here, in a transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from feedsvc import selection
from feedsvc.model import Change
from feedsvc.selection import Rules
from feedsvc.store import articles, deliveries, recalls, tombstones
from feedsvc.store.articles import Application
from feedsvc.store.recalls import Recall


class Arrival(NamedTuple):
    """A change as it came: `seen` (aware UTC) is when its source was last written."""

    change: Change
    seen: datetime


def apply(tx: Connection, arrivals: Sequence[Arrival], rules: Rules, now: datetime) -> None:
    """Write changes, with their tombstones and recalls. `now` is aware UTC."""
    articles.apply(tx, prepared(tx, arrivals, rules, now), now)


def prepared(tx: Connection, arrivals: Sequence[Arrival], rules: Rules, now: datetime) -> list[Application]:
    """Changes ready to be written with others; their tombstones and recalls are written here."""
    there = [one.change.new for one in arrivals if one.change.new]
    exhume(tx, [article.id for article in there if article.status != "withdrawn"], rules)
    gone = [one.change.old for one in arrivals if one.change.old and one.change.new is None]
    # What was withdrawn stays so when its source goes, for those who have not come by since.
    tombstones.exhume(tx, [article.id for article in gone if article.status != "withdrawn"])
    return [_marked(tx, change, seen, rules, now) for change, seen in arrivals]


def exhume(tx: Connection, ids: Sequence[str], rules: Rules) -> None:
    """Take the marks of stories away that are published again; a correction is told of all the same."""
    tombstones.exhume(tx, ids)
    if rules.partners:
        recalls.forget_gone(tx, ids)


def application(change: Change, rules: Rules, keys: Collection[str] | None = None) -> Application:
    """A change as the store takes it; it makes `keys` dirty, by itself the feeds the story was and is in."""
    new = selection.placed(change.new, rules.customs) if change.new else None
    dirty = selection.affected(change, rules.customs) if keys is None else keys
    return Application(change.article_id, new, dirty)


def _marked(tx: Connection, change: Change, seen: datetime, rules: Rules, now: datetime) -> Application:
    """A change ready to be written, once its tombstone and its recall are."""
    recalled = _recall(change, now) if rules.partners else None
    # Who holds a story is told that it is gone, where they got it, whatever became of their rights and of it.
    held = deliveries.places(tx, change.article_id) if rules.partners and _is_gone(change) else set()
    keys = selection.affected(change, rules.customs) | {key for _, key in held}
    holders = {partner for partner, _ in held}
    if tombstone := selection.tombstone(change, seen, now, rules.audiences, holders):
        again = change.old is not None and change.old.status == "withdrawn"
        tombstones.bury(tx, tombstone, keys, selection.TOMBSTONE_STANDS, again=again)
    if recalled:
        recalls.note(tx, recalled, keys)
    return application(change, rules, keys)


def _is_gone(change: Change) -> bool:
    return change.old is not None and (change.new is None or change.new.status != "published")


def _recall(change: Change, now: datetime) -> Recall | None:
    """What those who hold the old version must know of the new one."""
    old, new = change.old, change.new
    if old is None:
        return None
    if old.status == "withdrawn" and new is not None and new.status == "published" and new.correction:
        # It comes back corrected: who holds it as it was before it was withdrawn must know.
        return Recall(old.id, "corrected", now, new.correction, old.title, old.digest)
    if old.status != "published":
        return None
    if new is None:
        return Recall(old.id, "removed", now, "", old.title, old.digest)
    if new.status != "published":
        return Recall(old.id, "withdrawn", now, new.withdrawal, old.title, old.digest)
    if new.correction and new.correction != old.correction:
        return Recall(old.id, "corrected", now, new.correction, old.title, old.digest)
    return None
