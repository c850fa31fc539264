"""Tokens of partners and newsrooms: their hashes and terms. The tokens themselves are not stored.

Must not know HTTP, nor how a token is made.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import Connection, insert, select, update

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.tables import tokens

_VERSION = "tokens"

Scope = Literal["read", "write"]
"""What a token gives access to: a partner's feeds, or the interface that newsrooms push stories to."""


class Token(NamedTuple):
    """What is stored of a token. Instants are aware UTC.

    `hash` is its SHA-256 in hex, `name` that of the partner or newsroom it was made for.
    """

    id: str
    hash: str
    name: str
    scope: Scope
    label: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it is valid at `now` (aware UTC)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hashed(secret: str) -> str:
    """The SHA-256 of a token, in hex. A token has 256 random bits: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def add(tx: Connection, token: Token) -> None:
    """Store a token."""
    values = token._asdict()
    for name in ("created_at", "expires_at", "revoked_at"):
        values[name] = to_micros(values[name]) if values[name] else None
    tx.execute(insert(tokens).values(values))
    changed(tx)


def every(connection: Connection) -> list[Token]:
    """Every token, also expired and revoked ones, by name and time of creation."""
    columns = tokens.c
    return [
        _token(row) for row in connection.execute(select(tokens).order_by(columns.name, columns.created_at))
    ]


def revoke(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Revoke tokens at `now` (aware UTC)."""
    open_ones = tokens.c.id.in_(ids) & tokens.c.revoked_at.is_(None)
    tx.execute(update(tokens).where(open_ones).values(revoked_at=to_micros(now)))
    changed(tx)


def version(connection: Connection) -> str:
    """A value that differs after every change of a token, and from store to store."""
    return read_meta(connection, _VERSION) or ""


def changed(tx: Connection) -> None:
    """Record that the tokens have changed."""
    # Random instead of counted: in a store that was restored, a count could be the same for other tokens.
    write_meta(tx, _VERSION, secrets.token_hex(8))


def _token(row: Any) -> Token:
    return Token(
        row.id,
        row.hash,
        row.name,
        cast(Scope, row.scope),
        row.label,
        from_micros(row.created_at),
        from_micros(row.expires_at) if row.expires_at is not None else None,
        from_micros(row.revoked_at) if row.revoked_at is not None else None,
    )
