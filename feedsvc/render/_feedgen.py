"""feedgen, with its traps closed; the only module that imports it.

Knows nothing of articles: it gives the format modules a feed and an entry that do as they are told. What is
closed here, all seen in feedgen 1.0: dates that default to the clock, RFC 2822 dates made by switching the
process's locale, Atom links that lose rel, type and length, text without its type, `add_entry` that prepends,
and elements that feedgen has no call for, which go through its extension interface.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from email.utils import format_datetime
from functools import cache
from typing import Any

import feedgen.entry
import feedgen.feed
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from lxml import etree

from feedsvc.render.fragments import Shell

NAMESPACES = {
    "at": "http://purl.org/atompub/tombstones/1.0",
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "media": "http://search.yahoo.com/mrss/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}
RSS_PREFIXES = ("content", "dc", "dcterms", "media", "sy")
_EXTENSION = "elements"
_LINK_ATTRIBUTES = ("rel", "type", "hreflang", "title", "length")

# feedgen's own sets the process's locale and sets it back, which other threads see in between.
feedgen.feed.formatRFC2822 = format_datetime
feedgen.entry.formatRFC2822 = format_datetime


class _Elements:
    """The elements that feedgen has no call for, added after its own in the order they were given."""

    def __init__(self) -> None:
        self.elements: list[etree._Element] = []
        self.namespaces: dict[str, str] = {}
        self.stylesheet: str | None = None

    def add(
        self, name: str, text: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> etree._Element:
        """Add an element; `name` may have a prefix of NAMESPACES (`dc:creator`). Returns it, for children."""
        element = etree.Element(_qualified(name), dict(attributes or {}))
        element.text = text
        self.elements.append(element)
        return element

    def extend_rss(self, element: etree._Element) -> etree._Element:
        """feedgen's call for RSS: with the root for a feed, with the item for an entry."""
        (element[0] if element.tag == "rss" else element).extend(self.elements)
        return self._styled(element)

    def extend_atom(self, element: etree._Element) -> etree._Element:
        """feedgen's call for Atom: with the feed or the entry."""
        element.extend(self.elements)
        return self._styled(element)

    def _styled(self, element: etree._Element) -> etree._Element:
        if self.stylesheet:
            link = f'type="text/css" href="{self.stylesheet}"'
            element.addprevious(etree.ProcessingInstruction("xml-stylesheet", link))
        return element


class _FeedElements(_Elements, BaseExtension):  # type: ignore[misc] # feedgen has no types
    def extend_ns(self) -> dict[str, str]:
        return self.namespaces


class _EntryElements(_Elements, BaseEntryExtension):  # type: ignore[misc] # feedgen has no types
    pass


class Entry(feedgen.entry.FeedEntry):  # type: ignore[misc] # feedgen has no types
    """One RSS item or Atom entry; `language` becomes the Atom entry's xml:lang."""

    language: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.register_extension(_EXTENSION, _EntryElements)

    def atom_entry(self, extensions: bool = True) -> etree._Element:
        """The entry element, its links with all their attributes and its texts with their type."""
        entry: etree._Element = super().atom_entry(extensions)
        # feedgen reads rel, type and the rest from the new element instead of from the link: a shadowed name.
        for element, link in zip(entry.findall("link"), self.link() or (), strict=True):
            for name in _LINK_ATTRIBUTES:
                if link.get(name):
                    element.set(name, link[name])
        if self.language:
            entry.set("{http://www.w3.org/XML/1998/namespace}lang", self.language)
        return _typed(entry)


