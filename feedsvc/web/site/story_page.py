"""Computes what pages show of a story: values that templates print as they are, with safe URLs only.

Pure: no store, no clock, no request. The caller decides whether the story may be seen.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, ParamSpec
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from feedsvc.domain import urls
from feedsvc.domain.model import Article, Enclosure, Image, Site
from feedsvc.domain.slugs import humanized
from feedsvc.web.site.directory import PageLink

P = ParamSpec("P")

Direction = Literal["ltr", "rtl", "auto"]

_DESCRIPTION_LENGTH = 200
_HEADLINE_LENGTH = 80
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_RTL_LANGUAGES = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "nqo", "prs", "ps", "sd", "syr", "ug", "ur", "yi"}
)
_RTL_SCRIPTS = frozenset({"adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"})


class Moment(NamedTuple):
    """An instant in the site's zone: in ISO 8601 for machines, and in words."""

    iso: str
    text: str


class Credit(NamedTuple):
    """An author: name, and path of the author's page."""

    name: str
    page: str


class Picture(NamedTuple):
    """An image with an absolute URL. Sizes are in pixels, None if not known."""

    url: str
    width: int | None
    height: int | None
    alt: str
    caption: str
    credit: str


class Attachment(NamedTuple):
    """An enclosure with an absolute URL. `kind` is the type part of its media type, `size` is in words."""

    url: str
    name: str
    media_type: str
    kind: str
    size: str


@dataclass(frozen=True, slots=True)
class Teaser:
    """A story as lists show it."""

    title: str
    url: str
    language: str | None
    direction: Direction
    published: Moment
    section: PageLink | None
    dateline: str
    source: str
    authors: tuple[str, ...]
    summary: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class StoryPage:
    """A story as its own page shows it. `linked_data` is schema.org's NewsArticle.

    `body` is safe HTML that fits below the page's own h1.
    """

    title: str
    url: str
    language: str
    direction: Direction
    section: PageLink | None
    summary: str
    description: str
    published: Moment
    updated: Moment | None
    authors: tuple[Credit, ...]
    source: str
    dateline: str
    correction: str
    lead: Picture | None
    body: str
    pictures: tuple[Picture, ...]
    attachments: tuple[Attachment, ...]
    tags: tuple[PageLink, ...]
    rights: str
    preview: str | None
    linked_data: Mapping[str, Any]


def teaser(site: Site, article: Article, section: PageLink | None) -> Teaser:
    """What lists show of an article. `section` is the page of its section, None if it is not to be named."""
    url = story_url(site, article)
    return Teaser(
        title=headline(article, url),
        url=url,
        language=article.language,
        direction=direction(article.language),
        published=moment(site, article.visible_from),
        section=section,
        dateline=article.dateline,
        source=article.source.label if article.source else "",
        authors=tuple(author.name for author in article.authors),
        summary=article.summary,
        picture=next(iter(_pictures(article, url)), None),
    )


def story_page(site: Site, article: Article, section: PageLink | None) -> StoryPage:
    """What the article's own page shows. `section` is the page of its section, if it has one."""
    from feedsvc.html.sanitize import to_html, to_text  # here: workers that only serve feeds save 3 MB

    url = story_url(site, article)
    body = to_html(article.body, article.markup, url)
    # Without pictures that the text already shows: they would be seen twice.
    pictures = tuple(one for one in _pictures(article, url) if html.escape(one.url) not in body)
    description = article.summary or _shortened(to_text(body), _DESCRIPTION_LENGTH)
    preview = _preview(article, url)
    return StoryPage(
        title=headline(article, url),
        url=url,
        language=article.language or site.language,
        direction=direction(article.language or site.language),
        section=section,
        summary=article.summary,
        description=description,
        published=moment(site, article.visible_from),
        updated=moment(site, article.modified) if article.modified > article.visible_from else None,
        authors=tuple(
            Credit(one.name, urls.mounted(site, urls.page_path(f"authors/{one.slug}")))
            for one in article.authors
        ),
        source=article.source.label if article.source else "",
        dateline=article.dateline,
        correction=article.correction,
        lead=pictures[0] if pictures else None,
        body=_within_page(body),
        pictures=pictures[1:],
        attachments=_attachments(article, url),
        tags=tuple(
            PageLink(tag.label, urls.mounted(site, urls.page_path(f"tags/{tag.slug}")))
            for tag in article.tags
        ),
        rights=article.rights,
        preview=preview,
        linked_data=_linked_data(site, article, url, description, preview),
    )


_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [^\s"=<>]+="[^"]*")*)>')
"""A tag as the sanitiser writes it. Every tag is matched, so that none is found inside an attribute."""


_MEDIA = re.compile("<(?:img|audio|video)")


