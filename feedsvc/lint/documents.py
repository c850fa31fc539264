"""What the specifications ask of a published document: RSS 2.0 with its profile, Atom 1.0, JSON Feed 1.1.

Pure: bytes in, faults out. Knows neither stories nor how documents are made.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any, Final, NamedTuple

from lxml import etree

from feedsvc.domain import json_text
from feedsvc.domain.constraints import LANGUAGE, MAILBOX, MEDIA_TYPE, WEB_ADDRESS
from feedsvc.domain.model import Format

_REPORT: Final = "please report this, with the stories of the feed"
_NS: Final = {
    "a": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
_XHTML_DIV: Final = "{http://www.w3.org/1999/xhtml}div"
_IANA: Final = "http://www.iana.org/assignments/relation/"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_RFC_822 = re.compile(
    r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d\d? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d(:\d\d)? ([+-]\d{4}|GMT|UT|Z|[ECMP][SD]T)",
    re.ASCII,
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]+""")
_TAG = re.compile(  # RFC 4151 §2.1
    r"tag:([A-Za-z0-9._-]+@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?,\d{4}(-(0[1-9]|1[0-2])(-[0-3]\d)?)?"
    r":([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*(#.*)?",
    re.ASCII,
)
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


class Fault(NamedTuple):
    """What a document does wrong: the rule, what was seen and what to do, and where.

    `entry` is the guid or id of the item or entry concerned (its link, if it has neither); "" is the feed.
    """

    rule: str
    reason: str
    entry: str


def lint_document(fmt: Format, body: bytes, url: str) -> Iterator[Fault]:
    """Hold one published document to its specification. `url` is the address it is served at.

    Follows https://www.rssboard.org/rss-specification and https://www.rssboard.org/rss-profile, RFC 4287
    with RFC 6721 and RFC 4151, or https://www.jsonfeed.org/version/1.1/. Yields nothing for a good
    document; one that cannot be parsed has that fault alone.
    """
    if fmt == "json":
        yield from _json(body, url)
        return
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        rule = "rss-not-well-formed" if fmt == "rss" else "atom-not-well-formed"
        yield Fault(rule, f"it is no XML: {error}; {_REPORT}", "")
        return
    yield from _rss(root, url) if fmt == "rss" else _atom(root, url)


def _is_uri(text: str) -> bool:
    is_web = text.lower().startswith(("http:", "https:"))
    return _is_web(text) if is_web else _URI.fullmatch(text) is not None


def _is_web(text: str) -> bool:
    return WEB_ADDRESS.matches(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _up_to(most: int) -> Callable[[str], bool]:
    return lambda text: _is_number(text) and 1 <= int(text) <= most


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None


def _is_rfc_822(text: str) -> bool:
    try:
        date = parsedate_to_datetime(text) if _RFC_822.fullmatch(text) else None
    except ValueError:
        return False
    return date is not None and ("," not in text or text[:3] == _DAYS[date.weekday()])


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path, "", _NS) or "").strip()


def _all(element: etree._Element, path: str) -> list[etree._Element]:
    return element.findall(path, _NS)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if name and times > 1]


def _rss(root: etree._Element, url: str) -> Iterator[Fault]:
    channel = root.find("channel")
    if root.tag != "rss" or root.get("version") != "2.0" or channel is None:
        yield Fault("rss-version", f"its root is no <rss version='2.0'> with a channel; {_REPORT}", "")
        return
    for rule, reason in (*_rss_channel(channel, url), *_rss_leaves(channel, _CHANNEL_LEAVES)):
        yield Fault(rule, reason, "")
    items = channel.findall("item")
    for guid in _repeated(_text(item, "guid") for item in items):
        yield Fault("rss-guid-unique", f"more than one item has guid {guid!r}; {_REPORT}", guid)
    for item in items:
        entry = _text(item, "guid") or _text(item, "link")
        found = (_rss_item(item), _rss_leaves(item, _ITEM_LEAVES), _rss_guid(item), _rss_files(item))
        yield from (Fault(rule, reason, entry) for rule, reason in chain(*found))


class _Leaf(NamedTuple):
    """An element of plain text: where it is, what it must be, and what to say if it is not."""

    path: str
    right: Callable[[str], object]
    rule: str
    wrong: str


