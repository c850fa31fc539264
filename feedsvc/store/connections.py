"""Connects to the store's database: SQLite's pragmas and files, PostgreSQL's timeouts.

Must not know any table.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os.path import samestat
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

_SECONDS_TO_CONNECT: Final = 3
_BESIDE: Final = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps beside an open database: write-ahead log, and index of the log."""
_TURN: Final = "-turn"
"""Suffix of an empty file beside the database: the process that writes next has it locked."""
_SECONDS_FOR_A_TURN: Final = 1.0
_SECONDS_WITHOUT: Final = 10.0
_BETWEEN: Final = 0.005  # seconds between two attempts to get the turn


class Patience(NamedTuple):
    """PostgreSQL's timeouts, in seconds; 0 means no limit.

    `idle_in_transaction`: how long a transaction may be idle, as when its process is suspended; its session
    is ended, too. `statement`: how long one statement may run. `lock`: how long to wait for a lock that
    another transaction holds.
    https://www.postgresql.org/docs/current/runtime-config-client.html
    """

    idle_in_transaction: float = 3.0
    statement: float = 30.0
    lock: float = 5.0


FileIdentity = tuple[int, int]
"""Device and inode."""


def file_of(url: str) -> Path | None:
    """SQLite's file; None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def identity_of(path: Path) -> FileIdentity | None:
    """What distinguishes a file from another at the same path; None if there is none or stat fails."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


class Log:
    """SQLite's write-ahead log beside a database file: what was committed and isn't in the file yet.

    It is held open until `close`: meanwhile no other file gets its inode, so that it can be distinguished
    from the log of another database at the same path.
    """

    def __init__(self, file: Path) -> None:
        self._path = file.with_name(f"{file.name}{_BESIDE[0]}")
        self._descriptor: int | None
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = None

    def is_there(self) -> bool:
        """Whether this log is still the file at its path."""
        try:
            return self._descriptor is not None and samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def is_lost(self) -> bool:
        """Whether there was a log, and it is no longer the file at its path."""
        return self._descriptor is not None and not self.is_there()

    def close(self) -> None:
        """Close the log's descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class Files:
    """SQLite's database file, its log and the log's index, as they were when the database was opened."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._index_place = file.with_name(f"{file.name}{_BESIDE[1]}")
        self._log: Log | None = None
        # Not held open: closing a descriptor of it would drop the POSIX locks that SQLite has on it
        # (https://sqlite.org/howtocorrupt.html, section 2.2).
        self._index: FileIdentity | None = None
        self.identity = identity_of(file)

    def note_beside(self) -> None:
        """Record which log and index lie beside the file. Call it while a connection to the file is open."""
        self._log = Log(self._file)
        self._index = identity_of(self._index_place)

    @property
    def is_kept(self) -> bool:
        """Whether all files are still at their paths.

        If not, a new connection would open other files than the existing connections have open.
        """
        return identity_of(self._file) == self.identity and not self._has_lost_beside

    @property
    def has_only_lost_beside(self) -> bool:
        """Whether the database file is still at its path, but its log or the log's index isn't."""
        return identity_of(self._file) == self.identity and self._has_lost_beside

    @property
    def _has_lost_beside(self) -> bool:
        if self._log is None:
            return False
        return self._log.is_lost() or identity_of(self._index_place) != self._index

    @property
    def has_log(self) -> bool:
        """Whether the log is still at its path."""
        return self._log is not None and self._log.is_there()

    def close(self) -> None:
        """Close what is held open."""
        if self._log is not None:
            self._log.close()


def postgresql(url: str, patience: Patience) -> Engine:
    """An engine for PostgreSQL whose sessions have timeouts: a suspended process must not block others."""
    # A server that has gone silent must not hold a thread for the quarter hour TCP would wait.
    arguments = {
        "connect_timeout": _SECONDS_TO_CONNECT,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "fallback_application_name": "feedsvc",
    }
    engine = create_engine(
        # Statements' parameters must not appear in logs or errors: hashes of tokens are among them.
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=5,
        connect_args=arguments,
    )
    limits = {
        "idle_in_transaction_session_timeout": _milliseconds(patience.idle_in_transaction),
        "statement_timeout": _milliseconds(patience.statement),
        "lock_timeout": _milliseconds(patience.lock),
        # The other way to hang in a transaction: a process that doesn't read the result it asked for.
        "tcp_user_timeout": _milliseconds(2 * patience.idle_in_transaction),
    }

    def limit(connection: Any, _record: object) -> None:
        # Not as a startup parameter, which connection poolers refuse.
        calls = ", ".join("set_config(%s, %s, false)" for _ in limits)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", [part for pair in limits.items() for part in pair])
        connection.commit()

    event.listen(engine, "connect", limit)
    event.listen(engine, "after_cursor_execute", _after_many)
    return engine


def _after_many(
    connection: Connection, _cursor: object, _sql: str, _values: object, _context: object, is_many: bool
) -> None:
    # psycopg sends the statements of executemany in one pipeline. PostgreSQL does not start its timer for
    # idle transactions after the pipeline's last message; it does after one more statement.
    if is_many:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def take_time(connection: Connection, *, is_reading: bool = False) -> None:
    """Lift the timeouts for the rest of a long transaction: a migration, a first load, a long listing.

    One that writes keeps the idle timeout: it is still ended if its process is suspended in it.
    """
    if connection.dialect.name == "postgresql":
        names = ["statement_timeout", "lock_timeout"]
        names += ["idle_in_transaction_session_timeout"] if is_reading else []
        connection.execute(text("SELECT " + ", ".join(f"set_config('{name}', '0', true)" for name in names)))


