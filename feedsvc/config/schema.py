"""Every setting, declared once: its type, default, help and check.

Knows no stage and no file: `file` reads one, and `options` turns settings into what the stages take.
"""

import difflib
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, PrivateAttr, model_validator

from feedsvc.config.http import HttpTable
from feedsvc.config.partners import PartnerTable, Table, TermsTable
from feedsvc.config.retention import RetentionTable
from feedsvc.config.types import (
    Authority,
    Count,
    Duration,
    FineDuration,
    Language,
    Mailbox,
    MaxAge,
    Name,
    Namespaces,
    Patience,
    Removals,
    SiteUrl,
    Size,
    StoreUrl,
    TimeZone,
    WebUrl,
    Words,
)
from feedsvc.domain.model import ContentMode, Format, Order
from feedsvc.domain.model import Field as RequiredField
from feedsvc.domain.profiles import BUILT_IN
from feedsvc.domain.rights import Level
from feedsvc.domain.slugs import section_path, slug


class LogoTable(Table):
    """A picture that stands for the feeds."""

    url: WebUrl = Field(description="Where it is: GIF, JPEG or PNG.")
    width: int = Field(default=88, ge=1, le=144, description="Pixels; RSS takes 144 at most.")
    height: int = Field(default=31, ge=1, le=400, description="Pixels; RSS takes 400 at most.")


class SiteTable(Table):
    """The newsroom, as every feed names it."""

    name: Words = Field(
        default="Untitled site", min_length=1, description="Name of the site; ends every feed's title."
    )
    url: SiteUrl = Field(
        default="http://127.0.0.1:8000",
        description="Public address: an origin, with a path if the site is mounted below one. Every self "
        "link and story page is under it, whatever host is asked.",
    )
    language: Language = Field(default="en", description="Language of the stories.")
    timezone: TimeZone = Field(
        default="UTC", description="Zone of dates written without one, and of the dates in feeds and pages."
    )
    rights: Words = Field(default="", description="Copyright line of every feed.")
    description: Words = Field(
        default="", description="What the site is about; the `all` feed's description."
    )
    authority: Authority = Field(
        default="",
        description="Authority of the tag: URIs that identify stories. Never change it once published. "
        "Default: the host of `url` and 2026.",
    )
    editor: Mailbox = Field(
        default="",
        description="Who answers for content, as `desk@example.org (The Desk)`: RSS's managingEditor.",
    )
    webmaster: Mailbox = Field(
        default="", description="Who answers for the service, in the same form: RSS's webMaster."
    )
    logo: LogoTable | None = Field(default=None, description="Picture that stands for the feeds.")
    icon: WebUrl | None = Field(
        default=None, description="Square picture of 512 pixels: JSON Feed's icon, Atom's icon."
    )
    favicon: WebUrl | None = Field(
        default=None, description="Square picture of 64 pixels: JSON Feed's favicon."
    )
    hub: WebUrl | None = Field(default=None, description="WebSub hub that every feed and response links to.")


class StoreTable(Table):
    """Where articles and published feeds are kept."""

    url: StoreUrl = Field(
        default="sqlite:///var/feedsvc.db",
        description="SQLite file (a relative path starts at this file's folder) or PostgreSQL database.",
    )
    content: str = Field(default="content", description="Folder of stories, relative to this file.")
    idle_in_transaction_session_timeout: Patience = Field(
        default=3.0,
        description="PostgreSQL: after how long it ends a session that says nothing in a transaction, as if "
        "its process was suspended. Others wait for its locks until then. `0` is never.",
    )
    statement_timeout: Patience = Field(
        default=30.0,
        description="PostgreSQL: after how long it ends a statement. Migrations, first loads and long "
        "listings may take any time. `0` is never.",
    )
    lock_timeout: Patience = Field(
        default=5.0,
        description="PostgreSQL: how long a statement waits for a lock. Then the refresher tries again, "
        "and a push is answered 503. Best longer than the first of these. `0` is for ever.",
    )


class ContentTable(Table):
    """How story files are read."""

    unknown_keys: Literal["near", "all", "none"] = Field(
        default="near",
        description="Which front matter keys that feedsvc doesn't know are findings of `feedsvc check`: "
        "those `near` a known one, `all`, or `none`. One that may hold a story back always sets it aside.",
    )
    members: Level = Field(
        default="none",
        description="How much of a members-only story everybody may have: `none`, `headline`, `summary` or "
        "`full`.",
    )
    removals: Removals = Field(
        default="20 and 20%",
        description="Most stories that may go within a minute because their files are gone: a number, a "
        "share of what files publish, or both, which both must be exceeded. If more would go, or all of "
        "several, they stay until `feedsvc refresh --allow-removals` confirms it. `all` turns that off.",
    )


