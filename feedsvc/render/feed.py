"""Renders a feed as bytes in each format: a shell around the fragments of its stories.

Knows nothing of the store or of HTTP. Equal feeds give equal bytes, whatever was rendered before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

import structlog

from feedsvc.domain.model import Article, Feed, Format
from feedsvc.render import atom, jsonfeed, rss
from feedsvc.render.fragments import FragmentCache, Shell
from feedsvc.render.story import Story, story

log = structlog.get_logger(__name__)


class _Renderer(Protocol):
    """The functions that each format's module offers."""

    def shell(self, feed: Feed) -> Shell: ...

    def dated(self, feed: Feed) -> bytes: ...

    def fragment(self, feed: Feed, story: Story) -> bytes: ...


_RENDERERS: Mapping[Format, _Renderer] = {"rss": rss, "atom": atom, "json": jsonfeed}


class Rendered(NamedTuple):
    """A feed's bytes, and the stories that could not be rendered and are left out, each with the reason."""

    body: bytes
    failed: tuple[tuple[Article, str], ...]


def missing(feeds: Iterable[Feed], cache: FragmentCache) -> list[tuple[Feed, Article]]:
    """Articles that lack a fragment in the cache in at least one format, each with a feed that it is in.

    An article comes once for each dialect (see `dialect_of`). The feeds come without articles and tombstones:
    they say what else a fragment depends on.
    """
    found: dict[tuple[str, str, str], tuple[Feed, Article]] = {}
    for feed in feeds:
        dialect = dialect_of(feed)
        alone = replace(feed, articles=(), tombstones=())
        for fmt in feed.formats:
            for article, known in zip(feed.articles, cache.get_all(feed.articles, fmt, dialect), strict=True):
                if known is None:
                    found.setdefault((article.id, article.digest, dialect), (alone, article))
    return list(found.values())


def fragments(_rules: None, wanted: Sequence[tuple[Feed, Article]]) -> list[dict[Format, bytes]]:
    """For each pair, the article's fragments in all formats of the feed; a format that fails is left out.

    `_rules` is not used.
    """
    return [_fragments(feed, article) for feed, article in wanted]


def _fragments(feed: Feed, article: Article) -> dict[Format, bytes]:
    made: dict[Format, bytes] = {}
    with suppress(Exception):  # `render` tries again, and reports the failure
        told = story(feed.site, article, feed.terms)
        for fmt in feed.formats:
            made[fmt] = _RENDERERS[fmt].fragment(feed, told)
    return made


def dialect_of(feed: Feed) -> str:
    """A name for what a story's fragment depends on apart from the story, the site and the format."""
    return f"{feed.content}/{feed.profile.name}/{feed.partner}"


def render(feed: Feed, cache: FragmentCache) -> dict[Format, Rendered]:
    """Render a feed in each of its formats.

    A story that cannot be rendered does not affect the others: it is left out, logged, and returned with the
    reason.
    """
    told: dict[str, Story] = {}

    def tell(article: Article) -> Story:
        if article.id not in told:
            told[article.id] = story(feed.site, article, feed.terms)
        return told[article.id]

    return {fmt: _rendered(feed, fmt, cache, tell) for fmt in feed.formats}


def _rendered(feed: Feed, fmt: Format, cache: FragmentCache, tell: Callable[[Article], Story]) -> Rendered:
    renderer = _RENDERERS[fmt]
    dialect = dialect_of(feed)
    fragments: list[bytes] = []
    failed: list[tuple[Article, str]] = []
    for article, known in zip(feed.articles, cache.get_all(feed.articles, fmt, dialect), strict=True):
        if known is not None:
            fragments.append(known)
            continue
        try:
            fragment = renderer.fragment(feed, tell(article))
            cache.put(article, fmt, dialect, fragment)
            fragments.append(fragment)
        except Exception as error:  # whatever a story makes the renderer raise, the others are published
            log.exception("story_not_rendered", article=article.id, key=feed.key, format=fmt)
            failed.append((article, f"it cannot be rendered as {fmt}: {error}"))
    shell = cache.shell(feed, fmt, renderer.shell, renderer.dated(feed))
    return Rendered(shell.around(fragments), tuple(failed))
