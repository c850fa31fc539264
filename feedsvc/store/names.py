"""The names that stories have, or had once: sections, tags, authors and agencies.

Every function takes an open transaction. Names outlive their stories, for as long as the caller says: a name
in the configuration whose stories were withdrawn or have expired is not a typing error.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, exists, not_, select, update

from feedsvc.domain.model import Placed, to_micros
from feedsvc.store.tables import dirty, memberships, names
from feedsvc.store.upserts import among, insert_new


def note(tx: Connection, stories: Iterable[Placed]) -> None:
    """Record the names of stories, whatever their status: `sections/world`, `sources/reuters`."""
    keys = {key for story in stories for key in story.keys}
    keys = {key for key in keys if "/" in key and not key.startswith("custom/")}
    keys |= {f"sources/{story.source}" for story in stories if story.source}
    # In order, so that two writers cannot deadlock.
    insert_new(tx, names, [(key, None) for key in sorted(keys - known(tx, sorted(keys)))])


class Use(NamedTuple):
    """A name (a feed's key), whether a published story has it, and since when none was found to have it.

    `unused_since` is in microseconds since 1970, or None.
    """

    key: str
    is_used: bool
    unused_since: int | None


def uses(connection: Connection, after: str, limit: int) -> list[Use]:
    """A page of the names of sections, tags and authors, in order, beginning after the name `after`."""
    query = select(names.c.key, _is_used(), names.c.unused_since).where(
        names.c.key > after, names.c.key.not_like("sources/%")
    )
    return list(map(Use._make, connection.execute(query.order_by(names.c.key).limit(limit))))


def note_use(tx: Connection, keys: Sequence[str], unused_since: datetime | None) -> None:
    """Record since when no story has these names (aware UTC); None if some story has."""
    since = None if unused_since is None else to_micros(unused_since)
    tx.execute(update(names).where(among(tx, names.c.key, keys)).values(unused_since=since))


def forget_unused(tx: Connection, keys: Sequence[str]) -> list[str]:
    """Delete those of the names that no story has and whose feeds are not dirty; returns them."""
    is_over = among(tx, names.c.key, keys) & not_(_is_used())
    is_over &= not_(exists().where(dirty.c.feed_key == names.c.key))
    forgotten = list(tx.execute(select(names.c.key).where(is_over).order_by(names.c.key)).scalars())
    tx.execute(delete(names).where(among(tx, names.c.key, forgotten)))
    return forgotten


def _is_used() -> ColumnElement[bool]:
    return exists().where(memberships.c.feed_key == names.c.key)


def known(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the names that some story has, or had."""
    return set(connection.execute(select(names.c.key).where(among(connection, names.c.key, keys))).scalars())


def beginning(connection: Connection, prefix: str) -> set[str]:
    """The names that begin with `prefix`; all of them for ""."""
    query = select(names.c.key).where(names.c.key >= prefix, names.c.key < f"{prefix}\U0010ffff")
    return set(connection.execute(query).scalars())