class LimitsTable(Table):
    """What is refused for its size."""

    story: Size = Field(default=5_000_000, description="Largest story, in a file or pushed.")
    ingest: Size = Field(default=100_000_000, description="Largest batch of stories pushed at once.")


class FeedTable(Table):
    """What may be set for one section, tag or author, over what [feeds] says."""

    title: Words = Field(
        default="", description="Title of the feed. Default: made from its stories and the site."
    )
    description: Words = Field(default="", description="Description of the feed.")
    items: Annotated[Count, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Most stories it shows."
    )
    content: ContentMode | None = Field(default=None, description="`full` text or `summary`.")
    formats: list[Format] | None = Field(
        default=None, min_length=1, description="Formats it is published in."
    )
    max_age: MaxAge | None = Field(default=None, description='How long clients keep it, or "auto".')


class CustomTable(FeedTable):
    """A feed an editor defines, at /feeds/custom/NAME."""

    include: TermsTable = Field(
        default=TermsTable(), description="Stories that match any of these. Default: all."
    )
    exclude: TermsTable = Field(default=TermsTable(), description="Stories left out all the same.")
    limit: Annotated[Count, Field(ge=1, le=1000)] | None = Field(
        default=None, description="The same as `items`."
    )
    profile: str = Field(
        default="default",
        description="What an aggregator wants of it: `default`, `google-news`, `msn`, `smartnews`, "
        "`flipboard`, or one of [profiles].",
    )
    order: Order = Field(
        default="newest",
        description="`newest` published first, `oldest` first (of the newest ones), or last `updated` first.",
    )


class FeedsTable(Table):
    """What holds for every feed unless its own table says otherwise."""

    items: Count = Field(default=50, ge=1, le=1000, description="Most stories a feed shows.")
    content: ContentMode = Field(default="full", description="`full` text or `summary`.")
    formats: list[Format] = Field(
        default=list(get_args(Format)), min_length=1, description="Formats feeds are published in."
    )
    max_age: MaxAge = Field(
        default=300,
        description='How long clients keep a feed, or "auto": by how often it has been published, '
        "between the two settings below.",
    )
    cache: Size = Field(
        default=96_000_000,
        description="Memory for stories as they were read and rendered, in the refresher.",
    )
    max_age_floor: Duration = Field(default=60, description='Shortest `max_age` that "auto" gives.')
    max_age_ceiling: Duration = Field(default=3600, description='Longest `max_age` that "auto" gives.')


class ProfileTable(Table):
    """A dialect of a feed for one aggregator; what isn't set is as in the profile it is `like`."""

    like: str | None = Field(
        default=None,
        description="Profile to start from. Default: the built-in one of that name, or `default`.",
    )
    date: Literal["published", "updated"] | None = Field(
        default=None, description="What pubDate says: first publication, or the last change."
    )
    modified: bool | None = Field(default=None, description="Whether the last change stands beside pubDate.")
    guid: Literal["id", "url", "opaque"] | None = Field(
        default=None, description="What identifies an item in RSS; `opaque` is the id, never a permalink."
    )
    content: ContentMode | None = Field(default=None, description="`full` or `summary`, over the feed's own.")
    required: list[RequiredField] | None = Field(
        default=None, description="Fields every story must have, for `feedsvc check`."
    )
    namespaces: Namespaces | None = Field(
        default=None, description="Namespaces to declare in RSS, prefix = URI."
    )
    deletion: Literal["drop", "status"] | None = Field(
        default=None,
        description="A withdrawn story is left out, or stays for 30 days as an item with media:status.",
    )
    items_least: int | None = Field(default=None, ge=0, description="Fewest items, for `feedsvc check`.")
    items_most: int | None = Field(default=None, ge=0, description="Most items, likewise; 0 is no limit.")
    title_length: int | None = Field(default=None, ge=0, description="Longest title, in characters.")
    summary_length: int | None = Field(default=None, ge=0, description="Longest summary, in characters.")
    image_width: int | None = Field(default=None, ge=0, description="Narrowest image, in pixels.")
    feed_bytes: Size | None = Field(default=None, description="Largest feed.")


class SourceTable(Table):
    """An agency, by its slug."""

    name: Words = Field(default="", description="The agency's name as it is shown.")
    url: WebUrl | None = Field(
        default=None, description="The agency's site, or its feed: RSS's and Atom's source."
    )
    public: Level = Field(
        default="full",
        description="How much of its copy everybody may have: `full`, `summary`, `headline` or `none`.",
    )
    partners: Level = Field(default="full", description="How much of it partners may have.")


