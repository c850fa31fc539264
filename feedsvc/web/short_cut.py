"""The WSGI short cut before Flask: it answers feeds from memory, and lets only so many wait for the store.

Knows neither the store nor any rule of HTTP: feeds come from the cache, the rules from `caching`.

    path ──▶ entry in memory ──▶ variant of the coding ──▶ 200, 304, 405, 406, 412
                │ none, forgotten, expired    │ none yet
                ▼                             ▼
             a slot ──▶ load(key, format)  encode once
                │            │ None ──▶ Flask: 404
                │            │ raises ──▶ the forgotten entry, else 503
                │ none free ──▶ the forgotten entry, else 503
"""

import threading
from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING

from feedsvc.model import FORMATS, Format
from feedsvc.web.caching import (
    Headers,
    choose_coding,
    conditional_status,
    headers_at,
    nearer_expiry,
    opened_as_page,
)
from feedsvc.web.encoding import Coding
from feedsvc.web.feed_cache import (
    REQUESTS_KEPT,
    Entry,
    FeedCache,
    FeedUnavailableError,
    Place,
    Standing,
    place_of,
)
from feedsvc.web.refusals import LICENSED, PROBLEMS, REFUSALS, Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Answer = tuple[int, Headers, bytes]
"""The status of an answer, its header fields and its body."""

_STATUS_LINES = {200: "200 OK", 304: "304 Not Modified"} | {
    status: refusal.status for status, refusal in REFUSALS.items()
}
_SLOT_SECONDS = 0.25
"""How long a request waits for a slot."""
PARTNERS = "/partners/"
API = "/api/"
_ALIVE = "/healthz"
"""What Flask answers without the store."""
_CODINGS_KEPT = 1_024
_CODING_FIELD_KEPT = 256
"""The longest Accept-Encoding, in characters, whose outcome is remembered."""


class FeedCounters:
    """How many requests for feeds were answered, by format and status.

    Plain integers: threads may lose one in a great many, and a request pays for two look-ups only.
    """

    def __init__(self) -> None:
        self.by_format: dict[Format, dict[int, int]] = {
            fmt: dict.fromkeys((200, 304, 404, *REFUSALS), 0) for fmt in FORMATS
        }

    def snapshot(self) -> dict[tuple[str, int], int]:
        """The counts by (format, status); zeros included, so that a series never appears out of nowhere."""
        return {
            (fmt, status): count for fmt, counts in self.by_format.items() for status, count in counts.items()
        }


