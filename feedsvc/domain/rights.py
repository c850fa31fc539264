"""Who may have how much of a story: the values by which `gate` decides.

Pure: no I/O, no clock, and nothing imported from the rest of the package.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal, get_args

Level = Literal["none", "headline", "summary", "full"]
"""How much of a story: nothing; its title and link; these with its summary and images; all of it."""
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

Access = Literal["public", "members", "partners", "internal"]
"""Whom a story is for: everybody, paying members, partners only, or nobody outside the newsroom."""
ACCESSES: Final[tuple[Access, ...]] = get_args(Access)


def least(levels: Iterable[Level]) -> Level:
    """The lowest of several levels; "full" if there are none."""
    return min(levels, key=LEVELS.index, default="full")


@dataclass(frozen=True, slots=True)
class Audience:
    """A group of readers with the same rights: the public, whose name is "", or one partner.

    `feeds` are patterns over feed keys (`sections/*`). `level` is the most it may have of any story,
    `by_source` the most of an agency's stories, by the agency's slug. It may not have stories of the excluded
    sources and tags (slugs), sections (paths of slugs, sub-sections included) and authors (slugs), nor any
    story before `delay` after the story's `published`. `members` is the most that the public gets of a
    members-only story.
    """

    name: str = ""
    feeds: tuple[str, ...] = ("*",)
    level: Level = "full"
    by_source: Mapping[str, Level] = field(default_factory=dict)
    exclude_sources: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    exclude_sections: tuple[str, ...] = ()
    exclude_authors: tuple[str, ...] = ()
    delay: timedelta = timedelta()
    members: Level = "none"

    @property
    def is_public(self) -> bool:
        """Whether it is the public."""
        return not self.name

    def may_have_feed(self, key: str) -> bool:
        """Whether it may have a feed. In a pattern `*` matches anything, slashes too."""
        return any(fnmatchcase(key, pattern) for pattern in self.feeds)

    def is_named(self, key: str) -> bool:
        """Whether `feeds` names the feed itself, not by a pattern: it is then published even while empty."""
        return key in self.feeds


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL where a partner is notified, and the signature's key. `private` allows a private address."""

    url: str
    secret: str = field(repr=False)
    private: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What a partner's feeds add to each story.

    `parameters` are added to the query of the story's link, never to an id. `footer` is put below the story:
    a template of text or HTML with {title}, {url} and {source}.
    """

    partner: str
    parameters: tuple[tuple[str, str], ...] = ()
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The fact that an audience may have a story no longer, or less of it than it was given.

    `level` is how much it may still have. The revocation applies from `at` until `until` (aware UTC; None:
    for good), when time alone gives the story back, as at the end of a new embargo. `reason` says which
    permission ended. `title`, `url` and `digest` are of the version before; `publication` is the number of
    the last publication before the revocation, -1 until it is stored.
    """

    audience: str
    article_id: str
    at: datetime
    until: datetime | None
    level: Level
    reason: str
    title: str
    url: str | None
    digest: str
    publication: int = -1

    def is_over(self, now: datetime) -> bool:
        """Whether the audience has the story back at `now` (aware UTC) by time alone."""
        return self.until is not None and self.until <= now

    def holds(self, now: datetime) -> bool:
        """Whether it is in force at `now` (aware UTC)."""
        return self.at <= now and not self.is_over(now)