def _within_page(body: str) -> str:
    """Safe HTML (what `to_html` returns) as a part of the page, whose only h1 is the headline.

    If the body has an h1, all its headings go down by one level, which keeps their order. An image without
    alt is taken for decoration (alt=""), or screen readers would read out its URL. Players get controls;
    feeds omit them, because validators reject them.
    """
    has_h1 = "<h1" in body

    def fitting(tag: re.Match[str]) -> str:
        slash, name, attributes = tag.groups()
        if name == "img" and ' alt="' not in attributes:
            return f'<img{attributes} alt="">'
        if name in {"audio", "video"} and not slash:
            return f"<{name} controls{attributes}>"
        if has_h1 and len(name) == 2 and name[0] == "h" and name[1] in "12345":
            return f"<{slash}h{int(name[1]) + 1}{attributes}>"
        return tag[0]

    return _TAG.sub(fitting, body) if has_h1 or _MEDIA.search(body) else body


def headline(article: Article, url: str) -> str:
    """A story's headline: its title, or its first words if it has none."""
    if article.title:
        return article.title
    from feedsvc.html.sanitize import to_html, to_text

    words = article.summary or to_text(to_html(article.body, article.markup, url))
    return _shortened(words, _HEADLINE_LENGTH) or "Untitled"


def story_url(site: Site, article: Article) -> str:
    """The URL of a story's links: the canonical one, or its page on this site if that is no web address."""
    return _web_url(urls.story_url, site, article) or site.url + urls.story_path(article.id)


def section_label(article: Article) -> str:
    """The section's name as the story's author wrote it."""
    name = article.section.rpartition("/")[2]
    return article.section_labels[-1] if article.section_labels else humanized(name)


def direction(language: str | None) -> Direction:
    """The writing direction of a language (a BCP 47 tag), by its script if the tag names one.

    "auto" if the language is not known: browsers then use the direction of the text's first letter.
    """
    if not language:
        return "auto"
    name, *subtags = language.lower().replace("_", "-").split("-")
    script = next((one for one in subtags[:2] if len(one) == 4 and one.isalpha()), None)
    if script:
        return "rtl" if script in _RTL_SCRIPTS else "ltr"
    return "rtl" if name in _RTL_LANGUAGES else "ltr"


def moment(site: Site, instant: datetime) -> Moment:
    """An instant (aware) in the site's time zone, in words: `20 November 2026, 06:45 CET`."""
    local = instant.astimezone(ZoneInfo(site.timezone))
    day = f"{local.day} {_MONTHS[local.month - 1]} {local.year}"
    return Moment(local.isoformat(timespec="seconds"), f"{day}, {local:%H:%M} {local.tzname()}")


def _web_url(make: Callable[P, str], *args: P.args, **kwargs: P.kwargs) -> str | None:
    """The URL that `make` returns, if its scheme is http or https; else None.

    Errors give None, too, so that one bad URL does not break a whole page.
    """
    try:
        url = make(*args, **kwargs)
        found = urlsplit(url)
    except ValueError:
        return None
    return url if found.scheme in {"http", "https"} and found.netloc else None


def _pictures(article: Article, base: str) -> list[Picture]:
    located = ((_web_url(urls.absolute, base, image.url), image) for image in article.images)
    return [_picture(url, image) for url, image in located if url]


def _picture(url: str, image: Image) -> Picture:
    return Picture(url, image.width, image.height, image.alt, image.caption, image.credit)


def _preview(article: Article, base: str) -> str | None:
    """The URL of the image that other sites may show beside a link to the story."""
    located = (_web_url(urls.absolute, base, image.url) for image in article.images if image.may_syndicate)
    return next((url for url in located if url), None)


def _attachments(article: Article, base: str) -> tuple[Attachment, ...]:
    located = ((_web_url(urls.absolute, base, one.url), one) for one in article.enclosures)
    return tuple(_attachment(url, one) for url, one in located if url)


def _attachment(url: str, enclosure: Enclosure) -> Attachment:
    return Attachment(
        url=url,
        name=urlsplit(url).path.rpartition("/")[2] or url,
        media_type=enclosure.type,
        kind=enclosure.type.partition("/")[0],
        size=_size(enclosure.length),
    )


def _size(length: int) -> str:
    """A length in bytes as kB or MB; "" if it is not known."""
    if length <= 0:
        return ""
    if length < 1_000_000:
        return f"{max(round(length / 1000), 1)} kB"
    return f"{length / 1_000_000:.1f} MB"


def _shortened(text: str, most: int) -> str:
    """The text, cut at a word if it is longer than `most` characters."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"


def _linked_data(
    site: Site, article: Article, url: str, description: str, preview: str | None
) -> dict[str, Any]:
    """schema.org's NewsArticle (https://schema.org/NewsArticle), without properties that have no value."""
    said = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": headline(article, url),
        "description": description,
        "mainEntityOfPage": url,
        "inLanguage": article.language or site.language,
        "datePublished": moment(site, article.visible_from).iso,
        "dateModified": moment(site, article.modified).iso,
        "author": [
            {"@type": "Person", "name": one.name, "url": urls.page_url(site, f"authors/{one.slug}")}
            for one in article.authors
        ],
        "sourceOrganization": {"@type": "Organization", "name": article.source.label}
        if article.source
        else None,
        "publisher": {"@type": "Organization", "name": site.name, "url": site.url},
        "image": preview,
        "correction": article.correction,
        "keywords": [tag.label for tag in article.tags],
    }
    return {name: value for name, value in said.items() if value}
