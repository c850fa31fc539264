"""Wraps feedgen and works around its faults; the only module that imports it.

Knows nothing of articles: it gives the format modules a feed and an entry to fill. The faults, all seen in
feedgen 1.0: dates default to the clock; RFC 2822 dates are made by switching the process's locale; Atom links
lose rel, type and length; Atom text is written without its type; `add_entry` prepends; and elements for which
feedgen has no method have to go through its extension interface.
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

# feedgen's own function switches the process's locale and back; other threads see the change meanwhile.
feedgen.feed.formatRFC2822 = format_datetime
feedgen.entry.formatRFC2822 = format_datetime


class _Elements:
    """Elements for which feedgen has no method, written after feedgen's own, in the order they were added."""

    def __init__(self) -> None:
        self.elements: list[etree._Element] = []
        self.namespaces: dict[str, str] = {}
        self.stylesheet: str | None = None

    def add(
        self, name: str, text: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> etree._Element:
        """Add an element and return it, so that children can be added to it.

        `name` may have a prefix of NAMESPACES (`dc:creator`).
        """
        element = etree.Element(_qualified(name), dict(attributes or {}))
        element.text = text
        self.elements.append(element)
        return element

    def extend_rss(self, element: etree._Element) -> etree._Element:
        """Called by feedgen for RSS, with the root for a feed and with the item for an entry."""
        (element[0] if element.tag == "rss" else element).extend(self.elements)
        return self._styled(element)

    def extend_atom(self, element: etree._Element) -> etree._Element:
        """Called by feedgen for Atom, with the feed or the entry."""
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
        """Return the entry element, with all attributes on its links and a type on its texts."""
        entry: etree._Element = super().atom_entry(extensions)
        # A shadowed name makes feedgen read rel, type and the rest from the new element, not from the link.
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
        """The root element of the whole feed as RSS."""
        root: etree._Element = self._create_rss()[0]
        return root

    def atom_root(self) -> etree._Element:
        """The root element of the whole feed as Atom."""
        return self._create_atom()[0]

    def new_entry(self) -> Entry:
        """Add an entry after the existing ones."""
        entry = Entry()
        self.add_entry(entry, order="append")
        return entry

    def _create_atom(self, extensions: bool = True) -> tuple[etree._Element, etree._ElementTree]:
        feed, document = super()._create_atom(extensions)
        return _typed(feed), document


def _typed(element: etree._Element) -> etree._Element:
    """Set type="text" on Atom's plain-text elements.

    It is the default (RFC 4287 §3.1.1), but many parsers guess when the attribute is absent.
    """
    for name in ("title", "subtitle", "rights"):
        for text in element.findall(name):
            text.set("type", "text")
    return element


def sub_element(
    parent: etree._Element, name: str, text: str | None, attributes: Mapping[str, str] | None = None
) -> etree._Element:
    """Add a child to an element that `_Elements.add` returned; returns the child."""
    child = etree.SubElement(parent, _qualified(name), dict(attributes or {}))
    child.text = text
    return child


def shell(document: bytes, last_tag: bytes) -> Shell:
    """Split a feed without entries where they go: before `last_tag` (`</channel>`, `</feed>`)."""
    cut = document.rindex(last_tag)
    return Shell(document[:cut], document[cut:])


class Frame:
    """An empty feed in which single entries are serialised, so that they do not declare the namespaces again.

    `path` names the elements from the root down to the parent of the entries. Attributes and namespaces are
    those that feedgen gives the root of a feed.
    """

    def __init__(self, root: etree._Element, *path: str) -> None:
        self._attributes = {str(name): str(value) for name, value in root.attrib.items()}
        self._namespaces: Any = dict(root.nsmap)  # lxml's stubs don't know that a prefix may be None
        self._path = path
        self._threads = threading.local()  # lxml's elements are for one thread at a time

    def fragment(self, entry: etree._Element) -> bytes:
        """The bytes of an entry, as they are in a whole feed."""
        root, holder = self._roots()
        holder.append(entry)
        try:
            document: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
        finally:
            holder.remove(entry)
        tag = entry.tag.encode()
        return document[document.index(b"<" + tag) : document.rindex(tag + b">") + len(tag) + 1]

    def _roots(self) -> tuple[etree._Element, etree._Element]:
        """The root and the parent of the entries; kept per thread, because making them is slow."""
        try:
            kept: tuple[etree._Element, etree._Element] = self._threads.kept
        except AttributeError:
            holder = root = etree.Element(self._path[0], self._attributes, nsmap=self._namespaces)
            for name in self._path[1:]:
                holder = etree.SubElement(holder, name)
            kept = self._threads.kept = root, holder
        return kept


def with_references(document: bytes, names: tuple[str, ...]) -> bytes:
    """The document with `&`, `<` and `>` as hexadecimal references in the named plain-text elements.

    The RSS Advisory Board's profile recommends them: a reader that decodes a title once too often still shows
    it correctly. https://www.rssboard.org/rss-profile#data-types-characterdata
    """
    return _plain_texts(names).sub(
        lambda found: _NAMED.sub(lambda name: _HEXADECIMAL[name[0]], found[0]), document
    )


@cache
def _plain_texts(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """A pattern for those of the named elements whose text has a reference; lxml writes `>` as one, too.

    It begins with a literal, so that the search skips from tag to tag.
    """
    either = "|".join(names).encode()
    return re.compile(rb"<(%b)(?: [^<>]*)?>[^<&]*&[^<]*(?=</\1>)" % either)


_HEXADECIMAL = {b"&amp;": b"&#x26;", b"&lt;": b"&#x3C;", b"&gt;": b"&#x3E;"}
_NAMED = re.compile(rb"&(?:amp|lt|gt);")


def present(attributes: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The attributes that have a value, with the values as text."""
    return {name: str(value) for name, value in attributes if value}


def _qualified(name: str) -> str:
    prefix, _, local = name.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if prefix else local
