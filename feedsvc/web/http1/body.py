"""The body of a request, read whole before anybody works on it: in memory, or on the disk if it is large.

Knows no framework: pieces come from whoever reads the connection.
"""

import tempfile
from typing import IO, Final

_IN_MEMORY: Final = 1_000_000
"""Bytes of one body."""
_IN_MEMORY_IN_ALL: Final = 16_000_000
"""Bytes of all bodies together: beyond that even a small one goes to the disk."""

_held = 0


class BodyTooLargeError(Exception):
    """A body is longer than it may be."""


class Body:
    """A body as it comes; at most `longest` bytes. To be closed."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (`close` closes it)
        self.size = 0

    def expect(self, size: int) -> None:
        """Take it that there will be so many bytes. Raises BodyTooLargeError."""
        if size > self._longest:
            raise BodyTooLargeError

    def add(self, piece: bytes) -> None:
        """Take the next piece. Raises BodyTooLargeError."""
        global _held
        self.size += len(piece)
        if self.size > self._longest:
            raise BodyTooLargeError
        self._file.write(piece)
        in_memory = self.size <= _IN_MEMORY
        if in_memory and self.size - self._held > _IN_MEMORY_IN_ALL - _held:
            self._file.rollover()
            in_memory = False
        _held += (self.size if in_memory else 0) - self._held
        self._held = self.size if in_memory else 0

    def whole(self) -> IO[bytes]:
        """All of it, from its beginning."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Let go of it."""
        global _held
        _held -= self._held
        self._held = 0
        self._file.close()
