"""Statements that write very many rows, or look for very many values, on SQLite and PostgreSQL.

Must not know any table.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Table, Text, any_, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect


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
