"""The web workers of a service and the sockets they share: started, replaced, newly configured.

Knows nothing of feeds. The calling process is the workers' parent until a signal ends it.
"""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from feedsvc.config import Config
from feedsvc.errors import ConfigError, FeedsvcError
from feedsvc.listening import Address, check_certificate, close_listener, listener
from feedsvc.run_folder import run_folder
from feedsvc.supervising import Child, Generation
from feedsvc.web.ops import metrics_listener
from feedsvc.web.server.context import Context
from feedsvc.web.spool import may_go, owner_of, settle

log = structlog.get_logger(__name__)

_PATIENCE: Final = 4.0  # seconds for workers to end; the whole service has 5
_START_SECONDS: Final = 60.0
_TICK: Final = 0.2  # seconds between two looks at the workers when no signal tells that one has ended


class Supervisor:
    """Serves by `config`. `load` reads it anew; `beside` is what else is done by it in this process.

    `address` and `workers` say where to listen, and with how many workers, by a configuration.
    Raises ConfigError if the address is taken, or what `beside` raises.
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
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._is_ending = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then let open requests be answered, and return."""
        with ExitStack() as at_end, ExitStack() as self._work:
            self._run = at_end.enter_context(
                run_folder(owner_of(self._config.store_url), partial(may_go, self._config.store_url))
            )
            self._folder = self._run.path
            self._socket = listener(self._address(self._config))
            at_end.callback(lambda: close_listener(self._socket))
            # glibc would give each thread an arena, and what one freed is of no use to the others: with feeds
            # coming and going in a full cache that is a quarter more. The lock they share costs nothing.
            os.environ.setdefault("MALLOC_ARENA_MAX", "1")
            self._begin(self._config)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, lambda came, _: self._signals.put(came))
            self._workers = self._generation(self._config)
            at_end.callback(lambda: settle(self._config.store_url, self._folder))
            at_end.callback(lambda: self._workers.end(_PATIENCE))
            while not self._is_ending:
                self._wait()
            log.info("stopping")
            self._workers.tell_to_end()

    def _wait(self) -> None:
        came: int | None = None
        with suppress(Empty):
            came = self._signals.get(timeout=_TICK)
        if came in {signal.SIGTERM, signal.SIGINT}:
            self._is_ending = True
        elif came == signal.SIGHUP:
            self._reload()
        else:
            self._workers.tend()

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
        """Bring all to the configuration as it is now; if it has a fault, leave all as it is."""
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
            if not workers.await_ready(_START_SECONDS, lambda: self._signals.empty() or not self._ends()):
                workers.end(_PATIENCE)
                raise ConfigError("workers do not come up with it")
        except FeedsvcError as error:
            log.error("configuration_refused", reason=str(error))
            self._work.close()
            self._begin(before)
            if self._socket is not old_socket:
                close_listener(self._socket)
                self._socket = old_socket
            return
        self._workers, workers, self._config = workers, self._workers, config
        workers.end(_PATIENCE)
        if self._socket is not old_socket:
            close_listener(old_socket)
        log.info("configuration_reloaded", path=str(config.path))

    def _ends(self) -> bool:
        """Whether a signal has come that ends the service."""
        with suppress(Empty):
            while not self._is_ending:
                self._is_ending = self._signals.get_nowait() in {signal.SIGTERM, signal.SIGINT}
        return self._is_ending
