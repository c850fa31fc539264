"""Requests over connections of their own, as most clients make them; and what of an answer is looked at.

Knows HTTP, and nothing of what is asked.
"""

import gzip
import http.client
from collections.abc import Mapping
from typing import NamedTuple

HANGS_SECONDS = 15.0
"""After so long a request counts as never answered: a thread is waited for for ten, and then it is 503."""


class Answer(NamedTuple):
    """A response that came whole; the names of its fields in lower case, its body decoded."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """Its validator."""
        return self.fields.get("etag", "")


class Connection:
    """A connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_SECONDS)

    def ask(
        self, method: str, path: str, body: bytes | None = None, fields: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. Raises OSError or HTTPException if it broke off, TimeoutError after a while."""
        self._connection.request(method, path, body, dict(fields or {}))
        response = self._connection.getresponse()
        read = response.read()
        named = {name.lower(): value for name, value in response.getheaders()}
        if named.get("content-encoding") == "gzip":
            read = gzip.decompress(read)
        return Answer(response.status, named, read)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
