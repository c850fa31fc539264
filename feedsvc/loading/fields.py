"""The keys of a story, as Hugo, Jekyll and Pelican authors write them → an Article.

Knows what each key means and which names it goes by; never how a file is taken apart. `slug` is understood
and ignored: it would move a story's id when its headline changes, and an id must not move.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.characters import without_illegal
from feedsvc.domain.constraints import LONGEST_ID
from feedsvc.loading import dates, media, people
from feedsvc.loading.faults import FieldError, FrontMatterError
from feedsvc.loading.front_matter import FrontMatter
from feedsvc.loading.plain import plain
from feedsvc.loading.values import (
    Written,
    address,
    as_flag,
    flag,
    label,
    labels,
    language,
    line,
    normalised,
    plain_line,
    plain_text,
    story_id,
    web_address,
)
from feedsvc.model import BEGINNING, Article, Status, Term
from feedsvc.rights import ACCESSES, LEVELS, Access, Level
from feedsvc.slugs import humanized, section_path, slug

_DATED_NAME: Final = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})-.", re.ASCII)
_BLANK_START: Final = re.compile(r"(?:[ \t]*\n)+")
_LIKE_A_DATE: Final = re.compile(r"\d{4}[-/][\d\sTtZz:.,+/-]*", re.ASCII)
_BEGINS_AS_URL: Final = re.compile(r"https?://|/", re.IGNORECASE)
_PERMALINK_STYLES: Final = frozenset({"date", "pretty", "ordinal", "weekdate", "none"})
_PLACEHOLDER: Final = re.compile(r"(?:^|[/.-]):[a-z]")
_A_DATE: Final = "write 2026-02-11 or 2026-02-11T14:00:00+01:00"
_DATES: Final = ("date", "published", "publisheddate", "pubdate", "created", "datepublished", "publishdate")
_UPDATES: Final = ("updated", "lastmod", "modified", "lastmodifiedat", "dateupdated", "datemodified")
_IMAGES: Final = ("images", "image", "cover", "featuredimage", "thumbnail", "hero")
_ENCLOSURES: Final = ("enclosures", "enclosure", "audio", "podcast", "attachments")
_STATUSES: Final[dict[str, Status]] = {
    "draft": "draft",
    "hidden": "draft",
    "skip": "draft",
    "published": "published",
    "withdrawn": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """What a file's path says of its story."""

    id: str
    folders: tuple[str, ...]
    day: str


def _place(path: str) -> _Place:
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    if folder and stem.lower() == "index":
        folder, _, stem = folder.rpartition("/")
    folders, below = _folders(folder)
    made = f"{below}/{slug(stem)}".strip("/")
    dated = _DATED_NAME.match(stem)
    return _Place(made, folders, dated[1] if dated else "")


@lru_cache(maxsize=4_096)  # many stories are in each folder
def _folders(path: str) -> tuple[tuple[str, ...], str]:
    """The folders of a path, and the part of an id that they make."""
    folders = tuple(path.split("/")) if path else ()
    return folders, "/".join(part for folder in folders if (part := slug(folder)))


def article(found: FrontMatter, path: str, zone: ZoneInfo, partners: tuple[str, ...] = ()) -> Article:
    """The article of one story file, yet without its digest.

    `path` is the file's, relative to `content/`, with `/` between its parts; it gives id, section and date
    where the author wrote none. `zone` holds for dates that name none. Raises FieldError if a key holds what
    it cannot, FrontMatterError if something is missing.
    """
    place = _place(path)
    if found.fields.keys() <= _COMMON and "_drafts" not in place.folders:
        return _common_article(found, place, zone)
    return _any_article(found, place, zone, partners)


_COMMON: Final = frozenset({"title", "date", "section", "tags", "author", "authors", "summary"})
"""The keys that most stories have no other beside."""


def _common_article(found: FrontMatter, place: _Place, zone: ZoneInfo) -> Article:
    """What `_any_article` makes of a story with nothing but common keys, in less than half the time."""
    title, body = _title_and_body(found)
    published = _published(found.first("date"), place, "published", zone)
    section, section_labels = _section(found, place)
    return Article(
        id=_id(found, place),
        title=title,
        published=published,
        updated=published,
        section=section,
        section_labels=section_labels,
        tags=_tags(found, section),
        authors=people.authors(found.first("authors", "author")),
        summary=_text(found, "summary"),
        body=body,
        markup=found.markup,
    )


