"""The gate: the only place that decides who may have a story, when, and how much of it.

Pure: no I/O, no clock, no configuration object. What is granted to an audience comes in as a value.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from feedsvc.domain.constraints import TEXTS_SHOWN, without_shown_credentials
from feedsvc.domain.model import Article, Image
from feedsvc.domain.rights import Audience, Level, least

PUBLIC = Audience()
"""The public, if the configuration restricts nothing."""

_MICROSECOND = timedelta(microseconds=1)


class Rule(NamedTuple):
    """One rule of the gate: `holds` says whether it lets a story through to an audience at an instant.

    `told` says in words for people why it doesn't.
    """

    name: str
    holds: Callable[[Article, Audience, datetime], bool]
    told: Callable[[Article, Audience], str]


def opens_at(article: Article, audience: Audience) -> datetime:
    """The first instant (aware UTC) at which the audience may have the story, by date, embargo and delay."""
    return max(article.visible_from, article.published + audience.delay)


def level(article: Article, audience: Audience) -> Level:
    """How much of the story the audience may have once it is eligible: the lowest level of all rules."""
    by_story = (_level_by_story(article, audience), _level_by_access(article, audience))
    return least((audience.level, _level_by_source(article, audience), *by_story))


def _level_by_source(article: Article, audience: Audience) -> Level:
    return audience.by_source.get(article.source.slug, "full") if article.source else "full"


def _level_by_story(article: Article, audience: Audience) -> Level:
    said = dict(article.syndication)
    if audience.is_public:
        return said.get("public", "full")
    return said.get(audience.name, said.get("partners", "full"))


def _level_by_access(article: Article, audience: Audience) -> Level:
    if article.access == "public":
        return "full"
    if article.access == "members":
        # Partners republish stories to everybody, so they get a members-only one only if it names them.
        named = {name for name, _ in article.syndication}
        return (
            audience.members
            if audience.is_public
            else "full"
            if named & {audience.name, "partners"}
            else "none"
        )
    return "full" if article.access == "partners" and not audience.is_public else "none"


def _is_for(article: Article, audience: Audience) -> bool:
    return _level_by_access(article, audience) != "none"


def _held_by(article: Article) -> str:
    return f" ({article.held_by})" if article.held_by else ""


def _is_excluded(article: Article, audience: Audience) -> bool:
    return matches(
        article,
        audience.exclude_sections,
        audience.exclude_tags,
        audience.exclude_authors,
        audience.exclude_sources,
    )


def _told_date(article: Article, audience: Audience) -> str:
    if audience.delay:
        return f"this partner may have it from {article.published + audience.delay}"
    return f"it is dated {article.published}"


GATE: tuple[Rule, ...] = (
    Rule(
        "status",
        lambda a, _who, _now: a.status == "published",
        lambda a, _who: f"its status is {a.status}{_held_by(a)}",
    ),
    Rule("date", lambda a, who, now: a.published + who.delay <= now, _told_date),
    Rule(
        "embargo",
        lambda a, _who, now: a.embargo is None or a.embargo <= now,
        lambda a, _who: f"its embargo ends {a.embargo}",
    ),
    Rule(
        "expiry",
        lambda a, _who, now: a.expires is None or now < a.expires,
        lambda a, _who: f"it expired {a.expires}",
    ),
    Rule(
        "access",
        lambda a, who, _now: _is_for(a, who),
        lambda a, _who: f"its access is {a.access}{_held_by(a)}",
    ),
    Rule(
        "exclusion",
        lambda a, who, _now: not _is_excluded(a, who),
        lambda _a, _who: "its section, a tag, an author or its source is excluded for this partner",
    ),
    Rule(
        "source",
        lambda a, who, _now: _level_by_source(a, who) != "none",
        lambda a, _who: f"the rights of its source, {a.source.label if a.source else ''}, give nothing of it",
    ),
    Rule(
        "syndication",
        lambda a, who, _now: _level_by_story(a, who) != "none",
        lambda _a, _who: "its own syndication gives nothing of it",
    ),
    Rule("level", lambda _a, who, _now: who.level != "none", lambda _a, _who: "it is given nothing at all"),
)
"""Every rule that decides whether an audience may have a story."""


def eligible(article: Article, audience: Audience, now: datetime) -> bool:
    """Whether `audience` may have the story at `now` (aware UTC). This is the only place that decides."""
    return all(rule.holds(article, audience, now) for rule in GATE)


def refusals(article: Article, audience: Audience, now: datetime) -> list[str]:
    """Why the audience may not have the story at `now` (aware UTC), in words; empty if it may have it."""
    return [rule.told(article, audience) for rule in GATE if not rule.holds(article, audience, now)]


def reductions(article: Article, audience: Audience) -> list[str]:
    """Why the audience may have only a part of the story, in words; empty if it may have all of it."""
    allowed = level(article, audience)
    if allowed == "full":
        return []
    part = f"its {allowed} only"
    source = article.source.label if article.source else ""
    told = (
        (_level_by_source(article, audience), f"the rights of its source, {source}, give {part}"),
        (_level_by_story(article, audience), f"its own syndication gives {part}"),
        (audience.level, f"this partner is given {part}"),
    )
    return [words for given, words in told if given == allowed]


def was_eligible(article: Article, audience: Audience, at: datetime) -> bool:
    """Whether the audience could have had a story right before it was withdrawn, `at` (aware UTC)."""
    return eligible(replace(article, status="published"), audience, at - _MICROSECOND)


def had_by(article: Article, audiences: Sequence[Audience], now: datetime) -> tuple[str, ...]:
    """The names of the audiences that may have the story at `now` (aware UTC), or could until it expired."""
    if article.status != "published":
        return ()
    at = min(now, article.expires - _MICROSECOND) if article.expires else now
    return tuple(one.name for one in audiences if eligible(article, one, at))


def as_shown(article: Article, audience: Audience) -> Article:
    """The story reduced to what the audience may have.

    If the author wrote no summary, none is made from the body, which may be no longer than a summary. User
    names and passwords are removed from URLs in its texts; body and links lose theirs when they are rendered.
    """
    article = _without_credentials(article)
    allowed = level(article, audience)
    if allowed == "full":
        return article
    less = replace(article, body="", markup="text", enclosures=(), comments=None)
    if allowed == "summary":
        return less
    return replace(
        less, summary="", images=(), dateline="", correction="", original=None, contributors=(), rights=""
    )


def _without_credentials(article: Article) -> Article:
    texts = {name: getattr(article, name) for name in TEXTS_SHOWN}
    shown: dict[str, Any] = {name: without_shown_credentials(text) for name, text in texts.items()}
    images = tuple(map(_image_without_credentials, article.images))
    if shown == texts and images == article.images:
        return article
    return replace(article, images=images, **shown)


def _image_without_credentials(image: Image) -> Image:
    texts = {"alt": image.alt, "caption": image.caption, "credit": image.credit}
    shown = {name: without_shown_credentials(text) for name, text in texts.items()}
    return image if shown == texts else replace(image, **shown)  # type: ignore[arg-type]


def section_and_parents(path: str) -> Iterator[str]:
    """The paths of a section and its parents, the widest first: `world`, `world/europe`."""
    parts = path.split("/") if path else []
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])


def matches(
    article: Article,
    sections: Sequence[str],
    tags: Sequence[str],
    authors: Sequence[str],
    sources: Sequence[str],
) -> bool:
    """Whether the story is filed under any of these slugs; sections are paths, and include sub-sections."""
    return (
        any(path in sections for path in section_and_parents(article.section))
        or any(tag.slug in tags for tag in article.tags)
        or any(author.slug in authors for author in article.authors)
        or (article.source is not None and article.source.slug in sources)
    )
