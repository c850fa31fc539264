"""uvicorn's protocol within feedsvc's limits: parses all requests but polls, and refuses malformed ones.

Knows no feed. It has the connection only until everything that was requested is answered.
"""

import asyncio
from typing import Any, Final, Protocol

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from feedsvc.web.feeds.error_responses import error_response
from feedsvc.web.feeds.response import Response
from feedsvc.web.http1.connections import Connections
from feedsvc.web.http1.head import LONGEST_TARGET, RefusedHeadError, origin_form, without_upgrade
from feedsvc.web.http1.raw_request import CLOSE

_SLICE: Final = 4_096
"""Bytes that are parsed before the limits (pipelined requests, size of the head) are checked again."""


class Connection(Protocol):
    """The owner of the connection, which has handed it over."""

    connections: Connections
    transport: asyncio.Transport
    seen: int
    has_ended: bool

    def connection_lost(self, exc: Exception | None, /) -> None:
        """Called when the connection has ended."""

    def send(self, response: Response, framing: bytes) -> None:
        """Send a whole response; `framing` is its Connection field line."""

    def close(self, size: int = 0, *, has_unread: bool = False) -> None:
        """Close after what was sent has arrived."""

    def take_back(self) -> None:
        """Called when everything is answered: read the connection again."""


class _CycleTransport:
    """The transport that uvicorn writes a response to; `close` waits until the client has read all of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_closing(self) -> bool:
        return self._connection.has_ended or self._connection.transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self.is_closing():  # uvicorn reports the end of the connection to the last response only
            self._connection.transport.write(data)

    def close(self) -> None:
        if not self.is_closing():
            self._connection.close(has_unread=True)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within feedsvc's limits, until all requests of a connection are answered."""

    def __init__(self, connection: Connection, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connection = connection
        self._limits = connection.connections.limits
        self._unread = b""
        self._refused: RefusedHeadError | None = None
        self._is_last = self._in_body = self.in_head = False
        self._head_bytes = self._head_since = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.connections.discard(self)  # uvicorn's set has the owner of the connection instead

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def end(self, exc: Exception | None) -> None:
        """Clean up after the connection has ended."""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._connection.seen = self._connection.connections.now
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        """Parse what was received, unless a response has to come first; hand back once all is answered."""
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
            # llhttp stops parsing after an upgrade. We don't upgrade: what follows is HTTP, perhaps a body.
            method, version = self.parser.get_method(), self.parser.get_http_version()
            self.parser = httptools.HttpRequestParser(self)
            head = without_upgrade(method, self.url, version, self.headers)
            self._unread = head + piece[upgrade.args[0] :] + self._unread
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not self._is_last:
                self._refuse(cause if isinstance(cause, RefusedHeadError) else RefusedHeadError(400))

    # llhttp calls these.

    def on_message_begin(self) -> None:
        if self._is_last:
            raise RefusedHeadError(400)  # the previous message was to be the connection's last
        super().on_message_begin()
        self.in_head, self._head_bytes, self._head_since = True, 0, self._connection.connections.now

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            raise RefusedHeadError(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # trailer fields are ignored
            super().on_header(name, value.strip())

    def on_headers_complete(self) -> None:
        method = self.parser.get_method()
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
        if self._connection.connections.stopping:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        if self._in_body:  # else it is the head of an upgrade, which `_feed` parses again
            super().on_message_complete()
            self._in_body, self._is_last = False, not self.cycle.keep_alive

    # Responses

    @property
    def is_answering(self) -> bool:
        """Whether a response, or the rest of one, has yet to be sent."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _refuse(self, why: RefusedHeadError) -> None:
        """Refuse a malformed request, after the responses to those before it, and close."""
        self._refused = why
        if self._in_body and self.cycle.response_complete:
            self._connection.close(has_unread=True)  # its response has been sent already
            return
        if self._in_body:  # the rest of its body can't be parsed any more
            if self.pipeline:
                self.pipeline.popleft()
            self.cycle.disconnected = self.cycle.response_complete = True
            self.cycle.message_event.set()
        self._send_refusal()

    def _send_refusal(self) -> None:
        if self._refused and not self.is_answering and not self._connection.has_ended:
            path = self.url.decode("latin-1") if self.scope else ""
            refused = error_response(self._refused.status, path, text=self._refused.text)
            self._connection.send(refused, CLOSE)
            self._connection.close(has_unread=True)

    def on_response_complete(self) -> None:
        if self._connection.has_ended:
            self.pipeline.clear()
            return
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # `check` closes idle connections instead
            self.timeout_keep_alive_task.cancel()
        self._connection.seen = self._connection.connections.now
        if self._refused:
            self._send_refusal()
        elif not self.transport.is_closing():
            self._read_on()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """After a client's EOF, keep the connection until its responses are sent (RFC 9112 §9.6)."""
        if not self.is_answering or self._in_body or not self.transport.can_write_eof():
            return None
        if not self._refused:
            self.cycle.keep_alive = False
        return True

    def check(self, now: int) -> None:
        """Refuse a head that takes too long; close if a body takes too long that no response depends on."""
        if self.in_head and now - self._head_since > self._limits.header_timeout:
            self.in_head = False
            self._refuse(RefusedHeadError(408))
        elif not self.is_answering and now - self._connection.seen > self._limits.body_timeout:
            self.transport.abort()
