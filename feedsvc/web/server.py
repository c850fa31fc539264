"""Granian: the web workers, as processes that are replaced when they die.

Knows nothing of feeds. The calling process becomes the workers' parent until a signal ends it.
"""

import multiprocessing
import os
import signal
import socket
import tempfile
import time
from pathlib import Path

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from feedsvc.errors import ConfigError

log = structlog.get_logger(__name__)

_KILL_AFTER = 3  # seconds that a worker has to answer its open requests; the whole service stops within 5
_RESTART_PAUSE = 1.0  # seconds between a crash loop and the next try


def check_address(host: str, port: int) -> None:
    """Raise ConfigError if nobody can listen there. Workers share the port, so that two services could."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        raise ConfigError(f"http: cannot listen at {host}:{port}: {error.strerror or error}") from error


def serve(config_path: Path, *, host: str, port: int, workers: int, threads: int) -> None:
    """Serve until SIGTERM or SIGINT; then let open requests be answered, and return.

    `threads` answer in each worker. Raises ConfigError if the address is taken.
    """
    check_address(host, port)
    os.environ["FEEDSVC_CONFIG"] = str(config_path.absolute())
    os.environ["FEEDSVC_PARENT"] = str(os.getpid())
    # A fork would copy the refresher's threads' locks as they happen to stand.
    multiprocessing.set_start_method("spawn", force=True)
    with tempfile.TemporaryDirectory(prefix="feedsvc-counts-") as counts:
        os.environ["FEEDSVC_COUNTS"] = counts
        while not _serve_once(host, port, workers, threads):
            log.error("workers_restart")
            time.sleep(_RESTART_PAUSE)


def _serve_once(host: str, port: int, workers: int, threads: int) -> bool:
    """Serve until told to stop (True), or until Granian gives up on workers that keep dying (False)."""
    server = Granian(
        "feedsvc.web:create_app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        factory=True,
        log_level=LogLevels.warning,
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


def wait_for_signal() -> None:
    """Return when SIGTERM or SIGINT comes."""
    received = signal.sigwait({signal.SIGTERM, signal.SIGINT})
    log.info("stopping", signal=signal.Signals(received).name)
