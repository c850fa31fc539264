"""Which responder a request belongs to: everybody's feeds, or partners'.

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
"""Bytes of a target whose path is remembered."""


class Door(Protocol):
    """What answers below /partners/; see `PartnerDoor`."""

    def respond(self, request: FeedRequest) -> Response | None:
        """The response; None if it is for Flask's views to give."""

    def from_memory(self, request: FeedRequest) -> Response | None:
        """The response if nothing has to be waited for."""

    def last_resort(self, request: FeedRequest) -> Response:
        """The response while no thread comes free."""


class Feeds:
    """Every feed of the service. `prefix` is the path that the site is mounted below, "" if none."""

    def __init__(self, public: Responder, door: Door, prefix: str = "") -> None:
        self._public = public
        self._door = door
        self._prefix = prefix
        self._kept_path = lru_cache(maxsize=4_096)(self._path)
        self.known: dict[bytes, KnownResponse] = public.known
        """Raw request → its response; see `FeedCache`."""
        self.remember = public.remember
        self.calendar = public.calendar
        """Seconds since the epoch, as a response's Date says them."""
        self.needs_address = public.needs_address
        """Whether a response may depend on the address that asks."""

    def path_of(self, target: bytes) -> str:
        """The path in a target in origin-form, as WSGI writes it: decoded, without query and prefix."""
        return self._kept_path(target) if len(target) <= _LONGEST_KEPT else self._path(target)

    def _path(self, target: bytes) -> str:
        return self.without_prefix(unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1"))

    def without_prefix(self, path: str) -> str:
        """The path below the site's prefix; see `without_prefix`."""
        return without_prefix(path, self._prefix)

    def is_feed(self, path: str) -> bool:
        """Whether a path is for this to answer."""
        return path.startswith(PARTNERS) or self._public.place_of(path) is not None

    def from_memory(self, request: FeedRequest) -> tuple[Response, Entry | None] | None:
        """The response to a GET or HEAD if it needs no waiting; and of which feed, if it may be kept."""
        if request.path.startswith(PARTNERS):
            response = self._door.from_memory(request)
            return (response, None) if response else None
        return self._public.from_memory(request)

    def respond(self, request: FeedRequest) -> Response | None:
        """The response, whatever has to be waited for; None if it is for Flask's other views to give."""
        return (self._door if request.path.startswith(PARTNERS) else self._public).respond(request)

    def last_resort(self, request: FeedRequest) -> Response:
        """The response while no thread comes free."""
        return (self._door if request.path.startswith(PARTNERS) else self._public).last_resort(request)


def without_prefix(path: str, prefix: str) -> str:
    """The path below the prefix; the same if it doesn't begin so, as behind a proxy that has removed it."""
    if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}:
        return path[len(prefix) :] or "/"
    return path
