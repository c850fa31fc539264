"""Computes the values of a story that all formats share, so that the formats cannot differ.

Pure: knows no format.
"""

import html
import posixpath
import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from feedsvc.domain import urls
from feedsvc.domain.model import PUBLIC_TERMS, Article, Author, Enclosure, Image, Site
from feedsvc.domain.rights import Terms
from feedsvc.domain.slugs import humanized
from feedsvc.html.sanitize import has_words, to_html, to_text

_SUMMARY_LENGTH = 300
_SHOWN = re.compile(r"<(?:img|video|audio|hr)\b")
UNTITLED = "Untitled"
"""The title of a story without one, where a format requires a title (RFC 4287 §4.1.2)."""
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)]*\s+(?![a-z])")
_ABBREVIATED = re.compile(r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|St|Sen|Gov|Gen|No|vs))\.$")


@dataclass(frozen=True, slots=True)
class Category:
    """A section or tag of a story; `scheme` is the URL below which all pages of that kind are."""

    label: str
    term: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Story:
    """One article as feeds show it: absolute URLs, instants in the site's zone to the second, safe text.

    `url` identifies the story; `link` is the URL that readers follow, with the partner's parameters. `footer`
    is the text that a partner's terms add below the story, as plain text; `html` already contains it.
    """

    id: str
    url: str
    link: str
    title: str
    summary: str
    html: str
    published: datetime
    modified: datetime
    is_modified: bool
    authors: tuple[Author, ...]
    contributors: tuple[Author, ...]
    categories: tuple[Category, ...]
    images: tuple[Image, ...]
    enclosures: tuple[Enclosure, ...]
    source: str
    source_id: str
    source_url: str
    original: str
    comments: str
    dateline: str
    correction: str
    language: str
    rights: str
    footer: str = ""


def story(site: Site, article: Article, terms: Terms = PUBLIC_TERMS) -> Story:
    """The values that feeds show of an article, under a partner's terms (the public's by default)."""
    zone = ZoneInfo(site.timezone)
    url = urls.story_url(site, article)
    identifier = urls.entry_id(site, article.id)
    body = to_html(article.body, article.markup, url)
    if not has_words(body) and not _SHOWN.search(body):
        body = ""  # only empty elements
    body = _without_kept_back(body, article, url)
    link = urls.with_parameters(url, terms.parameters)
    footer = _footer(terms, article, link, site)
    correction = f"<p><strong>Correction:</strong> {html.escape(article.correction)}</p>\n"
    shown = correction + body if article.correction else body
    return Story(
        id=identifier,
        url=url,
        link=link,
        title=article.title,
        summary=article.summary or summarized(to_text(body)),
        html=shown + footer if shown else "",
        published=article.visible_from.astimezone(zone).replace(microsecond=0),
        modified=article.modified.astimezone(zone).replace(microsecond=0),
        is_modified=article.modified > article.visible_from,
        authors=_people(article.authors or _credited(article)),
        contributors=_people(article.contributors),
        categories=_categories(site, article),
        images=_images(article, url),
        enclosures=_enclosures(article, url),
        source=article.source.label if article.source else "",
        source_id=urls.source_id(site, article.source.slug) if article.source else "",
        source_url=_source_url(site, article),
        original=urls.uri(article.original) if article.original else "",
        comments=urls.absolute(url, article.comments) if article.comments else "",
        dateline=article.dateline,
        correction=article.correction,
        language=article.language or site.language,
        rights=article.rights,
        footer=to_text(footer),
    )


def all_there_is(told: Story) -> str:
    """A story's text in a feed of summaries, with the correction and footer that the full text would have."""
    corrected = f"Correction: {told.correction} {told.summary}" if told.correction else told.summary
    return f"{corrected} {told.footer}".strip() if told.footer else corrected.rstrip()


def summarized(text: str) -> str:
    """The first whole sentences of a text, up to 300 characters; a longer first one is cut at a word."""
    if len(text) <= _SUMMARY_LENGTH:
        return text
    end = 0
    for found in _SENTENCE_END.finditer(text, 0, _SUMMARY_LENGTH + 1):
        if not _ABBREVIATED.search(text, 0, found.start()):
            end = found.start() + len(found.group().rstrip())
    if end:
        return text[:end]
    return text[: _SUMMARY_LENGTH - 1].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"


