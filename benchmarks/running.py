"""Starts a server in a process group of its own, waits until it answers, and ends it.

Must not know which server it is.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
"""Where `benchmarks` is imported from, for servers that import a peer's site."""
_STOP_SECONDS = 10
_START_SECONDS = 60


class NotReadyError(Exception):
    """A server did not answer in time."""


class Answer(NamedTuple):
    """A response; the names of its header fields in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class Server:
    """A server process, with what it started, at a port of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.port = port
        self.log = log

    def url(self, path: str) -> str:
        """Where a path of it is."""
        return f"http://{HOST}:{self.port}{path}"

    def stop(self) -> None:
        """End it as an operator would; what is left of its group after ten seconds is killed."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def get(port: int, path: str, **fields: str) -> Answer:
    """One GET over a connection of its own; underscores in names of header fields stand for hyphens."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): v for name, v in fields.items()})
        response = connection.getresponse()
        return Answer(
            response.status, {name.lower(): v for name, v in response.getheaders()}, response.read()
        )
    finally:
        connection.close()


def free_port() -> int:
    """A port nobody listens at now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def start(
    command: Sequence[str],
    folder: Path,
    *,
    port: int,
    ready: str,
    cores: set[int] | None = None,
    environment: Mapping[str, str] | None = None,
    limit: float = _START_SECONDS,
) -> Server:
    """Start a server and wait until a GET of the path `ready` gives 200, for `limit` seconds at most.

    `cores` are those it may run on.
    """
    log = folder / f"server-{port}.log"
    with log.open("wb") as written, on_cores(cores):
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=written,
            stderr=written,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
        )
    server = Server(process, port, log)
    try:
        _wait(server, ready, limit)
    except BaseException:
        server.stop()
        raise
    return server


def _wait(server: Server, path: str, limit: float) -> None:
    until = time.monotonic() + limit
    while time.monotonic() < until and server.process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if get(server.port, path).status == 200:
                return
        time.sleep(0.005)
    code = server.process.poll()
    happened = f"no answer at {path} in {limit:.0f} s" if code is None else f"ended with {code}"
    raise NotReadyError(
        f"{server.process.args!r}: {happened}: {server.log.read_text('utf-8', 'replace')[-2000:]}"
    )


@contextmanager
def on_cores(cores: set[int] | None) -> Iterator[None]:
    """Have what this thread starts meanwhile run on these cores, for a child inherits them."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
