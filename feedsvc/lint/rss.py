"""What RSS 2.0 and the RSS Advisory Board's profile ask of a published document.

Pure. Must not know how documents are made.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from lxml import etree

from feedsvc.domain.constraints import LANGUAGE, MAILBOX, MEDIA_TYPE
from feedsvc.lint.document_values import (
    NS,
    REPORT,
    Fault,
    all_of,
    is_number,
    is_rfc_822,
    is_web,
    repeated,
    text_of,
    up_to,
)


def faults_of_rss(root: etree._Element, url: str) -> Iterator[Fault]:
    """The faults of a document of RSS 2.0, served at `url`."""
    channel = root.find("channel")
    if root.tag != "rss" or root.get("version") != "2.0" or channel is None:
        yield Fault("rss-version", f"its root is no <rss version='2.0'> with a channel; {REPORT}", "")
        return
    for rule, reason in (*_channel(channel, url), *_leaves(channel, _CHANNEL_LEAVES)):
        yield Fault(rule, reason, "")
    items = channel.findall("item")
    for guid in repeated(text_of(item, "guid") for item in items):
        yield Fault("rss-guid-unique", f"more than one item has guid {guid!r}; {REPORT}", guid)
    for item in items:
        entry = text_of(item, "guid") or text_of(item, "link")
        found = (_item(item), _leaves(item, _ITEM_LEAVES), _guid(item), _files(item))
        yield from (Fault(rule, reason, entry) for rule, reason in chain(*found))


class _Leaf(NamedTuple):
    """An element of plain text: where it is, what it must be, and what to say if it is not."""

    path: str
    right: Callable[[str], object]
    rule: str
    wrong: str


_DATE: Final = (is_rfc_822, "rss-date", f"no date of RFC 822; {REPORT}")
_PERSON: Final = (MAILBOX.matches, "rss-mailbox", "no mailbox; write desk@example.org (The Desk)")
_CHANNEL_LEAVES: Final = (
    _Leaf("link", is_web, "rss-channel-link", "not absolute; write site.url with https://"),
    _Leaf("language", LANGUAGE.matches, "rss-language", 'no language tag; write one such as "nl-BE"'),
    _Leaf("lastBuildDate", *_DATE),
    _Leaf("pubDate", *_DATE),
    _Leaf("ttl", up_to(10**9), "rss-ttl", "no minutes; write a longer max_age"),
    _Leaf("managingEditor", *_PERSON),
    _Leaf("webMaster", *_PERSON),
    _Leaf("image/url", is_web, "rss-image-url", "not absolute; write the logo's URL with https://"),
    _Leaf("image/width", up_to(144), "rss-image-size", "not 1 to 144; write a smaller logo"),
    _Leaf("image/height", up_to(400), "rss-image-size", "not 1 to 400; write a smaller logo"),
)
_ITEM_LEAVES: Final = (
    _Leaf("link", is_web, "rss-item-link", "not absolute; write url: with https://"),
    _Leaf("pubDate", *_DATE),
)


def _leaves(part: etree._Element, leaves: tuple[_Leaf, ...]) -> Iterator[tuple[str, str]]:
    for path, right, rule, wrong in leaves:
        for text in (one.text or "" for one in part.findall(path)):
            if not right(text):
                yield rule, f"{path} {text!r} is {wrong}"


def _channel(channel: etree._Element, url: str) -> Iterator[tuple[str, str]]:
    for name in ("title", "link", "description"):
        if channel.find(name) is None or (name != "link" and not text_of(channel, name)):
            yield "rss-channel-required", f"the channel has no {name}; write one in the configuration"
    own = [one.get("href", "") for one in all_of(channel, "a:link") if one.get("rel") == "self"]
    if own != [url]:
        yield "rss-self", f"the self links are {own}, not {url!r}; {REPORT}"
    for image in channel.findall("image"):
        if image.find("url") is None:
            yield "rss-image-url", "the image has no url; write the logo's URL with https://"
        if any(text_of(image, name) != text_of(channel, name) for name in ("title", "link")):
            yield "rss-image-channel", f"its image has another title or link; {REPORT}"


def _item(item: etree._Element) -> Iterator[tuple[str, str]]:
    if not text_of(item, "title") and not text_of(item, "description"):
        yield "rss-item-text", "the item has neither title nor description; write a title"
    for one in item.findall("source"):
        if not is_web(one.get("url", "")):
            yield "rss-source-url", f"source has url {one.get('url')!r}; write the source's with https://"
    if item.find("author") is not None and all_of(item, "dc:creator"):
        yield "rss-author-twice", f"the item has both author and dc:creator; {REPORT}"


def _guid(item: etree._Element) -> Iterator[tuple[str, str]]:
    guid = item.find("guid")
    if guid is None or not text_of(item, "guid"):
        yield "rss-guid-missing", f"the item has no guid; {REPORT}"
        return
    said = guid.get("isPermaLink", "true")
    if said not in {"true", "false"} or (said == "true" and not is_web(text_of(item, "guid"))):
        yield "rss-guid-permalink", f"isPermaLink is {said!r} for {guid.text!r}; {REPORT}"


def _files(item: etree._Element) -> Iterator[tuple[str, str]]:
    for one in item.findall("enclosure"):
        sized = is_number(one.get("length", ""))
        if not (is_web(one.get("url", "")) and sized and MEDIA_TYPE.matches(one.get("type", ""))):
            wanted = "write url: with https://, length: in bytes and type:"
            yield "rss-enclosure", f"enclosure {one.get('url')!r} is not complete; {wanted}"
    for one in item.iterfind(".//media:content", NS):
        url, medium = one.get("url", ""), one.get("medium", "")
        kind = one.get("type", "").partition("/")[0]
        if not is_web(url):
            yield "rss-media-url", f"media:content is at {url!r}; write its url: with https://"
        if kind and medium in {"image", "audio", "video"} and kind != medium:
            yield "rss-media-medium", f"{url!r} is {medium} and of type {one.get('type')!r}; write its type:"
