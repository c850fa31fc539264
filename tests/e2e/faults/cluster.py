"""A PostgreSQL cluster of a test's own, which may be stopped and started again as nobody else's may.

Knows PostgreSQL's programs, and nothing of what is kept in it.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

_PATIENCE = 30.0  # seconds
_OPTIONS = ("-c", "fsync=off", "-c", "max_connections=120", "-c", "shared_buffers=32MB")
_UNPRIVILEGED = ("postgres", "nobody")


def binaries() -> Path | None:
    """Where PostgreSQL's programs are, of the newest version; None if there are none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
    found = shutil.which("initdb")
    folders = ([Path(found).resolve().parent] if found else []) + folders
    return next((one for one in reversed(folders) if (one / "initdb").exists()), None)


class Cluster:
    """A server on a port of its own; it never runs as root, which PostgreSQL refuses."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="feedsvc-postgres-"))
        self._user: dict[str, Any] = _unprivileged()
        if self._user:
            os.chown(self.folder, self._user["user"], self._user["group"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        make = [str(programs / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust"]
        subprocess.run(
            [*make, "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._user,
        )

    def url(self, database: str = "postgres") -> str:
        """Where a database of it is, for `store.url`."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it; it answers when this returns."""
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        where = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *where, *_OPTIONS],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **self._user,
            )
        until = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, *, at_once: bool = False) -> None:
        """End it: every session is ended, and with `at_once` nothing is put in order before."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(_PATIENCE)

    def remove(self) -> None:
        """End it and take its files away."""
        try:
            self.stop(at_once=True)
        except subprocess.TimeoutExpired:
            assert self._process
            self._process.kill()  # its other processes end with it
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement, by a connection of its own."""
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=3"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def is_amid_transaction(self, pid: int) -> bool:
        """Whether a process that stands still has a transaction open, and so holds all its locks."""
        found = self.ask(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND client_port = ANY(%s)",
            _local_ports(pid),
        )
        return bool(found)

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False


def _local_ports(pid: int) -> list[int]:
    """The ports that connections of a process leave by (proc_pid_net(5))."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(os.readlink(entry))
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return [int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in links]


def _unprivileged() -> dict[str, Any]:
    """As whom it runs: as whoever runs the test, or as another if that is root."""
    if os.geteuid() != 0:
        return {}
    for name in _UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user but root that PostgreSQL could run as")