_DATE: Final = (_is_rfc_822, "rss-date", f"no date of RFC 822; {_REPORT}")
_PERSON: Final = (MAILBOX.matches, "rss-mailbox", "no mailbox; write desk@example.org (The Desk)")
_CHANNEL_LEAVES: Final = (
    _Leaf("link", _is_web, "rss-channel-link", "not absolute; write site.url with https://"),
    _Leaf("language", LANGUAGE.matches, "rss-language", 'no language tag; write one such as "nl-BE"'),
    _Leaf("lastBuildDate", *_DATE),
    _Leaf("pubDate", *_DATE),
    _Leaf("ttl", _up_to(10**9), "rss-ttl", "no minutes; write a longer max_age"),
    _Leaf("managingEditor", *_PERSON),
    _Leaf("webMaster", *_PERSON),
    _Leaf("image/url", _is_web, "rss-image-url", "not absolute; write the logo's URL with https://"),
    _Leaf("image/width", _up_to(144), "rss-image-size", "not 1 to 144; write a smaller logo"),
    _Leaf("image/height", _up_to(400), "rss-image-size", "not 1 to 400; write a smaller logo"),
)
_ITEM_LEAVES: Final = (
    _Leaf("link", _is_web, "rss-item-link", "not absolute; write url: with https://"),
    _Leaf("pubDate", *_DATE),
)


def _rss_leaves(part: etree._Element, leaves: tuple[_Leaf, ...]) -> Iterator[tuple[str, str]]:
    for path, right, rule, wrong in leaves:
        for text in (one.text or "" for one in part.findall(path)):
            if not right(text):
                yield rule, f"{path} {text!r} is {wrong}"


def _rss_channel(channel: etree._Element, url: str) -> Iterator[tuple[str, str]]:
    for name in ("title", "link", "description"):
        if channel.find(name) is None or (name != "link" and not _text(channel, name)):
            yield "rss-channel-required", f"the channel has no {name}; write one in the configuration"
    own = [one.get("href", "") for one in _all(channel, "a:link") if one.get("rel") == "self"]
    if own != [url]:
        yield "rss-self", f"the self links are {own}, not {url!r}; {_REPORT}"
    for image in channel.findall("image"):
        if image.find("url") is None:
            yield "rss-image-url", "the image has no url; write the logo's URL with https://"
        if any(_text(image, name) != _text(channel, name) for name in ("title", "link")):
            yield "rss-image-channel", f"its image has another title or link; {_REPORT}"


def _rss_item(item: etree._Element) -> Iterator[tuple[str, str]]:
    if not _text(item, "title") and not _text(item, "description"):
        yield "rss-item-text", "the item has neither title nor description; write a title"
    for one in item.findall("source"):
        if not _is_web(one.get("url", "")):
            yield "rss-source-url", f"source has url {one.get('url')!r}; write the source's with https://"
    if item.find("author") is not None and _all(item, "dc:creator"):
        yield "rss-author-twice", f"the item has both author and dc:creator; {_REPORT}"


def _rss_guid(item: etree._Element) -> Iterator[tuple[str, str]]:
    guid = item.find("guid")
    if guid is None or not _text(item, "guid"):
        yield "rss-guid-missing", f"the item has no guid; {_REPORT}"
        return
    said = guid.get("isPermaLink", "true")
    if said not in {"true", "false"} or (said == "true" and not _is_web(_text(item, "guid"))):
        yield "rss-guid-permalink", f"isPermaLink is {said!r} for {guid.text!r}; {_REPORT}"


def _rss_files(item: etree._Element) -> Iterator[tuple[str, str]]:
    for one in item.findall("enclosure"):
        sized = _is_number(one.get("length", ""))
        if not (_is_web(one.get("url", "")) and sized and MEDIA_TYPE.matches(one.get("type", ""))):
            wanted = "write url: with https://, length: in bytes and type:"
            yield "rss-enclosure", f"enclosure {one.get('url')!r} is not complete; {wanted}"
    for one in item.iterfind(".//media:content", _NS):
        url, medium = one.get("url", ""), one.get("medium", "")
        kind = one.get("type", "").partition("/")[0]
        if not _is_web(url):
            yield "rss-media-url", f"media:content is at {url!r}; write its url: with https://"
        if kind and medium in {"image", "audio", "video"} and kind != medium:
            yield "rss-media-medium", f"{url!r} is {medium} and of type {one.get('type')!r}; write its type:"


