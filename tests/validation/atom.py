"""Atom 1.0 by RFC 4287, its grammar and what the W3C Feed Validator warns of; tombstones by RFC 6721.

Pure: bytes in, findings out. https://www.rfc-editor.org/rfc/rfc4287 https://www.rfc-editor.org/rfc/rfc6721
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from lxml import etree

from tests.validation import media, values
from tests.validation.markup import add_rules
from tests.validation.rules import Document, Rulebook
from tests.validation.xml import NAMESPACES, XML, Element, add_xml_rules, name_of, named

RULES = Rulebook(etree.fromstring)
add_xml_rules(RULES, "atom")

ATOM = f"{{{NAMESPACES['atom']}}}"
_TEXTS = ("title", "subtitle", "summary", "rights")
_DATES = ("updated", "published")
_HISTORY = frozenset({"current", "first", "last", "next", "next-archive", "prev-archive", "previous"})
_WRITTEN = re.compile(rb"<(?:title|subtitle|summary|rights|name)\b([^>]*)>([^<]*)</")
_EXTENSIONS = frozenset({"at:deleted-entry", "dc:creator", "dcterms:modified"})


@cache
def grammar() -> etree.RelaxNG:
    """RFC 4287 in RELAX NG, with what RFC 5005 and RFC 6721 add as foreign markup."""
    return etree.RelaxNG(etree.parse(Path(__file__).with_name("atom.rng")))


def _children(element: Element, *names: str) -> list[Element]:
    return [child for name in names for child in element.findall(ATOM + name)]


def _each(document: Document, *names: str) -> Iterator[Element]:
    yield from document.tree.iter(*(ATOM + name for name in names))


def _entries(document: Document) -> list[Element]:
    return _children(document.tree, "entry")


def _links(element: Element, rel: str) -> list[Element]:
    return [link for link in _children(element, "link") if link.get("rel", "alternate") == rel]


def _text(element: Element, name: str) -> str:
    text: str = element.findtext(ATOM + name, "")
    return text


@RULES.rule("atom-grammar")
def _grammar(document: Document) -> Iterator[str]:
    rules = grammar()
    if not rules.validate(document.tree):
        yield str(rules.error_log.last_error)


@RULES.rule("atom-id")
def _id(document: Document) -> Iterator[str]:
    for element in _each(document, "id"):
        text = element.text or ""
        if not values.is_uri(text) or not values.is_canonical(text):
            yield text


@RULES.rule("atom-id-unique")
def _id_unique(document: Document) -> Iterator[str]:
    counts = Counter([_text(document.tree, "id"), *(_text(entry, "id") for entry in _entries(document))])
    yield from (one for one, times in counts.items() if times > 1)


@RULES.rule("atom-author")
def _author(document: Document) -> Iterator[str]:
    whole = bool(_children(document.tree, "author"))
    if not _entries(document) and not whole:
        yield "feed"
    for entry in _entries(document):
        if (
            not whole
            and entry.find(f"{ATOM}author") is None
            and entry.find(f"{ATOM}source/{ATOM}author") is None
        ):
            yield _text(entry, "id")


@RULES.rule("atom-self-link")
def _self_link(document: Document) -> Iterator[str]:
    own = [(link.get("href"), link.get("type")) for link in _links(document.tree, "self")]
    if own != [(document.url, "application/atom+xml")]:
        yield str(own)


@RULES.rule("atom-links-distinct")
def _links_distinct(document: Document) -> Iterator[str]:
    feed = [(link.get("rel", "alternate"), link) for link in _children(document.tree, "link")]
    entries = [[("alternate", link) for link in _links(entry, "alternate")] for entry in _entries(document)]
    for links in (feed, *entries):
        counts = Counter((rel, link.get("type"), link.get("hreflang")) for rel, link in links)
        yield from (str(one) for one, times in counts.items() if times > 1 and one[0] != "hub")


@RULES.rule("atom-content-or-alternate")
def _content_or_alternate(document: Document) -> Iterator[str]:
    for entry in _entries(document):
        if not _children(entry, "content") and not _links(entry, "alternate"):
            yield _text(entry, "id")


@RULES.rule("atom-summary")
def _summary(document: Document) -> Iterator[str]:
    # RFC 4287 §4.1.2: content elsewhere, or in Base64, needs a summary; so does none, says the validator.
    for entry in _entries(document):
        content = entry.find(f"{ATOM}content")
        readable = content is not None and content.get("type", "text") in {"text", "html", "xhtml"}
        if not _children(entry, "summary") and (not readable or content.get("src")):
            yield _text(entry, "id")


@RULES.rule("atom-entries-last")
def _entries_last(document: Document) -> Iterator[str]:
    names = [name_of(child) for child in document.tree]
    if "atom:entry" in names:
        rest = names[names.index("atom:entry") :]
        yield from (name for name in rest if name.startswith("atom:") and name != "atom:entry")


@RULES.rule("atom-date")
def _date(document: Document) -> Iterator[str]:
    yield from (text for text, date in _dates(document) if date is None)


@RULES.rule("atom-date-plausible")
def _date_plausible(document: Document) -> Iterator[str]:
    yield from (
        text for text, date in _dates(document) if date and not values.is_plausible(date, document.now)
    )


def _dates(document: Document) -> Iterator[tuple[str, datetime | None]]:
    for element in _each(document, *_DATES):
        yield element.text or "", values.rfc_3339(element.text or "")


@RULES.rule("atom-published-first")
def _published_first(document: Document) -> Iterator[str]:
    for entry in _entries(document):
        published, updated = (values.rfc_3339(_text(entry, name)) for name in ("published", "updated"))
        if published and updated and updated < published:
            yield _text(entry, "id")


@RULES.rule("atom-updated-newest")
def _updated_newest(document: Document) -> Iterator[str]:
    built = values.rfc_3339(_text(document.tree, "updated"))
    for entry in _entries(document):
        updated = values.rfc_3339(_text(entry, "updated"))
        if built and updated and updated > built:
            yield f"{updated} after {built}"


@RULES.rule("atom-updated-distinct")
def _updated_distinct(document: Document) -> Iterator[str]:
    counts = Counter(_text(entry, "updated") for entry in _entries(document))
    yield from (one for one, times in counts.items() if times > 1)


@RULES.rule("atom-link-history")
def _link_history(document: Document) -> Iterator[str]:
    for entry in _entries(document):
        yield from (rel for link in _children(entry, "link") if (rel := link.get("rel", "")) in _HISTORY)


@RULES.rule("atom-link-text")
def _link_text(document: Document) -> Iterator[str]:
    for link in _each(document, "link"):
        if values.holds_tag(link.get("title", "")):
            yield link.get("title")


@RULES.rule("atom-language")
def _language(document: Document) -> Iterator[str]:
    if not document.tree.get(f"{{{XML}}}lang"):
        yield "feed"
    for element in named(document.tree):
        language = element.get(f"{{{XML}}}lang", "en")
        if not values.is_language(language):
            yield language


@RULES.rule("atom-text-type")
def _text_type(document: Document) -> Iterator[str]:
    for element in _each(document, *_TEXTS):
        if element.get("type", "text") not in {"text", "html", "xhtml"}:
            yield element.get("type")
    for element in _each(document, "content"):
        kind = element.get("type", "text")
        if kind not in {"text", "html", "xhtml"} and (
            kind.startswith("multipart/") or not values.is_mime(kind)
        ):
            yield kind


@RULES.rule("atom-text-html")
def _text_html(document: Document) -> Iterator[str]:
    for element in _plain(document):
        if values.holds_tag(element.text or ""):
            yield element.text
    yield from (
        one.get("label") for one in _each(document, "category") if values.holds_tag(one.get("label", ""))
    )


def _plain(document: Document) -> Iterator[Element]:
    for element in _each(document, *_TEXTS, "content", "name"):
        if element.get("type", "text") == "text":
            yield element


@RULES.rule("atom-text-references")
def _text_references(document: Document) -> Iterator[str]:
    for attributes, written in _WRITTEN.findall(document.body):
        text = unescape(written.decode())
        if b"html" not in attributes and b"&#x" not in written and values.is_ambiguous(text, tags=False):
            yield text


@RULES.rule("atom-not-blank")
def _not_blank(document: Document) -> Iterator[str]:
    for element in _each(
        document, *_TEXTS, "content", "name", "id", "icon", "logo", "generator", "email", "uri"
    ):
        if not (element.text or "").strip() and len(element) == 0 and not element.get("src"):
            yield name_of(element)


@RULES.rule("atom-white-space")
def _white_space(document: Document) -> Iterator[str]:
    for element in _each(document, "id", "icon", "logo", "updated", "published", "uri", "email"):
        if (element.text or "") != (element.text or "").strip():
            yield repr(element.text)


@RULES.rule("atom-person")
def _person(document: Document) -> Iterator[str]:
    for person in _each(document, "author", "contributor"):
        email, uri = _text(person, "email"), _text(person, "uri")
        if (email and not values.is_address(email)) or (uri and not values.is_uri(uri)):
            yield f"{email} {uri}"


@RULES.rule("atom-category")
def _category(document: Document) -> Iterator[str]:
    for one in _each(document, "category"):
        if (
            not one.get("term")
            or one.get("label") == ""
            or not values.is_uri(one.get("scheme", "tag:e.org,2026:"))
        ):
            yield str(dict(one.attrib))


@RULES.rule("atom-uri")
def _uri(document: Document) -> Iterator[str]:
    yield from (
        one.text or "" for one in _each(document, "icon", "logo") if not values.is_uri(one.text or "")
    )
    for one in _each(document, "generator"):
        if not values.is_uri(one.get("uri", "tag:e.org,2026:")) or one.get("version") == "":
            yield str(dict(one.attrib))


@RULES.rule("atom-source")
def _source(document: Document) -> Iterator[str]:
    for source in _each(document, "source"):
        yield from (name for name in ("id", "title", "updated") if not _text(source, name))


@RULES.rule("atom-extensions-known")
def _extensions_known(document: Document) -> Iterator[str]:
    for parent in (document.tree, *_entries(document)):
        for child in parent:
            name = name_of(child)
            if name and not name.startswith(("atom:", "media:", "fh:", "thr:")) and name not in _EXTENSIONS:
                yield name


@RULES.rule("atom-tombstone")
def _tombstone(document: Document) -> Iterator[str]:
    # RFC 6721 §3: ref and when; an entry that is there and not older is not deleted.
    living: dict[str, Any] = {
        _text(one, "id"): values.rfc_3339(_text(one, "updated")) for one in _entries(document)
    }
    seen: set[str] = set()
    for stone in document.tree.iter(f"{{{NAMESPACES['at']}}}deleted-entry"):
        ref, when = stone.get("ref", ""), values.rfc_3339(stone.get("when", ""))
        if not values.is_uri(ref) or when is None or ref in seen or stone.getparent() is not document.tree:
            yield ref or "no ref"
        elif ref in living and (living[ref] is None or living[ref] <= when):
            yield f"{ref} is an entry, too"
        seen.add(ref)


add_rules(
    RULES,
    lambda document: (
        element.text or "" for element in _each(document, *_TEXTS, "content") if element.get("type") == "html"
    ),
)
media.add_rules(RULES)
