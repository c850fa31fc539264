"""The front matter of a story, as Hugo, Jekyll and Pelican authors write it → an Article.

Knows what each key means; must not know how a file is parsed. The key `slug` is ignored on purpose: with it,
a story's id would change whenever its headline does, and an id must never change.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.domain.constraints import LONGEST_ID, LONGEST_LINE
from feedsvc.domain.model import Article, Term
from feedsvc.domain.slugs import humanized, section_path, slug
from feedsvc.domain.xml_text import without_illegal
from feedsvc.loading import availability, instants, media, nested_keys, people, unknown_keys
from feedsvc.loading.errors import FrontMatterError
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.generators import NO_SITE, Site
from feedsvc.loading.keys import KEYS
from feedsvc.loading.path import Place, place_of
from feedsvc.loading.plain import plain
from feedsvc.loading.values import (
    Written,
    address,
    as_flag,
    label,
    labels,
    language,
    normalised,
    plain_line,
    plain_text,
    story_id,
    web_address,
)

_BEGINS_AS_URL: Final = re.compile(r"https?://|/", re.IGNORECASE)
_PERMALINK_STYLES: Final = frozenset({"date", "pretty", "ordinal", "weekdate", "none"})
_PLACEHOLDER: Final = re.compile(r"(?:^|[/.-]):[a-z]")


def article(
    found: FrontMatter, path: str, zone: ZoneInfo, partners: tuple[str, ...] = (), site: Site = NO_SITE
) -> Article:
    """The article of one story file, still without its digest.

    `path` is the file's path relative to `content/`, with `/` between its parts; id, section and date are
    taken from it where the author wrote none. `zone` applies to dates without a zone; `partners` are the
    names of the configured partners; `site` names the generator, which decides the meaning of keys and
    folders that generators treat differently. Raises FieldError if a key has an invalid value, or is unknown
    and may be meant to hold the story back; FrontMatterError if something required is missing.
    """
    place = place_of(path)
    is_common = place.is_ordinary and found.fields.keys() <= _COMMON and site.generator != "nikola"
    if is_common and not nested_keys.has_table(found.all(*KEYS["authors"])):
        return _common_article(found, place, zone)
    return _any_article(found, place, zone, partners, site)


_COMMON: Final = frozenset({"title", "date", "section", "tags", "author", "authors", "summary"})
"""Most stories have no keys but these."""


def _common_article(found: FrontMatter, place: Place, zone: ZoneInfo) -> Article:
    """Returns what `_any_article` does for a story that has only common keys, in less than half the time."""
    title, body = _title_and_body(found)
    published = instants.published(found.first("date"), place, "published", zone)
    section, section_labels = _section(found, place)
    return Article(
        id=_id(found, place),
        title=title,
        published=published,
        updated=published,
        section=section,
        section_labels=section_labels,
        tags=_tags(found, section),
        authors=people.authors(found.first(*KEYS["authors"])),
        summary=_text(found, "summary"),
        body=body,
        markup=found.markup,
    )


def _any_article(
    found: FrontMatter, place: Place, zone: ZoneInfo, partners: tuple[str, ...], site: Site
) -> Article:
    holds = availability.holds(found, place, site.generator)
    status = availability.status(found, holds, site.generator)
    title, body = _title_and_body(found)
    published = instants.published(instants.first_published(found), place, status, zone)
    updated = instants.updated(found, zone, published)
    if status == "published":
        since = max(published, datetime.now(UTC))
        unknown_keys.refuse(found.fields, zone, since)
        nested_keys.refuse(found.fields, zone, since)
    section, section_labels = _section(found, place)
    is_withdrawn = status == "withdrawn"
    return Article(
        id=_id(found, place),
        title=title,
        published=published,
        updated=updated,
        url=_url(found),
        section=section,
        section_labels=section_labels,
        tags=_tags(found, section),
        authors=people.authors(found.first(*KEYS["authors"])),
        contributors=people.authors(found.first(*KEYS["contributors"])),
        source=people.source(found.first(*KEYS["source"])),
        original=_original(found),
        comments=_comments(found),
        dateline=_line(found, "dateline"),
        summary=_text(found, *KEYS["summary"]),
        body=body,
        markup=found.markup,
        language=_language(found),
        embargo=instants.embargo(found, zone, published),
        expires=instants.expires(found, zone),
        status=status,
        correction=_text(found, *KEYS["correction"]),
        withdrawal=availability.withdrawal(found, zone) if is_withdrawn else "",
        withdrawn=availability.withdrawn(found, zone, published, updated) if is_withdrawn else None,
        rights=_line(found, *KEYS["rights"]),
        access=availability.access(found, holds),
        held_by="; ".join(hold.words for hold in holds),
        syndication=availability.syndication(found, partners),
        images=media.images(found.first(*KEYS["images"])),
        enclosures=media.enclosures(found.first(*KEYS["enclosures"])),
    )


def _id(found: FrontMatter, place: Place) -> str:
    written = found.first(*KEYS["id"])
    if written is None:
        if not place.id or len(place.id) > LONGEST_ID:  # it consists of slugs: nothing else can be invalid
            raise FrontMatterError(1, "the file's name makes no id; write id: …", "id-missing")
        return place.id
    return story_id(written)


def _title_and_body(found: FrontMatter) -> tuple[str, str]:
    body = found.body.rstrip()
    body = body[body.rfind("\n", 0, len(body) - len(body.lstrip(" \t\n"))) + 1 :]  # without blank lines
    title = _line(found, "title")
    if not title and found.markup == "markdown" and body.startswith(("# ", "#\t")):
        heading, _, rest = body.partition("\n")
        if len(heading) > LONGEST_LINE:
            told = f"the heading is too long for a title; write at most {LONGEST_LINE} characters"
            raise FrontMatterError(found.body_line, told, "too-long")
        title, body = " ".join(plain(_heading_text(heading)).split()), rest.lstrip("\n")
    if not title and not body:
        told = "no title and no body; write title: … and the story below the front matter"
        raise FrontMatterError(1, told, "title-and-body-missing")
    return title, body


def _heading_text(heading: str) -> str:
    """The text of an ATX heading `# Text #`: https://spec.commonmark.org/0.31.2/#atx-headings"""
    words = heading.split()[1:]
    return " ".join(words[:-1] if words and not words[-1].strip("#") else words)


