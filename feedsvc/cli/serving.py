"""The commands that go on until a signal ends them: the refresher, the web workers, and both.

Knows in which order parts are started and ended, and none of what they do.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from feedsvc import config_values
from feedsvc.cli.common import refresher_of
from feedsvc.config import Config
from feedsvc.refresh import Refresher
from feedsvc.schedule import Schedule
from feedsvc.store.schema import Store
from feedsvc.web import server

if TYPE_CHECKING:
    from feedsvc.notices import Notifier

_WORKERS_START = 1.0  # seconds, about


def serve(config: Config, host: str | None, port: int | None, workers: int | None) -> None:
    """Keep the feeds fresh and serve them: the refresher here, web workers beside it."""
    server.end_on_sigterm()
    with (
        _address(config, host, port) as address,
        refresher_of(config) as refresher,
        _notifier(config) as notifier,
    ):
        if refresher.rights_changed:
            refresher.refresh()  # before anybody is served what they may have no more
        schedule = _schedule(config, refresher, notifier, first=0.0 if refresher.is_new else _WORKERS_START)
        schedule.start()
        try:
            _serve(config, address, port, workers)
        finally:
            schedule.stop()


def web(config: Config, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve only: the web half of `serve`, for a machine of its own."""
    server.end_on_sigterm()
    with _address(config, host, port) as address:
        Store(config.store_url).close()  # makes it if it isn't there, and says so if it can't be reached
        _serve(config, address, port, workers)


def _address(config: Config, host: str | None, port: int | None) -> AbstractContextManager[str]:
    return server.holding(host or config.http.host, port or config.http.port)


def _serve(config: Config, address: str, port: int | None, workers: int | None) -> None:
    port = port or config.http.port
    if sys.stderr.isatty():
        click.echo(f"feedsvc serves http://{address}:{port}/ (Ctrl-C ends it)", err=True)
    server.serve(config, address=address, port=port, workers=workers or config.http.workers)


def worker(config: Config) -> None:
    """Refresh only: the other half of `serve`. Any number may share a PostgreSQL store."""
    server.end_on_sigterm()
    with refresher_of(config) as refresher, _notifier(config) as notifier:
        schedule = _schedule(config, refresher, notifier)
        schedule.start()
        try:
            server.wait_for_signal()
        finally:
            schedule.stop()


def _schedule(
    config: Config, refresher: Refresher, notifier: "Notifier | None", first: float = 0.0
) -> Schedule:
    return Schedule(
        refresher,
        refresh=config.schedule.refresh,
        rescan=config.schedule.rescan,
        watched=config.content_root if config.schedule.watch else None,
        first=first,
        notifier=notifier,
    )


@contextmanager
def _notifier(config: Config) -> "Iterator[Notifier | None]":
    webhooks = config_values.webhooks(config)
    if not webhooks:
        yield None
        return
    from feedsvc.notices import Notifier  # here, for most have no webhook, and an HTTP client takes a while

    store = Store(config.store_url)
    try:
        yield Notifier(store, config_values.rules(config), webhooks, lambda: datetime.now(UTC))
    finally:
        store.close()
