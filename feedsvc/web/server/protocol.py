"""The protocol of a connection: feeds in memory are answered at once, all else by uvicorn's own protocol.

Knows no rule of feeds. llhttp parses every byte.

    raw bytes cached, as they are or without User-Agent ──▶ cached response
          │ no
          ▼
    one whole message, for a feed in memory ──▶ response, which is then cached
          │ no
          ▼
    uvicorn's protocol within feedsvc's limits, until everything that was requested is answered
"""

import asyncio
from typing import Any, Final

from uvicorn import Config
from uvicorn.server import ServerState

from feedsvc.web.feeds.cache import KnownResponse
from feedsvc.web.feeds.dispatch import Feeds
from feedsvc.web.feeds.response import Response
from feedsvc.web.http1.connections import Connections, Draining, remote_address
from feedsvc.web.http1.limited import LimitedProtocol
from feedsvc.web.http1.raw_request import CLOSE, RawRequestReader, without_user_agent

_LARGE: Final = 65_536
"""Bytes; a larger response may not have been sent completely when its connection is to be closed."""


class FeedProtocol(asyncio.Protocol):
    """One connection. `protocol_class` makes the subclass with what all connections of a worker share."""

    __slots__ = ("_arguments", "_buffered", "_is_handed", "handed", "has_ended", "seen", "transport")

    connections: Connections
    feeds: Feeds
    known: dict[bytes, KnownResponse]
    reader: RawRequestReader

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._arguments = config, server_state, app_state, _loop
        self._is_handed = self.has_ended = False
        self._buffered = 0
        self.handed: LimitedProtocol | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.seen = self.connections.now
        self._arguments[1].connections.add(self)  # type: ignore[arg-type]
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arguments[1].connections.discard(self)
        self.connections.remove(self)
        if self.handed is not None:
            self.handed.end(exc)

    def data_received(self, data: bytes) -> None:
        known = self.known.get(data) or self.known.get(without_user_agent(data))
        if known is None:
            self._on_unknown(data)
            return
        connections = self.connections
        self.seen = connections.now
        known.entry.used = True
        known.counts[known.status] += 1
        if known.second != connections.second:
            known.head = known.response.head_at(connections.second) + known.framing + connections.date
            known.second = connections.second
        if known.body:
            self.transport.writelines((known.head, known.body))
        else:
            self.transport.write(known.head)
        if known.closes:
            self.close(len(known.body))

    def _on_unknown(self, data: bytes) -> None:
        reader, feeds = self.reader, self.feeds
        self.seen = self.connections.now
        if self.connections.is_refusing:
            self.close(has_unread=True)
            return
        if reader.read(data):
            reader.path = feeds.path_of(reader.target)
            if feeds.needs_address:
                reader.remote = remote_address(self.transport)
            found = feeds.from_memory(reader)
            if found is not None:
                self._answer(data, found[0], found[1])
                return
        if self.handed is None:
            self.handed = LimitedProtocol(self, *self._arguments)
            self.handed.connection_made(self.transport)
        self._is_handed = True
        self.transport.set_protocol(self.handed)
        self.handed.data_received(data)

    def _answer(self, data: bytes, response: Response, entry: Any) -> None:
        framing, closes = self.reader.framing, self.reader.closes
        if self.connections.stopping:
            framing, closes = CLOSE, True
        elif entry is not None:
            self.feeds.remember((data, without_user_agent(data)), entry, response, framing, closes)
        self.send(response, framing)
        if closes:  # a client that did not ask for that may have sent its next request
            self.close(len(response.body), has_unread=self.connections.stopping)

    def send(self, response: Response, framing: bytes) -> None:
        """Send a whole response. What the client has not read yet is a reference to its body, not a copy."""
        head = response.head_at(self.connections.second) + framing + self.connections.date
        if response.body:
            self.transport.writelines((head, response.body))
        else:
            self.transport.write(head)

    def close(self, size: int = 0, *, has_unread: bool = False) -> None:
        """Close after a response of `size` bytes, so that it arrives even if the client is still sending.

        Data that arrives at a closed socket resets the connection, and what the client has not received by
        then is lost (RFC 9112 §9.6). `has_unread`: such data is there, or will come.
        """
        transport, is_draining, self.has_ended = self.transport, self.has_ended, True
        if not (has_unread or size > _LARGE) or not transport.can_write_eof():
            transport.close()
        elif not (is_draining or transport.is_closing()):
            self._is_handed = False
            transport.set_protocol(Draining(self))
            transport.resume_reading()
            transport.write_eof()

    def take_back(self) -> None:
        """Read the connection again: everything that was handed over is answered."""
        self._is_handed = False
        self.transport.set_protocol(self)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()
        if self.handed is not None:  # uvicorn's flow control may have been paused instead
            self.handed.flow.resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered, nor its body awaited, nor a response yet to be taken."""
        is_asked = self._is_handed and not (self.handed and self.handed.in_head)
        return not (is_asked or self.transport.get_write_buffer_size())

    def check(self, now: int) -> None:
        """Close if nothing has happened for too long; `now` is in monotonic seconds."""
        buffered = self.transport.get_write_buffer_size()
        if buffered != self._buffered:
            self._buffered, self.seen = buffered, now
        if now - self.seen > self.connections.limits.idle_timeout and (
            buffered or self.transport.is_closing()
        ):
            self.transport.abort()
        elif self._is_handed and self.handed is not None:
            self.handed.check(now)
        elif now - self.seen > self.connections.limits.idle_timeout:
            self.transport.close()

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: requests that have arrived, or just arrive, are still answered."""
        type(self).known = {}
        self.connections.stop()
        if self.handed is not None and self.handed.is_answering:
            self.handed.cycle.keep_alive = False


def protocol_class(connections: Connections, feeds: Feeds) -> type[FeedProtocol]:
    """The protocol class for a worker's connections, for `http` in `uvicorn.Config`."""
    shared = {"connections": connections, "feeds": feeds, "known": feeds.known, "reader": RawRequestReader()}
    return type("WorkerProtocol", (FeedProtocol,), {"__slots__": (), **shared})
