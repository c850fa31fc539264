"""Writes the list of all feeds, or of those of one kind, as OPML 2.0, which feed readers import.

Knows neither HTTP nor the store. Equal directories give equal bytes: the document carries no date.
"""

from collections.abc import Sequence

from feedsvc.domain.model import Site
from feedsvc.domain.urls import feed_url, page_url
from feedsvc.domain.xml_text import without_illegal
from feedsvc.web.site.directory import Entry, Group

_VERSIONS = {"rss": "RSS2", "atom": "ATOM1"}
_PREFERENCE = ("rss", "atom", "json")


def document(site: Site, groups: Sequence[Group], what: str = "Feeds", partner: str = "") -> bytes:
    """OPML 2.0 (http://opml.org/spec2.opml): an outline for each kind, and in it one for each feed.

    `what` says in the title what is listed; `partner` is the partner whose feeds they are, "" for public
    ones. A section's outline is beside its parent section's, not inside it: readers such as miniflux take an
    outline with a feed of its own for a leaf, and lose what is inside it.
    """
    from lxml import etree  # imported here, because most workers never need its 3 MB

    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = without_illegal(f"{what} – {site.name}")
    etree.SubElement(head, "docs").text = "http://opml.org/spec2.opml"
    body = etree.SubElement(root, "body")
    for group in groups:
        outline = etree.SubElement(body, "outline", text=group.title, title=group.title)
        for entry in group.entries:
            etree.SubElement(outline, "outline", _subscription(site, entry, partner))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _subscription(site: Site, entry: Entry, partner: str) -> dict[str, str]:
    listing = entry.listing
    fmt = min(listing.formats, key=_PREFERENCE.index)
    # `type` is "rss" for every kind of feed; `version` names the kind, and has no value for JSON Feed.
    outline = {
        "type": "rss",
        "text": without_illegal(listing.title),
        "title": without_illegal(listing.title),
        "xmlUrl": feed_url(site, listing.key, fmt, partner),
        "htmlUrl": page_url(site, listing.key),
    }
    if fmt in _VERSIONS:
        outline["version"] = _VERSIONS[fmt]
    return outline
