"""`feedsvc explain`: why a story is or is not in each of its feeds.

Must not know how that is decided: asks the gate, and counts the stories that rank before this one.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click
from sqlalchemy import Connection

from feedsvc.cli.common import Moment, names_of, store_of, warn_of_differences, with_config
from feedsvc.config import options
from feedsvc.config.schema import Config
from feedsvc.domain import gate, selection
from feedsvc.domain.model import Article
from feedsvc.domain.rights import Audience, Level
from feedsvc.domain.selection import Rules
from feedsvc.loading import generators, walk
from feedsvc.store import articles, removals, sources
from feedsvc.util.errors import ConfigError


class Explained(NamedTuple):
    """The explanation for a story and one feed. `shown` is how much of the story is in the feed."""

    feed: str
    shown: Level
    why: str


@click.command()
@click.argument("article")
@click.option("--partner", help="For this partner instead of everybody.")
@click.option("--at", type=Moment(ahead=True), help="When: 2026-02-11T14:00, or 2h from now. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each feed.")
@with_config
def explain(
    config: Config, article: str, partner: str | None, at: Callable[[str], datetime] | None, as_json: bool
) -> None:
    """Show why ARTICLE, a story's id or file, is or is not in each of its feeds; exit 1 if it is in none."""
    rules = options.rules(config)
    audience = rules.public
    if partner is not None:
        licensed = rules.partner(partner)
        if licensed is None:
            known = ", ".join(config.partners) or "none"
            raise ConfigError(f"{config.path}: there is no partner {partner!r}; there are {known}")
        audience = licensed.audience
    now = at(config.site.timezone) if at else datetime.now(UTC)
    with store_of(config) as store, store.read(long=True) as connection:
        story = _found(connection, config, article)
        missing = removals.held_at(connection, story.id)
        told = [_explained(connection, story, key, rules, audience, now) for key in _keys(story, rules)]
    warn_of_differences(config)
    if not as_json:
        whom = f"partner {partner}" if partner else "everybody"
        click.echo(f"{story.id} “{story.title}” for {whom} at {now.isoformat(timespec='seconds')}:")
        if missing:
            click.echo(f"  its file {missing} is gone; it stays until `{removals.CONFIRM} {missing}`")
    for one in told:
        if as_json:
            click.echo(json.dumps(one._asdict(), ensure_ascii=False))
        else:
            click.echo(f"  {one.feed}: {'in it' if one.shown != 'none' else 'not in it'}: {one.why}")
    sys.exit(0 if any(one.shown != "none" for one in told) else 1)


def _found(connection: Connection, config: Config, name: str) -> Article:
    with suppress(ValueError):  # raised if it is not a path, from the current directory, of a content file
        name = Path(name).resolve(strict=False).relative_to(config.content_root.resolve()).as_posix()
    site = generators.detect(config.content_root)
    owned = sources.at(connection, [name]).get(name)
    ids = [owned.article_id] if owned and owned.article_id else names_of(name, config)
    for article_id in ids:
        if story := articles.get(connection, article_id):
            return story
    waiting = next((one for one in sources.quarantined(connection) if one.path == name), None)
    if waiting:
        raise ConfigError(f"{waiting.path}:{waiting.line}: it waits in quarantine: {waiting.reason}")
    if walk.story_path(config.content_root, config.content_root / name, site) is None:
        raise ConfigError(f"{name}: it is not read: site generators leave out what has such a name")
    raise ConfigError(f"there is no story {name!r} in the store; name its id, or its path under content")


def _keys(story: Article, rules: Rules) -> list[str]:
    return sorted(selection.keys_of(story, rules.customs))


def _explained(
    connection: Connection, story: Article, key: str, rules: Rules, audience: Audience, now: datetime
) -> Explained:
    if not audience.may_have_feed(key):
        return Explained(key, "none", f"this partner is not given {key}")
    if refusals := gate.refusals(story, audience, now):
        return Explained(key, "none", "; ".join(refusals))
    items = rules.settings(key, audience).items
    custom = rules.custom(key)
    above = None if custom and custom.order == "updated" else now
    candidates = (one for one in articles.window(connection, key, above) if gate.eligible(one, audience, now))
    place = next((n for n, one in enumerate(islice(candidates, items), 1) if one.id == story.id), None)
    if place is None:
        return Explained(key, "none", f"the {items} stories it shows all rank before this one")
    level = gate.level(story, audience)
    how = {"full": "", "summary": ", its summary only", "headline": ", its headline only", "none": ""}[level]
    return Explained(key, level, f"number {place} of at most {items}{how}")