class Slots:
    """Who may wait for the store: `number` requests at a time, so that one that is silent leaves a thread."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)
        self._waited_in_vain = False

    def take(self) -> bool:
        """Take a slot, to be given back; False if none comes free in time."""
        if self._free.acquire(blocking=False):
            return True
        # Once one request has waited for nothing the next ones don't: feeds in memory stand behind them.
        if self._waited_in_vain:
            return False
        self._waited_in_vain = not self._free.acquire(timeout=_SLOT_SECONDS)
        return not self._waited_in_vain

    def give_back(self) -> None:
        """Give a slot back that was taken."""
        self._waited_in_vain = False
        self._free.release()


class ShortCut:
    """The WSGI application around Flask's: it answers feeds from memory and hands on everything else.

    There are two: one for everybody's feeds, and behind the partners' door one for theirs, with a cache of
    its own. No byte of one is ever in the other.

    Args:
        app: what answers other paths, and feeds that there are none of.
        cache: where feeds come from.
        counters: what each answer is counted in.
        slots: who may wait for the store. With one less than the server has threads, for all that share it,
            a store that neither answers nor fails keeps no feed in memory from being served.
        place_of: what a path names, if it is one of its feeds'.
        admit: asked before each full answer; gives 0, or the seconds that the client is to wait.
        confirm: told of each answer that what the client holds, by its entity tag, is what there is.
        door: what answers below /partners/.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        cache: FeedCache,
        counters: FeedCounters,
        *,
        slots: Slots,
        place_of: Callable[[str], Place | None] = place_of,
        admit: "Callable[[Entry, WSGIEnvironment], int] | None" = None,
        confirm: "Callable[[Entry, WSGIEnvironment], None] | None" = None,
        door: "WSGIApplication | None" = None,
    ) -> None:
        self._app = app
        self._place_of = place_of
        self._admit = admit
        self._confirm = confirm
        self._door = door
        self._cache = cache
        self._peek = cache.peek
        self.requests = cache.requests
        """What is known by heart; see `FeedCache`."""
        self._counts = counters.by_format
        self._slots = slots
        self._clock = cache.calendar
        self._codings: dict[str | None, Coding | None] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self.from_memory(environ)
        return _sent(answer, start_response) if answer else self._on_miss(environ, start_response)

    def from_memory(self, environ: "WSGIEnvironment") -> Answer | None:
        """The answer if the request is for a feed in memory, and asks nothing odd; no store is waited for.

        None is for all else: such a request is to be called with. `environ` need have no more than what the
        request itself says; nothing is added to it.
        """
        host = environ.get("HTTP_HOST")
        if not host or "," in host:
            return None
        entry = self._peek(environ.get("PATH_INFO", ""))
        if entry is None or not entry.fresh:
            return None
        return self._answer(entry, environ)

    def standing(self, environ: "WSGIEnvironment") -> tuple[Answer, Entry | None] | None:
        """As `from_memory`, and of which feed if it stands: the same request is to get the same again.

        It does until the feed is forgotten. What depends on the time, or is counted for who asks, doesn't.
        None, too, while there is still something to encode: that takes a thousand times as long as the rest.
        """
        entry = self._peek(environ.get("PATH_INFO", ""))
        coding = self._codings.get(environ.get("HTTP_ACCEPT_ENCODING"))
        variant = entry.variants.get(coding) if entry is not None and coding is not None else None
        if self._admit and variant is not None and environ.get("HTTP_IF_NONE_MATCH") != variant.etag:
            return None  # to be counted, by all workers together: that may have to wait for another's
        answer = self.from_memory(environ) if variant is not None else None
        if answer is None or variant is None:
            return None
        status, headers, _ = answer
        stands = variant.ready_until == inf and (
            (status == 304 and headers is variant.headers_304 and not self._confirm)
            or (status == 200 and headers is variant.headers_200 and not self._admit)
        )
        return answer, entry if stands else None

    def learn(self, request: bytes, entry: Entry, status: int, head: bytes, body: bytes) -> Standing:
        """Know by heart an answer that stands; `head` is as sent, but for Date."""
        standing = Standing(entry, status, self._counts[entry.format], head, body)
        self._cache.learn(request, standing)
        return standing

    def learn_another(self, request: bytes, standing: Standing) -> None:
        """Know by heart that another request gets the same, as long as there is room for such."""
        if len(standing.entry.requests) < REQUESTS_KEPT:
            self._cache.learn(request, standing)

    def _on_miss(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        place = self._place_of(environ.get("PATH_INFO", ""))
        fmt = place.format if place else None
        # RFC 9112 §3.2. Servers join the lines of a field with commas; HTTP/1.0 has no Host.
        host = environ.get("HTTP_HOST")
        if "," in host if host else environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
            return _sent(self._refusal(400, fmt, environ), start_response)
        if place is None:
            return self._by_flask(environ, start_response)
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _sent(self._refusal(405, fmt, environ), start_response)
        try:
            entry = self._cache.at_hand(place) or self._found(place)
        except FeedUnavailableError:
            return _sent(self._refusal(503, fmt, environ), start_response)
        if entry is None:
            self._counts[place.format][404] += 1
            return self._app(environ, start_response)
        answer = self._answer(entry, environ) or self._refusal(503, fmt, environ)
        return _sent(answer, start_response)

    def _found(self, place: Place) -> Entry | None:
        if not self._slots.take():
            held = self._cache.at_hand(place, even_forgotten=True)
            if held is None:
                raise FeedUnavailableError(f"{place.path}: too many requests wait for the store")
            return held
        try:
            return self._cache.find(place)
        finally:
            self._slots.give_back()

    def _by_flask(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == _ALIVE:
            return self._app(environ, start_response)
        if self._door and path.startswith(PARTNERS):
            return self._door(environ, start_response)
        if not self._slots.take():
            return _sent(self._refusal(503, None, environ), start_response)
        try:
            return self._app(environ, start_response)
        finally:
            self._slots.give_back()

    def _answer(self, entry: Entry, environ: "WSGIEnvironment") -> Answer | None:
        """What the feed answers the request with; None if a story in it has expired."""
        entry.used = True
        method = environ["REQUEST_METHOD"]
        if method != "GET" and method != "HEAD":
            return self._refusal(405, entry.format, environ)
        accept_encoding = environ.get("HTTP_ACCEPT_ENCODING")
        try:
            coding = self._codings[accept_encoding]
        except KeyError:
            coding = self._remembered(accept_encoding)
        if coding is None:
            return self._refusal(406, entry.format, environ)
        variant = entry.variants.get(coding) or self._cache.variant(entry, coding)
        # Nearly every poll is this one, and what it gets is what all below comes to: half the time of it.
        if (
            environ.get("HTTP_IF_NONE_MATCH") == variant.etag
            and variant.ready_until == inf
            and "HTTP_IF_MATCH" not in environ
            and "HTTP_IF_UNMODIFIED_SINCE" not in environ
            and "HTTP_SEC_FETCH_DEST" not in environ
        ):
            self._counts[entry.format][304] += 1
            if self._confirm:
                self._confirm(entry, environ)
            return 304, variant.headers_304, b""
        now = self._clock()
        if now > variant.ready_until:
            if now > entry.shown_until:
                return None
            variant = entry.variants[coding] = nearer_expiry(variant, now)
        status = conditional_status(
            variant,
            now,
            environ.get("HTTP_IF_MATCH"),
            environ.get("HTTP_IF_UNMODIFIED_SINCE"),
            environ.get("HTTP_IF_NONE_MATCH"),
            environ.get("HTTP_IF_MODIFIED_SINCE"),
        )
        if status == 412:
            return self._refusal(412, entry.format, environ)
        if status == 200 and self._admit and (seconds := self._admit(entry, environ)):
            return self._refusal(429, entry.format, environ, ("Retry-After", str(seconds)))
        self._counts[entry.format][status] += 1
        # A date, or "*", would not say that the client holds anything.
        if status == 304 and self._confirm and variant.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            self._confirm(entry, environ)
        headers = variant.headers_304 if status == 304 else headers_at(variant, now)
        # What a browser sends when somebody follows a link or enters an address, and no feed reader does:
        # https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
        if environ.get("HTTP_SEC_FETCH_DEST") == "document" and entry.format != "json":
            headers = opened_as_page(headers)
        return status, headers, variant.body if status == 200 and method == "GET" else b""

    def _remembered(self, accept_encoding: str | None) -> Coding | None:
        coding = choose_coding(accept_encoding)
        if len(accept_encoding or "") <= _CODING_FIELD_KEPT:
            if len(self._codings) >= _CODINGS_KEPT:
                self._codings.clear()
            self._codings[accept_encoding] = coding
        return coding

    def _refusal(
        self, status: int, fmt: Format | None, environ: "WSGIEnvironment", *more: tuple[str, str]
    ) -> Answer:
        refusal = _refusal_below(environ.get("PATH_INFO", ""), status)
        if fmt:
            self._counts[fmt][status] += 1
        return status, (*refusal.headers, *more), b"" if environ["REQUEST_METHOD"] == "HEAD" else refusal.body


def _sent(answer: Answer, start_response: "StartResponse") -> Iterable[bytes]:
    status, headers, body = answer
    start_response(_STATUS_LINES[status], [*headers])  # a server may change the list it is given
    return [body] if body else []


def _refusal_below(path: str, status: int) -> Refusal:
    if path.startswith(API) and status in PROBLEMS:
        return PROBLEMS[status]
    return LICENSED[status] if path.startswith(PARTNERS) else REFUSALS[status]
