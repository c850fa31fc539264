"""Turns errors of the store into words for operators: what is wrong, and what to do about it.

Knows the databases' errors, and must not know any table. A library's own message is used only for an error
that is not known here.
"""

import errno
import os
import re
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from feedsvc.util.errors import StoreError

FAULTS: Final = (SQLAlchemyError, StoreError, sqlite3.Error)
"""What using the store raises, mostly when the store itself is at fault and not what was asked of it."""

MISSING: Final = "store-missing"
DAMAGED: Final = "store-damaged"
FULL: Final = "store-full"
READ_ONLY: Final = "store-read-only"
BUSY: Final = "store-busy"
UNREACHABLE: Final = "store-unreachable"

_ROOM: Final = 1_000_000
"""Bytes: with less free space on its disk, a store counts as full."""


class Trouble(NamedTuple):
    """A condition's static name (`store-damaged`), and words for what is wrong and what to do.

    The words don't say which store it is: the caller adds that.
    """

    condition: str
    words: str


_ANEW = (
    "stop feedsvc, move the file away with its -wal and -shm, and put a backup in its place; without one, the"
    " next start makes all feeds anew from the content folder, but tokens, pushed stories and the delivery"
    " log are in a backup alone"
)
_DAMAGED = Trouble(DAMAGED, f"it is damaged, or no store; {_ANEW}")
_FULL = Trouble(FULL, "its disk is full; make room, and it goes on by itself")
_READ_ONLY = Trouble(
    READ_ONLY, "it may only be read; let the user that feedsvc runs as write the file and its folder"
)
_IO = Trouble(UNREACHABLE, "its disk can't be read or written; look at the system's log, and at the disk")
_NOT_OPENED = Trouble(
    MISSING, "it can't be opened; see that its folder is there and the user that feedsvc runs as may write it"
)
_LOCKED = Trouble(BUSY, "another process has been writing to it for too long; it is tried again")
_SQLITE: Final = (
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
    ("no such table", _DAMAGED),
    ("no such column", _DAMAGED),
    ("disk is full", _FULL),
    ("readonly", _READ_ONLY),
    ("unable to open", _NOT_OPENED),
    ("i/o error", _IO),
    ("locked", _LOCKED),
)
"""Part of SQLite's message (https://sqlite.org/rescode.html), and what it means."""
_OF_SYSTEM: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EIO: _IO,
    errno.ENOTDIR: _NOT_OPENED,
    errno.EEXIST: _NOT_OPENED,
    errno.ENOENT: _NOT_OPENED,
}

_DOWN = Trouble(
    UNREACHABLE, "PostgreSQL can't be reached; see that it runs, and that store.url has its host and port"
)
READ_ONLY_SERVER: Final = Trouble(
    READ_ONLY, "PostgreSQL takes no writes: it is a standby, or was set so; name the primary in store.url"
)
_NO_TABLES = Trouble(MISSING, "the database has none of feedsvc's tables; a refresher that starts makes them")
_PG_STATES: Final = {
    "28": Trouble(UNREACHABLE, "PostgreSQL refuses the user or password in store.url; mend them"),
    "3D": Trouble(MISSING, "PostgreSQL has no such database; make it with `createdb`, or mend store.url"),
    "3F": _NO_TABLES,
    "42P01": _NO_TABLES,
    "42501": Trouble(READ_ONLY, "the user in store.url may not do that; grant it its schema"),
    "25006": READ_ONLY_SERVER,
    "53100": Trouble(FULL, "PostgreSQL's disk is full; make room, and it goes on by itself"),
    "53300": Trouble(UNREACHABLE, "PostgreSQL has no connection left; raise its max_connections"),
    "55P03": Trouble(BUSY, "others held a lock for longer than store.lock_timeout; it is tried again"),
    "57014": Trouble(BUSY, "a statement took longer than store.statement_timeout; it is tried again"),
    "40": Trouble(BUSY, "two transactions were in each other's way; it is tried again"),
    "25P03": Trouble(
        BUSY,
        "a transaction said nothing for store.idle_in_transaction_session_timeout, as if its process were"
        " suspended, and was ended; it is tried again",
    ),
    "57P": Trouble(UNREACHABLE, "PostgreSQL has ended the connection: it stops or starts; it is tried again"),
    "08": _DOWN,
    "XX001": Trouble(DAMAGED, "PostgreSQL finds its data damaged; look at its log"),
    "XX002": Trouble(DAMAGED, "PostgreSQL finds an index damaged; look at its log"),
}
"""SQLSTATE or its beginning (https://www.postgresql.org/docs/current/errcodes-appendix.html) → meaning."""
_PG_WORDS: Final = (
    (r'database ".*" does not exist', "3D"),
    (r'role ".*" does not exist|authentication failed|no pg_hba\.conf entry|no password', "28"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"starting up|shutting down|terminating connection|closed the connection|connection is closed", "57P"),
)
"""Messages of failed connections, which have no SQLSTATE, and the SQLSTATE to use instead."""
_UNKNOWN = Trouble(UNREACHABLE, "it does not answer as it should")


def of(error: BaseException) -> Trouble:
    """What an error of the store means."""
    if isinstance(error, StoreError):
        return Trouble(error.condition, str(error))
    if isinstance(error, PoolTimeoutError):
        return Trouble(BUSY, "all connections to it are in use; it is tried again")
    if isinstance(error, TimeoutError):
        return Trouble(UNREACHABLE, "it does not answer")
    if isinstance(error, OSError):
        return _OF_SYSTEM.get(error.errno or 0) or Trouble(MISSING, error.strerror or str(error))
    orig = error.orig if isinstance(error, DBAPIError) else error
    if orig is None:
        return _UNKNOWN
    told = str(orig).strip()
    if type(orig).__module__.partition(".")[0] == "sqlite3":
        found = next((one for words, one in _SQLITE if words in told.lower()), None)
    else:
        found = _of_postgresql(getattr(orig, "sqlstate", None), told)
    if found is not None:
        return found
    return Trouble(UNREACHABLE, told.splitlines()[0]) if told else _UNKNOWN


def _of_postgresql(state: str | None, told: str) -> Trouble | None:
    if state is None:
        state = next((one for words, one in _PG_WORDS if re.search(words, told)), "08")
    return next((one for start, one in _PG_STATES.items() if state.startswith(start)), None)


def is_of_store(error: BaseException) -> bool:
    """Whether the store is at fault, and not what was asked of it: other operations would fail, too."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, OperationalError | InternalError)
    return isinstance(error, StoreError | PoolTimeoutError)


def is_lock_timeout(error: BaseException) -> bool:
    """Whether PostgreSQL gave up waiting for a lock."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "55P03"


def of_file(file: Path) -> Trouble | None:
    """What prevents writing to a SQLite file, as far as its disk shows; None if nothing does."""
    try:
        disk = os.statvfs(file.parent)
    except OSError:
        return Trouble(MISSING, "its folder is gone; the refresher makes it anew, if it runs")
    if not file.exists():
        return Trouble(MISSING, "its file is gone; the refresher makes it anew, if it runs")
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        return _READ_ONLY
    return _FULL if disk.f_bavail * disk.f_frsize < _ROOM else None
