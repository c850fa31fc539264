"""What Atom 1.0 (RFC 4287, with RFC 6721 and RFC 4151) asks of a published document.

Pure. Must not know how documents are made.
"""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from feedsvc.domain.constraints import MEDIA_TYPE
from feedsvc.lint.document_values import NS, REPORT, Fault, all_of, instant, is_uri, repeated, text_of

_XHTML_DIV: Final = "{http://www.w3.org/1999/xhtml}div"
_IANA: Final = "http://www.iana.org/assignments/relation/"
_TAG = re.compile(  # RFC 4151 §2.1
    r"tag:([A-Za-z0-9._-]+@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?,\d{4}(-(0[1-9]|1[0-2])(-[0-3]\d)?)?"
    r":([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*(#.*)?",
    re.ASCII,
)


def faults_of_atom(root: etree._Element, url: str) -> Iterator[Fault]:
    """The faults of a document of Atom 1.0, served at `url`."""
    if root.tag != f"{{{NS['a']}}}feed":
        yield Fault("atom-version", f"its root is {root.tag!r}, not Atom's feed; {REPORT}", "")
        return
    entries = all_of(root, "a:entry")
    own = [link.get("href", "") for link in all_of(root, "a:link") if _rel(link) == "self"]
    if own != [url]:
        yield Fault("atom-self", f"the self links are {own}, not {url!r}; {REPORT}", "")
    taken = {text_of(root, "a:id"), *(text_of(one, "a:id") for one in root.iterfind("a:entry/a:source", NS))}
    for one in repeated(text_of(entry, "a:id") for entry in entries):
        yield Fault("atom-id-unique", f"more than one entry has id {one!r}; {REPORT}", one)
    for part in (root, *entries):
        where = "" if part is root else text_of(part, "a:id")
        for check in (_required, _ids, _dates, _links, _texts):
            yield from (Fault(rule, reason, where) for rule, reason in check(part))
    for entry in entries:
        where = text_of(entry, "a:id")
        if where and where in taken:
            yield Fault("atom-id-distinct", f"{where!r} is a feed's id, too; write another id:", where)
        if not (all_of(root, "a:author") or all_of(entry, "a:author") or all_of(entry, "a:source/a:author")):
            yield Fault("atom-author", "neither entry nor feed has an author; write author:", where)
        if not all_of(entry, "a:content") and "alternate" not in map(_rel, all_of(entry, "a:link")):
            yield Fault("atom-content", f"it has neither content nor an alternate link; {REPORT}", where)
    yield from _tombstones(root)


def _rel(link: etree._Element) -> str:
    return link.get("rel", "alternate").removeprefix(_IANA)


def _required(part: etree._Element) -> Iterator[tuple[str, str]]:
    for name in ("id", "title", "updated"):
        if not text_of(part, f"a:{name}") and not all_of(part, f"a:{name}/*"):
            yield "atom-required", f"there is no {name}; {'write title:' if name == 'title' else REPORT}"


def _ids(part: etree._Element) -> Iterator[tuple[str, str]]:
    for one in (*all_of(part, "a:id"), *all_of(part, "a:source/a:id")):
        text = (one.text or "").strip()
        if text and not is_uri(text):
            yield "atom-id-absolute", f"id {text!r} is no absolute URI; {REPORT}"
        elif text.startswith("tag:") and not _TAG.fullmatch(text):
            yield "atom-id-tag", f"id {text!r} breaks RFC 4151; write site.authority as example.org,2026"


def _dates(part: etree._Element) -> Iterator[tuple[str, str]]:
    for path in ("a:updated", "a:published", "a:source/a:updated"):
        for date in all_of(part, path):
            if (date.text or "").strip() and not instant(date.text or ""):
                yield "atom-date", f"{date.text!r} is no date of RFC 3339; {REPORT}"
    published, updated = instant(text_of(part, "a:published")), instant(text_of(part, "a:updated"))
    if published and updated and published > updated:
        yield "atom-date-order", f"it was updated at {updated}, before {published}; write a later updated:"


def _links(part: etree._Element) -> Iterator[tuple[str, str]]:
    for link in (*all_of(part, "a:link"), *all_of(part, "a:source/a:link")):
        if not is_uri(link.get("href", "")):
            yield "atom-link", f"link {link.get('href')!r} is not absolute; write it with https://"
    alternates = [link for link in all_of(part, "a:link") if _rel(link) == "alternate"]
    for kind in repeated(f"{one.get('type', '')} {one.get('hreflang', '')}" for one in alternates):
        yield "atom-alternate", f"two alternate links are of type and language {kind!r}; {REPORT}"


def _texts(part: etree._Element) -> Iterator[tuple[str, str]]:
    for name in ("title", "subtitle", "summary", "rights", "content"):
        for text in all_of(part, f"a:{name}"):
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
                yield "atom-text-type", f"{name} is not what its type {kind!r} says; {REPORT}"


def _tombstones(root: etree._Element) -> Iterator[Fault]:
    for gone in all_of(root, "at:deleted-entry"):
        ref, when = gone.get("ref", ""), gone.get("when", "")
        if not is_uri(ref) or not instant(when):
            yield Fault("atom-tombstone", f"deleted-entry has ref {ref!r} and when {when!r}; {REPORT}", ref)
