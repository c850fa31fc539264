"""Config → the plain values that the stages take.

Only the commands, `web/app.py` and `names` use it. Pure, except that `load_rules` looks for a site generator.
"""

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from feedsvc.config.schema import Config, CustomTable, FeedTable
from feedsvc.domain import removals
from feedsvc.domain.model import (
    DEFAULT_PROFILE,
    Agency,
    ContentMode,
    CustomFeed,
    FeedSettings,
    Image,
    Profile,
    Site,
)
from feedsvc.domain.profiles import BUILT_IN
from feedsvc.domain.removals import RemovalLimit
from feedsvc.domain.retention import Retention
from feedsvc.domain.rights import Audience, Level, Terms, Webhook
from feedsvc.domain.selection import Partner, Rules
from feedsvc.domain.slugs import section_path, slug
from feedsvc.loading import generators
from feedsvc.loading.rules import LoadRules


def load_rules(config: Config) -> LoadRules:
    """The settings by which story files are read."""
    return LoadRules(
        timezone=config.site.timezone,
        max_file_bytes=config.limits.story,
        partners=tuple(sorted(config.partners)),
        site=generators.detect(config.content_root),
        unknown_keys=config.content.unknown_keys,
    )


def removal_limit(config: Config) -> RemovalLimit:
    """How many stories may lose their files within a minute before somebody has to confirm it."""
    return removals.parsed(config.content.removals)


def retention(config: Config) -> Retention:
    """How long the store keeps old data."""
    return Retention(
        **{name: timedelta(seconds=span) for name, span in config.retention.model_dump().items()}
    )


def rules(config: Config) -> Rules:
    """The settings by which feeds and pages are built."""
    common = config.feeds
    default = FeedSettings(
        items=common.items,
        content=common.content,
        formats=tuple(common.formats),
        max_age=common.max_age,
        max_age_floor=common.max_age_floor,
        max_age_ceiling=common.max_age_ceiling,
        profile=profile(config, "default"),
    )
    return Rules(
        site=site(config),
        default=default,
        by_key={key: _settings(config, default, table) for key, table in _tables(config).items()},
        customs=custom_feeds(config),
        public=Audience(
            by_source=_levels({name: one.public for name, one in config.sources.items()}),
            members=config.content.members,
        ),
        partners=tuple(partner(config, name) for name in config.partners),
    )


def partner(config: Config, name: str) -> Partner:
    """What the partner `name` is licensed to have. Raises KeyError if there is none."""
    table = config.partners[name]
    dialect = profile(config, table.profile) if table.profile else None
    audience = Audience(
        name=name,
        feeds=tuple(map(feed_key, table.feeds)),
        level=table.content or "full",
        by_source=_levels({name: one.partners for name, one in config.sources.items()}),
        exclude_sources=tuple(map(slug, table.exclude.sources)),
        exclude_tags=tuple(map(slug, table.exclude.tags)),
        exclude_sections=tuple(section_path(label)[0] for label in table.exclude.sections),
        exclude_authors=tuple(map(slug, table.exclude.authors)),
        delay=timedelta(seconds=table.delay),
    )
    wanted: ContentMode | None = None
    if table.content:
        wanted = "full" if table.content == "full" else "summary"
    return Partner(
        audience,
        Terms(name, tuple(table.link_parameters.items()), table.footer),
        content=wanted or (dialect.content if dialect else None),
        formats=tuple(table.formats) if table.formats else None,
        items=table.items or table.limit,
        profile=dialect,
    )


def webhooks(config: Config) -> dict[str, Webhook]:
    """The webhooks of partners, which are notified of recalls, by partner's name."""
    return {
        name: Webhook(table.webhook, table.webhook_secret, table.webhook_private)
        for name, table in config.partners.items()
        if table.webhook
    }


def feed_key(written: str) -> str:
    """A feed key with slugs, also around each `*`: `sections/World News` → `sections/world-news`."""
    kind, slash, name = written.partition("/")
    if kind in {"*", "all", "custom"}:
        return written
    if "*" not in name:
        return f"{kind}/{section_path(name)[0] if kind == 'sections' else slug(name)}"
    return kind + slash + "".join(map(_pattern_part, re.split("([*/])", name)))


