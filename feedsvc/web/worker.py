"""One of `feedsvc serve`'s web workers: its application, and the shortest way to it from Granian.

Knows how Granian calls an application, and no rule of HTTP.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from typing import TYPE_CHECKING, Any

import structlog
from granian.server import mp

from feedsvc.logs import set_up_logging
from feedsvc.store.schema import Store
from feedsvc.web.application import application
from feedsvc.web.handover import handed_over

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger(__name__)

_HANDLER_MADE_BY = "_wsgi_call_wrap"
"""What makes, in Granian's module of worker processes, the handler of requests from a WSGI application."""
_HANDLER_TAKES = ["proto", "scope"]

Handler = Callable[[Any, dict[str, Any]], int]
"""What Granian calls with a request: what to answer by, and what the request says; it returns the status."""


def create_app() -> "WSGIApplication":
    """The application of a worker, with what it was handed: Granian calls it, once in each process."""
    _work_in_batches()
    config, folder, parent = handed_over()
    set_up_logging(config.log.level, config.log.format)
    ask_memory_first()
    # The short cut itself: Flask would only call it.
    return application(config, Store(config.store_url, create=False), folder, parent).wsgi_app


def ask_memory_first() -> None:
    """Have Granian, in this process, ask an application's `from_memory` before it goes by WSGI.

    What a request says is in a dictionary by the names that WSGI has for it. By WSGI Granian adds the
    process's environment to it, hands over a `start_response`, and reads the status out of a line: for a poll
    that takes longer than to find its answer. Granian has no setting for this. Should it no longer be as it
    was when this was written, everything is answered by WSGI, as anything else is. An access log of Granian's
    would not have what is answered from memory: with one, too.
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
            answer = from_memory(scope)
            if answer is None:
                return by_wsgi(proto, scope)
            status, headers, body = answer
            proto.response_bytes(status, headers, body)
            return int(status)

        return handle

    setattr(mp, _HANDLER_MADE_BY, make)


def _memory_of(app: object = None, _scope: object = None, access_log: object = None, **_: object) -> Any:
    return None if access_log else getattr(app, "from_memory", None)


def _takes_what_is_known(handler: Handler) -> bool:
    try:
        return [*signature(handler, follow_wrapped=False).parameters] == _HANDLER_TAKES
    except ValueError:  # it is no Python function any more
        return False


def _work_in_batches() -> None:
    """Have a thread of this process that wakes up wait until the one that runs has no more to do.

    A request passes from the thread that reads sockets to one that runs Python, and its answer back. On one
    core each would interrupt the other for every single one; so they pass on what has gathered meanwhile.
    """
    with suppress(AttributeError, OSError):  # there is none but on Linux, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
