"""The door to the database, which makes or migrates what is behind it.

Knows nothing of feeds: what the rows mean is said in the modules beside this one.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    Text,
    any_,
    cast,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from feedsvc.store import connections, trouble
from feedsvc.store.connections import Files, Patience
from feedsvc.store.tables import MIGRATIONS, meta
from feedsvc.util.errors import StoreError

PLACES_BY_KEY = {
    "sqlite": (
        "(SELECT json_group_object(json_extract(value, '$[0]'), json_extract(value, '$[1]'))"
        " FROM json_each(places))"
    ),
    "postgresql": (
        "(SELECT COALESCE(CAST(jsonb_object_agg(place ->> 0, place -> 1) AS TEXT), '{}')"
        " FROM jsonb_array_elements(CAST(places AS JSONB)) AS place)"
    ),
}
"""Makes the present form of `places` out of that before the fourth migration, which older processes write."""

_DIALECTS = {
    "sqlite": {
        "text": "TEXT",
        "bytes": "BLOB",
        "clustered": " WITHOUT ROWID",
        "places_by_key": PLACES_BY_KEY["sqlite"],
        "source_slug": "json_extract(article, '$.source.slug')",
    },
    "postgresql": {
        "text": 'TEXT COLLATE "C"',
        "bytes": "BYTEA",
        "clustered": "",
        "places_by_key": PLACES_BY_KEY["postgresql"],
        "source_slug": "(CAST(article AS JSON) #>> '{source,slug}')",
    },
}
_NOT_MADE = "it has not been made yet; `feedsvc serve`, `worker` or `refresh` makes it"
_GONE = "its file was deleted or replaced; it is opened again as soon as the refresher has made it anew"
_MIGRATION_LOCK = 0x66656564  # any number of our own; PostgreSQL's advisory locks are named by numbers


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
            raise StoreError(f"the store ({self._shown}): {_NOT_MADE}")
        engine = connections.sqlite(self._file, create=self._create, check=lambda: self._require(files))
        self._migrated(engine, is_ready)
        files.note_beside()
        return _Opened(engine, files)

    def _migrated(self, engine: Engine, is_ready: Callable[[Connection], bool] | None) -> Engine:
        try:
            self._migrate(engine)
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
            raise StoreError(str(why), why.condition) if why else StoreError(_NOT_MADE)
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
        return self._schema(self._engine) == 0

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

    def _schema(self, engine: Engine) -> int:
        """How many migrations have run: asked without the right to write, which a long load may hold."""
        with engine.connect() as connection, connection.begin():
            return int(read_meta(connection, "schema") or 0) if inspect(connection).has_table("meta") else 0

    def _migrate(self, engine: Engine) -> None:
        done = self._schema(engine)
        if done == len(MIGRATIONS):
            return
        self._refuse_newer(done)
        if not self._create:
            older = f"it is of an older feedsvc (schema {done}); start the refresher of this version first"
            raise StoreError(f"the store ({self._shown}): {older if done else _NOT_MADE}")
        words = _DIALECTS[engine.dialect.name]
        options = {"feedsvc_write": True}
        with engine.connect().execution_options(**options) as tx, tx.begin():
            connections.take_time(tx)
            if engine.dialect.name == "postgresql":
                tx.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            tx.execute(
                text("CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
            )
            done = int(read_meta(tx, "schema") or 0)
            self._refuse_newer(done)
            for migration in MIGRATIONS[done:]:
                for statement in migration:
                    tx.execute(text(statement.format(**words)))
            if done < len(MIGRATIONS):
                write_meta(tx, "schema", str(len(MIGRATIONS)))

    def _refuse_newer(self, done: int) -> None:
        if done > len(MIGRATIONS):
            raise StoreError(
                f"the store ({self._shown}): it has schema {done}, of a newer feedsvc; this one knows"
                f" {len(MIGRATIONS)}. Install that version again, or name another store in store.url",
                "store-newer",
            )


def upsert(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by primary key, whether they are there or not. A row has a value for each column."""
    upsert_tuples(tx, table, list(map(itemgetter(*table.c.keys()), rows)))


def upsert_tuples(tx: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """The same for rows in the order of the table's columns: what is cheapest for very many."""
    if rows:
        # Straight to the driver: SQLAlchemy's care for each value takes longer than SQLite takes to write it.
        tx.exec_driver_sql(_upsert(tx.dialect.name, table), list(rows))


def insert_new(tx: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows in the order of the table's columns, but those whose key is there already."""
    if rows:
        tx.exec_driver_sql(_insert_new(tx.dialect.name, table), list(rows))


@lru_cache(maxsize=64)
def _insert_new(engine: str, table: Table) -> str:
    is_sqlite = engine == "sqlite"
    dialect = SQLiteDialect(paramstyle="qmark") if is_sqlite else PGDialect(paramstyle="format")  # type: ignore[no-untyped-call]
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    return str(insert.on_conflict_do_nothing().compile(dialect=dialect))


@lru_cache(maxsize=64)
def _upsert(engine: str, table: Table) -> str:
    """The statement as the driver takes it, with the columns in their order."""
    is_sqlite = engine == "sqlite"
    dialect = SQLiteDialect(paramstyle="qmark") if is_sqlite else PGDialect(paramstyle="format")  # type: ignore[no-untyped-call]
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    statement = (
        insert.on_conflict_do_update(index_elements=keys, set_=values)
        if values
        else insert.on_conflict_do_nothing(index_elements=keys)
    )
    return str(statement.compile(dialect=dialect))


def among(connection: Connection, column: Column[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column has one of these values, which are one variable of the statement, however many.

    SQLAlchemy's IN makes a variable of each: it takes longer than the look-up, and SQLite takes so many only.
    """
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(cast(list(values), ARRAY(Text)))


def read_meta(connection: Connection, name: str) -> str | None:
    """One value of `meta`."""
    return connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()


def write_meta(tx: Connection, name: str, value: str) -> None:
    """Set one value of `meta`."""
    upsert(tx, meta, [{"name": name, "value": value}])


def list_meta(connection: Connection, prefix: str) -> dict[str, str]:
    """The values of `meta` whose names begin so."""
    is_one = meta.c.name.startswith(prefix, autoescape=True)
    rows = connection.execute(select(meta.c.name, meta.c.value).where(is_one))
    return {row.name: row.value for row in rows}


def remove_meta(tx: Connection, name: str) -> None:
    """Remove one value of `meta`."""
    tx.execute(meta.delete().where(meta.c.name == name))
