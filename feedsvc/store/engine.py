"""The database of a service: opened, migrated, read and written in transactions.

Must not know feeds: the modules beside this one say what the rows mean.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    make_url,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from feedsvc.store import connections, trouble
from feedsvc.store.connections import Files, Patience
from feedsvc.store.migrations import NOT_MADE, migrate, schema_of
from feedsvc.util.errors import StoreError

_GONE = "its file was deleted or replaced; it is opened again as soon as the refresher has made it anew"


class _Opened(NamedTuple):
    """An engine over a migrated database; of SQLite, the file and the log beside it that were opened."""

    engine: Engine
    files: Files | None = None

    def close(self) -> None:
        """Let go of it."""
        self.engine.dispose()
        if self.files is not None:
            self.files.close()


class Store:
    """The database, migrated to what this feedsvc knows.

    `url` is a SQLAlchemy URL of SQLite or PostgreSQL. Without `create`, what isn't there is not made: who
    only reads must not put an empty store in the place of one that was moved away. `patience` says how long
    PostgreSQL lets a session hang. Raises StoreError if it can't be opened or is newer; with `wait`, that is
    left to who uses it, and `reopen` is to be tried again.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        wait: bool = False,
        patience: Patience = Patience(),  # noqa: B008 - a frozen value
    ) -> None:
        self._url = url
        self._create = create
        self._patience = patience
        self._shown = make_url(url).render_as_string(hide_password=True)
        self._file = connections.file_of(url)
        self._opened: _Opened | None = None
        self._why: StoreError | None = None
        self._pulsed: tuple[_Opened, PoolProxiedConnection] | None = None
        try:
            self.reopen()
        except StoreError as error:
            if not wait:
                raise
            self._why = error

    def reopen(self, is_ready: Callable[[Connection], bool] | None = None) -> None:
        """Open the store anew, as after its file was deleted or replaced, and let go of what was open.

        With `create`, what isn't there is made. Raises StoreError if that can't be, or if it is not what
        `is_ready` wants; then what was open stays so.
        """
        try:
            opened = self._open(is_ready)
        except (OSError, SQLAlchemyError) as error:
            found = trouble.of(error)
            raise StoreError(f"the store ({self._shown}): {found.words}", found.condition) from error
        before, self._opened = self._opened, opened
        if before is not None:
            before.close()

    def _open(self, is_ready: Callable[[Connection], bool] | None) -> _Opened:
        if self._file is None:
            return _Opened(self._migrated(connections.postgresql(self._url, self._patience), is_ready))
        before = self._opened.files if self._opened else None
        if self._create and self._opened and before and before.has_only_lost_beside:
            connections.rescue(self._opened.engine, self._file)
        connections.make_way(self._file, create=self._create, before=before)
        files = Files(self._file)
        if files.identity is None:
            raise StoreError(f"the store ({self._shown}): {NOT_MADE}")
        engine = connections.sqlite(self._file, create=self._create, check=lambda: self._require(files))
        self._migrated(engine, is_ready)
        files.note_beside()
        return _Opened(engine, files)

    def _migrated(self, engine: Engine, is_ready: Callable[[Connection], bool] | None) -> Engine:
        try:
            migrate(engine, self._shown, create=self._create)
            if is_ready:
                with engine.connect() as connection:
                    if not is_ready(connection):
                        raise StoreError(f"the store ({self._shown}): it is being filled")
        except Exception:
            engine.dispose()
            raise
        return engine

    def _require(self, files: Files | None) -> None:
        """Raise StoreError if the file is not that one any more."""
        if files is not None and not files.is_kept:
            raise StoreError(f"the store ({self._shown}): {_GONE}")

    @property
    def _engine(self) -> Engine:
        return self._current().engine

    def _current(self) -> _Opened:
        if self._opened is None:
            why = self._why
            raise StoreError(str(why), why.condition) if why else StoreError(NOT_MADE)
        return self._opened

    @property
    def shown(self) -> str:
        """Its URL without a password."""
        return self._shown

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps it."""
        return self._file

    def is_current(self) -> bool:
        """Whether what is open is still what its file name means: not once that was deleted or replaced."""
        if self._opened is None:
            return False
        return self._opened.files is None or self._opened.files.is_kept

    def lacks_tables(self) -> bool:
        """Whether there is a database in the store's place without feedsvc's tables, as one made anew.

        Raises what reading the store raises.
        """
        return schema_of(self._engine) == 0

    @property
    def was_replaced(self) -> bool:
        """Whether another one can be opened than the one that is open: not while there is none."""
        if self._opened is None:
            return True
        before = self._opened.files
        there = connections.identity_of(self._file) if self._file else None
        return there is not None and before is not None and there != before.identity

    @contextmanager
    def read(self, *, long: bool = False) -> Iterator[Connection]:
        """One consistent view of the store; a `long` one may be kept open as long as need be."""
        with self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                if long:
                    connections.take_time(connection, is_reading=True)
                yield connection

    @contextmanager
    def write(self, *, repeatable: bool = False, long: bool = False) -> Iterator[Connection]:
        """One transaction: all of it is there afterwards, or, after an exception or a crash, none of it.

        One that is `repeatable`, because its source is at hand, doesn't wait for SQLite's disk: a power cut
        may undo it and those before it that didn't wait either, the last first. The next one that waits holds
        for them, too. A `long` one may have statements that take minutes, and waits for locks as long.
        Raises StoreError if SQLite's file was deleted or replaced: what was written then is lost with it.
        """
        opened = self._current()
        self._require(opened.files)
        options = {"feedsvc_write": True, "feedsvc_repeatable": repeatable}
        try:
            with opened.engine.connect().execution_options(**options) as connection, connection.begin():
                if long:
                    connections.take_time(connection)
                yield connection
        except SQLAlchemyError as error:
            if trouble.is_lock_timeout(error):
                self.end_silent()
            raise
        self._require(opened.files)

    def end_silent(self) -> int:
        """End PostgreSQL sessions that hold locks and whose process was suspended; returns how many."""
        seconds = self._patience.idle_in_transaction
        if self._file is not None or not seconds:
            return 0
        return connections.end_silent(self._engine, seconds)

    def pulse(self) -> int | None:
        """A number that is another once somebody else has committed; None where that takes a query to know.

        For one thread. It costs a look at SQLite's shared memory (https://sqlite.org/pragma.html#pragma_data_version).
        """
        if self._file is None:
            return None
        opened = self._current()
        if self._pulsed is None or self._pulsed[0] is not opened:
            if self._pulsed is not None:
                self._pulsed[1].invalidate()
            self._pulsed = opened, opened.engine.raw_connection()
        cursor = self._pulsed[1].cursor()
        cursor.execute("PRAGMA data_version")
        row = cursor.fetchone()
        cursor.close()
        return int(row[0]) if row else None

    def checkpoint(self) -> None:
        """Bring what SQLite's log has into its file; else a commit does once the log is long, and is slow.

        It waits for nobody, and nobody for it: what others still read or bring in themselves stays in the log
        (https://sqlite.org/pragma.html#pragma_wal_checkpoint).
        """
        if self._file is None:
            return
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Let go of every connection."""
        pulsed, self._pulsed = self._pulsed, None
        if pulsed is not None:
            pulsed[1].close()
        if self._opened is not None:
            self._opened.close()
