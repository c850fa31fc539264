"""One of `feedsvc serve`'s web workers: its application, and the shortest way to it from Granian.

Knows how Granian calls an application, and no rule of HTTP.
"""

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import signature
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog
from granian.server import mp

from feedsvc.logs import set_up_logging
from feedsvc.store.schema import Store
from feedsvc.web.application import application, at_end
from feedsvc.web.handover import handed_over
from feedsvc.web.peers import Peers, Place
from feedsvc.web.short_cut import ShortCut

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from feedsvc.web.front import Front

log = structlog.get_logger(__name__)

_HANDLER_MADE_BY = "_wsgi_call_wrap"
"""What makes, in Granian's module of worker processes, the handler of requests from a WSGI application."""
_HANDLER_TAKES = ["proto", "scope"]
_BACKLOG = 1_024  # connections that wait for Granian to accept them
_LAST_SECONDS = 1.0  # that answers have to reach their clients when a worker ends
_DESCRIPTORS = 65_536  # more than that would only be clients who ask for nothing
_SERVER = "WSGIWorker"
"""What serves, in the same module: made with a worker's number and where to listen, then told to serve."""

Handler = Callable[[Any, dict[str, Any]], int]
"""What Granian calls with a request: what to answer by, and what the request says; it returns the status."""


def create_app() -> "WSGIApplication":
    """The application of a worker, with what it was handed: Granian calls it, once in each process."""
    _work_in_batches()
    _allow_connections()
    config, folder, parent, place = handed_over()
    set_up_logging(config.log.level, config.log.format)
    peers = Peers()
    ask_memory_first(peers)
    # The short cut itself: Flask would only call it.
    app = application(config, Store(config.store_url, create=False), folder, parent).wsgi_app
    if isinstance(app, ShortCut) and not config.http.tls:
        stand_before(app, place, peers)
    return app


def ask_memory_first(peers: Peers | None = None) -> None:
    """Have Granian, in this process, ask an application's `from_memory` before it goes by WSGI.

    What a request says is in a dictionary by the names that WSGI has for it. By WSGI Granian adds the
    process's environment to it, hands over a `start_response`, and reads the status out of a line: for a poll
    that takes longer than to find its answer. Granian has no setting for this. Should it no longer be as it
    was when this was written, everything is answered by WSGI, as anything else is. An access log of Granian's
    would not have what is answered from memory: with one, too.

    Requests that come from tunnels come, for the application, from the `peers` behind those.
    """
    made_by = getattr(mp, _HANDLER_MADE_BY, None)
    if made_by is None:
        log.warning("answers_by_wsgi", missing=_HANDLER_MADE_BY)
        return

    def make(*arguments: Any, **named: Any) -> Handler:
        by_wsgi: Handler = made_by(*arguments, **named)
        from_memory = _memory_of(*arguments, **named)
        if from_memory is None or not _takes_what_is_known(by_wsgi):
            log.warning("answers_by_wsgi")
            return by_wsgi

        def handle(proto: Any, scope: dict[str, Any]) -> int:
            if peers is not None:
                scope["REMOTE_ADDR"] = peers.behind(scope["REMOTE_ADDR"])
            answer = from_memory(scope)
            if answer is None:
                return by_wsgi(proto, scope)
            status, headers, body = answer
            proto.response_bytes(status, headers, body)
            return int(status)

        if peers is not None:
            peers.are_asked = True
        return handle

    setattr(mp, _HANDLER_MADE_BY, make)


def stand_before(memory: ShortCut, place: Place, peers: Peers) -> None:
    """Have a front answer at `place`, in this process, before Granian, which then listens to it alone.

    Granian has no setting for this either. Where it isn't as known, or the system is another, it listens
    there itself.
    """
    made_by = getattr(mp, _SERVER, None)
    if made_by is None or sys.platform != "linux":
        log.warning("no_front", missing=_SERVER)
        return
    from feedsvc.web.front import Front

    def make(worker_id: int, listens: tuple[Any, Any], *rest: Any) -> Any:
        specification = listens[0]
        if not peers.are_asked or specification is None:
            log.warning("no_front")
            return made_by(worker_id, listens, *rest)
        try:
            held, behind = _hold_private_place()
        except OSError as error:  # a network of IPv6 alone
            log.warning("no_front", error=str(error))
            return made_by(worker_id, listens, *rest)
        listens = (type(specification)(*behind, _BACKLOG), None)
        peers.have_tunnels = True
        front = Front(_listener(place), memory, behind, peers)
        return _Fronted(made_by(worker_id, listens, *rest), front, held)

    setattr(mp, _SERVER, make)


class _Fronted:
    """What serves, with a front before it that takes connections as long as it does."""

    def __init__(self, server: Any, front: "Front", held: socket.socket) -> None:
        self._server = server
        self._front = front
        self._held = held

    def __getattr__(self, name: str) -> Callable[[Any, Any, Any], None]:
        serve = getattr(self._server, name)

        def served(scheduler: Any, loop: Any, ending: Any) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                _first(self._front.stop, number)
            # What Granian has answered by then may not be with the client yet.
            at_end(partial(self._front.wait, _LAST_SECONDS), first=True)
            serve(scheduler, loop, ending)
            self._front.start()

        return served


def _first(call: Callable[[], None], number: int) -> None:
    """Have something done when a signal comes, before what is done already."""
    then = signal.getsignal(number)

    def handle(signum: int, frame: FrameType | None) -> None:
        call()
        if callable(then):
            then(signum, frame)

    signal.signal(number, handle)


def _listener(place: Place) -> socket.socket:
    """Bound where the worker is to answer, beside its siblings."""
    listener = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Else connections that it closed first would keep the next start from having the port, for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(place)
    return listener


def _hold_private_place() -> tuple[socket.socket, Place]:
    """A place for Granian that no other process is given while the socket is held, which never listens."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tunnel:
        tunnel.bind(("127.255.0.1", 0))  # as those do: where the loopback network is one address, none can
    return held, held.getsockname()


def _memory_of(app: object = None, _scope: object = None, access_log: object = None, **_: object) -> Any:
    return None if access_log else getattr(app, "from_memory", None)


def _takes_what_is_known(handler: Handler) -> bool:
    try:
        return [*signature(handler, follow_wrapped=False).parameters] == _HANDLER_TAKES
    except ValueError:  # it is no Python function any more
        return False


def _allow_connections() -> None:
    """Have as many descriptors as the system lets this process have: by default that is few."""
    of_now, at_most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if at_most == resource.RLIM_INFINITY else min(at_most, _DESCRIPTORS)
    if of_now != resource.RLIM_INFINITY and of_now < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, at_most))


def _work_in_batches() -> None:
    """Have a thread of this process that wakes up wait until the one that runs has no more to do.

    A request passes from the thread that reads sockets to one that runs Python, and its answer back. On one
    core each would interrupt the other for every single one; so they pass on what has gathered meanwhile.
    """
    with suppress(AttributeError, OSError):  # there is none but on Linux, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
