"""Which revocations apply after a story or the rights to it changed: who lost the story, or part of it.

Pure: no I/O, no clock, no configuration object. A story that is withdrawn or removed has no new revocation:
it is announced as withdrawn or removed.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from feedsvc.domain import gate, selection
from feedsvc.domain.model import Article, Change, CustomFeed
from feedsvc.domain.rights import LEVELS, Audience, Level, Revocation

_NO_FEED = "no feed that this partner is given has it"


class Given(NamedTuple):
    """A story, an audience with its rights, and the keys of all feeds that the story is in."""

    article: Article
    audience: Audience
    keys: frozenset[str]

    @property
    def in_feeds(self) -> frozenset[str]:
        """Those of the feeds that the audience may have."""
        return frozenset(filter(self.audience.may_have_feed, self.keys))

    def may_have(self, now: datetime) -> bool:
        """Whether the audience may have the story in any feed, at `now` (aware UTC)."""
        return gate.eligible(self.article, self.audience, now) and bool(self.in_feeds)

    def refusals(self, now: datetime) -> str:
        """Why the audience may not have the story at `now` (aware UTC), in words for people."""
        told = gate.refusals(self.article, self.audience, now)
        return "; ".join(told if self.in_feeds else [*told, _NO_FEED])

    def returns(self, now: datetime) -> datetime | None:
        """When an audience that may not have the story now will, by time alone (aware UTC); None if never."""
        opens = gate.opens_at(self.article, self.audience)
        return opens if opens > now and self.may_have(opens) else None


def after_change(
    change: Change,
    audiences: Sequence[Audience],
    customs: Sequence[CustomFeed],
    now: datetime,
    had: Collection[str],
    standing: Sequence[Revocation],
) -> list[Revocation]:
    """The revocations of a story that apply after it changed, for all audiences.

    `had` names the audiences that are known to have the story, besides those that could have the old version.
    `standing` are the revocations before the change.
    """
    old, new = change.old, change.new
    if new is None:
        return list(standing)  # the removal is announced as such; what was revoked before stays revoked
    if new.status == "withdrawn":
        return []
    before = selection.keys_of(old, customs) if old else frozenset()
    keys = selection.keys_of(new, customs)
    found: list[Revocation] = []
    for audience in audiences:
        found += after(
            Given(old, audience, before) if old else None,
            Given(new, audience, keys),
            now,
            had=audience.name in had,
            standing=[one for one in standing if one.audience == audience.name],
        )
    known = {audience.name for audience in audiences}
    return [*found, *(one for one in standing if one.audience not in known)]


def after(
    old: Given | None, new: Given, now: datetime, *, had: bool, standing: Sequence[Revocation]
) -> list[Revocation]:
    """The revocations of a story that apply to one audience, after `old` became `new`.

    With `had` the audience is known to have the story, whatever `old` says. `now` is aware UTC.
    """
    standing = [one for one in standing if not one.is_over(now)]
    might = old is not None and old.may_have(now)
    gone = next((one for one in standing if one.level == "none" and one.at <= now), None)
    # How much an audience had of a story that it then lost is not known: it may have been all of it.
    given = gate.level(old.article, old.audience) if old and might else "full" if gone or had else "none"
    if new.may_have(now):
        return [*_less(old, new, now, given, standing), *_ends(old, new, now, might, standing)]
    if gone is None and not might and not (had and not _ended_as_said(old, new, now)):
        return []
    returns, reason = new.returns(now), new.refusals(now)
    noted = gone or _revocation(old, new, now, returns, reason)
    later = _less(old, new, returns, given, standing) if returns else []
    return [replace(noted, reason=reason, until=returns), *later]


def _ended_as_said(old: Given | None, new: Given, now: datetime) -> bool:
    """Whether the public lost a story only because it expired when announced, as a restored one may have.

    Never so for a partner: it was told that the story is withdrawn, and must learn that it is still gone.
    """
    expires = new.article.expires
    is_said = old is None or old.article.expires == expires
    return new.audience.is_public and is_said and expires is not None and expires <= now


def _less(
    old: Given | None, new: Given, at: datetime, given: Level, standing: Sequence[Revocation]
) -> list[Revocation]:
    """The revocation by which a partner may have, from `at` on, less of the story than it was `given`.

    Empty if it may have as much, and for the public, whose feeds just show less.
    """
    allowed = gate.level(new.article, new.audience)
    if new.audience.is_public or allowed == "full":
        return []
    reason = "; ".join(gate.reductions(new.article, new.audience))
    told = next((one for one in standing if one.level != "none"), None)
    if told and LEVELS.index(told.level) <= LEVELS.index(allowed):
        return [replace(told, level=allowed, reason=reason)]
    if LEVELS.index(told.level if told else given) <= LEVELS.index(allowed):
        return []
    return [replace(_revocation(old, new, at, None, reason), level=allowed)]


def _ends(
    old: Given | None, new: Given, now: datetime, might: bool, standing: Sequence[Revocation]
) -> list[Revocation]:
    """The revocation, as of its expiry, of a story that expires sooner than it said when it was delivered."""
    expires = new.article.expires
    if expires is None:
        return []
    reason = "; ".join(gate.refusals(new.article, new.audience, expires))
    if pending := next((one for one in standing if one.level == "none" and one.at > now), None):
        return [replace(pending, at=expires, reason=reason)]
    said = old.article.expires if old else None
    if old is None or not might or (said is not None and said <= expires):
        return []
    return [_revocation(old, new, expires, None, reason)]


def _revocation(
    old: Given | None, new: Given, at: datetime, until: datetime | None, reason: str
) -> Revocation:
    was = old.article if old else new.article
    return Revocation(new.audience.name, was.id, at, until, "none", reason, was.title, was.url, was.digest)
