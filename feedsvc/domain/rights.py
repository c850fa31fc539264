"""Who may have how much of a story: the values that the gate in `selection` weighs.

Pure: no I/O, no clock, and nothing imported from the rest of the package.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Literal, get_args

Level = Literal["none", "headline", "summary", "full"]
"""How much of a story: nothing, its title and link, these and its summary and images, all of it."""
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

Access = Literal["public", "members", "partners", "internal"]
"""Whom a story is for: everybody, paying members, partners only, or nobody outside the newsroom."""
ACCESSES: Final[tuple[Access, ...]] = get_args(Access)


def least(levels: Iterable[Level]) -> Level:
    """The least of several levels; all of the story if there are none."""
    return min(levels, key=LEVELS.index, default="full")


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who are given the same: the public, whose name is "", or one partner.

    `feeds` are patterns over feed keys (`sections/*`). `level` is the most of any story; `by_source` the most
    of those of an agency, by its slug. Stories of the excluded sources and tags (slugs), sections (paths of
    slugs, with what is below) and authors (slugs) are not for it at all; no story is for it before `delay`
    after its first publication. `members` is the most that everybody gets of a members-only story.
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
        """Whether it is everybody."""
        return not self.name

    def may_have_feed(self, key: str) -> bool:
        """Whether a feed is among those it is given. `*` stands for anything, slashes too."""
        return any(fnmatchcase(key, pattern) for pattern in self.feeds)

    def is_named(self, key: str) -> bool:
        """Whether it is given that feed by its name, so that it is published even while it is empty."""
        return key in self.feeds


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a partner is told, and the signature's key. `private` lets it be an address of one's own net."""

    url: str
    secret: str = field(repr=False)
    private: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands in each of a partner's feeds beside the stories.

    `parameters` go to each story's link, never into an id. `footer` is put below each story: a template of
    text or HTML with {title}, {url} and {source}.
    """

    partner: str
    parameters: tuple[tuple[str, str], ...] = ()
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Revocation:
    """That an audience may have a story no longer, or less of it than it was given.

    `level` is how much it may still have. It holds from `at` until `until` (aware UTC; None: for good), which
    is when time alone gives the story back, as at the end of a new embargo. `reason` says what ended.
    `title`, `url` and `digest` are of the version that was there; `publication` is the number of the last
    publication before, -1 as long as it has not been noted.
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