class ScheduleTable(Table):
    """When the refresher works."""

    refresh: Annotated[Duration, Field(ge=1)] = Field(
        default=60, description="Interval of the regular refresh."
    )
    watch: bool = Field(
        default=True, description="Refresh at once when a file changes under `store.content`."
    )
    rescan: Annotated[Duration, Field(ge=1)] = Field(
        default=600,
        description="Interval of the full look through the content folder, the watcher's safety net.",
    )
    settle: Annotated[FineDuration, Field(le=3600)] = Field(
        default=0.5,
        description="How long a file has to be quiet, after it was closed, before it is read, in seconds "
        "with fractions. What is renamed into place is read at once.",
    )


class LogTable(Table):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level written."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is `console` on a terminal and `json` elsewhere."
    )


class Config(Table):
    """Everything that can be set, and what is made of it for the stages."""

    site: SiteTable = SiteTable()
    store: StoreTable = StoreTable()
    content: ContentTable = ContentTable()
    feeds: FeedsTable = FeedsTable()
    sections: dict[str, FeedTable] = Field(default={})
    tags: dict[str, FeedTable] = Field(default={})
    authors: dict[str, FeedTable] = Field(default={})
    custom: dict[str, CustomTable] = Field(default={})
    profiles: dict[str, ProfileTable] = Field(default={})
    sources: dict[str, SourceTable] = Field(default={})
    partners: dict[Name, PartnerTable] = Field(default={})
    schedule: ScheduleTable = ScheduleTable()
    retention: RetentionTable = RetentionTable()
    http: HttpTable = HttpTable()
    limits: LimitsTable = LimitsTable()
    log: LogTable = LogTable()
    _path: Path = PrivateAttr(default=Path("config.toml"))

    @model_validator(mode="after")
    def _names_are_right(self) -> "Config":
        for name in self.custom:
            if slug(name) != name:
                raise ValueError(
                    f"custom.{name}: a custom feed's name is its slug; write [custom.{slug(name)}]"
                )
        for kind in ("sections", "tags", "authors", "sources"):
            spelled: dict[str, str] = {}
            for name in getattr(self, kind):
                its_slug = section_path(name)[0] if kind == "sections" else slug(name)
                if spelled.setdefault(its_slug, name) != name:
                    raise ValueError(f"{kind}.{name}: is the same as {kind}.{spelled[its_slug]}; keep one")
        for name, table in self.partners.items():
            if name in {"public", "partners"}:
                raise ValueError(f"partners.{name}: that is what all of them are called; write another name")
            for key in table.feeds:
                custom = key.removeprefix("custom/")
                if custom != key and "*" not in key and custom not in self.custom:
                    near = difflib.get_close_matches(custom, self.custom, 1)
                    told = f"; did you mean {near[0]}?" if near else ""
                    raise ValueError(f"partners.{name}.feeds: there is no [custom.{custom}]{told}")
        known = BUILT_IN.keys() | self.profiles.keys()
        used = {f"custom.{name}.profile": table.profile for name, table in self.custom.items()}
        used |= {
            f"partners.{name}.profile": table.profile
            for name, table in self.partners.items()
            if table.profile
        }
        used |= {f"profiles.{name}.like": table.like for name, table in self.profiles.items() if table.like}
        for place, profile in used.items():
            if profile not in (BUILT_IN if place.endswith(".like") else known):
                raise ValueError(f"{place}: {profile!r} is no profile; there are {', '.join(sorted(known))}")
        return self

    def at(self, path: Path) -> "Config":
        """The same configuration, as read from the file at `path`: relative paths start at its folder."""
        placed = self.model_copy()
        placed._path = path
        return placed

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def content_root(self) -> Path:
        """The folder of stories."""
        return self._path.parent / self.store.content

    @property
    def unix_socket(self) -> Path | None:
        """The Unix socket to listen at; None if it is an address and a port."""
        return self._path.parent / self.http.uds if self.http.uds else None

    def tls_file(self, which: Literal["certificate", "key"]) -> Path | None:
        """The file of the certificate or of its key; None if the server speaks plain HTTP."""
        tls = self.http.tls
        return self._path.parent / str(getattr(tls, which)) if tls else None

    @property
    def store_url(self) -> str:
        """The store's SQLAlchemy URL, its SQLite path absolute."""
        if not self.store.url.startswith("sqlite:///"):
            return self.store.url
        return f"sqlite:///{(self._path.parent / self.store.url.removeprefix('sqlite:///')).absolute()}"
