"""The commands that run until a signal ends them: `serve`, `web` and `worker`.

Knows in which order the parts are started and stopped; must not know how they do their work.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import structlog

from feedsvc.cli.common import refresher_of
from feedsvc.config import file, options, running
from feedsvc.config.schema import Config
from feedsvc.config.store import opened
from feedsvc.refresh.refresher import Refresher
from feedsvc.refresh.schedule import Schedule
from feedsvc.util.errors import FeedsvcError
from feedsvc.util.sockets import Address
from feedsvc.web.server.supervisor import Supervisor

if TYPE_CHECKING:
    from feedsvc.outbound.webhooks import Notifier

log = structlog.get_logger(__name__)

_WORKERS_START = 1.0  # seconds, about, that web workers take; the first scan waits to leave them the machine


class Where(NamedTuple):
    """The options of the command line that override the configuration; None or "" for those not given."""

    host: str | None = None
    port: int | None = None
    uds: str = ""
    workers: int | None = None

    def address(self, config: Config) -> Address:
        """The address to listen at: the path of a Unix socket, or a host and a port."""
        unix = Path(self.uds) if self.uds else None if self.host or self.port else config.unix_socket
        return unix or (self.host or config.http.host, self.port or config.http.port)


def serve(config: Config, where: Where) -> None:
    """Keep the feeds up to date and serve them: the refresher in this process, web workers in others."""
    _supervise(config, where, _refreshing)


def web(config: Config, where: Where) -> None:
    """Serve the feeds without keeping them up to date, for example on a machine of its own."""
    _supervise(config, where, _opening)


def _supervise(
    config: Config, where: Where, beside: Callable[[Config], AbstractContextManager[None]]
) -> None:
    _end_on_sigterm()
    if sys.stderr.isatty():
        address = where.address(config)
        shown = f"http://{address[0]}:{address[1]}/" if isinstance(address, tuple) else address
        click.echo(f"feedsvc serves {shown} (Ctrl-C ends it)", err=True)
    Supervisor(
        config,
        address=where.address,
        workers=lambda now: where.workers or now.http.workers,
        load=lambda: _read_again(config),
        beside=beside,
    ).run()


def _read_again(config: Config) -> Config:
    """The configuration read again from its file. Raises FeedsvcError if it or its store cannot be used."""
    again = file.load(config.path, os.environ)
    opened(again).close()
    return again


@contextmanager
def _refreshing(config: Config) -> Iterator[None]:
    with refresher_of(config) as refresher, _notifier(config) as notifier:
        running.note(config, "serve")
        if refresher.rights_changed:
            refresher.refresh()  # before the web workers serve stories that a reader may no longer have
        first = 0.0 if refresher.is_new else _WORKERS_START
        schedule = _schedule(config, "serve", refresher, notifier, first)
        schedule.start()
        try:
            yield
        finally:
            schedule.stop()


@contextmanager
def _opening(config: Config) -> Iterator[None]:
    opened(config).close()  # creates a missing store, and raises StoreError if it can't be reached
    running.note(config, "web")
    yield


def worker(config: Config) -> None:
    """Keep the feeds up to date without serving them. Any number of workers may share a PostgreSQL store.

    On SIGHUP, reads the configuration again; if that has an error, logs it and keeps the present one.
    """
    _end_on_sigterm()
    came = threading.Event()
    signals: list[int] = []
    ending = False
    while not ending:
        with refresher_of(config) as refresher, _notifier(config) as notifier:
            running.note(config, "worker")
            schedule = _schedule(config, "worker", refresher, notifier)
            schedule.start()
            _on_signals(signals, came)
            try:
                again = None
                while not ending and again is None:
                    came.wait()
                    came.clear()
                    ending = any(number != signal.SIGHUP for number in signals)
                    again = None if ending else _read_or_say_why(config)
                    signals.clear()
            finally:
                log.info("stopping")
                schedule.stop()
        config = again or config


def _on_signals(signals: list[int], came: threading.Event) -> None:
    def note(number: int, _frame: object) -> None:
        signals.append(number)
        came.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)


def _read_or_say_why(config: Config) -> Config | None:
    try:
        return _read_again(config)
    except FeedsvcError as error:
        log.error("configuration_refused", reason=str(error))
        return None


def _end_on_sigterm() -> None:
    """While the process starts, let SIGTERM end it as Ctrl-C does, so that every `finally` runs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def _schedule(
    config: Config, command: str, refresher: Refresher, notifier: "Notifier | None", first: float = 0.0
) -> Schedule:
    return Schedule(
        refresher,
        refresh=config.schedule.refresh,
        rescan=config.schedule.rescan,
        watched=config.content_root if config.schedule.watch else None,
        first=first,
        notifier=notifier,
        on_remade=lambda: running.note(config, command),
    )


@contextmanager
def _notifier(config: Config) -> "Iterator[Notifier | None]":
    webhooks = options.webhooks(config)
    if not webhooks:
        yield None
        return
    from feedsvc.outbound.webhooks import (
        Notifier,  # imported here: most sites have no webhook, and an HTTP client takes long
    )

    store = opened(config)
    try:
        yield Notifier(store, options.rules(config), webhooks, lambda: datetime.now(UTC))
    finally:
        store.close()
