"""An application of a few feeds and pages; `tests.test_front` has Granian serve it, behind a front or not."""

import os
import time
from typing import TYPE_CHECKING

from flask import Response, request

from feedsvc.web.peers import Peers
from feedsvc.web.worker import ask_memory_first, stand_before
from tests.shelves import feed, made_service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

BIG = 12_000_000
"""Bytes: more than sockets take."""


def app() -> "WSGIApplication":
    """What Granian calls in its worker process; the variable FRONT_AT names the port of a front."""
    service = made_service(
        feed(), feed(fmt="json", body=b'{"items":[]}'), feed("world", body=b"<rss/>" * 50_000)
    )
    pages = service.flask

    @pages.get("/whoami")
    def whoami() -> str:
        return f"{request.remote_addr} {request.headers.get('X-Name')}"

    @pages.post("/echo")
    def echo() -> Response:
        return Response(request.get_data(), mimetype="application/octet-stream")

    @pages.get("/big")
    def big() -> bytes:
        return b"x" * BIG

    @pages.get("/stream")
    def stream() -> Response:
        return Response((b"part " for _ in range(3)), mimetype="text/plain")

    @pages.get("/slow")
    def slow() -> str:
        time.sleep(0.3)
        return "at last"

    @pages.get("/empty")
    def empty() -> tuple[str, int]:
        return "", 204

    @pages.post("/publish")
    def publish() -> str:
        service.shelf.put(feed(body=request.get_data(), digest=request.args["digest"]))
        service.cache.forget([("", "all", "rss")])
        return "published"

    @pages.get("/known")
    def known() -> dict[str, int]:
        return {"known": len(service.cache.requests)}

    peers = Peers()
    ask_memory_first(peers)
    if port := int(os.environ.get("FRONT_AT", "0")):
        stand_before(service.short_cut, ("127.0.0.1", port), peers)
    return service.short_cut
