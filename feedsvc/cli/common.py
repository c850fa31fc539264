"""Code that several commands share: `--config`, dates on the command line, the store and the refresher.

Must not know any particular command.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from feedsvc.config import file, names, options, running
from feedsvc.config.schema import Config
from feedsvc.config.store import opened
from feedsvc.domain import urls
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import trouble
from feedsvc.store.engine import Store
from feedsvc.util.logs import set_up_logging
from feedsvc.util.processes import collect_seldom

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--config` to a command; its first argument becomes the Config read from that file."""

    @click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="FEEDSVC_CONFIG",
        default=Path("config.toml"),
        show_default=True,
        help="The configuration file.",
    )
    @wraps(command)
    def configured(config_path: Path, **arguments: Any) -> Any:
        config = file.load(config_path, os.environ)
        set_up_logging(config.log.level, config.log.format)
        return command(config, **arguments)

    return configured


def names_of(article_id: str, config: Config) -> list[str]:
    """The ids under which a story may be stored: `article_id` itself, and the other form that feeds write."""
    other = urls.twin(options.site(config), article_id)
    return [article_id, other] if other else [article_id]


class Moment(click.ParamType):  # type: ignore[type-arg] # generic in newer versions only
    """An option that takes a date, with or without a time, in the site's time zone if it has none.

    Or a span such as `30d` before now, or with `ahead` after now. The value is a function that takes the name
    of the site's time zone and returns aware UTC.
    """

    name = "time"

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Callable[[str], datetime]:
        if callable(value):
            return value  # type: ignore[no-any-return]
        text = str(value).strip()
        if text[-1:] in _UNITS and text[:-1].isdigit():
            span = timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
            moment = datetime.now(UTC) + (span if self._ahead else -span)
            return lambda _zone: moment
        try:
            written = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time; write 2026-02-11, 2026-02-11T14:00:00+01:00 or 30d", param, ctx)
        return lambda zone: _in_zone(written, zone).astimezone(UTC)


def _in_zone(written: datetime, zone: str) -> datetime:
    return written if written.tzinfo else written.replace(tzinfo=ZoneInfo(zone))


@contextmanager
def store_of(config: Config, *, create: bool = False) -> Iterator[Store]:
    """The store of a configuration, closed at the end; with `create`, made if missing. Raises StoreError."""
    store = opened(config, create=create)
    try:
        yield store
    finally:
        store.close()


def warn_of_differences(config: Config) -> list[str]:
    """Print on standard error, and return, a line for each service that runs an outdated configuration."""
    try:
        with store_of(config) as store:
            found = running.differences(store, config)
    except trouble.FAULTS:
        return []  # there is no store yet, or it can't be read, which the command itself reports
    for one in found:
        click.echo(one, err=True)
    return found


@contextmanager
def refresher_of(config: Config) -> Iterator[Refresher]:
    """The refresher of a configuration; updates the store to that configuration, and closes it at the end."""
    collect_seldom()
    store = opened(config)
    refresher = Refresher(
        store,
        config.content_root,
        options.load_rules(config),
        options.rules(config),
        removal_limit=options.removal_limit(config),
        cache_bytes=config.feeds.cache,
        names=names.names(config),
        settle=config.schedule.settle,
        retention=options.retention(config),
    )
    refresher.prepare()
    try:
        yield refresher
    finally:
        store.close()
