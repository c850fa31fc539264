"""Pushed stories → the store: who owns an id, which version a push is about, and the outcome of each push.

Knows nothing of HTTP. A story that came from a file stays that file's, unless a push takes it over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol

from sqlalchemy import Connection

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.domain import selection, urls
from feedsvc.domain.model import Article, Change, Rejected
from feedsvc.domain.selection import Rules
from feedsvc.ingest import document as documents
from feedsvc.ingest.document import ArticleDocument
from feedsvc.store import articles, sources, tombstones
from feedsvc.store.sources import Ownership

_LONGEST_PLACE: Final = 2_600
"""Most bytes of a feed key and an id: PostgreSQL limits an index row to a third of a page (nbtree.h)."""

Make = Callable[[Article | None], Article | None]
"""The stored version of a story (None: there is none) → its new version (None: nothing is to be done)."""


class Pushed(NamedTuple):
    """A story that was accepted, in its new version. `was_new` says that there was none of that id."""

    article: Article
    was_new: bool


class Refused(NamedTuple):
    """A push that was not accepted.

    A file owns the story, there is no such story, it is not the version that is meant, its id is too long,
    another story has the same id in feeds, its syndication names somebody unknown, it was withdrawn, or the
    stored version is newer. `version` is the digest of the stored version ("" for none), `instants` are those
    that were compared.
    """

    why: Literal["owned", "absent", "changed", "too long", "for nobody", "twin", "withdrawn", "older"]
    detail: str
    version: str = ""
    instants: Mapping[str, datetime] = {}


Outcome = Pushed | Refused


class Condition(Protocol):
    """Which version of a story a push is about."""

    def holds(self, article: Article | None, /) -> bool:
        """Whether the stored version (None: there is none) may be changed."""

    def names(self, article: Article, /) -> bool:
        """Whether it names exactly this version, which shows that the client has seen it."""


class _AnyVersion:
    def holds(self, _article: Article | None) -> bool:
        return True

    def names(self, _article: Article) -> bool:
        return False


_ANY_VERSION: Final = _AnyVersion()


@dataclass(frozen=True, slots=True)
class Push:
    """One story to create or change, if the condition holds for the stored version.

    `updated` is when, by its document, the story last changed (aware UTC); None if the document does not say.
    With `restore` a withdrawn story may come back.
    """

    id: str
    make: Make
    condition: Condition = _ANY_VERSION
    updated: datetime | None = None
    restore: bool = False


def put(
    article_id: str,
    document: ArticleDocument,
    now: datetime,
    condition: Condition = _ANY_VERSION,
    *,
    restore: bool = False,
) -> Push:
    """The push that makes a story what its document says. `now` is aware UTC."""

    def make(before: Article | None) -> Article:
        return documents.article(document, article_id, before, now)

    return Push(article_id, make, condition, document.updated, restore)


def withdrawal(article_id: str, reason: str, condition: Condition = _ANY_VERSION) -> Push:
    """The push that withdraws an existing story; `reason` is what readers are told."""
    return Push(article_id, lambda before: documents.withdrawn(before, reason) if before else None, condition)


def push(
    tx: Connection, pushes: Sequence[Push], rules: Rules, now: datetime, token_id: str, *, force: bool = False
) -> list[Outcome]:
    """Create or change stories, one after the other, in the caller's transaction; returns each one's outcome.

    `now` is aware UTC, `token_id` identifies who pushes. With `force`, stories that files own are taken over,
    and the files put in quarantine.
    """
    ids = list(dict.fromkeys(one.id for one in pushes))
    twins = {one: other for one in ids if (other := urls.twin(rules.site, one))}
    articles.lock(tx, [*ids, *twins.values()])
    there = articles.get_many(tx, ids)
    others = set(articles.digests(tx, list(twins.values())))
    known = _Known(dict(there), sources.owners(tx, ids), {}, set())
    known.stated.update({one.article_id: one.stated for one in sources.ownerships(tx, ids).values()})
    known.withdrawn.update(tombstones.left_by_any(tx, [one for one in ids if one not in there]))
    stated_before = dict(known.stated)
    outcomes: list[Outcome] = []
    for one in pushes:
        outcome = _outcome(one, known, force)
        other = twins.get(one.id)
        if one.id not in known.held and other and (other in others or other in known.held):
            told = f"{one.id!r} is, in feeds, the id of the story {other!r}, which is there already"
            outcome = Refused("twin", told)
        if isinstance(outcome, Pushed):
            outcome = _unfit(outcome.article, rules) or outcome
        if isinstance(outcome, Pushed):
            known.accept(one, outcome.article)
        outcomes.append(outcome)
    accepted = list(dict.fromkeys(outcome.article.id for outcome in outcomes if isinstance(outcome, Pushed)))
    if force:
        _take_over(tx, [one for one in accepted if one in known.owners], now)
    # Of several versions of one story in a batch, only the last is ever visible.
    changes = [Change(there.get(one), known.held[one]) for one in accepted]
    changes = [
        one for one in changes if one.old is None or one.new is None or one.old.digest != one.new.digest
    ]
    if changes:
        apply.apply(tx, [IncomingChange(one, now) for one in changes], rules, now)
    changed = {one.article_id for one in changes}
    owned = [
        Ownership(one, known.stated[one])
        for one in accepted
        if one in changed or one not in stated_before or stated_before[one] != known.stated[one]
    ]
    sources.ingest(tx, owned, token_id, now)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Known:
    """The state of stories in the course of a batch: each push applies to what the pushes before it left.

    `held` are the current versions, `owners` the files that own the stories, `stated` the instants of last
    change that documents stated, `withdrawn` the ids of stories that are gone and had been withdrawn.
    """

    held: dict[str, Article]
    owners: Mapping[str, Iterable[str]]
    stated: dict[str, datetime | None]
    withdrawn: set[str]

    def accept(self, one: Push, after: Article) -> None:
        before = self.held.get(one.id)
        self.held[one.id] = after
        is_withdrawal = before is not None and after.status == "withdrawn" and one.updated is None
        if one.id not in self.stated or not is_withdrawal:
            # A correction without an instant is dated by its arrival: an older version comes without it.
            self.stated[one.id] = one.updated or (after.updated if after.correction else None)


def _outcome(one: Push, known: _Known, force: bool) -> Outcome:
    before = known.held.get(one.id)
    version = before.digest if before else ""
    if not one.condition.holds(before):
        seen = f'its version is "{version}"' if before else "there is no such story"
        return Refused("changed", f"{one.id!r} is not as the request has it: {seen}", version)
    if one.id in known.owners and not force:
        path = min(known.owners[one.id])
        told = f"{one.id!r} is the story of the file {path}; change that, or take it over: ?force=true"
        return Refused("owned", told, version)
    after = one.make(before)
    if after is None:
        return Refused("absent", f"there is no story {one.id!r}")
    return _stale(one, before, after, known) or Pushed(after, before is None)


def _stale(one: Push, before: Article | None, after: Article, known: _Known) -> Refused | None:
    """Why a version made without knowledge of the stored one is refused; None if it isn't.

    A version that withdraws the story is accepted however old it is: it keeps the story from readers.
    """
    if after.status == "withdrawn" or (before and one.condition.names(before)):
        return None
    was_withdrawn = before.status == "withdrawn" if before else one.id in known.withdrawn
    if was_withdrawn and not one.restore:
        named = f'If-Match: "{before.digest}" (in a batch, the line\'s "if_match"), or ' if before else ""
        reason = f" ({before.withdrawal[:200]})" if before and before.withdrawal else ""
        told = f"{one.id!r} was withdrawn{reason}; to bring it back, send it with {named}?restore=true"
        return Refused("withdrawn", told, before.digest if before else "")
    stated = known.stated.get(one.id)
    if before is None or one.updated is None or stated is None or one.updated >= stated:
        return None
    if after.digest == before.digest:
        return None
    told = (
        f"{one.id!r} was changed at {stated.isoformat()}, and this version is older, of"
        f" {one.updated.isoformat()}; send a newer one, or say that you have seen the one that is there with"
        f' If-Match: "{before.digest}" (in a batch, the line\'s "if_match")'
    )
    return Refused("older", told, before.digest, {"updated": stated, "updated_sent": one.updated})


def _unfit(article: Article, rules: Rules) -> Refused | None:
    """Why this service refuses a story whose document is valid; None if it accepts it."""
    if _is_too_long(article, rules):
        return Refused(
            "too long", f"{article.id!r} is too long for feeds of so long a name; shorten one of them"
        )
    # A restriction under a misspelt name restricts nobody: a partner who should get nothing would get
    # everything. A withdrawn story may name a former partner.
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
    """Take stories away from the files that own them, and put those files in quarantine with that reason."""
    owners = sources.owners(tx, ids)
    sources.give_up(tx, ids)
    told = "was taken over by the API; give this story another id, or take it back: `feedsvc refresh --force`"
    rejected = [
        Rejected(path, 1, f"id: {article_id!r} {told}", article_id, "id-duplicate")
        for article_id, paths in owners.items()
        for path in sorted(paths)
    ]
    sources.put_in_quarantine(tx, rejected, now)
