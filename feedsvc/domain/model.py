"""The values that travel through feedsvc, one per stage.

Pure: no I/O, no clock, no configuration object, and nothing imported from the rest but `rights`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import TypeAdapter

from feedsvc.domain.rights import Access, Level, Terms

Status = Literal["draft", "published", "withdrawn"]
Markup = Literal["markdown", "html", "text"]
Format = Literal["rss", "atom", "json"]
ContentMode = Literal["full", "summary"]
Order = Literal["newest", "oldest", "updated"]
Field = Literal["title", "summary", "content", "image", "author"]

FORMATS: tuple[Format, ...] = ("rss", "atom", "json")
CONTENT_TYPES: dict[Format, str] = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest instant feedsvc writes; also the date of a draft that has none, which no feed shows."""


@dataclass(frozen=True, slots=True)
class Term:
    """A label as its author wrote it, and the slug that names its feed: a tag, or an agency."""

    label: str
    slug: str


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a story. `slug` names the author's feed."""

    name: str
    slug: str
    email: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a story. `url` may be relative to the story's own URL; sizes are in pixels."""

    url: str
    type: str | None = None
    width: int | None = None
    height: int | None = None
    alt: str = ""
    caption: str = ""
    credit: str = ""
    may_syndicate: bool = True


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes with a story. `length` is in bytes; 0 means it is not known."""

    url: str
    type: str
    length: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One story as it stands.

    `id` is never derived from the URL once written. `url` is absolute, or a path on the site; None means the
    story page that feedsvc shows. `section` is a path of slugs (`world/middle-east`, "" for none), and
    `section_labels` the same path as its author wrote it. `source` is the agency whose copy it is, `original`
    the URL where that first stood, `comments` that of a page of comments. `body` is source text in `markup`.
    `correction` and `withdrawal` are notes for readers, `withdrawn` the instant if its author wrote one.
    `access` is whom it is for, `syndication` how much of it whom may have: `public`, `partners`, or a partner
    by name. `held_by` says what of another system in its file keeps it back: `unlisted: true`. All instants
    are aware UTC. `digest` is the version: equal articles have equal digests (see `versioned`).
    """

    id: str
    title: str
    published: datetime
    updated: datetime
    url: str | None = None
    section: str = ""
    section_labels: tuple[str, ...] = ()
    tags: tuple[Term, ...] = ()
    authors: tuple[Author, ...] = ()
    contributors: tuple[Author, ...] = ()
    source: Term | None = None
    original: str | None = None
    comments: str | None = None
    dateline: str = ""
    summary: str = ""
    body: str = ""
    markup: Markup = "markdown"
    language: str | None = None
    embargo: datetime | None = None
    expires: datetime | None = None
    status: Status = "published"
    correction: str = ""
    withdrawal: str = ""
    withdrawn: datetime | None = None
    rights: str = ""
    access: Access = "public"
    held_by: str = ""
    syndication: tuple[tuple[str, Level], ...] = ()
    images: tuple[Image, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    digest: str = ""

    @property
    def visible_from(self) -> datetime:
        """The instant of first publication to anyone: not before `published`, nor before `embargo`."""
        return max(self.published, self.embargo) if self.embargo else self.published

    @property
    def modified(self) -> datetime:
        """The newest instant at which what a reader sees changed; never before the story was visible."""
        return max(self.updated, self.visible_from)


ARTICLE: TypeAdapter[Article] = TypeAdapter(Article)
"""Turns an Article into JSON and back (`dump_json`, `validate_json`)."""


def versioned(article: Article) -> Article:
    """The same article with its `digest` set: 32 hex digits of BLAKE2b over every other field."""
    return with_json(replace(article, digest=""))[0]


def with_json(unversioned: Article) -> tuple[Article, str]:
    """An article that was made just now, with its digest (see `versioned`), and the JSON of that."""
    content = ARTICLE.dump_json(unversioned)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    # Nobody has seen it yet, and to make another takes a tenth of what reading a story takes.
    object.__setattr__(unversioned, "digest", digest)
    # The digest stands last in it: "digest":""}
    return unversioned, f'{content[:-2].decode()}{digest}"}}'


def to_micros(instant: datetime) -> int:
    """Aware datetime → microseconds since 1970, exactly."""
    return (instant - BEGINNING) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Microseconds since 1970 → aware UTC datetime, exactly."""
    return BEGINNING + timedelta(microseconds=micros)


_MICROSECOND = timedelta(microseconds=1)


class Placed(NamedTuple):
    """An article as the store takes it: its JSON, and its place in each of its feeds.

    `places` are those of a published story, as JSON: {feed key: minus the microseconds since 1970 that it
    ranks by there, …}; `keys` are its feeds whatever its status. `visible_from` and `visible_until` are in
    microseconds, and so is `published`, which is None where it is the same as `visible_from`. `source` is the
    slug of its agency, or "".
    """

    id: str
    digest: str
    status: Status
    visible_from: int
    visible_until: int | None
    published: int | None
    places: str
    keys: tuple[str, ...]
    json: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one story: `old` is None for a new one, `new` is None for one that was removed."""

    old: Article | None
    new: Article | None

    @property
    def article_id(self) -> str:
        """Which story it is."""
        article = self.new or self.old
        assert article is not None
        return article.id


@dataclass(frozen=True, slots=True)
class Note:
    """Something odd in a story that was mended on loading. `line` counts from 1; `rule` names the kind."""

    line: int
    reason: str
    rule: str = "text-mended"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A story file that became an article. `path` is relative to `content/`, with `/` between its parts.

    `json` is that of the article, which came about when its digest was made; `fingerprint` is that of the
    file's bytes. `says_status` tells whether the file itself says whether the story is withdrawn, instead of
    leaving it to the default.
    """

    path: str
    article: Article
    notes: tuple[Note, ...] = ()
    json: str = ""
    fingerprint: str = ""
    says_status: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A story file that could not become an article: where, and what to write instead.

    `rule` names the kind of fault (`date-invalid`); `article_id` is the id the file claims, if the reason is
    that another file has it. `may_hold` says that something in the file may be meant to hold the story back,
    so that an earlier version of it must not stay out either.
    """

    path: str
    line: int
    reason: str
    article_id: str | None = None
    rule: str = "story-unreadable"
    may_hold: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CustomFeed:
    """A feed an editor defines: every story that some include list names, less the excluded ones.

    Without include lists it starts from every story.
    Sections are paths of slugs and hold their sub-sections; tags, authors and sources are slugs.
    """

    name: str
    order: Order = "newest"
    include_sections: tuple[str, ...] = ()
    include_tags: tuple[str, ...] = ()
    include_authors: tuple[str, ...] = ()
    include_sources: tuple[str, ...] = ()
    exclude_sections: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    exclude_authors: tuple[str, ...] = ()
    exclude_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency as the configuration names it; `url` is its site."""

    name: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """What every feed says of the newsroom. `url` has no slash at its end; `authority` is RFC 4151's.

    `editor` and `webmaster` are e-mail addresses in the form `desk@example.org (The Desk)`. `logo` is a
    picture for feeds, at most 144 by 400 pixels for RSS; `icon` a square one of 512, `favicon` one of 64.
    """

    name: str
    url: str
    language: str
    authority: str
    timezone: str = "UTC"
    rights: str = ""
    description: str = ""
    hub: str | None = None
    editor: str = ""
    webmaster: str = ""
    logo: Image | None = None
    icon: str | None = None
    favicon: str | None = None
    agencies: Mapping[str, Agency] = field(default_factory=dict)

    @property
    def founded(self) -> datetime:
        """The date of `authority`, which dates a feed that has no story: the same on every machine."""
        year, month, day = (self.authority.rpartition(",")[2] + "-01-01").split("-")[:3]
        return datetime(int(year), int(month), int(day), tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named dialect of a feed: what one aggregator wants of it. A size of 0 means no limit.

    `date` is what pubDate says, `guid` what identifies an item in RSS (`opaque` is the id, never called a
    permalink), `content` goes over the feed's own.
    `namespaces` are declared beside feedsvc's own, as (prefix, URI). `deletion` says how a withdrawn story
    goes: it is left out, or stays for a while as an item with media:status. The rest is what `feedsvc check`
    holds stories to: `required` fields, `title_length` and `summary_length` in characters, `image_width` in
    pixels, `feed_bytes` in bytes, and how many items a feed has.
    """

    name: str = "default"
    date: Literal["published", "updated"] = "published"
    modified: bool = True
    guid: Literal["id", "url", "opaque"] = "id"
    content: ContentMode | None = None
    required: tuple[Field, ...] = ()
    namespaces: tuple[tuple[str, str], ...] = ()
    deletion: Literal["drop", "status"] = "drop"
    items_least: int = 0
    items_most: int = 0
    title_length: int = 0
    summary_length: int = 0
    image_width: int = 0
    feed_bytes: int = 0


DEFAULT_PROFILE = Profile()


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The mark that a story was withdrawn (RFC 6721): which, when (aware UTC), and what readers are told.

    `url` is where it was, as its author wrote it; None for the story page. `had_by` are the audiences that
    could have had it, by name ("" is everybody): they are told, whatever rights are later.
    """

    article_id: str
    at: datetime
    reason: str = ""
    url: str | None = None
    had_by: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """What is set for one feed key. Empty titles are made from the stories; ages are in seconds.

    A `max_age` of "auto" follows the feed's own rhythm, between floor and ceiling.
    """

    title: str = ""
    description: str = ""
    items: int = 50
    content: ContentMode = "full"
    formats: tuple[Format, ...] = FORMATS
    max_age: int | Literal["auto"] = 300
    max_age_floor: int = 60
    max_age_ceiling: int = 3600
    order: Order = "newest"
    profile: Profile = DEFAULT_PROFILE


PUBLIC_TERMS = Terms("")


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed key shows at one instant: its metadata, its eligible articles in order, and what is gone.

    `label` is the feed's title without the site's name. `tombstones` come newest first.
    """

    key: str
    title: str
    description: str
    updated: datetime
    site: Site
    content: ContentMode
    formats: tuple[Format, ...]
    max_age: int
    articles: tuple[Article, ...]
    label: str = ""
    tombstones: tuple[Tombstone, ...] = ()
    profile: Profile = DEFAULT_PROFILE
    terms: Terms = PUBLIC_TERMS

    @property
    def partner(self) -> str:
        """The name of the partner it is for; "" for everybody's."""
        return self.terms.partner


@dataclass(frozen=True, slots=True)
class Representation:
    """The bytes of one feed in one format, with what its validators are made of.

    `digest` is of the bytes. `changed_at` (aware UTC, whole seconds) moves only when they do, and then
    forward. `max_age` is in seconds. From `valid_until` (aware UTC) on, a story in it has expired. `partner`
    is whom it is for, "" for everybody. `contents` says of a partner's which versions of stories are in it,
    as (id, digest), and which marks of withdrawn ones; `publication` is the number of the commit that wrote
    it.
    """

    key: str
    format: Format
    title: str
    body: bytes
    digest: str
    changed_at: datetime
    max_age: int
    valid_until: datetime | None = None
    partner: str = ""
    contents: tuple[tuple[str, str], ...] = ()
    publication: int = 0


class Quarantined(NamedTuple):
    """A story in quarantine: which file, where in it, why, since when (aware UTC), and by which rule."""

    path: str
    line: int
    reason: str
    since: datetime
    rule: str
