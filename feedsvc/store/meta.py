"""Single values that the store keeps, each under a name: the table `meta`.

Must not know what a value means.
"""

from sqlalchemy import Connection, select

from feedsvc.store.tables import meta
from feedsvc.store.upserts import upsert


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
