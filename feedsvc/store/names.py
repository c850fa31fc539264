"""The names that stories have, or had once: sections, tags, authors and agencies.

Every function takes an open transaction. Names stay when stories go: who is withdrawn or expired was no slip.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from feedsvc.model import Placed
from feedsvc.store.schema import among, insert_new
from feedsvc.store.tables import names


def note(tx: Connection, stories: Iterable[Placed]) -> None:
    """Note the names of stories, whatever their status: `sections/world`, `sources/reuters`."""
    keys = {key for story in stories for key in story.keys}
    keys = {key for key in keys if "/" in key and not key.startswith("custom/")}
    keys |= {f"sources/{story.source}" for story in stories if story.source}
    # In order, so that two writers can't block each other for good.
    insert_new(tx, names, [(key, None) for key in sorted(keys - known(tx, sorted(keys)))])


def known(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the names that some story has, or had."""
    return set(connection.execute(select(names.c.key).where(among(connection, names.c.key, keys))).scalars())


def beginning(connection: Connection, prefix: str) -> set[str]:
    """The names that begin so; all of them for ""."""
    query = select(names.c.key).where(names.c.key >= prefix, names.c.key < f"{prefix}\U0010ffff")
    return set(connection.execute(query).scalars())
