"""Keeps all tokens in memory: Authorization header field → token.

Knows neither SQL nor what a token gives access to. Tokens are compared by their hashes, and never logged.
"""

import base64
import binascii
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Connection

from feedsvc.store import tokens
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Scope, Token, hashed

_PATIENCE = 0.25  # seconds that a request waits while another one reads the tokens


class TokenCache:
    """The tokens of the store, read again whenever one was created or revoked. `clock` returns aware UTC."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._version: str | None = None
        self._by_hash: dict[str, Token] = {}

    def look(self, connection: Connection) -> None:
        """Read the tokens again if any has changed since the last time."""
        version = tokens.version(connection)
        if version != self._version:
            self._keep(tokens.every(connection), version)

    def _keep(self, known: Iterable[Token], version: str) -> None:
        self._by_hash = {token.hash: token for token in known}
        self._version = version

    def _read_first(self) -> None:
        # If the store hangs, requests must not queue for the lock until every thread is blocked.
        if not self._lock.acquire(timeout=_PATIENCE):
            raise TimeoutError("the store does not answer")
        try:
            if self._version is None:
                with self._store.read() as connection:
                    self.look(connection)
        finally:
            self._lock.release()

    @property
    def was_read(self) -> bool:
        """Whether the tokens are in memory, so that `holder` needs no store."""
        return self._version is not None

    def may_open(self, authorization: str | None) -> bool:
        """Whether an Authorization field gives access to the API; True while the tokens are not read yet.

        Never waits for the store.
        """
        return not self.was_read or self.holder(authorization, "write") is not None

    def holder(self, authorization: str | None, scope: Scope) -> Token | None:
        """The valid token of that scope in an Authorization field; None if there is none.

        Reads the tokens first if that has not been done. Raises SQLAlchemyError or TimeoutError if that
        fails.
        """
        if self._version is None:
            self._read_first()
        # Hashed even if the request has no token, so that the time the answer takes reveals nothing.
        token = self._by_hash.get(hashed(secret_in(authorization)))
        good = token is not None and token.scope == scope and token.is_good(self._clock())
        return token if good else None


def secret_in(authorization: str | None) -> str:
    """The token in an Authorization field, "" if none: Bearer's (RFC 6750) or Basic's password (RFC 7617)."""
    scheme, _, rest = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]
