"""Whose requests come by a tunnel: Granian sees its other end only.

Knows addresses, and no sockets.
"""

import time
from collections import deque
from collections.abc import Callable

_SOURCES = 0xFF_FE00  # how many addresses of the loopback network tunnels come from
_REMEMBERED = 10.0  # seconds after a tunnel was closed
_NOBODY = "0.0.0.0"


Place = tuple[str, int]
"""An address and a port."""


class Peers:
    """Whose connection each tunnel carries.

    To Granian each comes from an address of its own in the loopback network, 127.0.0.0/8.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.are_asked = False
        """Whether who answers behind the tunnels asks here whose requests they carry."""
        self.have_tunnels = False
        """Whether there are any: else who calls has an address of its own."""
        self._clock = clock
        self._by_source: dict[str, str] = {}
        self._closed: deque[tuple[float, str]] = deque()
        self._last = 0

    def take(self, peer: str) -> str:
        """An address for a tunnel that carries the connection of `peer`."""
        while self._closed and self._closed[0][0] < self._clock() - _REMEMBERED:
            self._by_source.pop(self._closed.popleft()[1], None)
        source = ""
        while not source or source in self._by_source:
            self._last = self._last % _SOURCES + 1
            number = self._last + 255  # not 127.0.0.x, where other programs are
            source = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self._by_source[source] = peer
        return source

    def give_back(self, source: str, *, answered: bool) -> None:
        """The tunnel from there is closed. Unless all was `answered`, something may wait for a thread."""
        if answered:
            self._by_source.pop(source, None)
        else:
            self._closed.append((self._clock(), source))

    def behind(self, source: str) -> str:
        """Whose requests come from there, "0.0.0.0" if nobody knows any more."""
        return self._by_source.get(source, _NOBODY) if self.have_tunnels else source