def _any_article(found: FrontMatter, place: _Place, zone: ZoneInfo, partners: tuple[str, ...]) -> Article:
    status = _status(found, place)
    title, body = _title_and_body(found)
    published = _published(next(iter(_dated(found, *_DATES)), None), place, status, zone)
    updated = max(_first_instant(found, zone, *_UPDATES) or published, published)
    section, section_labels = _section(found, place)
    return Article(
        id=_id(found, place),
        title=title,
        published=published,
        updated=updated,
        url=_url(found),
        section=section,
        section_labels=section_labels,
        tags=_tags(found, section),
        authors=people.authors(found.first("authors", "author", "byline", "creator")),
        contributors=people.authors(found.first("contributors", "contributor")),
        source=people.source(found.first("source", "agency", "credit")),
        original=_original(found),
        comments=_comments(found),
        dateline=_line(found, "dateline"),
        summary=_text(found, "summary", "description", "excerpt"),
        body=body,
        markup=found.markup,
        language=_language(found),
        embargo=_embargo(found, zone, published),
        expires=min(_instants(found, zone, "expires", "expirydate", "unpublishdate"), default=None),
        status=status,
        correction=_text(found, "correction", "corrected"),
        withdrawal=_withdrawal(found, zone) if status == "withdrawn" else "",
        withdrawn=_withdrawn(found, zone, published, updated) if status == "withdrawn" else None,
        rights=_line(found, "rights", "copyright", "license"),
        access=_access(found),
        syndication=_syndication(found, partners),
        images=media.images(found.first(*_IMAGES)),
        enclosures=media.enclosures(found.first(*_ENCLOSURES)),
    )


def _id(found: FrontMatter, place: _Place) -> str:
    written = found.first("id", "guid")
    if written is None:
        if not place.id or len(place.id) > LONGEST_ID:  # of slugs, which hold nothing else that is unfit
            raise FrontMatterError(1, "the file's name makes no id; write id: …", "id-missing")
        return place.id
    return story_id(written)


def _title_and_body(found: FrontMatter) -> tuple[str, str]:
    body = found.body.rstrip()
    if blank := _BLANK_START.match(body):
        body = body[blank.end() :]
    title = _line(found, "title")
    if not title and found.markup == "markdown" and body.startswith(("# ", "#\t")):
        heading, _, rest = body.partition("\n")
        title, body = " ".join(plain(_heading_text(heading)).split()), rest.lstrip("\n")
    if not title and not body:
        told = "no title and no body; write title: … and the story below the front matter"
        raise FrontMatterError(1, told, "title-and-body-missing")
    return title, body


def _heading_text(heading: str) -> str:
    """The words of `# Words #`: https://spec.commonmark.org/0.31.2/#atx-headings"""
    words = heading.split()[1:]
    return " ".join(words[:-1] if words and not words[-1].strip("#") else words)


def _status(found: FrontMatter, place: _Place) -> Status:
    explicit = found.first("status")
    status = _STATUSES.get(line(explicit).lower()) if explicit else None
    if explicit and status is None:
        raise explicit.unfit("is not a status; write draft, published or withdrawn", "status-unknown")
    withdrawn = found.first("withdrawn")
    if status == "withdrawn" or (withdrawn and as_flag(withdrawn.value) is not False):
        return "withdrawn"
    draft, published = found.first("draft"), found.first("published")
    if (
        status == "draft"
        or (draft and flag(draft))
        or (published and as_flag(published.value) is False)
        or "_drafts" in place.folders
    ):
        return "draft"
    # A reason for withdrawing a story is not written on one that is meant to stay out.
    if status is None and found.first("withdrawal", "withdrawnreason"):
        return "withdrawn"
    return "published"


def _withdrawal(found: FrontMatter, zone: ZoneInfo) -> str:
    written = found.first("withdrawn")
    if written and as_flag(written.value) is None and _withdrawn_at(written, zone) is None:
        return plain_text(written)
    return _text(found, "withdrawal", "withdrawnreason", "reason")


def _withdrawn(found: FrontMatter, zone: ZoneInfo, published: datetime, updated: datetime) -> datetime | None:
    """When the story was withdrawn: the date its author wrote, else that of its last change."""
    written = found.first("withdrawn")
    if written and (moment := _withdrawn_at(written, zone)):
        return moment
    return updated if updated > published else None


def _withdrawn_at(written: Written, zone: ZoneInfo) -> datetime | None:
    """The date under `withdrawn`, which may hold a flag or a reason instead."""
    if as_flag(written.value) is not None:
        return None
    if moment := dates.instant(written.value, zone):
        return max(moment, BEGINNING)
    if isinstance(written.value, str) and not _LIKE_A_DATE.fullmatch(written.value.strip()):
        return None
    raise written.unfit(f"is not a date; {_A_DATE}", "date-invalid")


def _embargo(found: FrontMatter, zone: ZoneInfo, published: datetime) -> datetime | None:
    """The latest of the instants before which some key wants the story kept back: a story never leaks."""
    dated = [moment for moment in _instants(found, zone, *_DATES) if moment > published]
    return max([*_instants(found, zone, "embargo", "publishdate"), *dated], default=None)


def _published(written: Written | None, place: _Place, status: Status, zone: ZoneInfo) -> datetime:
    if written:
        return _instant(written, zone)
    if moment := dates.instant(place.day, zone):
        return max(moment, BEGINNING)
    if status == "published":
        raise FrontMatterError(1, f"no date; {_A_DATE} after date:", "date-missing")
    return BEGINNING