def stay(tx: Connection) -> None:
    """Reset the idle timeout of a transaction, between two long pieces of work that don't use the store.

    Otherwise PostgreSQL would take the process for suspended; see `Patience`.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT 1"))


def end_silent(engine: Engine, seconds: float) -> int:
    """End feedsvc's sessions with uncommitted changes that have sent nothing for `seconds`; returns how many.

    PostgreSQL's timeouts don't cover a process that is suspended while it sends a pipeline of statements: to
    the server it is neither idle, nor is a statement running.
    """
    query = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename = current_user AND application_name = current_setting('application_name')"
        " AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND wait_event = 'ClientRead'"
        " AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
    )
    with engine.connect() as connection:
        return int(connection.execute(query, {"seconds": seconds}).scalar_one())


class _Turns:
    """Makes SQLite's writers take turns: one waits for SQLite's lock, the others for their turn.

    SQLite retries to get its lock with longer and longer pauses: while a process writes one transaction after
    another, others would wait for seconds. A suspended process must not keep the turn for good: after a
    second, a writer goes on without the turn, and for ten seconds does not wait for it again.
    """

    def __init__(self, file: Path) -> None:
        self._place = f"{file}{_TURN}"
        self._without_until = 0.0  # by time.monotonic()

    @contextmanager
    def next(self) -> Iterator[None]:
        """Hold the turn during the block, if it can be had in time."""
        try:
            descriptor = os.open(self._place, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            yield
            return
        try:
            self._wait(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        began = time.monotonic()
        patience = _SECONDS_FOR_A_TURN if began > self._without_until else 0.0
        while not _is_locked(descriptor):
            if time.monotonic() >= began + patience:
                self._without_until = time.monotonic() + _SECONDS_WITHOUT
                return
            time.sleep(_BETWEEN)


def _is_locked(descriptor: int) -> bool:
    """Try to lock a file; False if another process has it locked. True also where there are no file locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def sqlite(file: Path, *, create: bool, check: Callable[[], None]) -> Engine:
    """An engine for SQLite's file. Without `create`, a missing file is not created.

    `check` is called for each new connection; it raises if the file was deleted or replaced.
    """
    url = f"sqlite:///{file}" if create else f"sqlite:///file:{file}?mode=rw&uri=true"
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": 30, "check_same_thread": False}
    )

    def prepare(connection: Any, _record: object) -> None:
        check()
        connection.isolation_level = None  # the driver would begin transactions late; `_begin` does it
        connection.execute("PRAGMA page_size = 8192")  # of a new file: stories fill it better
        connection.execute("PRAGMA journal_mode = WAL")
        if create:
            # A large load changes the same pages again and again: with 32 MB of log and 32 MB of cache, each
            # page goes to the file only once.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            connection.execute("PRAGMA cache_size = -32000")
        else:
            # Half a megabyte: each connection has its own cache, and a feed is read once until it changes.
            connection.execute("PRAGMA cache_size = -500")

    turns = _Turns(file)

    def begin(connection: Connection) -> None:
        _begin(connection, turns)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _begin(connection: Connection, turns: _Turns) -> None:
    # A writer that began as a reader fails at once when another has written since; IMMEDIATE waits instead.
    options = connection.get_execution_options()
    if not options.get("feedsvc_write"):
        connection.exec_driver_sql("BEGIN")
        return
    # FULL: a change that was accepted is on the disk, as docs promise. One sync a batch is cheap.
    durability = "NORMAL" if options.get("feedsvc_repeatable") else "FULL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {durability}")
    with turns.next():
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def rescue(engine: Engine, file: Path) -> None:
    """Replace a database file that lost its log or index by a copy of what the engine's connections see.

    These connections still have the old log and index open; whoever opened the file now would create new
    ones, and overwrite what the connections wrote. Raises what SQLite raises, and StoreError or OSError.
    """
    copy = file.with_name(f"{file.name}-copy")
    copy.unlink(missing_ok=True)
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("VACUUM INTO ?", (str(copy),))
    finally:
        connection.close()
    with copy.open("rb") as written:
        os.fsync(written.fileno())
    with _alone_in(file.parent):
        for ending in _BESIDE:
            file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)
        copy.replace(file)


def make_way(file: Path, *, create: bool, before: Files | None) -> None:
    """Delete the log and index of an earlier database at the same path, before SQLite opens the present one.

    SQLite would apply the earlier database's log to the present file. The log is the earlier one's if there
    is no database file, or if it is the log that was open with the files `before`. With `create`, an empty
    file is created if there is none, with its folder. Raises OSError.
    """
    if create:
        file.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(file.parent):
        is_there = file.exists()
        if not is_there and not create:
            return
        if not is_there or (before is not None and before.has_log):
            for ending in _BESIDE:
                file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)
        if not is_there:
            file.touch()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder against feedsvc's other processes, if the file system has locks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
