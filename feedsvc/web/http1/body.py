"""Collects a request's whole body before it is processed: in memory, or on disk if it is large.

Knows no framework: whoever reads the connection adds the pieces.
"""

import tempfile
from typing import IO, Final

_IN_MEMORY: Final = 1_000_000
"""Bytes of one body; a longer one goes to disk."""
_IN_MEMORY_IN_ALL: Final = 16_000_000
"""Bytes of all bodies together; beyond that even a small one goes to disk."""

_held = 0


class BodyTooLargeError(Exception):
    """A body is longer than allowed."""


class Body:
    """A body that is being received; at most `longest` bytes. Must be closed."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (`close` closes it)
        self.size = 0

    def expect(self, size: int) -> None:
        """Check an announced length, in bytes. Raises BodyTooLargeError."""
        if size > self._longest:
            raise BodyTooLargeError

    def add(self, piece: bytes) -> None:
        """Add the next piece. Raises BodyTooLargeError."""
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
        """The whole body as a file, from its beginning."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Release the memory and the file."""
        global _held
        _held -= self._held
        self._held = 0
        self._file.close()
