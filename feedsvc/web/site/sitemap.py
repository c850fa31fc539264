"""Writes the news sitemap, which tells search engines about new stories, and the robots.txt that names it.

Pure: no store, no clock, no request. The caller decides which stories may be seen.
Rules: https://developers.google.com/search/docs/crawling-indexing/sitemaps/news-sitemap and
https://www.sitemaps.org/protocol.html
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from feedsvc.domain.model import Article, Site
from feedsvc.domain.xml_text import without_illegal
from feedsvc.web.site.story_page import headline, moment, story_url

if TYPE_CHECKING:
    from lxml import etree

PATH: Final = "/sitemap-news.xml"
MOST: Final = 1_000
"""How many stories a news sitemap may list."""
LISTED_FOR: Final = timedelta(days=2)
"""How long after its first publication a story is listed."""

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
_NAMESPACES: Final[dict[Any, str]] = {None: _SITEMAP, "news": _NEWS}
_URL_LENGTH = 2_048  # characters; the protocol requires fewer
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRADITIONAL_CHINESE = {"hant", "tw", "hk", "mo"}
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z0-9])")
_IN_PARENTHESES = re.compile(r"\s*\([^()]*\)")


def document(site: Site, stories: Iterable[Article]) -> bytes:
    """The news sitemap of `stories`, in their order. Equal stories give equal bytes."""
    from lxml import etree  # imported here, because most workers never need its 3 MB

    root = etree.Element(f"{{{_SITEMAP}}}urlset", nsmap=_NAMESPACES)
    for story in stories:
        place = story_url(site, story)
        url = etree.SubElement(root, f"{{{_SITEMAP}}}url")
        etree.SubElement(url, f"{{{_SITEMAP}}}loc").text = place
        news = etree.SubElement(url, f"{{{_NEWS}}}news")
        publication = etree.SubElement(news, f"{{{_NEWS}}}publication")
        _say(publication, "name", _publication_name(site))
        _say(publication, "language", language_code(story.language) or language_code(site.language) or "en")
        _say(news, "publication_date", moment(site, story.visible_from).iso)
        _say(news, "title", headline(story, place))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def is_listable(site: Site, story: Article) -> bool:
    """Whether the story's canonical URL is on this site: a sitemap may list only its own site's URLs."""
    url = story_url(site, story)
    return len(url) < _URL_LENGTH and _origin(url) == _origin(site.url)


def language_code(tag: str | None) -> str:
    """A BCP 47 tag in the form that news sitemaps use: two or three letters, or zh-cn or zh-tw.

    "" if the tag is malformed.
    """
    lowered = (tag or "").lower().replace("_", "-")
    found = _LANGUAGE.match(lowered)
    if found is None:
        return ""
    if found[0] != "zh":
        return found[0]
    return "zh-tw" if _TRADITIONAL_CHINESE & set(lowered.split("-")) else "zh-cn"


def robots(site: Site) -> bytes:
    """A robots.txt (RFC 9309) that allows everything, and names the news sitemap."""
    return f"User-agent: *\nAllow: /\n\nSitemap: {site.url}{PATH}\n".encode()


def _say(parent: "etree._Element", name: str, text: str) -> None:
    said = parent.makeelement(f"{{{_NEWS}}}{name}")
    said.text = without_illegal(text)
    parent.append(said)


def _publication_name(site: Site) -> str:
    """The site's name without parts in parentheses, as the news sitemap's rules require."""
    return _IN_PARENTHESES.sub("", site.name).strip() or site.name


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, host and port (RFC 6454 §4); None if the port is not a number."""
    parts = urlsplit(url)
    try:
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