def _dated(found: FrontMatter, *names: str) -> list[Written]:
    """What stands under these keys, but for Jekyll's `published: false`, which is no date."""
    flag_of_jekyll = found.first("published")
    return [
        written
        for written in found.all(*names)
        if written is not flag_of_jekyll or as_flag(written.value) is None
    ]


def _instants(found: FrontMatter, zone: ZoneInfo, *names: str) -> list[datetime]:
    return [_instant(written, zone) for written in _dated(found, *names)]


def _first_instant(found: FrontMatter, zone: ZoneInfo, *names: str) -> datetime | None:
    written = found.first(*names)
    return _instant(written, zone) if written else None


def _instant(written: Written, zone: ZoneInfo) -> datetime:
    moment = dates.instant(written.value, zone)
    if moment is None:
        raise written.unfit(f"is not a date; {_A_DATE}", "date-invalid")
    if moment < BEGINNING:
        raise written.unfit("is before 1970; write a later date", "date-too-early")
    return moment


def _section(found: FrontMatter, place: _Place) -> tuple[str, tuple[str, ...]]:
    if written := found.first("section"):
        return section_path(label(written))
    if categories := _categories(found):
        return section_path(categories[0])
    return _section_of(place.folders)


@lru_cache(maxsize=4_096)
def _section_of(folders: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    # Jekyll's _posts and _drafts hold stories, but are no section.
    kept = [folder for folder in folders if slug(folder) and not folder.startswith("_")]
    readable = (without_illegal(humanized(folder)) or slug(folder) for folder in kept)
    return "/".join(slug(folder) for folder in kept), tuple(readable)


def _categories(found: FrontMatter) -> list[str]:
    written = found.first("categories", "category")
    return labels(written) if written else []


def _tags(found: FrontMatter, section: str) -> tuple[Term, ...]:
    written = found.first("tags", "tag", "keywords")
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
    for written in found.all("url", "permalink", "canonical", "canonicalurl", "link"):
        if not _is_pattern(written):
            return address(written)
    return None


def _is_pattern(written: Written) -> bool:
    """Whether it is no URL but how Jekyll is to make one: https://jekyllrb.com/docs/permalinks/"""
    if normalised(written.key) != "permalink" or not isinstance(written.value, str):
        return False
    return written.value.strip() in _PERMALINK_STYLES or bool(_PLACEHOLDER.search(written.value))


def _original(found: FrontMatter) -> str | None:
    written = found.first("original", "originalurl", "externalurl", "sourceurl")
    # Themes have flags of this name.
    return web_address(written) if written and as_flag(written.value) is None else None


def _comments(found: FrontMatter) -> str | None:
    """The page of comments; what else themes keep under these names (flags, settings) is left alone."""
    for name in ("comments", "commentsurl", "commentslink"):
        written = found.first(name)
        if written and isinstance(written.value, str) and _BEGINS_AS_URL.match(written.value.strip()):
            return address(written)
    return None


def _access(found: FrontMatter) -> Access:
    written = found.first("access")
    if written is None:
        return "public"
    access = next((one for one in ACCESSES if one == line(written).lower()), None)
    if access is None:
        raise written.unfit(f"is no access; write {', '.join(ACCESSES)}", "access-unknown")
    return access


def _syndication(found: FrontMatter, partners: tuple[str, ...]) -> tuple[tuple[str, Level], ...]:
    """How much of the story whom may have. A level alone is for partners: it is they who syndicate."""
    written = found.first("syndication", "syndicate")
    if written is None:
        return ()
    if not isinstance(written.value, dict):
        return (("partners", _level(written)),)
    levels: dict[str, Level] = {}
    for name, value in written.value.items():
        whom = str(name).strip().lower()
        if whom not in {"public", "partners", *partners}:
            wanted = " or ".join(["public", "partners", *partners])
            told = f"{written.key}: {str(name)[:60]!r} is nobody it could be for; write {wanted}"
            raise FieldError(written.key, told, "syndication-unknown")
        levels[whom] = _level(Written(written.key, value, f".{name}"))
    return tuple(sorted(levels.items()))


def _level(written: Written) -> Level:
    said = as_flag(written.value)
    if said is not None:
        return "full" if said else "none"
    level = next((one for one in LEVELS if one == line(written).lower()), None)
    if level is None:
        raise written.unfit("is no right; write full, summary, headline or none", "syndication-unknown")
    return level


def _language(found: FrontMatter) -> str | None:
    written = found.first("language", "lang")
    return language(written) if written else None


def _line(found: FrontMatter, *names: str) -> str:
    written = found.first(*names)
    return plain_line(written) if written else ""


def _text(found: FrontMatter, *names: str) -> str:
    written = found.first(*names)
    return plain_text(written) if written else ""
