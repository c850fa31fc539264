"""A reader that polls one feed over one connection, as tightly as is reasonable.

Knows HTTP, and nothing of what is published.
"""

import gzip
import http.client
import time
from collections.abc import Callable

from benchmarks.running import HOST

PAUSE_SECONDS = 0.002


class LostStoryError(Exception):
    """A story did not come."""


class Reader:
    """Polls a path with the ETag it has, in gzip."""

    def __init__(self, port: int, path: str) -> None:
        self.polls = 0
        self.body = b""
        self._connection = http.client.HTTPConnection(HOST, port, timeout=10)
        self._path = path
        self._fields = {"Accept-Encoding": "gzip"}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def poll(self) -> bool:
        """Ask once; says whether there was something new, which `body` then has."""
        self.polls += 1
        self._connection.request("GET", self._path, headers=self._fields)
        response = self._connection.getresponse()
        received = response.read()
        if response.status == 304:
            return False
        if response.status != 200:
            raise http.client.HTTPException(f"{self._path}: {response.status}")
        self._fields["If-None-Match"] = response.headers["ETag"]
        self.body = gzip.decompress(received) if response.headers["Content-Encoding"] else received
        return True

    def poll_until(self, mark: bytes, limit: float) -> float:
        """Poll until the feed has `mark` in it; gives the instant it was received (perf_counter)."""
        until = time.perf_counter() + limit
        while True:
            if self.poll():
                received = time.perf_counter()
                if mark in self.body:
                    return received
            if time.perf_counter() > until:
                raise LostStoryError(f"{mark!r} was not at {self._path} after {limit} s")
            time.sleep(PAUSE_SECONDS)

    def poll_for(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        """Poll for so long, whatever comes."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.poll()
            if each:
                each()
            time.sleep(PAUSE_SECONDS)
