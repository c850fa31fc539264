"""The list of every feed in OPML 2.0, which feed readers import and export.

Knows neither HTTP nor the store. Equal directories give equal bytes: the document carries no date.
"""

import re

from lxml import etree

from feedsvc.model import Site
from feedsvc.urls import feed_url, page_url
from feedsvc.web.directory import Directory, Entry

_VERSIONS = {"rss": "RSS2", "atom": "ATOM1"}
_PREFERENCE = ("rss", "atom", "json")

_XML_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What the Char production of XML 1.0 leaves out: https://www.w3.org/TR/xml/#charsets"""


def document(site: Site, directory: Directory) -> bytes:
    """OPML 2.0 (http://opml.org/spec2.opml): an outline for each kind, and in it one for each feed."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = _clean(f"Feeds of {site.name}")
    etree.SubElement(head, "docs").text = "http://opml.org/spec2.opml"
    body = etree.SubElement(root, "body")
    for group in directory.groups:
        outline = etree.SubElement(body, "outline", text=group.title, title=group.title)
        for entry in group.entries:
            etree.SubElement(outline, "outline", _subscription(site, entry))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _subscription(site: Site, entry: Entry) -> dict[str, str]:
    listing = entry.listing
    fmt = min(listing.formats, key=_PREFERENCE.index)
    # "rss" stands for any kind of feed, and `version` for which; JSON Feed has no value there.
    outline = {
        "type": "rss",
        "text": _clean(listing.title),
        "title": _clean(listing.title),
        "xmlUrl": feed_url(site, listing.key, fmt),
        "htmlUrl": page_url(site, listing.key),
    }
    if fmt in _VERSIONS:
        outline["version"] = _VERSIONS[fmt]
    return outline


def _clean(text: str) -> str:
    return _XML_ILLEGAL.sub("", text)
