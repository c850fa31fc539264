"""Renders JSON Feed 1.1: a feed's shell, and a story's item.

Pure: Feed and Story in, bytes out. Keys are in the order of the specification.
"""

import json
from typing import Any

from feedsvc.domain import urls
from feedsvc.domain.model import Author, Feed
from feedsvc.render.fragments import Shell
from feedsvc.render.story import UNTITLED, Story, all_there_is

_ITEMS = b'"items":['


def shell(feed: Feed) -> Shell:
    """The feed without its items."""
    document = _encoded(feed_object(feed) | {"items": []})
    cut = document.rindex(_ITEMS) + len(_ITEMS)
    return Shell(document[:cut], document[cut:], between=b",")


def dated(_feed: Feed) -> bytes:
    """The feed's date as the shell has it: empty, because JSON Feed has no date for the feed."""
    return b""


def fragment(feed: Feed, story: Story) -> bytes:
    """The item of one story, as it is in every feed with that content and those terms."""
    return _encoded(item_object(feed, story))


def feed_object(feed: Feed) -> dict[str, Any]:
    """The feed's own members, without its items."""
    site = feed.site
    return _present(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": feed.title,
            "home_page_url": urls.page_url(site, feed.key),
            "feed_url": urls.feed_url(site, feed.key, "json", feed.partner),
            "description": feed.description,
            "icon": site.icon,
            "favicon": site.favicon,
            "authors": [{"name": site.name, "url": f"{site.url}/"}],
            "language": site.language,
            "hubs": [{"type": "WebSub", "url": site.hub}] if site.hub and not feed.partner else [],
        }
    )


def item_object(feed: Feed, story: Story) -> dict[str, Any]:
    """One item; it has content_html or content_text, as the specification requires."""
    full = feed.content == "full" and story.html
    return _present(
        {
            "id": story.id,
            "url": story.link,
            "external_url": story.original,
            "title": story.title,
            "content_html": story.html if full else None,
            "summary": story.summary if full else None,
            "image": story.images[0].url if story.images else None,
            "banner_image": _banner(story),
            "date_published": story.published.isoformat(),
            "date_modified": story.modified.isoformat(),
            "authors": [_author(author) for author in story.authors],
            "tags": [category.label for category in story.categories],
            "language": story.language,
            "attachments": [
                _present({"url": one.url, "mime_type": one.type, "size_in_bytes": one.length})
                for one in story.enclosures
            ],
            "_feedsvc": _present(
                {
                    "dateline": story.dateline,
                    "source": story.source,
                    "correction": story.correction,
                    "rights": story.rights,
                }
            ),
        }
    ) | ({} if full else {"content_text": all_there_is(story) or story.title or UNTITLED})


def _banner(story: Story) -> str | None:
    """The first image that is at least twice as wide as it is high."""
    sizes = ((image.url, image.width or 0, image.height or 0) for image in story.images)
    return next((url for url, width, height in sizes if height and width >= 2 * height), None)


def _author(author: Author) -> dict[str, str]:
    return _present({"name": author.name, "url": author.url})


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
