"""A web worker whose application says what it was asked; `tests.conversing` runs it as a process of its own.

python -m tests.echo_server PORT [TOML]
"""

import hashlib
import os
import socket
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feedsvc.config.schema import Config
from feedsvc.util.sockets import listener
from feedsvc.web.app import Served
from feedsvc.web.server.context import Context
from feedsvc.web.server.worker import serve
from tests.shelves import feed, found_in, made_service, place

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BIG = 12_000_000
"""Bytes: more than sockets take."""


def main() -> None:
    """Serve until the standard input ends."""
    service = made_service(
        feed(), feed("world", body=b"<rss/>" * 50_000), feed("tags/\u03b8\u03b1", body=b"<rss>sea</rss>" * 90)
    )
    for one in (place(), place("world"), place("tags/\u03b8\u03b1")):
        service.cache.variant(found_in(service.cache, one), "identity")
    config = Config.model_validate(tomllib.loads(sys.argv[2] if len(sys.argv) > 2 else ""))
    address: tuple[str, int] | Path = ("127.0.0.1", int(sys.argv[1]))
    read, written = os.pipe()
    listening: socket.socket = listener(address)
    flask = service.flask.wsgi_app

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/feeds/"):
            return flask(environ, start_response)
        if path == "/slow":
            time.sleep(0.3)
        if path == "/stream":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return (b"part " * 100_000 for _ in range(5))
        if path == "/publish":
            number, _, ahead = environ["QUERY_STRING"].partition("&")
            made = feed(body=f"<rss>{number}</rss>".encode(), digest=number)
            if ahead:  # so many seconds ahead of the clock, as after several changes in one second
                changed_at = datetime.fromtimestamp(int(time.time()) + int(ahead), UTC)
                made = replace(made, changed_at=changed_at)
            service.shelf.put(made)
            service.cache.invalidate([("", "all", "rss")])
        if path == "/known":
            told = str(len(service.cache.known)).encode()
        elif path == "/big":
            told = b"x" * BIG
        else:
            body = environ["wsgi.input"].read()
            digest = hashlib.sha256(body).hexdigest()[:16]
            name = environ.get("HTTP_X_NAME", "")
            query = environ["QUERY_STRING"]
            told = f"{environ['REQUEST_METHOD']} {path} {query} {len(body)} {digest} {name}\n".encode(
                "latin-1"
            )
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [told]

    served = Served(service.feeds, lambda _: True)
    with tempfile.TemporaryDirectory() as folder:
        serve(Context(config, Path(folder), [listening.detach()], written), app, served)
    os.close(read)


if __name__ == "__main__":
    main()
