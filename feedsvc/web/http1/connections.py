"""Limits a worker's connections: how many there may be, and how long one may be idle.

Knows nothing of HTTP messages.
"""

import asyncio
import fcntl
import resource
import termios
import time
from collections import Counter
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any, Final, Protocol

from feedsvc.config.http import HttpTable
from feedsvc.web.access.client_address import Network, is_among
from feedsvc.web.feeds.conditional import http_date

_GRACE: Final = 0.25  # seconds before a worker that ends closes idle connections: a request may be on its way
_LAST_REQUESTS: Final = 1.0  # seconds for which a worker that ends answers requests that come
_DESCRIPTORS: Final = 65_536  # enough for active clients; further connections would be idle ones
_OWN_DESCRIPTORS: Final = 96  # for the store, and for bodies on disk
_AT_ONCE: Final = 500  # connections checked before the event loop may answer others
_STALLED: Final = 5  # seconds after which a response that nobody reads makes room for a new connection
_SHED: Final = 16  # when there are too many connections, one in so many of the idle ones is closed


class Connection(Protocol):
    """A client's connection, as limits see it. `seen` is when it was last active, in monotonic seconds."""

    seen: int
    transport: asyncio.Transport

    @property
    def is_idle(self) -> bool: ...

    def close(self, size: int = 0, *, has_unread: bool = False) -> None:
        """Close it after a response of `size` bytes; with `has_unread` once the client has read it."""
        ...

    def connection_lost(self, exc: Exception | None, /) -> None: ...

    def check(self, now: int) -> None:
        """Close it if it has been idle for too long; `now` is in monotonic seconds."""
        ...


class Draining(asyncio.Protocol):
    """Drops what a client still sends after its last response, until either side closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)


class Connections:
    """The connections of a worker, and the clock that they share.

    `limits` are the settings of [http]; `most` is how many connections the system allows. `trusted` are
    networks of proxies, for which there is no limit per address. `now` is in monotonic seconds, `second`
    since the epoch; `date` is the end of every head: the Date field and an empty line. Once the worker is
    `stopping`, each response is its connection's last; once it `is_refusing`, no request is answered.
    """

    def __init__(self, limits: HttpTable, trusted: Sequence[Network], most: int) -> None:
        self.limits = limits
        self._most = min(limits.connections, most)
        self.stopping = False
        self.is_refusing = False
        self._trusted = tuple(trusted)
        self._open: dict[Connection, str] = {}
        self._by_address: Counter[str] = Counter()
        self._set_clock()

    def _set_clock(self) -> None:
        self.now = int(time.monotonic())
        self.second = int(time.time())
        self.date = f"date: {http_date(self.second)}\r\n\r\n".encode()

    async def watch(self) -> None:
        """Every second, update the clock and close connections that were idle too long; until cancelled."""
        while True:
            await asyncio.sleep(1.001 - time.time() % 1)
            self._set_clock()
            for number, connection in enumerate([*self._open]):
                connection.check(self.now)
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)

    def add(self, connection: Connection) -> None:
        """Register a new connection; close it, or idle ones, if there are too many (by address or in all)."""
        address = ""
        if self.limits.connections_per_address is not None:
            address = remote_address(connection.transport)
            if address and is_among(address, self._trusted):
                address = ""
            self._by_address[address] += 1
        self._open[connection] = address
        if address and self._by_address[address] > (self.limits.connections_per_address or 0):
            connection.transport.abort()
        elif len(self._open) > self._most:
            self._make_room(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has been closed."""
        address = self._open.pop(connection, "")
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _make_room(self, new: Connection) -> None:
        """Abort connections that have been idle for longest; without any, the new one.

        A client that has taken nothing of its response for some seconds counts as idle, too.
        """
        others = [one for one in self._open if one is not new and not one.transport.is_closing()]
        idle = [one for one in others if one.is_idle]
        idle = idle or [one for one in others if _buffered(one) and self.now - one.seen > _STALLED]
        idle.sort(key=lambda one: one.seen)
        for one in idle[: len(idle) // _SHED + 1] or [new]:
            one.transport.abort()

    def stop(self) -> None:
        """Make every response its connection's last, and soon close connections without a request."""
        if not self.stopping:
            self.stopping = True
            self._close_idle()
            asyncio.get_running_loop().call_later(_LAST_REQUESTS, self._refuse)

    def _refuse(self) -> None:
        """Answer no more requests: what is answered now would have too little time left to be read."""
        self.is_refusing = True

    def abort(self) -> None:
        """Close every connection at once, even in the middle of a response."""
        for one in [*self._open]:
            one.transport.abort()

    def _close_idle(self, before: Set[Connection] = frozenset()) -> None:
        """Close those that are idle and were `before`; soon again, for others have yet to read a response.

        A request that has come and was not read yet is answered first, while requests are answered at all.
        """
        idle = {one for one in self._open if one.is_idle and not one.transport.is_closing()}
        for one in idle & before:
            if self.is_refusing or not _kernel_holds(one.transport, termios.FIONREAD):
                one.close(has_unread=_kernel_holds(one.transport, termios.TIOCOUTQ))
        if self._open:
            asyncio.get_running_loop().call_later(_GRACE, self._close_idle, idle)


def _buffered(connection: Connection) -> bool:
    return connection.transport.get_write_buffer_size() > 0


def _kernel_holds(transport: asyncio.Transport, which: int) -> bool:
    """Whether the kernel holds bytes of a connection, by `which`: FIONREAD (unread) or TIOCOUTQ (unsent)."""
    connected: Any = transport.get_extra_info("socket")
    try:
        return any(fcntl.ioctl(connected.fileno(), which, bytes(4)))
    except OSError:  # it has ended
        return False


def most_connections() -> int:
    """Raise the limit of open descriptors as far as allowed; returns how many connections that permits."""
    of_now, at_most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if at_most == resource.RLIM_INFINITY else min(at_most, _DESCRIPTORS)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(of_now, wanted), at_most))
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN_DESCRIPTORS, 16)


def remote_address(transport: asyncio.BaseTransport) -> str:
    """The peer's address; "" for a Unix socket."""
    peer: Any = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
