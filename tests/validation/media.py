"""Media RSS inside feeds (https://www.rssboard.org/media-rss), as the W3C Feed Validator judges it.

Pure: knows the media elements alone.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Final

from tests.validation import values
from tests.validation.rules import Document, Rulebook, words
from tests.validation.xml import NAMESPACES, Element, name_of

ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    "media:content": words(
        "url fileSize type medium isDefault expression bitrate framerate samplingrate channels duration "
        "height width lang"
    ),
    "media:title": frozenset({"type"}),
    "media:description": frozenset({"type"}),
    "media:thumbnail": frozenset({"url", "width", "height", "time"}),
    "media:credit": frozenset({"role", "scheme"}),
    "media:copyright": frozenset({"url"}),
    "media:category": frozenset({"scheme", "label"}),
    "media:rating": frozenset({"scheme"}),
    "media:text": frozenset({"type", "lang", "start", "end"}),
    "media:player": frozenset({"url", "width", "height"}),
}
_DETAILS: Final = frozenset(ATTRIBUTES) - {"media:content"} | {"media:keywords"}
CHILDREN: Final[dict[str, frozenset[str]]] = {
    "media:content": _DETAILS,
    "media:group": _DETAILS | {"media:content"},
}
"""Which media elements stand in which: credit and description belong to the picture they are of."""

_ONCE: Final = frozenset({"media:title", "media:description", "media:copyright"})
_MEDIUMS: Final = frozenset({"image", "audio", "video", "document", "executable"})
_ROLES: Final = frozenset(
    {"author", "camera operator", "correspondent", "editor", "illustrator", "photographer", "reporter"}
)
"""Of the roles that the European Broadcasting Union names, those a newsroom has."""

_WRITTEN: Final = re.compile(rb"<media:(?:title|description|text)\b([^>]*)>([^<]*)</")


def add_rules(book: Rulebook) -> None:
    """Hold a format that carries Media RSS to the rules of this module."""
    for name, check in {
        "media-content-url": _content_url,
        "media-medium": _medium,
        "media-type": _type,
        "media-size": _size,
        "media-thumbnail-url": _thumbnail_url,
        "media-credit": _credit,
        "media-text": _text,
        "media-text-references": _references,
        "media-group": _group,
        "media-once": _once,
    }.items():
        book.rule(name)(check)


def _each(document: Document, *names: str) -> Iterator[Element]:
    for name in names:
        yield from document.tree.iter(f"{{{NAMESPACES['media']}}}{name}")


def _content_url(document: Document) -> Iterator[str]:
    for content in _each(document, "content"):
        if not values.is_web_url(content.get("url", "")) and content.find("media:player", NAMESPACES) is None:
            yield content.get("url", "no url")


def _medium(document: Document) -> Iterator[str]:
    yield from (
        str(one.get("medium")) for one in _each(document, "content") if one.get("medium") not in _MEDIUMS
    )


def _type(document: Document) -> Iterator[str]:
    yield from (
        one.get("type") for one in _each(document, "content") if not values.is_mime(one.get("type", "a/b"))
    )


def _size(document: Document) -> Iterator[str]:
    for element in _each(document, "content", "thumbnail", "player"):
        for name in ("width", "height", "fileSize"):
            if not values.is_number(element.get(name, "1"), least=1):
                yield f"{name}: {element.get(name)}"


def _thumbnail_url(document: Document) -> Iterator[str]:
    yield from (
        str(one.attrib) for one in _each(document, "thumbnail") if not values.is_web_url(one.get("url", ""))
    )


def _credit(document: Document) -> Iterator[str]:
    for credit in _each(document, "credit"):
        role, scheme = credit.get("role"), credit.get("scheme", "urn:ebu")
        known = role in _ROLES if scheme == "urn:ebu" else role == (role or "").lower()
        if (role and not known) or not values.is_uri(scheme):
            yield f"{scheme} {role}"


def _text(document: Document) -> Iterator[str]:
    for element in _each(document, "title", "description", "text"):
        plain = element.get("type", "plain") != "html"
        if element.get("type", "plain") not in {"plain", "html"} or (
            plain and values.holds_tag(element.text or "")
        ):
            yield element.text or ""


def _references(document: Document) -> Iterator[str]:
    # A reader that takes the text for HTML must be told otherwise: https://validator.w3.org/feed/docs/warning/CharacterData.html
    for attributes, written in _WRITTEN.findall(document.body):
        text = unescape(written.decode())
        if b"html" not in attributes and b"&#x" not in written and values.is_ambiguous(text, tags=True):
            yield text


def _group(document: Document) -> Iterator[str]:
    for group in _each(document, "group"):
        if len(group.findall("media:content", NAMESPACES)) < 2:
            yield "one of a kind"


def _once(document: Document) -> Iterator[str]:
    for element in _each(document, "content", "group"):
        counts = Counter(name_of(child) for child in element)
        yield from (name for name, times in counts.items() if times > 1 and name in _ONCE)