def _credited(article: Article) -> tuple[Author, ...]:
    """The agency, as the author of agency copy without a byline."""
    return (Author(article.source.label, article.source.slug),) if article.source else ()


def _people(authors: tuple[Author, ...]) -> tuple[Author, ...]:
    """The authors, with their links only where they are web addresses."""
    return tuple(
        author
        if author.url is None
        else replace(author, url=urls.uri(author.url) if _is_web(author.url) else None)
        for author in authors
    )


def _source_url(site: Site, article: Article) -> str:
    agency = site.agencies.get(article.source.slug) if article.source else None
    return (agency.url if agency else None) or ""


def _categories(site: Site, article: Article) -> tuple[Category, ...]:
    found = [Category(tag.label, tag.slug, f"{site.url}/tags/") for tag in article.tags]
    if article.section:
        label = article.section_labels[-1] if article.section_labels else humanized(article.section)
        found.insert(0, Category(label, article.section, f"{site.url}/sections/"))
    return tuple(found)


def _images(article: Article, base: str) -> tuple[Image, ...]:
    kept_back = _KeptBack(article, base)
    located = ((urls.absolute(base, image.url), image) for image in article.images)
    return tuple(
        replace(
            image,
            url=url,
            alt=image.alt.strip(),
            caption=image.caption.strip(),
            credit=image.credit.strip(),
        )
        for url, image in located
        if _is_web(url) and not kept_back.holds(url)
    )


def _enclosures(article: Article, base: str) -> tuple[Enclosure, ...]:
    kept_back = _KeptBack(article, base)
    located = ((urls.absolute(base, one.url), one) for one in article.enclosures)
    return tuple(
        Enclosure(url, one.type, one.length)
        for url, one in located
        if _is_web(url) and not kept_back.holds(url)
    )


class _KeptBack:
    """The images of a story that may not be syndicated, recognised however their URLs are written."""

    def __init__(self, article: Article, base: str) -> None:
        refused = (image for image in article.images if not image.may_syndicate)
        self._places = {_place(urls.absolute(base, image.url)) for image in refused}

    def __bool__(self) -> bool:
        return bool(self._places)

    def holds(self, url: str) -> bool:
        """Whether a URL is that of such an image, or of the same image in another size (another query)."""
        place = _place(url)
        return place in self._places or (place[0], place[1], "") in self._places


def _place(url: str) -> tuple[str, str, str]:
    """Host, path and query of a URL, normalised: equal for the same image (RFC 3986 §6.2.2)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(":443").removesuffix(":80")
    return host, posixpath.normpath(unquote(parts.path) or "/"), unquote(parts.query)


_BLOCK = re.compile(r"\s*<(?:p|div|section|aside|footer|blockquote|ul|ol|h[1-6]|hr)\b", re.IGNORECASE)
_TAG = re.compile(r"<[a-z][^<>]*>")
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')


def _without_kept_back(body: str, article: Article, base: str) -> str:
    """A body (as the sanitiser writes it) without the images that may not be syndicated."""
    kept_back = _KeptBack(article, base)
    if not kept_back:
        return body

    def names_one(attribute: tuple[str, str]) -> bool:
        name, value = attribute[0], html.unescape(attribute[1])
        named = [part.rstrip(",") for part in value.split()] if name == "srcset" else [value.strip()]
        return any(kept_back.holds(urls.absolute(base, url)) for url in named if url)

    def without(tag: re.Match[str]) -> str:
        if not any(map(names_one, _ATTRIBUTE.findall(tag[0]))):
            return tag[0]
        if tag[0].startswith(("<img", "<source")):
            return ""
        return _ATTRIBUTE.sub(lambda found: "" if names_one((found[1], found[2])) else found[0], tag[0])

    return _TAG.sub(without, body)


def _footer(terms: Terms, article: Article, link: str, site: Site) -> str:
    """The HTML that a partner's terms add below the story, sanitised; "" where the terms have no footer."""
    if not terms.footer:
        return ""
    source = article.source.label if article.source else site.name
    values = {"title": article.title, "url": link, "source": source}
    filled = terms.footer.format(**{name: html.escape(value) for name, value in values.items()})
    return to_html(filled if _BLOCK.match(terms.footer) else f"<p>{filled}</p>", "html", link)


def _is_web(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
