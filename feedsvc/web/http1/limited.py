"""uvicorn's protocol, within our limits: what reads all requests but polls, and refuses what is none.

Knows no feed. Whose connection it is has it only until all that was asked is answered.
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
"""Bytes that are parsed before it is looked at whether too much is asked at once."""


class Connection(Protocol):
    """Whose connection it is."""

    connections: Connections
    transport: asyncio.Transport
    seen: int
    has_ended: bool

    def connection_lost(self, exc: Exception | None, /) -> None:
        """Know that the connection has ended."""

    def send(self, response: Response, framing: bytes) -> None:
        """Send a whole response, with its Connection field as a line."""

    def close(self, size: int = 0, *, has_unread: bool = False) -> None:
        """Close once what was sent has arrived."""

    def take_back(self) -> None:
        """Go on: all is answered."""


class _CycleTransport:
    """What uvicorn writes a response to: to close after it waits for the client to have read it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_closing(self) -> bool:
        return self._connection.has_ended or self._connection.transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self.is_closing():  # uvicorn tells only the last of several responses
            self._connection.transport.write(data)

    def close(self) -> None:
        if not self.is_closing():
            self._connection.close(has_unread=True)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, within our limits, until it has answered all that a connection asked."""

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
        self.connections.discard(self)  # which are told of the connection itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def end(self, exc: Exception | None) -> None:
        """Let go of the connection, which has ended."""
        super().connection_lost(exc)

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
        if self.timeout_keep_alive_task is not None:  # `check` sees to that
            self.timeout_keep_alive_task.cancel()
        self._connection.seen = self._connection.connections.now
        if self._refused:
            self._send_refusal()
        elif not self.transport.is_closing():
            self._read_on()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Stay for the response to a client that has said all it wants to (RFC 9112 §9.6), and no longer."""
        if not self.is_answering or self._in_body or not self.transport.can_write_eof():
            return None
        if not self._refused:
            self.cycle.keep_alive = False
        return True

    def check(self, now: int) -> None:
        """Refuse a head that doesn't come to its end; close where a body comes that nobody waits for."""
        if self.in_head and now - self._head_since > self._limits.header_timeout:
            self.in_head = False
            self._refuse(RefusedHeadError(408))
        elif not self.is_answering and now - self._connection.seen > self._limits.body_timeout:
            self.transport.abort()
