"""Runs Flask's application under ASGI: reads the body first, then calls it in a bounded set of threads.

Knows what each kind of request needs (its body, a thread), but no rule of HTTP or of feeds.
"""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from feedsvc.config.schema import Config
from feedsvc.util.bounded_threads import BusyError
from feedsvc.web.feeds.conditional import http_date
from feedsvc.web.feeds.error_responses import API, error_response
from feedsvc.web.feeds.response import Response
from feedsvc.web.feeds.routes import feed_request
from feedsvc.web.http1.body import Body, BodyTooLargeError
from feedsvc.web.http1.request_threads import Lanes
from feedsvc.web.http1.wsgi import PIECE, Made, environ_of, made_by, with_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from feedsvc.web.app import Served

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SLOWEST: Final = 1_000  # bytes a second that a body must come at, at least, after the first `body_timeout`
_BATCHES: Final = "/api/articles"


class DisconnectedError(Exception):
    """The client disconnected before its body was complete."""


class Application:
    """The ASGI application: feeds in memory are answered at once, all else by `app`, in a lane's thread."""

    def __init__(self, app: "WSGIApplication", served: "Served", config: Config) -> None:
        self._app = app
        self._served = served
        self._http = config.http
        self._limits = config.limits
        self._lanes = Lanes(config.http.threads)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        path = self._served.feeds.without_prefix(environ["PATH_INFO"])
        asked = feed_request(environ | {"PATH_INFO": path})
        is_feed = self._served.feeds.is_feed(path)
        if is_feed and asked.method in {"GET", "HEAD"} and (found := self._served.feeds.from_memory(asked)):
            await _send_whole(send, found[0], _has_body(environ))
            return
        body = Body(self._longest_body(path))
        try:
            is_read = await self._read_body(environ, path, receive, body)
            work = partial(made_by, self._app, environ)
            made = await self._lanes.of(path, is_feed).run(work, without_end=path.rstrip("/") == _BATCHES)
            await _send_made(send, made, closes=not is_read)
        except BodyTooLargeError:
            await _send_whole(send, error_response(413, path), closes=True)
        except TimeoutError:
            await _send_whole(send, error_response(408, path), closes=True)
        except BusyError:
            feeds = self._served.feeds
            busy = feeds.last_resort(asked) if is_feed else error_response(503, path, asked.method)
            await _send_whole(send, busy, _has_body(environ))
        except DisconnectedError:
            pass
        except OSError as error:  # no descriptor, or no disk space, for the body
            log.warning("body_not_kept", error=str(error))
            await _send_whole(send, error_response(503, path), closes=True)
        finally:
            body.close()

    def _longest_body(self, path: str) -> int:
        return self._limits.ingest if path.rstrip("/") == _BATCHES else self._limits.story + 1

    async def _read_body(self, environ: dict[str, Any], path: str, receive: Receive, body: Body) -> bool:
        """Read the body, if there is one and it will be used; whether the connection can stay open."""
        environ["wsgi.input"] = io.BytesIO()
        if not _has_body(environ):
            return True
        if not (path.startswith(API) and self._served.may_push(environ.get("HTTP_AUTHORIZATION"))):
            return False
        body.expect(int(environ.get("CONTENT_LENGTH", "0")))
        began, more = asyncio.get_running_loop().time(), True
        while more:
            left = began + self._http.body_timeout + body.size / _SLOWEST - asyncio.get_running_loop().time()
            message = await asyncio.wait_for(receive(), min(self._http.body_timeout, max(left, 0)))
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            body.add(message.get("body", b""))
            more = message.get("more_body", False)
            del message  # else every stalled upload would keep its last piece in memory
        with_body(environ, body.whole(), body.size)
        return True


def _has_body(environ: dict[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0").strip("0") != ""


async def _send_whole(send: Send, response: Response, closes: bool) -> None:
    now = time.time()
    await _start(send, response.status, response.headers_at(now), closes, now)
    await send({"type": "http.response.body", "body": response.body})


async def _send_made(send: Send, made: Made, closes: bool) -> None:
    """Send a response made in a thread. No thread waits for the client: each further piece takes one anew."""
    await _start(send, made.status, made.headers, closes, time.time())
    piece: bytes | None = made.body
    while piece is not None:
        rest = await asyncio.to_thread(next, made.rest, None) if len(piece) >= PIECE else None
        await send({"type": "http.response.body", "body": piece, "more_body": rest is not None})
        piece = rest


async def _start(send: Send, status: int, headers: Any, closes: bool, now: float) -> None:
    """Start a response with `now` (seconds since the epoch) as its Date: uvicorn's is up to a second old."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    ours = [(b"date", http_date(now).encode())]
    if closes:
        ours.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": encoded + ours})
