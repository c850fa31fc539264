"""What JSON Feed 1.1 asks of a published document.

Pure. Must not know how documents are made.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from feedsvc.domain import json_text
from feedsvc.domain.constraints import LANGUAGE, MEDIA_TYPE
from feedsvc.lint.document_values import REPORT, Fault, instant, is_web, repeated

_MEMBERS: Final = {
    "feed": "version title home_page_url feed_url description user_comment next_url icon favicon author "
    "authors language expired hubs items",
    "item": "id url external_url title content_html content_text summary image banner_image date_published "
    "date_modified author authors tags language attachments",
    "author": "name url avatar",
    "hub": "type url",
    "attachment": "url mime_type title size_in_bytes duration_in_seconds",
    "URLs": "home_page_url feed_url next_url icon favicon url external_url image banner_image avatar",
}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def faults_of_json(body: bytes, url: str) -> Iterator[Fault]:
    """The faults of a document of JSON Feed 1.1, served at `url`."""
    try:
        feed = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=json_text.once)
    except (ValueError, RecursionError) as error:
        yield Fault("json-not-well-formed", f"it is no JSON in UTF-8: {error}; {REPORT}", "")
        return
    if not isinstance(feed, dict):
        yield Fault("json-not-well-formed", f"it is no JSON object; {REPORT}", "")
        return
    for rule, reason in (*_feed(feed, url), *_part(feed, "feed")):
        yield Fault(rule, reason, "")
    items = feed.get("items")
    found = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    for one in repeated(str(item.get("id")) for item in found if item.get("id")):
        yield Fault("json-id-unique", f"more than one item has id {one!r}; {REPORT}", one)
    for item in found:
        where = str(item.get("id") or item.get("url") or "")
        for rule, reason in (*_item(item), *_part(item, "item")):
            yield Fault(rule, reason, where)


def _feed(feed: dict[str, Any], url: str) -> Iterator[tuple[str, str]]:
    if feed.get("version") != "https://jsonfeed.org/version/1.1":
        yield "json-version", f"version is {feed.get('version')!r}; {REPORT}"
    if not _filled(feed.get("title")):
        yield "json-title", "the feed has no title; write a title for it in the configuration"
    if feed.get("feed_url") != url:
        yield "json-self", f"feed_url is {feed.get('feed_url')!r}, not {url!r}; {REPORT}"
    items = feed.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield "json-items", f"items is no array of objects; {REPORT}"
    for hub in _objects(feed, "hubs"):
        if not (_filled(hub.get("type")) and _filled(hub.get("url"))):
            yield "json-hub", f"hub {hub} lacks type or url; write site.hub with https://"


def _item(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not _filled(item.get("id")):
        yield "json-id", f"id is {item.get('id')!r}, not a string; {REPORT}"
    if not any(isinstance(item.get(name), str) for name in ("content_html", "content_text")):
        yield "json-content", "the item has no content; write a body"
    for name in ("date_published", "date_modified"):
        if name in item and not instant(str(item[name])):
            yield "json-date", f"{name} {item[name]!r} is no date of RFC 3339; {REPORT}"
    for one in _objects(item, "attachments"):
        if not (_filled(one.get("url")) and MEDIA_TYPE.matches(str(one.get("mime_type", "")))):
            yield "json-attachment", f"attachment {one.get('url')!r} lacks url or type; write url: and type:"
    tags = item.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield "json-tags", "tags are not a list of strings; write tags: as a list"


def _part(part: dict[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    """What holds for the feed, for each item and for the objects inside either."""
    if _holds_null(part if kind == "item" else {k: v for k, v in part.items() if k != "items"}):
        yield "json-null", f"a member is null; {REPORT}"
    if "language" in part and not LANGUAGE.matches(str(part["language"])):
        yield "json-language", f"language {part['language']!r} is no language tag; write one such as nl-BE"
    if not all(
        any(map(_filled, map(one.get, _MEMBERS["author"].split()))) for one in _objects(part, "authors")
    ):
        yield "json-author", "an author has neither name nor url; write author: and a name"
    inner = [("author", "authors"), ("hub", "hubs"), ("attachment", "attachments")]
    parts = [(kind, part), *((one, found) for one, name in inner for found in _objects(part, name))]
    for which, found in parts:
        for name, value in found.items():
            if name not in _MEMBERS[which].split() and not name.startswith("_"):
                yield "json-custom", f"{name!r} is no member, and custom ones begin with _; {REPORT}"
            mail = which == "author" and str(value).startswith("mailto:")
            if name in _MEMBERS["URLs"].split() and value is not None and not (mail or is_web(str(value))):
                yield "json-url", f"{name} {value!r} is not absolute; write it with https://"


def _filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _objects(part: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What the array `name` holds; an empty object, which no rule accepts, for all that is no object."""
    found = part.get(name)
    if found is None:
        return []
    return [one if isinstance(one, dict) else {} for one in (found if isinstance(found, list) else [{}])]


def _holds_null(value: object) -> bool:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case None:
                return True
            case dict() as members:
                waiting += members.values()
            case list() as members:
                waiting += members
    return False