class Generator(feedgen.feed.FeedGenerator):  # type: ignore[misc] # feedgen has no types
    """One feed. The caller sets `updated` or `lastBuildDate`; feedgen's default is the clock."""

    def __init__(self, namespaces: Mapping[str, str], stylesheet: str | None = None) -> None:
        super().__init__()
        self.register_extension(_EXTENSION, _FeedElements, _EntryElements)
        self.elements.namespaces = dict(namespaces)
        self.elements.stylesheet = stylesheet

    def rss_root(self) -> etree._Element:
        """The root of the whole feed as RSS."""
        root: etree._Element = self._create_rss()[0]
        return root

    def atom_root(self) -> etree._Element:
        """The root of the whole feed as Atom."""
        return self._create_atom()[0]

    def new_entry(self) -> Entry:
        """Add an entry after those that are there."""
        entry = Entry()
        self.add_entry(entry, order="append")
        return entry

    def _create_atom(self, extensions: bool = True) -> tuple[etree._Element, etree._ElementTree]:
        feed, document = super()._create_atom(extensions)
        return _typed(feed), document


def _typed(element: etree._Element) -> etree._Element:
    """Say of Atom's texts that they are plain; the default, but many a parser guesses without it."""
    for name in ("title", "subtitle", "rights"):
        for text in element.findall(name):
            text.set("type", "text")
    return element


def sub_element(
    parent: etree._Element, name: str, text: str | None, attributes: Mapping[str, str] | None = None
) -> etree._Element:
    """Add a child to an element that `add` returned."""
    child = etree.SubElement(parent, _qualified(name), dict(attributes or {}))
    child.text = text
    return child


def shell(document: bytes, last_tag: bytes) -> Shell:
    """Cut a feed without entries where they go: before its `last_tag` (`</channel>`, `</feed>`)."""
    cut = document.rindex(last_tag)
    return Shell(document[:cut], document[cut:])


class Frame:
    """The roots of a feed with nothing in them: an entry serialised there declares no namespace anew.

    `path` names them from the root down to what holds the entries; attributes and namespaces are those that
    feedgen gives the root of a feed.
    """

    def __init__(self, root: etree._Element, *path: str) -> None:
        self._attributes = {str(name): str(value) for name, value in root.attrib.items()}
        self._namespaces: Any = dict(root.nsmap)  # lxml's stubs don't know that a prefix may be None
        self._path = path
        self._threads = threading.local()  # lxml's elements are for one thread at a time

    def fragment(self, entry: etree._Element) -> bytes:
        """The bytes of an entry as they stand in a whole feed."""
        root, holder = self._roots()
        holder.append(entry)
        try:
            document: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
        finally:
            holder.remove(entry)
        tag = entry.tag.encode()
        return document[document.index(b"<" + tag) : document.rindex(tag + b">") + len(tag) + 1]

    def _roots(self) -> tuple[etree._Element, etree._Element]:
        """The root and what holds the entries, kept for each thread: making them takes a while."""
        try:
            kept: tuple[etree._Element, etree._Element] = self._threads.kept
        except AttributeError:
            holder = root = etree.Element(self._path[0], self._attributes, nsmap=self._namespaces)
            for name in self._path[1:]:
                holder = etree.SubElement(holder, name)
            kept = self._threads.kept = root, holder
        return kept


def with_references(document: bytes, names: tuple[str, ...]) -> bytes:
    """The document with `&`, `<` and `>` as hexadecimal references in the elements of plain text.

    The RSS Advisory Board's profile asks for them: who decodes a title once too often still reads it right.
    https://www.rssboard.org/rss-profile#data-types-characterdata
    """
    return _plain_texts(names).sub(
        lambda found: _NAMED.sub(lambda name: _HEXADECIMAL[name[0]], found[0]), document
    )


@cache
def _plain_texts(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """Finds those elements where there is a reference in them; lxml writes `>` as one, too.

    It begins with a literal, so that the search leaps from tag to tag.
    """
    either = "|".join(names).encode()
    return re.compile(rb"<(%b)(?: [^<>]*)?>[^<&]*&[^<]*(?=</\1>)" % either)


_HEXADECIMAL = {b"&amp;": b"&#x26;", b"&lt;": b"&#x3C;", b"&gt;": b"&#x3E;"}
_NAMED = re.compile(rb"&(?:amp|lt|gt);")


def present(attributes: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The attributes that have a value, as text."""
    return {name: str(value) for name, value in attributes if value}


def _qualified(name: str) -> str:
    prefix, _, local = name.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if prefix else local
