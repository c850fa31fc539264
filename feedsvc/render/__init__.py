"""Feed → bytes, in each format: a shell around the fragments of its stories.

Knows nothing of the store or of HTTP. Equal feeds give equal bytes, whatever was rendered before.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import structlog

from feedsvc.model import Article, Feed, Format
from feedsvc.render import atom, jsonfeed, rss
from feedsvc.render.fragments import FragmentCache, Shell
from feedsvc.render.story import Story, story

log = structlog.get_logger(__name__)


class _Renderer(Protocol):
    """What each format's module offers."""

    def shell(self, feed: Feed) -> Shell: ...

    def fragment(self, feed: Feed, story: Story) -> bytes: ...


_RENDERERS: Mapping[Format, _Renderer] = {"rss": rss, "atom": atom, "json": jsonfeed}


class Rendered(NamedTuple):
    """A feed's bytes, and the stories left out because they could not be rendered, each with the reason."""

    body: bytes
    failed: tuple[tuple[Article, str], ...]


def render(feed: Feed, fmt: Format, cache: FragmentCache) -> Rendered:
    """Render a feed. A story that can't be rendered harms only itself: it is left out, and returned."""
    renderer = _RENDERERS[fmt]
    fragments: list[bytes] = []
    failed: list[tuple[Article, str]] = []
    for article in feed.articles:
        try:
            fragments.append(cache.get(article, fmt, feed.content, _maker(renderer, feed, article)))
        except Exception as error:  # whatever a story makes the renderer do, the feed's other stories go out
            log.exception("story_not_rendered", article=article.id, key=feed.key, format=fmt)
            failed.append((article, f"it cannot be rendered as {fmt}: {error}"))
    return Rendered(renderer.shell(feed).around(fragments), tuple(failed))


def _maker(renderer: _Renderer, feed: Feed, article: Article) -> Callable[[], bytes]:
    return lambda: renderer.fragment(feed, story(feed.site, article))