def _atom(root: etree._Element, url: str) -> Iterator[Fault]:
    if root.tag != f"{{{_NS['a']}}}feed":
        yield Fault("atom-version", f"its root is {root.tag!r}, not Atom's feed; {_REPORT}", "")
        return
    entries = _all(root, "a:entry")
    own = [link.get("href", "") for link in _all(root, "a:link") if _rel(link) == "self"]
    if own != [url]:
        yield Fault("atom-self", f"the self links are {own}, not {url!r}; {_REPORT}", "")
    taken = {_text(root, "a:id"), *(_text(one, "a:id") for one in root.iterfind("a:entry/a:source", _NS))}
    for one in _repeated(_text(entry, "a:id") for entry in entries):
        yield Fault("atom-id-unique", f"more than one entry has id {one!r}; {_REPORT}", one)
    for part in (root, *entries):
        where = "" if part is root else _text(part, "a:id")
        for check in (_atom_required, _atom_ids, _atom_dates, _atom_links, _atom_texts):
            yield from (Fault(rule, reason, where) for rule, reason in check(part))
    for entry in entries:
        where = _text(entry, "a:id")
        if where and where in taken:
            yield Fault("atom-id-distinct", f"{where!r} is a feed's id, too; write another id:", where)
        if not (_all(root, "a:author") or _all(entry, "a:author") or _all(entry, "a:source/a:author")):
            yield Fault("atom-author", "neither entry nor feed has an author; write author:", where)
        if not _all(entry, "a:content") and "alternate" not in map(_rel, _all(entry, "a:link")):
            yield Fault("atom-content", f"it has neither content nor an alternate link; {_REPORT}", where)
    yield from _atom_tombstones(root)


def _rel(link: etree._Element) -> str:
    return link.get("rel", "alternate").removeprefix(_IANA)


def _atom_required(part: etree._Element) -> Iterator[tuple[str, str]]:
    for name in ("id", "title", "updated"):
        if not _text(part, f"a:{name}") and not _all(part, f"a:{name}/*"):
            yield "atom-required", f"there is no {name}; {'write title:' if name == 'title' else _REPORT}"


def _atom_ids(part: etree._Element) -> Iterator[tuple[str, str]]:
    for one in (*_all(part, "a:id"), *_all(part, "a:source/a:id")):
        text = (one.text or "").strip()
        if text and not _is_uri(text):
            yield "atom-id-absolute", f"id {text!r} is no absolute URI; {_REPORT}"
        elif text.startswith("tag:") and not _TAG.fullmatch(text):
            yield "atom-id-tag", f"id {text!r} breaks RFC 4151; write site.authority as example.org,2026"


def _atom_dates(part: etree._Element) -> Iterator[tuple[str, str]]:
    for path in ("a:updated", "a:published", "a:source/a:updated"):
        for date in _all(part, path):
            if (date.text or "").strip() and not _instant(date.text or ""):
                yield "atom-date", f"{date.text!r} is no date of RFC 3339; {_REPORT}"
    published, updated = _instant(_text(part, "a:published")), _instant(_text(part, "a:updated"))
    if published and updated and published > updated:
        yield "atom-date-order", f"it was updated at {updated}, before {published}; write a later updated:"


def _atom_links(part: etree._Element) -> Iterator[tuple[str, str]]:
    for link in (*_all(part, "a:link"), *_all(part, "a:source/a:link")):
        if not _is_uri(link.get("href", "")):
            yield "atom-link", f"link {link.get('href')!r} is not absolute; write it with https://"
    alternates = [link for link in _all(part, "a:link") if _rel(link) == "alternate"]
    for kind in _repeated(f"{one.get('type', '')} {one.get('hreflang', '')}" for one in alternates):
        yield "atom-alternate", f"two alternate links are of type and language {kind!r}; {_REPORT}"


