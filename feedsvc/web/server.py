"""Granian: the web workers, as processes that are replaced when they die.

Knows nothing of feeds. The calling process becomes the workers' parent until a signal ends it.
"""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from feedsvc.config import Config
from feedsvc.errors import ConfigError
from feedsvc.web.handover import RUN_FOLDER, hand_over
from feedsvc.web.spool import settle

log = structlog.get_logger(__name__)

_IDLE_MS = 75_000  # longer than proxies keep connections open, so that it is they who close them
_KILL_AFTER = 3  # seconds that a worker has to answer its open requests; the whole service stops within 5
_RESTART_PAUSE = 1.0  # seconds between a crash loop and the next try


@contextmanager
def holding(host: str, port: int) -> Iterator[str]:
    """Hold an address for the workers, who share it; gives its numeric form. ConfigError if it is taken.

    Sockets that share a port would let two services have it, each with a part of the requests. So it is asked
    for alone first, and then held with a socket that never listens.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            alone.listen()
        held = socket.socket(family, socket.SOCK_STREAM)
        # Not SO_REUSEADDR: with it on both, Linux lets two sockets that don't listen have one address.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(place)
    except OSError as error:
        raise ConfigError(f"http: cannot listen at {host}:{port}: {error.strerror or error}") from error
    with held:
        yield str(place[0])


def serve(config: Config, *, address: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; then let open requests be answered, and return.

    `address` is numeric. The workers get `config` as it is, whatever its file says by the time they start.
    """
    # A fork would copy the refresher's threads' locks as they happen to stand.
    multiprocessing.set_start_method("spawn", force=True)
    # A spawned process imports its parent's main module, which is the commands and all they need, unless that
    # is some package's `__main__`, as it is under `python -m feedsvc`. A worker needs nothing of it.
    sys.modules["__main__"].__spec__ = find_spec("feedsvc.__main__")
    # glibc would give each thread an arena, and memory that one freed is of no use to the others: with feeds
    # coming and going in a full cache that is a quarter more. The lock they share costs nothing measurable.
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    with tempfile.TemporaryDirectory(prefix="feedsvc-") as folder:
        os.environ[RUN_FOLDER] = folder
        hand_over(config, Path(folder), (address, port))
        while not _serve_once(config, address, port, workers):
            log.error("workers_restart")
            time.sleep(_RESTART_PAUSE)
        settle(config.store_url, Path(folder))


def _serve_once(config: Config, address: str, port: int, workers: int) -> bool:
    """Serve until told to stop (True), or until Granian gives up on workers that keep dying (False)."""
    server = Granian(
        "feedsvc.web.worker:create_app",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=config.http.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_IDLE_MS),
        factory=True,
        log_level=LogLevels.warning,
        ssl_cert=config.tls_file("certificate"),
        ssl_key=config.tls_file("key"),
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=_KILL_AFTER,
    )
    try:
        server.serve()
    except SystemExit:
        if not server.interrupt_signal:
            return False
    return bool(server.interrupt_signal)


def end_on_sigterm() -> None:
    """Have SIGTERM end the process as Ctrl-C does, through every `finally`; while it serves, Granian does."""
    signal.signal(signal.SIGTERM, _raise_exit)


def wait_for_signal() -> None:
    """Return when SIGTERM or SIGINT comes."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    ending.wait()
    log.info("stopping")


def _raise_exit(_number: int, _frame: object) -> None:
    sys.exit(0)
