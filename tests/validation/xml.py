"""What holds for every feed in XML: its encoding, namespaces, characters and Atom links.

Pure: bytes in, findings out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from tests.validation import values
from tests.validation.rules import Document, Rulebook, words

Element: TypeAlias = Any
"""An lxml element: its stubs want an answer for None at every step, which a validator has no use for."""

NAMESPACES: Final[Mapping[str, str]] = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "media": "http://search.yahoo.com/mrss/",
    "slash": "http://purl.org/rss/1.0/modules/slash/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "thr": "http://purl.org/syndication/thread/1.0",
    "wfw": "http://wellformedweb.org/CommentAPI/",
    "fh": "http://purl.org/syndication/history/1.0",
    "at": "http://purl.org/atompub/tombstones/1.0",
}
"""The namespaces that validators know, by the prefix each usually has; and RFC 6721's, which they don't."""

XML: Final = "http://www.w3.org/XML/1998/namespace"
_PREFIXES: Final = {uri: prefix for prefix, uri in NAMESPACES.items()} | {XML: "xml"}
_RELATIONS: Final = words(
    "alternate current describedby edit edit-media enclosure first hub last license next next-archive "
    "payment prev-archive previous related replies search self service up via"
)
_FEED_TYPES: Final = {"application/atom+xml", "application/rss+xml"}


def name_of(element: Element) -> str:
    """An element's name with its usual prefix: `dc:creator`; the namespace itself if it is unknown."""
    if not isinstance(element.tag, str):
        return ""
    uri, closed, local = element.tag.rpartition("}")
    return f"{_PREFIXES.get(uri[1:], uri[1:])}:{local}" if closed else local


def named(element: Element, *, within: bool = True) -> Iterator[Element]:
    """Its elements, at any depth or (not `within`) its children; comments left out."""
    for one in element.iter() if within else element:
        if isinstance(one.tag, str):
            yield one


def links(document: Document) -> list[Element]:
    """Every Atom link of a document."""
    return list(document.tree.iter(f"{{{NAMESPACES['atom']}}}link"))


def add_xml_rules(book: Rulebook, prefix: str) -> None:
    """Hold a format in XML to the rules of this module, under names that begin with `prefix`."""
    for name, check in {
        "encoding": _encoding,
        "namespaces": _namespaces,
        "characters": _characters,
        "link-relation": _link_relation,
        "link-url": _link_url,
        "link-type": _link_type,
        "link-language": _link_language,
        "link-empty": _link_empty,
    }.items():
        book.rule(f"{prefix}-{name}")(check)


def _encoding(document: Document) -> Iterator[str]:
    first = document.body.split(b"?>")[0].replace(b"'", b'"')
    if not first.startswith(b"<?xml ") or b'encoding="UTF-8"' not in first:
        yield first[:80].decode()


def _namespaces(document: Document) -> Iterator[str]:
    # A document in Atom has Atom for its default; a prefix for it confuses readers.
    own = NAMESPACES["atom"] if name_of(document.tree) == "atom:feed" else None
    for element in named(document.tree):
        for prefix, uri in element.nsmap.items():
            if prefix != (None if uri == own else _PREFIXES.get(uri, "unknown")):
                yield f"{prefix}={uri}"


def _characters(document: Document) -> Iterator[str]:
    for text in values.texts_of(document.tree):
        yield from values.bad_characters(text)


def _link_relation(document: Document) -> Iterator[str]:
    for link in links(document):
        if link.get("rel", "alternate") not in _RELATIONS:
            yield link.get("rel")


def _link_url(document: Document) -> Iterator[str]:
    for link in links(document):
        if not values.is_uri(link.get("href", "")):
            yield link.get("href", "no href")


def _link_type(document: Document) -> Iterator[str]:
    for link in links(document):
        media_type = link.get("type")
        wrong = link.get("rel") == "self" and media_type not in _FEED_TYPES
        if media_type is not None and (wrong or not values.is_mime(media_type)):
            yield media_type


def _link_language(document: Document) -> Iterator[str]:
    for link in links(document):
        if not values.is_language(link.get("hreflang", "en")):
            yield link.get("hreflang")


def _link_empty(document: Document) -> Iterator[str]:
    for link in links(document):
        blank = [name for name, value in link.attrib.items() if not value.strip()]
        if blank or len(link) or (link.text or "").strip() or not values.is_number(link.get("length", "0")):
            yield str(dict(link.attrib))
