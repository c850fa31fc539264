"""The settings of partners, and what other tables share with them.

Knows no stage and no file, like `schema`, of which it is a part.
"""

import string
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from feedsvc.config.types import CallbackUrl, Count, Duration, Rate, Words
from feedsvc.domain.model import Format
from feedsvc.domain.rights import Level

KINDS = ("all", "sections", "tags", "authors", "custom")
"""The first parts of feed keys."""


class Table(BaseModel):
    """A table of the configuration: what isn't known in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TermsTable(Table):
    """Stories by what they are filed under; labels or slugs."""

    sections: list[str] = Field(default=[], description="Sections, with their sub-sections.")
    tags: list[str] = Field(default=[], description="Tags.")
    authors: list[str] = Field(default=[], description="Authors.")
    sources: list[str] = Field(default=[], description="Agencies.")

    @model_validator(mode="before")
    @classmethod
    def _from_keys(cls, value: object) -> object:
        """Accept `["sections/world", "tags/syria"]` as well as a table of lists."""
        if not isinstance(value, list):
            return value
        terms: dict[str, list[str]] = {}
        for key in value:
            kind, _, name = str(key).partition("/")
            if kind not in cls.model_fields or not name:
                raise ValueError('write keys such as "sections/world", "tags/syria", "sources/reuters"')
            terms.setdefault(kind, []).append(name)
        return terms


def _feed_pattern(value: str) -> str:
    kind = value.partition("/")[0]
    is_key = kind in KINDS and (value == "all" if kind == "all" else len(value) > len(kind) + 1)
    if value != "*" and (not is_key or set(value) & set("?[]")):
        raise ValueError('write feed keys such as "all", "sections/world" or "tags/*", or "*" for every feed')
    return value


def _footer(value: str) -> str:
    try:
        fields = [field[1:] for field in string.Formatter().parse(value) if field[1] is not None]
    except ValueError:
        fields = [("", "", None)]
    if any(field not in {(name, "", None) for name in ("title", "url", "source")} for field in fields):
        raise ValueError("write only {title}, {url} and {source} in braces")
    return value


def _parameters(value: object) -> object:
    """Accept `utm_source=acme&utm_medium=feed` as well as a table."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.removeprefix("?").split("&") if pair]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError('write "utm_source=acme", with & between several')
    return {unquote_plus(name): unquote_plus(text) for name, _, text in pairs}


class PartnerTable(Table):
    """What a partner is licensed to have, at /partners/NAME/feeds; tokens: `feedsvc token create NAME`."""

    feeds: list[Annotated[str, AfterValidator(_feed_pattern)]] = Field(
        min_length=1,
        description='Feeds it may have: keys, or patterns such as "sections/*"; "*" is every feed.',
    )
    content: Level | None = Field(
        default=None,
        description="Most it has of a story: `full`, `summary` or `headline`. Default: as the feed itself.",
    )
    formats: list[Format] | None = Field(default=None, min_length=1, description="Formats. Default: all.")
    profile: str | None = Field(default=None, description="Profile of its feeds, as for custom feeds.")
    items: Annotated[Count, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Most stories a feed shows. Default: as the feed itself."
    )
    limit: Annotated[Count, Field(ge=1, le=1000)] | None = Field(
        default=None, description="The same as `items`."
    )
    exclude: TermsTable = Field(default=TermsTable(), description="Stories it may not have.")
    delay: Duration = Field(
        default=0, description="How long after its first publication a story is kept from it."
    )
    footer: Annotated[Words, AfterValidator(_footer)] = Field(
        default="",
        description="What stands below each story: text or HTML with {title}, {url} and {source} in it.",
    )
    link_parameters: Annotated[dict[str, str], BeforeValidator(_parameters)] = Field(
        default={}, description='Put to every link, never to an id: "utm_source=acme".'
    )
    rate: Rate | None = Field(
        default=None, description='Most full answers, "60/m"; answers that nothing changed are free.'
    )
    webhook: CallbackUrl | None = Field(
        default=None,
        description="Where it is told at once that a story it holds was withdrawn, corrected or revoked.",
    )
    webhook_secret: str = Field(
        default="", repr=False, description="Key of the signature (HMAC-SHA256) of what is sent there."
    )
    webhook_private: bool = Field(
        default=False, description="Whether `webhook` may lead to a private or loopback address."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "PartnerTable":
        if self.webhook and len(self.webhook_secret) < 16:
            raise ValueError("webhook_secret: write at least 16 characters, for the signature of the webhook")
        if self.content == "none":
            raise ValueError('content: write "full", "summary" or "headline"; no table is no partner')
        return self