def _pattern_part(written: str) -> str:
    if written in {"*", "/"} or not written.strip():
        return written.strip()
    # A separator between a word and a `*` becomes a hyphen: `Middle *` does not match `middleton`.
    before, after = ("-" if not end.isalnum() else "" for end in (written[0], written[-1]))
    return before + slug(written) + after


def _levels(by_name: dict[str, Level]) -> dict[str, Level]:
    """Agency's slug → how much of its copy is allowed, where that is not all."""
    return {slug(name): level for name, level in by_name.items() if level != "full"}


def site(config: Config) -> Site:
    """The newsroom's data as the renderers take it."""
    table = config.site
    host = urlsplit(table.url).hostname or "localhost"
    return Site(
        name=table.name,
        url=table.url,
        language=table.language,
        authority=table.authority or f"{host},2026",
        timezone=table.timezone,
        rights=table.rights,
        description=table.description,
        hub=table.hub,
        editor=table.editor,
        webmaster=table.webmaster,
        logo=Image(table.logo.url, width=table.logo.width, height=table.logo.height) if table.logo else None,
        icon=table.icon,
        favicon=table.favicon,
        agencies={slug(name): Agency(source.name, source.url) for name, source in config.sources.items()},
    )


def custom_feeds(config: Config) -> tuple[CustomFeed, ...]:
    """The feeds that editors defined, in the file's order, with slugs for labels."""
    return tuple(
        CustomFeed(
            name=name,
            order=table.order,
            include_sections=tuple(section_path(label)[0] for label in table.include.sections),
            include_tags=tuple(map(slug, table.include.tags)),
            include_authors=tuple(map(slug, table.include.authors)),
            include_sources=tuple(map(slug, table.include.sources)),
            exclude_sections=tuple(section_path(label)[0] for label in table.exclude.sections),
            exclude_tags=tuple(map(slug, table.exclude.tags)),
            exclude_authors=tuple(map(slug, table.exclude.authors)),
            exclude_sources=tuple(map(slug, table.exclude.sources)),
        )
        for name, table in config.custom.items()
    )


def profile(config: Config, name: str) -> Profile:
    """The profile `name`: its own settings over those of the profile it is `like`."""
    table = config.profiles.get(name)
    if table is None:
        return BUILT_IN[name]
    chosen = table.model_dump(exclude_none=True, exclude={"like", "namespaces", "required"})
    if table.required is not None:
        chosen["required"] = tuple(table.required)
    if table.namespaces is not None:
        chosen["namespaces"] = tuple(table.namespaces.items())
    return replace(BUILT_IN.get(table.like or name, DEFAULT_PROFILE), name=name, **chosen)


def _tables(config: Config) -> dict[str, FeedTable]:
    """Feed key → its table in config.toml."""
    return {
        **{f"sections/{section_path(name)[0]}": table for name, table in config.sections.items()},
        **{f"tags/{slug(name)}": table for name, table in config.tags.items()},
        **{f"authors/{slug(name)}": table for name, table in config.authors.items()},
        **{f"custom/{name}": table for name, table in config.custom.items()},
    }


def _settings(config: Config, default: FeedSettings, table: FeedTable) -> FeedSettings:
    own = FeedSettings(
        title=table.title,
        description=table.description,
        items=table.items or default.items,
        content=table.content or default.content,
        formats=tuple(table.formats) if table.formats else default.formats,
        max_age=default.max_age if table.max_age is None else table.max_age,
        max_age_floor=default.max_age_floor,
        max_age_ceiling=default.max_age_ceiling,
        profile=default.profile,
    )
    if not isinstance(table, CustomTable):
        return own
    dialect = profile(config, table.profile)
    return replace(
        own,
        items=table.items or table.limit or default.items,
        content=table.content or dialect.content or default.content,
        order=table.order,
        profile=dialect,
    )
