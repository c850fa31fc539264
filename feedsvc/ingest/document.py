"""A pushed story's JSON document → an Article, and back.

Knows what each field means, and the defaults of those left out; nothing of how a document arrived. A document
is the whole story, not a change of it: a field it omits is removed from the story.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from feedsvc.domain import json_text
from feedsvc.domain.constraints import LABEL, LONGEST_LINE, MOST_ITEMS
from feedsvc.domain.media_types import guessed
from feedsvc.domain.model import BEGINNING, Article, Author, Enclosure, Image, Markup, Status, Term, versioned
from feedsvc.domain.rights import Access
from feedsvc.domain.slugs import section_path, slug
from feedsvc.ingest.fields import (
    Address,
    Bytes,
    Email,
    Instant,
    Label,
    Language,
    Line,
    MediaType,
    Passage,
    Pixels,
    Reference,
    StoryId,
    Syndication,
    Text,
    WebAddress,
    is_visible,
)

_STRICT: Final = ConfigDict(extra="forbid", strict=True, defer_build=True, frozen=True)


class AuthorDocument(BaseModel):
    """Who wrote a story."""

    model_config = _STRICT

    name: Label
    email: Email | None = None
    url: Address | None = Field(default=None, description="A page about the author.")


class ImageDocument(BaseModel):
    """A picture of a story."""

    model_config = _STRICT

    url: Reference
    type: MediaType | None = Field(default=None, description="Default: by the end of the URL.")
    width: Pixels | None = None
    height: Pixels | None = None
    alt: Line = Field(default="", description="What the picture shows, for those who don't see it.")
    caption: Line = ""
    credit: Line = ""
    may_syndicate: bool = Field(default=True, description="Whether it may stand in feeds.")


class EnclosureDocument(BaseModel):
    """A file that goes with a story."""

    model_config = _STRICT

    url: Reference
    type: MediaType | None = Field(default=None, description="Default: by the end of the URL.")
    length: Bytes = Field(default=0, description="0 if it isn't known.")


def _author_kind(value: Any) -> str:
    return "name" if isinstance(value, str) else "author"


AuthorOrName = Annotated[
    Annotated[Label, Tag("name")] | Annotated[AuthorDocument, Tag("author")], Discriminator(_author_kind)
]


class ArticleDocument(BaseModel):
    """One story, whole: what a document leaves out, the story has not."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "pattern": LABEL.pattern}}}
                for name in ("title", "body")
            ]
        },
    )

    title: Line = Field(
        default="", description="The headline, as plain text. Only a note of a few words has none."
    )
    body: Text = Field(default="", description="The story itself, in the form that `markup` names.")
    markup: Markup = Field(default="markdown", description="What the body is written in.")
    status: Status | None = Field(
        default=None,
        description="Default: published; withdrawn if there is a reason for withdrawal.",
    )
    published: Instant | None = Field(
        default=None,
        description="First publication. Default: when the story is first pushed; then as it was.",
    )
    updated: Instant | None = Field(
        default=None,
        description="Last change that readers are to see. Default: `published`, or when a correction came.",
    )
    embargo: Instant | None = Field(default=None, description="Nobody sees the story before.")
    expires: Instant | None = Field(default=None, description="Nobody sees the story from then on.")
    section: Label | None = Field(default=None, description="A path of names or slugs: World/Middle East.")
    tags: list[Label] = Field(default=[], max_length=MOST_ITEMS, description="Names; each is a feed.")
    authors: list[AuthorOrName] = Field(default=[], max_length=MOST_ITEMS)
    contributors: list[AuthorOrName] = Field(default=[], max_length=MOST_ITEMS)
    source: Label | None = Field(default=None, description="The agency or desk whose copy it is.")
    original: WebAddress | None = Field(default=None, description="Where the story stood first.")
    comments: Address | None = Field(default=None, description="The page of comments.")
    dateline: Line = Field(default="", description="The place it was filed from.")
    summary: Passage = Field(default="", description="Plain text.")
    url: Address | None = Field(default=None, description="The story's page. Default: the one feedsvc shows.")
    language: Language | None = Field(default=None, description="Default: the site's.")
    correction: Passage = Field(default="", description="What readers are told of what was wrong.")
    withdrawal: Passage = Field(default="", description="What readers are told of why it was withdrawn.")
    withdrawn: Instant | None = Field(
        default=None, description="When it was withdrawn. Default: when pushed so."
    )
    rights: Line = ""
    access: Access = Field(default="public", description="Whom it is for.")
    syndication: Syndication = Field(
        default={}, description="How much of it whom may have: `public`, `partners`, or a partner by name."
    )
    images: list[ImageDocument] = Field(default=[], max_length=MOST_ITEMS)
    enclosures: list[EnclosureDocument] = Field(default=[], max_length=MOST_ITEMS)

    @model_validator(mode="after")
    def _says_something(self) -> "ArticleDocument":
        if not is_visible(self.title) and not is_visible(self.body):
            raise PydanticCustomError("empty", "there is neither a title nor a body; write one of them")
        return self


class ArticleLine(ArticleDocument):
    """One story of many: a document with the id it is kept under."""

    id: StoryId = Field(description="What names the story for good. It is never derived from anything else.")
    if_match: Line | None = Field(
        default=None,
        description="The version that this line is about: an ETag with or without its quotes, or `*` for any"
        " there is. Another one is there: 412.",
    )


class WithdrawalDocument(BaseModel):
    """Why a story is withdrawn."""

    model_config = _STRICT

    reason: Text = Field(
        default="", max_length=LONGEST_LINE, description="What readers are told. Default: nothing."
    )


Document = TypeVar("Document", bound=BaseModel)