def _atom_texts(part: etree._Element) -> Iterator[tuple[str, str]]:
    for name in ("title", "subtitle", "summary", "rights", "content"):
        for text in _all(part, f"a:{name}"):
            kind = text.get("type", "text")
            if name == "content" and text.get("src"):
                right = "type" not in text.attrib or bool(MEDIA_TYPE.matches(kind))
            elif name == "content" and "/" in kind:
                right = bool(MEDIA_TYPE.matches(kind))
            elif kind == "xhtml":
                right = [child.tag for child in text] == [_XHTML_DIV]
            else:
                right = kind in {"text", "html"} and len(text) == 0
            if not right:
                yield "atom-text-type", f"{name} is not what its type {kind!r} says; {_REPORT}"


def _atom_tombstones(root: etree._Element) -> Iterator[Fault]:
    for gone in _all(root, "at:deleted-entry"):
        ref, when = gone.get("ref", ""), gone.get("when", "")
        if not _is_uri(ref) or not _instant(when):
            yield Fault("atom-tombstone", f"deleted-entry has ref {ref!r} and when {when!r}; {_REPORT}", ref)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _json(body: bytes, url: str) -> Iterator[Fault]:
    try:
        feed = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=json_text.once)
    except (ValueError, RecursionError) as error:
        yield Fault("json-not-well-formed", f"it is no JSON in UTF-8: {error}; {_REPORT}", "")
        return
    if not isinstance(feed, dict):
        yield Fault("json-not-well-formed", f"it is no JSON object; {_REPORT}", "")
        return
    for rule, reason in (*_json_feed(feed, url), *_json_part(feed, "feed")):
        yield Fault(rule, reason, "")
    items = feed.get("items")
    found = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    for one in _repeated(str(item.get("id")) for item in found if item.get("id")):
        yield Fault("json-id-unique", f"more than one item has id {one!r}; {_REPORT}", one)
    for item in found:
        where = str(item.get("id") or item.get("url") or "")
        for rule, reason in (*_json_item(item), *_json_part(item, "item")):
            yield Fault(rule, reason, where)


def _json_feed(feed: dict[str, Any], url: str) -> Iterator[tuple[str, str]]:
    if feed.get("version") != "https://jsonfeed.org/version/1.1":
        yield "json-version", f"version is {feed.get('version')!r}; {_REPORT}"
    if not _filled(feed.get("title")):
        yield "json-title", "the feed has no title; write a title for it in the configuration"
    if feed.get("feed_url") != url:
        yield "json-self", f"feed_url is {feed.get('feed_url')!r}, not {url!r}; {_REPORT}"
    items = feed.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield "json-items", f"items is no array of objects; {_REPORT}"
    for hub in _objects(feed, "hubs"):
        if not (_filled(hub.get("type")) and _filled(hub.get("url"))):
            yield "json-hub", f"hub {hub} lacks type or url; write site.hub with https://"


def _json_item(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not _filled(item.get("id")):
        yield "json-id", f"id is {item.get('id')!r}, not a string; {_REPORT}"
    if not any(isinstance(item.get(name), str) for name in ("content_html", "content_text")):
        yield "json-content", "the item has no content; write a body"
    for name in ("date_published", "date_modified"):
        if name in item and not _instant(str(item[name])):
            yield "json-date", f"{name} {item[name]!r} is no date of RFC 3339; {_REPORT}"
    for one in _objects(item, "attachments"):
        if not (_filled(one.get("url")) and MEDIA_TYPE.matches(str(one.get("mime_type", "")))):
            yield "json-attachment", f"attachment {one.get('url')!r} lacks url or type; write url: and type:"
    tags = item.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield "json-tags", "tags are not a list of strings; write tags: as a list"


def _json_part(part: dict[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    """What holds for the feed, for each item and for the objects inside either."""
    if _holds_null(part if kind == "item" else {k: v for k, v in part.items() if k != "items"}):
        yield "json-null", f"a member is null; {_REPORT}"
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
                yield "json-custom", f"{name!r} is no member, and custom ones begin with _; {_REPORT}"
            mail = which == "author" and str(value).startswith("mailto:")
            if name in _MEMBERS["URLs"].split() and value is not None and not (mail or _is_web(str(value))):
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
