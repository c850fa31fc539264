"""Starts, replaces and reloads a service's web workers, and owns the sockets that they share.

Knows nothing of feeds. The calling process is the workers' parent until a signal ends it.
"""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final

import structlog

from feedsvc.config.schema import Config
from feedsvc.util.child_processes import Child, Generation, Generations, Signals
from feedsvc.util.errors import ConfigError, FeedsvcError
from feedsvc.util.run_folder import run_folder
from feedsvc.util.sockets import Address, check_certificate, close_listener, listener
from feedsvc.web.ops.health import metrics_listener
from feedsvc.web.partners.delivery_spool import may_go, owner_of, settle
from feedsvc.web.server.context import Context

log = structlog.get_logger(__name__)

_PATIENCE: Final = 4.5  # seconds for workers to end; the whole service has to end within 5
_START_SECONDS: Final = 60.0
_TICK: Final = 0.2  # seconds between checks of the workers, if no signal says that one has ended


class Supervisor:
    """Serves as `config` says. `load` reads it again; `beside` runs what else this process has to do.

    `address` and `workers` return where to listen and how many workers to run, for a configuration. Raises
    ConfigError if the address is taken, or what `beside` raises.
    """

    def __init__(
        self,
        config: Config,
        *,
        address: Callable[[Config], Address],
        workers: Callable[[Config], int],
        load: Callable[[], Config],
        beside: Callable[[Config], AbstractContextManager[None]],
    ) -> None:
        self._config = config
        self._address = address
        self._number = workers
        self._load = load
        self._beside = beside
        self._signals = Signals()
        self._is_ending = self._is_to_reload = False
        self._workers = Generations(_PATIENCE)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then let running requests be answered, and return."""
        with ExitStack() as at_end, ExitStack() as self._work:
            self._run = at_end.enter_context(
                run_folder(owner_of(self._config.store_url), partial(may_go, self._config.store_url))
            )
            self._folder = self._run.path
            self._socket = listener(self._address(self._config))
            at_end.callback(lambda: close_listener(self._socket))
            # glibc gives each thread an arena by default: a quarter more memory once the cache is full.
            os.environ.setdefault("MALLOC_ARENA_MAX", "1")
            self._signals.note(signal.SIGHUP)  # until the start is complete, other signals end the process
            self._begin(self._config)
            self._signals.note(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
            at_end.callback(lambda: settle(self._config.store_url, self._folder))
            at_end.callback(self._workers.end)
            self._workers.succeed(self._generation(self._config))
            while not self._ends(_TICK):
                if self._is_to_reload:
                    self._reload()
                self._workers.tend()
            log.info("stopping")
            self._workers.tell_to_end()
            close_listener(self._socket)  # new connections are refused at once

    def _ends(self, seconds: float = 0.0) -> bool:
        """Wait up to `seconds` for a signal; whether one has come that ends the service."""
        came = self._signals.taken(seconds)
        self._is_to_reload |= signal.SIGHUP in came
        self._is_ending |= not came.isdisjoint({signal.SIGTERM, signal.SIGINT})
        return self._is_ending

    def _begin(self, config: Config) -> None:
        self._work.enter_context(self._beside(config))
        self._work.enter_context(metrics_listener(config, self._folder))

    def _generation(self, config: Config) -> Generation:
        number = self._socket.fileno()

        def start() -> Child:
            return Child(
                "feedsvc.web.server.worker:main",
                lambda ready: Context(config, self._folder, [number], ready).line(),
                [number, self._run.lock],
            )

        return Generation(start, self._number(config))

    def _reload(self) -> None:
        """Apply the configuration as it is now; if it has a fault, keep everything as it is."""
        self._is_to_reload = False
        before, old_socket = self._config, self._socket
        try:
            config = self._load()
            if config.http.tls:
                check_certificate(config.tls_file("certificate"), config.tls_file("key"))
            if self._address(config) != self._address(before):
                self._socket = listener(self._address(config))
        except FeedsvcError as error:
            log.error("configuration_refused", reason=str(error))
            return
        self._work.close()
        try:
            self._begin(config)
            workers = self._generation(config)
            if not workers.await_ready(_START_SECONDS, lambda: not self._ends()):
                self._workers.retire(workers)
                raise ConfigError("workers do not come up with it")
        except FeedsvcError as error:
            if not self._is_ending:
                log.error("configuration_refused", reason=str(error))
                self._work.close()
                self._begin(before)
            if self._socket is not old_socket:
                close_listener(self._socket)
                self._socket = old_socket
            return
        self._workers.succeed(workers)
        self._config = config
        if self._socket is not old_socket:
            close_listener(old_socket)
        log.info("configuration_reloaded", path=str(config.path))
