"""The door to the database, which makes or migrates what is behind it.

Knows nothing of feeds: what the rows mean is said in the modules beside this one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    any_,
    cast,
    create_engine,
    event,
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

from feedsvc.errors import StoreError
from feedsvc.store.tables import MIGRATIONS, meta

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
_MIGRATION_LOCK = 0x66656564  # any number of our own; PostgreSQL's advisory locks are named by numbers


class Store:
    """The database, migrated to what this feedsvc knows.

    `url` is a SQLAlchemy URL of SQLite or PostgreSQL. Without `create`, what isn't there is not made: who
    only reads must not put an empty store in the place of one that was moved away. Raises StoreError if it
    can't be opened or is newer.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._create = create
        self._shown = make_url(url).render_as_string(hide_password=True)
        self._file = _file_of(url)
        self._pulsed: PoolProxiedConnection | None = None
        try:
            if self._file and create:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(
                # What statements are run with is for no log or error: tokens' hashes are among it.
                self._file_url(url),
                hide_parameters=True,
                **_engine_options(url),
            )
            if self._file:
                event.listen(self._engine, "connect", _prepare_sqlite)
                event.listen(self._engine, "connect", _cache_for_loads if create else _cache_for_reading)
                event.listen(self._engine, "begin", _begin_sqlite)
            self.reopen()
        except (OSError, SQLAlchemyError) as error:
            raise StoreError(f"store.url: {self._shown} cannot be opened: {error}") from error

    def _file_url(self, url: str) -> str:
        return url if self._create or not self._file else f"sqlite:///file:{self._file}?mode=rw&uri=true"

    def reopen(self) -> None:
        """Let go of every connection and open the store anew, as after its file was replaced."""
        self._release()
        self._migrate()
        self._identity = self._file_identity()

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps it."""
        return self._file

    def is_current(self) -> bool:
        """Whether what is open is still what its file name means: not once that was deleted or replaced."""
        return self._file_identity() == self._identity

    @property
    def was_replaced(self) -> bool:
        """Whether there is another file where the one is that is open: not while there is none."""
        there = self._file_identity()
        return there is not None and there != self._identity

    def _file_identity(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the store."""
        with self._engine.connect() as connection:
            if self._engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, *, repeatable: bool = False) -> Iterator[Connection]:
        """One transaction: all of it is there afterwards, or, after an exception or a crash, none of it.

        One that is `repeatable`, because its source is at hand, doesn't wait for SQLite's disk: a power cut
        may undo it and those before it that didn't wait either, the last first. The next one that waits holds
        for them, too.
        """
        options = {"feedsvc_write": True, "feedsvc_repeatable": repeatable}
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def pulse(self) -> int | None:
        """A number that is another once somebody else has committed; None where that takes a query to know.

        For one thread. It costs a look at SQLite's shared memory (https://sqlite.org/pragma.html#pragma_data_version).
        """
        if self._file is None:
            return None
        if self._pulsed is None:
            self._pulsed = self._engine.raw_connection()
        cursor = self._pulsed.cursor()
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
        self._release()

    def _release(self) -> None:
        pulsed, self._pulsed = self._pulsed, None
        if pulsed is not None:
            pulsed.close()
        self._engine.dispose()

    def _schema(self) -> int:
        """How many migrations have run: asked without the right to write, which a long load may hold."""
        with self.read() as connection:
            return int(read_meta(connection, "schema") or 0) if inspect(connection).has_table("meta") else 0

    def _migrate(self) -> None:
        if self._schema() == len(MIGRATIONS):
            return
        if not self._create:
            raise StoreError(f"store.url: {self._shown} has not been made yet; start the refresher first")
        words = _DIALECTS[self._engine.dialect.name]
        with self.write() as tx:
            if self._engine.dialect.name == "postgresql":
                tx.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            tx.execute(
                text("CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
            )
            done = int(read_meta(tx, "schema") or 0)
            if done > len(MIGRATIONS):
                raise StoreError(
                    f"the store has schema {done}, of a newer feedsvc; this one knows {len(MIGRATIONS)}"
                )
            for migration in MIGRATIONS[done:]:
                for statement in migration:
                    tx.execute(text(statement.format(**words)))
            if done < len(MIGRATIONS):
                write_meta(tx, "schema", str(len(MIGRATIONS)))


def _file_of(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _engine_options(url: str) -> dict[str, Any]:
    if _file_of(url):
        return {"connect_args": {"timeout": 30, "check_same_thread": False}}
    # A server that has gone silent must not hold a thread for the quarter hour TCP would wait.
    patience = {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
    }
    return {"pool_pre_ping": True, "pool_timeout": 5, "connect_args": patience}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions late; `_begin_sqlite` does it
    connection.execute("PRAGMA page_size = 8192")  # of a new file: stories fill it better
    connection.execute("PRAGMA journal_mode = WAL")


def _cache_for_loads(connection: Any, _record: object) -> None:
    # What a large load touches over and over goes to the file once: 32 MB of log, 32 MB of cache at most.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -32000")


def _cache_for_reading(connection: Any, _record: object) -> None:
    # Half a megabyte: each connection has a cache of its own, and a feed is read once until it changes.
    connection.execute("PRAGMA cache_size = -500")


def _begin_sqlite(connection: Connection) -> None:
    # A writer that began as a reader fails at once when another has written since; IMMEDIATE waits instead.
    options = connection.get_execution_options()
    if not options.get("feedsvc_write"):
        connection.exec_driver_sql("BEGIN")
        return
    # FULL: a change that was accepted is on the disk, as docs promise. One sync a batch is cheap.
    durability = "NORMAL" if options.get("feedsvc_repeatable") else "FULL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {durability}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
