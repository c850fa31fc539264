"""Runs one of `feedsvc serve`'s web workers: uvicorn with feedsvc's protocol, and Flask's application.

Knows how the parts are put together, but not their rules.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from feedsvc.config.store import opened
from feedsvc.util.logs import set_up_logging
from feedsvc.util.sockets import BACKLOG, tls_context
from feedsvc.web.access.client_address import networks
from feedsvc.web.app import Served, application
from feedsvc.web.http1.connections import Connections, most_connections
from feedsvc.web.server.asgi import Application
from feedsvc.web.server.context import Context, handed_over
from feedsvc.web.server.protocol import protocol_class

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_LAST_SECONDS = 3  # for open requests when a worker ends; the whole service has to end within 5
_NICE = 4  # behind the refresher: a withdrawal is published before more pages are made
_SWITCH = 0.0005  # seconds for which a thread that makes a page may delay the event loop, which answers polls


class _Server(uvicorn.Server):
    """uvicorn's server; ends on SIGTERM, or when its parent process ends."""

    def __init__(self, config: uvicorn.Config, connections: Connections, ready: int) -> None:
        super().__init__(config)
        self._connections = connections
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.end)
        loop.add_reader(sys.stdin.fileno(), self.end)  # EOF on standard input: the parent has ended
        self._watch = loop.create_task(self._connections.watch())
        os.write(self._ready, b"1")
        os.close(self._ready)

    def end(self) -> None:
        """Answer open requests, and end."""
        self.should_exit = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(sys.stdin.fileno())
        loop.call_later(_LAST_SECONDS, self._connections.abort)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again at its end, and nothing after it would run."""
        yield


def main() -> None:
    """The worker's entry point: serve until told to end."""
    context = handed_over()
    set_up_logging(context.config.log.level, context.config.log.format)
    app = application(context.config, opened(context.config, create=False, wait=True), context.folder)
    serve(context, app.wsgi_app, app.extensions["feedsvc-served"])


def serve(context: Context, app: "WSGIApplication", served: Served) -> None:
    """Serve a WSGI application, and the feeds that are answered without it, until told to end."""
    sys.setswitchinterval(_SWITCH)
    os.nice(_NICE)
    config, http = context.config, context.config.http
    connections = Connections(http, networks(http.trusted_proxies), most_connections())
    server = _Server(
        uvicorn.Config(
            Application(app, served, config),
            http=protocol_class(connections, served.feeds),
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=_LAST_SECONDS + 1,
            ssl_certfile=config.tls_file("certificate"),
            ssl_keyfile=config.tls_file("key"),
            ssl_context_factory=tls_context if http.tls else None,
        ),
        connections,
        context.ready,
    )
    gc.collect()
    gc.freeze()  # objects made so far live as long as the process: the collector need not scan them
    server.run([socket.socket(fileno=number) for number in context.listeners])
