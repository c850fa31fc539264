"""JSON Feed 1.1, rule by rule of its text: https://www.jsonfeed.org/version/1.1/

Pure: bytes in, findings out.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias

from tests.validation import values
from tests.validation.markup import add_rules
from tests.validation.rules import Document, Rulebook

RULES = Rulebook(json.loads)
Members: TypeAlias = dict[str, type]

_FEED: Members = {
    "version": str,
    "title": str,
    "home_page_url": str,
    "feed_url": str,
    "description": str,
    "user_comment": str,
    "next_url": str,
    "icon": str,
    "favicon": str,
    "authors": list,
    "language": str,
    "expired": bool,
    "hubs": list,
    "items": list,
}
_ITEM: Members = {
    "id": str,
    "url": str,
    "external_url": str,
    "title": str,
    "content_html": str,
    "content_text": str,
    "summary": str,
    "image": str,
    "banner_image": str,
    "date_published": str,
    "date_modified": str,
    "authors": list,
    "tags": list,
    "language": str,
    "attachments": list,
}
_AUTHOR: Members = {"name": str, "url": str, "avatar": str}
_HUB: Members = {"type": str, "url": str}
_ATTACHMENT: Members = {
    "url": str,
    "mime_type": str,
    "title": str,
    "size_in_bytes": int,
    "duration_in_seconds": int,
}
_FEED_URLS = ("home_page_url", "feed_url", "next_url", "icon", "favicon")
_ITEM_URLS = ("url", "external_url", "image", "banner_image")
_PLAIN = ("title", "description", "summary", "content_text")


def _items(document: Document) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = document.tree.get("items", [])
    return items


def _parts(document: Document) -> Iterator[tuple[dict[str, Any], Members]]:
    """Every object of the feed, with the members the specification gives it and their types."""
    yield document.tree, _FEED
    yield from ((hub, _HUB) for hub in document.tree.get("hubs", []))
    yield from ((author, _AUTHOR) for author in document.tree.get("authors", []))
    for item in _items(document):
        yield item, _ITEM
        yield from ((author, _AUTHOR) for author in item.get("authors", []))
        yield from ((one, _ATTACHMENT) for one in item.get("attachments", []))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


@RULES.rule("json-encoding")
def _encoding(document: Document) -> Iterator[str]:
    try:
        document.body.decode("utf-8")
    except UnicodeDecodeError as error:
        yield str(error)
    if document.body.startswith(b"\xef\xbb\xbf"):
        yield "byte order mark"


@RULES.rule("json-version")
def _version(document: Document) -> Iterator[str]:
    if document.tree.get("version") != "https://jsonfeed.org/version/1.1":
        yield str(document.tree.get("version"))


@RULES.rule("json-required")
def _required(document: Document) -> Iterator[str]:
    yield from (name for name in ("title", "items") if name not in document.tree)
    for item in _items(document):
        if "id" not in item:
            yield "id"
    for hub in document.tree.get("hubs", []):
        yield from (name for name in _HUB if name not in hub)


@RULES.rule("json-members-known")
def _members_known(document: Document) -> Iterator[str]:
    for part, members in _parts(document):
        yield from (name for name in part if name not in members and not name.startswith("_"))


@RULES.rule("json-types")
def _types(document: Document) -> Iterator[str]:
    for part, members in _parts(document):
        for name, value in part.items():
            wanted = members.get(name)
            if wanted and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
                yield f"{name}: {value!r}"


@RULES.rule("json-extensions")
def _extensions(document: Document) -> Iterator[str]:
    for part, _ in _parts(document):
        for name, value in part.items():
            if name.startswith("_") and (
                not isinstance(value, dict) or not name[1:2].isalpha() or "." in name
            ):
                yield name


@RULES.rule("json-not-empty")
def _not_empty(document: Document) -> Iterator[str]:
    for part, _ in _parts(document):
        for name, value in part.items():
            if name not in {"items", "content_text"} and value in (None, "", [], {}):
                yield f"{name}: {value!r}"


@RULES.rule("json-url")
def _url(document: Document) -> Iterator[str]:
    named = [(document.tree, _FEED_URLS), *((item, _ITEM_URLS) for item in _items(document))]
    named += [
        (part, ("url", "avatar")) for part, members in _parts(document) if members not in (_FEED, _ITEM)
    ]
    for part, names in named:
        for name in names:
            value = part.get(name, "https://example.org/")
            author = name == "url" and str(value).startswith("mailto:") and "name" in part
            if not author and not (isinstance(value, str) and values.is_web_url(value)):
                yield f"{name}: {value}"


@RULES.rule("json-self")
def _self(document: Document) -> Iterator[str]:
    if document.tree.get("feed_url") != document.url:
        yield str(document.tree.get("feed_url"))


@RULES.rule("json-home-page")
def _home_page(document: Document) -> Iterator[str]:
    if "home_page_url" not in document.tree:
        yield "no home_page_url"


@RULES.rule("json-language")
def _language(document: Document) -> Iterator[str]:
    for part in (document.tree, *_items(document)):
        if not values.is_language(part.get("language", "en")):
            yield part["language"]


@RULES.rule("json-author")
def _author(document: Document) -> Iterator[str]:
    for part in (document.tree, *_items(document)):
        if "author" in part:
            yield "author is of version 1.0"
        yield from (str(one) for one in part.get("authors", []) if not set(one) & set(_AUTHOR))


@RULES.rule("json-id")
def _id(document: Document) -> Iterator[str]:
    counts = Counter(str(item.get("id")) for item in _items(document))
    yield from (one for one, times in counts.items() if times > 1 or not one.strip())


@RULES.rule("json-content")
def _content(document: Document) -> Iterator[str]:
    yield from (
        str(item.get("id")) for item in _items(document) if not {"content_html", "content_text"} & set(item)
    )


@RULES.rule("json-date")
def _date(document: Document) -> Iterator[str]:
    yield from (str(text) for text, date in _dates(document) if date is None)


@RULES.rule("json-date-plausible")
def _date_plausible(document: Document) -> Iterator[str]:
    yield from (
        text for text, date in _dates(document) if date and not values.is_plausible(date, document.now)
    )


@RULES.rule("json-date-order")
def _date_order(document: Document) -> Iterator[str]:
    for item in _items(document):
        published, modified = (
            values.rfc_3339(str(item.get(name))) for name in ("date_published", "date_modified")
        )
        if published and modified and modified < published:
            yield item["id"]


def _dates(document: Document) -> Iterator[tuple[str, datetime | None]]:
    for item in _items(document):
        for name in ("date_published", "date_modified"):
            if name in item:
                yield str(item[name]), values.rfc_3339(str(item[name]))


@RULES.rule("json-tags")
def _tags(document: Document) -> Iterator[str]:
    for item in _items(document):
        tags = item.get("tags", [])
        yield from (
            str(tag) for tag in tags if not isinstance(tag, str) or not tag.strip() or tags.count(tag) > 1
        )


@RULES.rule("json-attachment")
def _attachment(document: Document) -> Iterator[str]:
    for item in _items(document):
        for one in item.get("attachments", []):
            sizes = (one.get(name, 1) for name in ("size_in_bytes", "duration_in_seconds"))
            sized = all(isinstance(size, int) and size >= 1 for size in sizes)
            if "url" not in one or not values.is_mime(one.get("mime_type", "")) or not sized:
                yield str(one)


@RULES.rule("json-plain-text")
def _plain_text(document: Document) -> Iterator[str]:
    for part in (document.tree, *_items(document)):
        yield from (part[name] for name in _PLAIN if values.holds_tag(str(part.get(name, ""))))


@RULES.rule("json-characters")
def _characters(document: Document) -> Iterator[str]:
    for text in _strings(document.tree):
        yield from values.bad_characters(text)


add_rules(RULES, lambda document: (item.get("content_html", "") for item in _items(document)))