def parsed(model: type[Document], raw: bytes) -> Document:
    """Parse the document in the body of a request, or in a line of a batch.

    Raises pydantic's ValidationError, json_text.DuplicateKeyError and json_text.TooManyValuesError.
    """
    # pydantic would take the last of two equal keys, and list half a million errors one by one.
    with suppress(UnicodeDecodeError):  # pydantic reports it
        json_text.refuse_unfit(raw.decode())
    return model.model_validate_json(raw)


def article(document: ArticleDocument, article_id: str, before: Article | None, now: datetime) -> Article:
    """The story that a document describes, with its digest.

    `before` is the stored version, None if there is none; `now` is aware UTC.
    """
    status = document.status or ("withdrawn" if document.withdrawal else "published")
    published = document.published or _first_published(status, before, now)
    section, section_labels = section_path(document.section or "")
    made = Article(
        id=article_id,
        title=document.title,
        published=published,
        updated=max(document.updated or published, published),
        url=document.url,
        section=section,
        section_labels=section_labels,
        tags=_tags(document.tags),
        authors=_authors(document.authors),
        contributors=_authors(document.contributors),
        source=Term(document.source, slug(document.source)) if document.source else None,
        original=document.original,
        comments=document.comments,
        dateline=document.dateline,
        summary=document.summary,
        body=document.body,
        markup=document.markup,
        language=document.language,
        embargo=document.embargo,
        expires=document.expires,
        status=status,
        correction=document.correction,
        withdrawal=document.withdrawal if status == "withdrawn" else "",
        withdrawn=document.withdrawn if status == "withdrawn" else None,
        rights=document.rights,
        access=document.access,
        syndication=tuple(sorted(document.syndication.items())),
        images=tuple(map(_image, document.images)),
        enclosures=tuple(map(_enclosure, document.enclosures)),
    )
    return versioned(_dated(made, before, now) if made.correction and document.updated is None else made)


def _first_published(status: Status, before: Article | None, now: datetime) -> datetime:
    """The date of a story whose document has none: when it was first pushed as more than a draft."""
    if before and (before.status != "draft" or before.published != BEGINNING):
        return before.published
    return BEGINNING if status == "draft" else now


def _dated(made: Article, before: Article | None, now: datetime) -> Article:
    """Date a story by the arrival of a correction without a date, once, so that readers see the change."""
    if before is not None and before.correction == made.correction:
        return replace(made, updated=max(before.updated, made.published))
    return replace(made, updated=max(now, made.published))


def _tags(names: list[str]) -> tuple[Term, ...]:
    terms: dict[str, Term] = {}
    for name in names:
        terms.setdefault(name.casefold(), Term(name, slug(name)))
    return tuple(terms.values())


def _authors(written: list[str | AuthorDocument]) -> tuple[Author, ...]:
    named: dict[str, Author] = {}
    for one in written:
        made = (
            Author(one, slug(one))
            if isinstance(one, str)
            else Author(one.name, slug(one.name), one.email, one.url)
        )
        named.setdefault(made.slug, made)
    return tuple(named.values())


def _image(written: ImageDocument) -> Image:
    return Image(
        url=written.url,
        type=written.type or guessed(written.url),
        width=written.width,
        height=written.height,
        alt=written.alt,
        caption=written.caption,
        credit=written.credit,
        may_syndicate=written.may_syndicate,
    )


def _enclosure(written: EnclosureDocument) -> Enclosure:
    made = written.type or guessed(written.url) or "application/octet-stream"
    return Enclosure(written.url, made, written.length)


def withdrawn(before: Article, reason: str) -> Article:
    """The story, withdrawn, with the `reason` that readers are told; unchanged if it is so already."""
    if before.status == "withdrawn" and reason in ("", before.withdrawal):
        return before
    return versioned(replace(before, status="withdrawn", withdrawal=reason))


def document(story: Article) -> ArticleDocument:
    """The document that describes a story. It isn't validated: a file may hold more than a document may."""
    undated = story.status == "draft" and story.published == BEGINNING
    return ArticleDocument.model_construct(
        title=story.title,
        body=story.body,
        markup=story.markup,
        status=story.status,
        published=None if undated else story.published,
        updated=None if undated and story.updated == BEGINNING else story.updated,
        embargo=story.embargo,
        expires=story.expires,
        section=_section(story) or None,
        tags=[tag.label for tag in story.tags],
        authors=list(map(_author_document, story.authors)),
        contributors=list(map(_author_document, story.contributors)),
        source=story.source.label if story.source else None,
        original=story.original,
        comments=story.comments,
        dateline=story.dateline,
        summary=story.summary,
        url=story.url,
        language=story.language,
        correction=story.correction,
        withdrawal=story.withdrawal,
        withdrawn=story.withdrawn,
        rights=story.rights,
        access=story.access,
        syndication=dict(story.syndication),
        images=[
            ImageDocument.model_construct(
                url=one.url,
                type=one.type,
                width=one.width,
                height=one.height,
                alt=one.alt,
                caption=one.caption,
                credit=one.credit,
                may_syndicate=one.may_syndicate,
            )
            for one in story.images
        ],
        enclosures=[
            EnclosureDocument.model_construct(url=one.url, type=one.type, length=one.length)
            for one in story.enclosures
        ],
    )


def _section(story: Article) -> str:
    """The section's path: each part as its author wrote it if that yields the same slug, else the slug."""
    slugs = story.section.split("/") if story.section else []
    if len(slugs) != len(story.section_labels):
        return story.section
    return "/".join(
        label if section_path(label) == (made, (label,)) else made
        for label, made in zip(story.section_labels, slugs, strict=True)
    )


def _author_document(author: Author) -> AuthorDocument:
    return AuthorDocument.model_construct(name=author.name, email=author.email, url=author.url)
