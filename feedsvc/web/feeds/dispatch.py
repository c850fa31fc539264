"""Passes a request to the responder of its path: public feeds, or partners'.

Knows paths, and no rule of HTTP.
"""

from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

from feedsvc.web.feeds.cache import Entry, KnownResponse
from feedsvc.web.feeds.error_responses import PARTNERS
from feedsvc.web.feeds.responder import FeedRequest, Responder
from feedsvc.web.feeds.response import Response

_LONGEST_KEPT: Final = 512
"""Bytes; the paths of longer targets are not cached."""


class Door(Protocol):
    """Answers requests below /partners/; see `PartnerAuth`."""

    def respond(self, request: FeedRequest) -> Response | None:
        """The response; None if Flask's views have to give it."""

    def from_memory(self, request: FeedRequest) -> Response | None:
        """The response if that takes no waiting; else None."""

    def last_resort(self, request: FeedRequest) -> Response:
        """The response when no thread is free."""


class Feeds:
    """Every feed of the service. `prefix` is the path below which the site is mounted, "" if none."""

    def __init__(self, public: Responder, door: Door, prefix: str = "") -> None:
        self._public = public
        self._door = door
        self._prefix = prefix
        self._kept_path = lru_cache(maxsize=4_096)(self._path)
        self.known: dict[bytes, KnownResponse] = public.known
        """Raw request → its response; see `FeedCache`."""
        self.remember = public.remember
        self.calendar = public.calendar
        """Seconds since the epoch, for the response's Date."""
        self.needs_address = public.needs_address
        """Whether a response may depend on the client's address."""

    def path_of(self, target: bytes) -> str:
        """The path of a target in origin-form, as WSGI writes it: decoded, without query and prefix."""
        return self._kept_path(target) if len(target) <= _LONGEST_KEPT else self._path(target)

    def _path(self, target: bytes) -> str:
        return self.without_prefix(unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1"))

    def without_prefix(self, path: str) -> str:
        """The path below the site's prefix; see the function `without_prefix`."""
        return without_prefix(path, self._prefix)

    def is_feed(self, path: str) -> bool:
        """Whether `Feeds` answers requests for the path: a public feed's, or any below /partners/."""
        return path.startswith(PARTNERS) or self._public.place_of(path) is not None

    def from_memory(self, request: FeedRequest) -> tuple[Response, Entry | None] | None:
        """The response to a GET or HEAD if that takes no waiting; and the entry, if it may be cached."""
        if request.path.startswith(PARTNERS):
            response = self._door.from_memory(request)
            return (response, None) if response else None
        return self._public.from_memory(request)

    def respond(self, request: FeedRequest) -> Response | None:
        """The response, after any wait for the store; None if Flask's other views have to give it."""
        return (self._door if request.path.startswith(PARTNERS) else self._public).respond(request)

    def last_resort(self, request: FeedRequest) -> Response:
        """The response when no thread is free."""
        return (self._door if request.path.startswith(PARTNERS) else self._public).last_resort(request)


def without_prefix(path: str, prefix: str) -> str:
    """The path below the prefix; unchanged without the prefix, as behind a proxy that has removed it."""
    if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}:
        return path[len(prefix) :] or "/"
    return path