def _section(found: FrontMatter, place: Place) -> tuple[str, tuple[str, ...]]:
    if written := found.first("section"):
        return section_path(label(written))
    if categories := _categories(found):
        return section_path(categories[0])
    return _section_of(place.folders)


@lru_cache(maxsize=4_096)
def _section_of(folders: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    # Jekyll's folders _posts and _drafts hold stories, but are not sections.
    kept = [folder for folder in folders if slug(folder) and not folder.startswith("_")]
    readable = (without_illegal(humanized(folder)) or slug(folder) for folder in kept)
    return "/".join(slug(folder) for folder in kept), tuple(readable)


def _categories(found: FrontMatter) -> list[str]:
    written = found.first(*KEYS["categories"])
    return labels(written) if written else []


def _tags(found: FrontMatter, section: str) -> tuple[Term, ...]:
    written = found.first(*KEYS["tags"])
    terms: dict[str, Term] = {}
    for name in labels(written) if written else []:
        folded, term = _term(name)
        terms.setdefault(folded, term)
    for name in _categories(found):
        if slug(name) != section.rpartition("/")[2] and section_path(name)[0] != section:
            terms.setdefault(name.casefold(), Term(name, slug(name)))
    return tuple(terms.values())


@lru_cache(maxsize=16_384)
def _term(name: str) -> tuple[str, Term]:
    return name.casefold(), Term(name, slug(name))


def _url(found: FrontMatter) -> str | None:
    for written in found.all(*KEYS["url"]):
        if not _is_no_address(written):
            return address(written)
    return None


def _is_no_address(written: Written) -> bool:
    """Whether a `permalink` is not a URL: a pattern for Jekyll or Eleventy, or a flag for no page at all."""
    if normalised(written.key) != "permalink":
        return False
    if isinstance(written.value, str) and ("{{" in written.value or "{%" in written.value):
        return True
    return isinstance(written.value, dict) or as_flag(written.value) is False or _is_pattern(written)


def _is_pattern(written: Written) -> bool:
    """Whether the value is a pattern from which Jekyll makes URLs: https://jekyllrb.com/docs/permalinks/"""
    if not isinstance(written.value, str):
        return False
    return written.value.strip() in _PERMALINK_STYLES or bool(_PLACEHOLDER.search(written.value))


def _original(found: FrontMatter) -> str | None:
    written = found.first(*KEYS["original"])
    # Some themes have a flag under one of these names.
    return web_address(written) if written and as_flag(written.value) is None else None


def _comments(found: FrontMatter) -> str | None:
    """The URL of the comments page. Flags and settings that themes keep under these names are ignored."""
    for name in KEYS["comments"]:
        written = found.first(name)
        if written and isinstance(written.value, str) and _BEGINS_AS_URL.match(written.value.strip()):
            return address(written)
    return None


def _language(found: FrontMatter) -> str | None:
    written = found.first(*KEYS["language"])
    return language(written) if written else None


def _line(found: FrontMatter, *names: str) -> str:
    written = found.first(*names)
    return plain_line(written) if written else ""


def _text(found: FrontMatter, *names: str) -> str:
    written = found.first(*names)
    return plain_text(written) if written else ""
