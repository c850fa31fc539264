"""The protocol of a connection: feeds in memory are answered at once, all else by uvicorn's own protocol.

Knows no rule of feeds. Every byte is read by llhttp.

    request met before, byte for byte ──▶ its response
          │ no
          ▼
    one whole message, for a feed in memory ──▶ response, remembered
          │ no
          ▼
    uvicorn's protocol within our limits, until all that was asked is answered
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from feedsvc.web.feeds.cache import KnownResponse
from feedsvc.web.feeds.dispatch import Feeds
from feedsvc.web.feeds.error_responses import error_response
from feedsvc.web.feeds.response import Response
from feedsvc.web.http1.head import LONGEST_TARGET, RefusedHeadError, origin_form, without_upgrade
from feedsvc.web.http1.raw_request import CLOSE, RawRequestReader
from feedsvc.web.server.connections import Connections, remote_address

_SLICE: Final = 4_096
"""Bytes that are parsed before it is looked at whether too much is asked at once."""
_LARGE: Final = 65_536
"""Bytes of a response that may not have left by the time its connection is closed."""


class FeedProtocol(asyncio.Protocol):
    """One connection. Its subclass, made by `protocol_class`, has what all of a worker's share."""

    __slots__ = ("_arguments", "_buffered", "_is_handed", "handed", "seen", "transport")

    connections: Connections
    feeds: Feeds
    known: dict[bytes, KnownResponse]
    reader: RawRequestReader

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._arguments = config, server_state, app_state, _loop
        self._is_handed = False
        self._buffered = 0
        self.handed: HandedOver | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.seen = self.connections.now
        self._arguments[1].connections.add(self)  # type: ignore[arg-type]
        self.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._arguments[1].connections.discard(self)
        self.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        known = self.known.get(data)
        if known is None:
            self._on_unknown(data)
            return
        connections = self.connections
        self.seen = connections.now
        known.entry.used = True
        known.counts[known.status] += 1
        if known.second != connections.second:
            known.head = known.response.head + known.framing + connections.date
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
        if reader.read(data):
            reader.path = feeds.path_of(reader.target)
            if feeds.needs_address:
                reader.remote = remote_address(self.transport)
            found = feeds.from_memory(reader)
            if found is not None:
                self._answer(data, *found)
                return
        if self.handed is None:
            self.handed = HandedOver(self, *self._arguments)
            self.handed.connection_made(self.transport)
        self._is_handed = True
        self.transport.set_protocol(self.handed)
        self.handed.data_received(data)

    def _answer(self, data: bytes, response: Response, entry: Any) -> None:
        framing, closes = self.reader.framing, self.reader.closes
        if self.connections.stopping:
            framing, closes = CLOSE, True
        elif entry is not None:
            self.feeds.remember(data, entry, response, framing, closes)
        self.send(response, framing)
        if closes:
            self.close(len(response.body))

    def send(self, response: Response, framing: bytes) -> None:
        """Send a whole response. What the client doesn't take yet is a reference to its body, and no copy."""
        head = response.head + framing + self.connections.date
        if response.body:
            self.transport.writelines((head, response.body))
        else:
            self.transport.write(head)

    def close(self, size: int = 0, *, has_unread: bool = False) -> None:
        """Close after a response of that many bytes, so that it arrives though its client may still send.

        What comes to a closed socket resets the connection, and what has not arrived by then is lost (RFC
        9112 §9.6). `has_unread` says that such will come, or is there.
        """
        if (
            (has_unread or size > _LARGE)
            and self.transport.can_write_eof()
            and not self.transport.is_closing()
        ):
            self._is_handed, self.handed = False, None
            self.transport.set_protocol(_Draining(self))
            self.transport.write_eof()
        else:
            self.transport.close()

    def take_back(self) -> None:
        """Go on, as all that was handed over is answered."""
        self._is_handed = False
        self.transport.set_protocol(self)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()
        if self.handed is not None:  # it may have been the one that was paused
            self.handed.flow.resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered, nor its body awaited."""
        return not self._is_handed or self.handed is None or self.handed.in_head

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
        """End, as uvicorn asks: whoever has asked, or just does, is answered."""
        type(self).known = {}
        self.connections.stop()
        if self.handed is not None and self.handed.is_answering:
            self.handed.cycle.keep_alive = False


class _Draining(asyncio.Protocol):
    """Drops what a client still sends after its last response, until either side closes."""

    def __init__(self, connection: FeedProtocol) -> None:
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)


class _CycleTransport:
    """What uvicorn writes a response to: to close after it waits for the client to have read it."""

    def __init__(self, connection: FeedProtocol) -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        self._connection.close(has_unread=True)


class HandedOver(HttpToolsProtocol):
    """uvicorn's protocol, within our limits, until it has answered all that a connection asked."""

    def __init__(self, connection: FeedProtocol, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connection = connection
        self._limits = connection.connections.limits
        self._unread = b""
        self._refused: RefusedHeadError | None = None
        self._is_last = self._in_body = self.in_head = False
        self._head_bytes = self._head_since = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.connections.discard(self)  # which are told of the connection itself

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._connection.seen = self._connection.connections.now
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        """Parse what has come, as long as nothing has to be answered first; go back if all is answered."""
        while self._unread and not (self.pipeline or self._refused or self._is_last):
            piece, self._unread = self._unread[:_SLICE], self._unread[_SLICE:]
            self._feed(piece)
            if self.in_head:
                self._head_bytes += len(piece)
                if self._head_bytes > self._limits.max_head:
                    self._refuse(RefusedHeadError(431))
        if self._refused or self._is_last:
            self._unread = b""
        elif not (self.is_answering or self._unread or self.in_head or self._in_body):
            self._connection.take_back()

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # llhttp takes what follows for no HTTP any more; but it is, and a body may be among it.
            self.parser = httptools.HttpRequestParser(self)
            head = without_upgrade(self.scope["method"].encode(), self.url, self.headers)
            self._unread = head + piece[upgrade.args[0] :] + self._unread
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not self._is_last:
                self._refuse(cause if isinstance(cause, RefusedHeadError) else RefusedHeadError(400))

    # llhttp calls these.

    def on_message_begin(self) -> None:
        if self._is_last:
            raise RefusedHeadError(400)  # the connection was to end with the message before
        super().on_message_begin()
        self.in_head, self._head_bytes, self._head_since = True, 0, self._connection.connections.now

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            raise RefusedHeadError(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # else it is a trailer field, which nothing here means
            super().on_header(name, value.strip())

    def on_headers_complete(self) -> None:
        method = self.parser.get_method()
        self.scope["method"] = method.decode()
        if self.parser.should_upgrade() and method != b"CONNECT":
            return
        if (
            len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            > self._limits.max_head
        ):
            raise RefusedHeadError(431)
        self.url = origin_form(method, self.parser.get_http_version(), self.url, self.headers)
        self.in_head, self._in_body = False, True
        super().on_headers_complete()
        self.cycle.transport = _CycleTransport(self._connection)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        if self._in_body:  # else it is the head of an upgrade, which is read again
            super().on_message_complete()
            self._in_body, self._is_last = False, not self.cycle.keep_alive

    # Responses

    @property
    def is_answering(self) -> bool:
        """Whether a response is still to come, or its end."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _refuse(self, why: RefusedHeadError) -> None:
        """Answer what is no request, after all that was asked before it, and close."""
        self._refused = why
        if self._in_body and self.cycle.response_complete:
            self._connection.close(has_unread=True)  # it has its answer
            return
        if self._in_body:  # its body won't come
            if self.pipeline:
                self.pipeline.popleft()
            self.cycle.disconnected = self.cycle.response_complete = True
            self.cycle.message_event.set()
        self._send_refusal()

    def _send_refusal(self) -> None:
        if self._refused and not self.is_answering and not self.transport.is_closing():
            path = self.url.decode("latin-1") if self.scope else ""
            refused = error_response(self._refused.status, path, text=self._refused.text)
            self._connection.send(refused, CLOSE)
            self._connection.close(has_unread=True)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # `check` sees to that
            self.timeout_keep_alive_task.cancel()
        self._connection.seen = self._connection.connections.now
        if not self.transport.is_closing():
            self._send_refusal() if self._refused else self._read_on()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Stay for the response to a client that has said all it wants to (RFC 9112 §9.6), and no longer."""
        if not self.is_answering or self._in_body or not self.transport.can_write_eof():
            return None
        self.cycle.keep_alive = False
        return True

    def check(self, now: int) -> None:
        """Refuse a head that doesn't come to its end; close where a body comes that nobody waits for."""
        if self.in_head and now - self._head_since > self._limits.header_timeout:
            self.in_head = False
            self._refuse(RefusedHeadError(408))
        elif not self.is_answering and now - self._connection.seen > self._limits.body_timeout:
            self.transport.abort()


def protocol_class(connections: Connections, feeds: Feeds) -> type[FeedProtocol]:
    """The protocol of a worker's connections, as `uvicorn.Config` takes it for `http`."""
    shared = {"connections": connections, "feeds": feeds, "known": feeds.known, "reader": RawRequestReader()}
    return type("WorkerProtocol", (FeedProtocol,), {"__slots__": (), **shared})
