"""Stories that were pushed → the store: whose an id is, which version is meant, and what came of each.

Knows nothing of HTTP. A story that came by file stays that file's, unless whoever pushes it takes it over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection

from feedsvc import applying, selection, urls
from feedsvc.applying import Arrival
from feedsvc.ingest import document as documents
from feedsvc.ingest.document import ArticleDocument
from feedsvc.model import Article, Change, Rejected
from feedsvc.selection import Rules
from feedsvc.store import articles, sources

_LONGEST_PLACE: Final = 2_600
"""Bytes of a feed's key and an id: a row of a PostgreSQL index has a third of a page (nbtree.h)."""

Make = Callable[[Article | None], Article | None]
"""From a story as it is (None: there is none) to what it is to be (None: nothing is to be done)."""


class Pushed(NamedTuple):
    """A story that was accepted, as it is now. `was_new` if there was none of that id before."""

    article: Article
    was_new: bool


class Refused(NamedTuple):
    """A story that was not accepted.

    It is a file's, there is none, it is not the version that is meant, its id is too long or, in feeds, that
    of another, or what it says of its rights is said of nobody.
    """

    why: Literal["owned", "absent", "changed", "too long", "for nobody", "twin"]
    detail: str


Outcome = Pushed | Refused


Condition = Callable[[Article | None], bool]
"""Whether the version that is there (None: there is none) is the one that is meant."""


def _any_version(_article: Article | None) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Push:
    """One story to be made or changed, if `holds` says so of the version that is there."""

    id: str
    make: Make
    holds: Condition = _any_version


def put(article_id: str, document: ArticleDocument, now: datetime, holds: Condition = _any_version) -> Push:
    """To make a story what its document says."""
    return Push(article_id, lambda before: documents.article(document, article_id, before, now), holds)


def withdrawal(article_id: str, reason: str, holds: Condition = _any_version) -> Push:
    """To take a story back that was there."""
    return Push(article_id, lambda before: documents.withdrawn(before, reason) if before else None, holds)


def push(
    tx: Connection, pushes: Sequence[Push], rules: Rules, now: datetime, token_id: str, *, force: bool = False
) -> list[Outcome]:
    """Make or change stories in the caller's transaction, each after those before it; what came of each.

    `now` is aware UTC, `token_id` names who pushes. With `force`, what is a file's is taken over; the file
    waits in quarantine.
    """
    ids = list(dict.fromkeys(one.id for one in pushes))
    twins = {one: other for one in ids if (other := urls.twin(rules.site, one))}
    articles.lock(tx, [*ids, *twins.values()])
    there = articles.get_many(tx, ids)
    others = set(articles.digests(tx, list(twins.values())))
    owners = sources.owners(tx, ids)
    held = dict(there)
    outcomes: list[Outcome] = []
    for one in pushes:
        outcome = _outcome(one, held.get(one.id), owners, force)
        other = twins.get(one.id)
        if one.id not in held and other and (other in others or other in held):
            told = f"{one.id!r} is, in feeds, the id of the story {other!r}, which is there already"
            outcome = Refused("twin", told)
        if isinstance(outcome, Pushed):
            outcome = _unfit(outcome.article, rules) or outcome
        if isinstance(outcome, Pushed):
            held[one.id] = outcome.article
        outcomes.append(outcome)
    accepted = list(dict.fromkeys(outcome.article.id for outcome in outcomes if isinstance(outcome, Pushed)))
    if force:
        _take_over(tx, [one for one in accepted if one in owners], now)
    # Of several versions of one story in a batch nobody has seen but the last.
    changes = [Change(there.get(one), held[one]) for one in accepted]
    changes = [
        one for one in changes if one.old is None or one.new is None or one.old.digest != one.new.digest
    ]
    if changes:
        applying.apply(tx, [Arrival(one, now) for one in changes], rules, now)
    _own(tx, accepted, [one.new.id for one in changes if one.new], token_id, now)
    return outcomes


def _outcome(one: Push, before: Article | None, owners: Mapping[str, Iterable[str]], force: bool) -> Outcome:
    if not one.holds(before):
        seen = f'its version is "{before.digest}"' if before else "there is no such story"
        return Refused("changed", f"{one.id!r} is not as the request has it: {seen}")
    if one.id in owners and not force:
        path = min(owners[one.id])
        return Refused(
            "owned", f"{one.id!r} is the story of the file {path}; change that, or take it over: ?force=true"
        )
    after = one.make(before)
    if after is None:
        return Refused("absent", f"there is no story {one.id!r}")
    return Pushed(after, before is None)


def _unfit(article: Article, rules: Rules) -> Refused | None:
    """What keeps a story that its document may well hold out of this service."""
    if _is_too_long(article, rules):
        return Refused(
            "too long", f"{article.id!r} is too long for feeds of so long a name; shorten one of them"
        )
    # A right that nobody is found for would be no right: who was to have nothing would have all. A story that
    # is withdrawn may name a partner who is none any more.
    named = ["public", "partners", *(partner.name for partner in rules.partners)]
    unknown = [name for name, _ in article.syndication if name not in named]
    if unknown and article.status != "withdrawn":
        wanted = " or ".join(named)
        return Refused(
            "for nobody", f"syndication: {unknown[0][:60]!r} is nobody it could be for; write {wanted}"
        )
    return None


def _is_too_long(article: Article, rules: Rules) -> bool:
    longest = max(len(key.encode()) for key in selection.keys_of(article, rules.customs))
    return longest + len(article.id.encode()) > _LONGEST_PLACE


def _take_over(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Have files lose their stories to who pushes them, and say so of each file."""
    owners = sources.owners(tx, ids)
    sources.give_up(tx, ids)
    told = "was taken over by the API; give this story another id, or take it back: `feedsvc refresh --force`"
    rejected = [
        Rejected(path, 1, f"id: {article_id!r} {told}", article_id, "id-duplicate")
        for article_id, paths in owners.items()
        for path in sorted(paths)
    ]
    sources.put_in_quarantine(tx, rejected, now)


def _own(
    tx: Connection, accepted: Sequence[str], changed: Sequence[str], token_id: str, now: datetime
) -> None:
    """Note whose the stories are; of one that did not change, only if it was not known."""
    unchanged = set(accepted) - set(changed)
    unknown = unchanged - sources.ingested(tx, sorted(unchanged)) if unchanged else set()
    sources.ingest(tx, [*changed, *sorted(unknown)], token_id, now)
