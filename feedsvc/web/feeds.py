"""Feeds from memory: a WSGI short cut before Flask, and the cache it answers from.

Knows neither the store nor any rule of HTTP: representations come from `load`, the rules from `caching`.

    path ──▶ entry in memory ──▶ variant of the coding ──▶ 200, 304, 405, 406, 412
                │ none, or forgotten      │ none yet
                ▼                         ▼
             load(key, format)         encode once
                │ None ──▶ Flask: 404
                │ raises ──▶ the forgotten entry, else 503
"""

import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import structlog
from flask import Blueprint, Response

from feedsvc.model import CONTENT_TYPES, FORMATS, Format, Representation, Site
from feedsvc.web.caching import (
    REFUSALS,
    Variant,
    choose_coding,
    conditional_status,
    headers_at,
    opened_as_page,
    ready_variant,
)
from feedsvc.web.encoding import Coding

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

Load = Callable[[str, Format], Representation | None]

_ROOT = "/feeds/"
_VARIANT_OVERHEAD = 2_048
"""Bytes that a variant's objects and header fields take beside its body."""
_RETRY_SECONDS = 1.0
"""How long a forgotten entry is served after a failed load before the store is asked again."""
_PATIENCE_SECONDS = 0.25
"""How long a request waits for another one's load if it has a forgotten entry to fall back on."""
_GATES = 16
_CODINGS_KEPT = 1_024
_CODING_FIELD_KEPT = 256
"""The longest Accept-Encoding, in characters, whose outcome is remembered."""


class FeedUnavailableError(Exception):
    """A feed could not be loaded, and nothing of it is in memory. The cause is the load's own error."""


class Place(NamedTuple):
    """What a feed's path names. `path` is as WSGI writes it: UTF-8 bytes as Latin-1 characters, in NFC."""

    path: str
    key: str
    format: Format


def place_of(path: str) -> Place | None:
    """What PATH_INFO names if it is a feed's: `/feeds/<key>.<format>`; else None.

    The key is NFC, as slugs are, in whatever form the client wrote it. One with a control character is none:
    no slug has any, and PostgreSQL raises on NUL.
    """
    if not path.startswith(_ROOT):
        return None
    stem, _, suffix = path[len(_ROOT) :].rpartition(".")
    if suffix not in CONTENT_TYPES:
        return None
    try:
        key = unicodedata.normalize("NFC", stem.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return None
    if not key or any(char < " " or char == "\x7f" for char in key):
        return None
    return Place(_wsgi_path(key, suffix), key, suffix)


def _wsgi_path(key: str, fmt: Format) -> str:
    return f"{_ROOT}{key}.{fmt}".encode().decode("latin-1")


@dataclass(slots=True, eq=False)
class Entry:
    """One feed in memory, with its variants as far as they were asked for.

    Read on every request without a lock. `fresh` falls when the feed is forgotten; `used` is set by a hit and
    cleared by the sweep; `size` is in bytes; until `retry_at` (monotonic seconds) no new load is tried.
    """

    path: str
    representation: Representation
    format: Format
    size: int
    fresh: bool = True
    used: bool = True
    retry_at: float = 0.0
    variants: dict[Coding, Variant] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FeedCache:
    """Path → representation with its ready variants, bounded in bytes, loaded on first demand.

    Args:
        load: gives the representation of a key and format, or None if there is none; it may raise.
        max_bytes: what bodies and header fields may take; the least recently used go first, roughly.
        site: for the Link field.
        stale_while_revalidate, stale_if_error: in seconds, for Cache-Control.
        clock: monotonic seconds.

    A forgotten entry stays until its reload succeeds, and is served while that fails, so that a store that is
    gone turns no feed in memory into an error.
    """

    def __init__(
        self,
        load: Load,
        *,
        max_bytes: int,
        site: Site,
        stale_while_revalidate: int,
        stale_if_error: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._site = site
        self._stale_while_revalidate = stale_while_revalidate
        self._stale_if_error = stale_if_error
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._gates = tuple(threading.Lock() for _ in range(_GATES))
        # The paths being loaded, less those forgotten meanwhile: what is loaded for these is already old.
        self._loading: set[str] = set()
        self.peek: Callable[[str], Entry | None] = self._entries.get
        """The entry of a path, fresh or forgotten, without a lock or a load: one dictionary look-up."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """How many bytes the entries in memory take."""
        return self._held_bytes

    def find(self, place: Place) -> Entry | None:
        """The entry of a feed, loaded if it is not in memory or was forgotten; None if there is no such feed.

        One request at a time loads a path; others wait for it, but not for long if they can do without.
        Raises FeedUnavailableError if the load failed and nothing is in memory.
        """
        held = self.peek(place.path)
        if held is not None and self._is_servable(held):
            return held
        gate = self._gates[hash(place.path) % _GATES]
        if not gate.acquire(timeout=-1 if held is None else _PATIENCE_SECONDS):
            return held
        try:
            held = self.peek(place.path)
            if held is not None and self._is_servable(held):
                return held
            return self._reloaded(place, held)
        finally:
            gate.release()

    def variant(self, entry: Entry, coding: Coding) -> Variant:
        """The variant of `entry` under `coding`, encoded once whatever number of requests ask at a time."""
        with entry.lock:
            made = entry.variants.get(coding)
            if made is None:
                made = ready_variant(
                    entry.representation,
                    coding,
                    self._site,
                    self._stale_while_revalidate,
                    self._stale_if_error,
                )
                entry.variants[coding] = made
                own_bytes = 0 if coding == "identity" else len(made.body)
                self._account(entry, own_bytes + _VARIANT_OVERHEAD)
        return made

    def forget(self, changed: Iterable[tuple[str, Format]]) -> None:
        """Have these feeds loaded anew on their next request, at once even if the last load failed.

        For any thread: what a load that runs meanwhile brings is answered with, but not kept.
        """
        with self._lock:
            for key, fmt in changed:
                path = _wsgi_path(unicodedata.normalize("NFC", key), fmt)
                self._loading.discard(path)
                entry = self._entries.get(path)
                if entry is not None:
                    entry.fresh, entry.retry_at = False, 0.0

    def forget_all(self) -> None:
        """Have every feed loaded anew on its next request, as when it is not known what changed."""
        with self._lock:
            self._loading.clear()
            for entry in self._entries.values():
                entry.fresh, entry.retry_at = False, 0.0

    def _is_servable(self, entry: Entry) -> bool:
        return entry.fresh or self._clock() < entry.retry_at

    def _reloaded(self, place: Place, held: Entry | None) -> Entry | None:
        with self._lock:
            self._loading.add(place.path)
        try:
            representation = self._load(place.key, place.format)
        except Exception as error:
            with self._lock:
                self._loading.discard(place.path)
            log.warning(
                "feed_load_failed",
                key=place.key,
                format=place.format,
                in_memory=held is not None,
                error=repr(error),
            )
            if held is None:
                raise FeedUnavailableError(place.path) from error
            held.retry_at = self._clock() + _RETRY_SECONDS
            return held
        with self._lock:
            current = place.path in self._loading
            self._loading.discard(place.path)
            return self._settled(place, held, representation, current)

    def _settled(
        self, place: Place, held: Entry | None, representation: Representation | None, current: bool
    ) -> Entry | None:
        if representation is None:
            self._drop(place.path)
            return None
        if held is not None and held.representation == representation:
            # Forgotten on suspicion, or published again as it was: its variants need no second encoding.
            held.fresh = current
            return held
        entry = Entry(place.path, representation, place.format, len(representation.body) + _VARIANT_OVERHEAD)
        if current:
            self._drop(place.path)
            self._entries[place.path] = entry
            self._held_bytes += entry.size
            self._sweep()
        return entry

    def _account(self, entry: Entry, size: int) -> None:
        with self._lock:
            if self._entries.get(entry.path) is entry:
                entry.size += size
                self._held_bytes += size
                self._sweep()

    def _drop(self, path: str) -> None:
        gone = self._entries.pop(path, None)
        if gone is not None:
            self._held_bytes -= gone.size

    def _sweep(self) -> None:
        """Make room: the oldest entry goes, unless it was used since it was last passed over.

        A second chance in place of strict recency: a hit then costs one attribute and no lock.
        """
        chances = len(self._entries)
        while self._held_bytes > self._max_bytes and self._entries:
            path, oldest = next(iter(self._entries.items()))
            if oldest.used and chances:
                chances -= 1
                oldest.used = False
                self._entries.move_to_end(path)
            else:
                self._drop(path)


class FeedCounters:
    """How many requests for feeds were answered, by format and status.

    Plain integers: threads may lose one in a great many, and a request pays for two look-ups only.
    """

    def __init__(self) -> None:
        self.by_format: dict[Format, dict[int, int]] = {
            fmt: dict.fromkeys((200, 304, 404, *REFUSALS), 0) for fmt in FORMATS
        }

    def snapshot(self) -> dict[tuple[Format, int], int]:
        """The counts by (format, status); zeros included, so that a series never appears out of nowhere."""
        return {
            (fmt, status): count for fmt, counts in self.by_format.items() for status, count in counts.items()
        }


class ShortCut:
    """The WSGI application around Flask's: it answers feeds from memory and hands on everything else.

    Args:
        app: what answers other paths, and feeds that there are none of.
        cache: where feeds come from.
        counters: what each answer is counted in.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        cache: FeedCache,
        counters: FeedCounters,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._cache = cache
        self._peek = cache.peek
        self._counts = counters.by_format
        self._clock = clock
        self._codings: dict[str | None, Coding | None] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        entry = self._peek(environ.get("PATH_INFO", ""))
        if entry is None or not entry.fresh:
            return self._on_miss(environ, start_response)
        return self._answer(entry, environ, start_response)

    def _on_miss(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        place = place_of(environ.get("PATH_INFO", ""))
        if place is None:
            return self._app(environ, start_response)
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return self._refuse(405, place.format, environ, start_response)
        try:
            entry = self._cache.find(place)
        except FeedUnavailableError:
            return self._refuse(503, place.format, environ, start_response)
        if entry is None:
            self._counts[place.format][404] += 1
            return self._app(environ, start_response)
        return self._answer(entry, environ, start_response)

    def _answer(
        self, entry: Entry, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        entry.used = True
        method = environ["REQUEST_METHOD"]
        if method != "GET" and method != "HEAD":
            return self._refuse(405, entry.format, environ, start_response)
        accept_encoding = environ.get("HTTP_ACCEPT_ENCODING")
        try:
            coding = self._codings[accept_encoding]
        except KeyError:
            coding = self._remembered(accept_encoding)
        if coding is None:
            return self._refuse(406, entry.format, environ, start_response)
        variant = entry.variants.get(coding) or self._cache.variant(entry, coding)
        now = self._clock()
        status = conditional_status(
            variant,
            now,
            environ.get("HTTP_IF_MATCH"),
            environ.get("HTTP_IF_UNMODIFIED_SINCE"),
            environ.get("HTTP_IF_NONE_MATCH"),
            environ.get("HTTP_IF_MODIFIED_SINCE"),
        )
        if status == 412:
            return self._refuse(412, entry.format, environ, start_response)
        self._counts[entry.format][status] += 1
        headers = [*variant.headers_304] if status == 304 else headers_at(variant, now)
        # What a browser sends when somebody follows a link or enters an address, and no feed reader does:
        # https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
        if environ.get("HTTP_SEC_FETCH_DEST") == "document" and entry.format != "json":
            headers = opened_as_page(headers)
        if status == 304:
            start_response("304 Not Modified", headers)
            return []
        start_response("200 OK", headers)
        return [variant.body] if method == "GET" else []

    def _remembered(self, accept_encoding: str | None) -> Coding | None:
        coding = choose_coding(accept_encoding)
        if len(accept_encoding or "") <= _CODING_FIELD_KEPT:
            if len(self._codings) >= _CODINGS_KEPT:
                self._codings.clear()
            self._codings[accept_encoding] = coding
        return coding

    def _refuse(
        self, status: int, fmt: Format, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        refusal = REFUSALS[status]
        self._counts[fmt][status] += 1
        start_response(refusal.status, [*refusal.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [refusal.body]


def blueprint() -> Blueprint:
    """What Flask says of feeds the short cut passes on: 404 to GET and HEAD, 405 to all else."""
    feeds = Blueprint("feeds", __name__)
    feeds.add_url_rule(
        f"{_ROOT}<path:name>",
        "unknown",
        _unknown_feed,
        methods=["GET"],
        provide_automatic_options=False,
        # A path with // names no feed; the redirect that Flask would send is another answer than 404.
        merge_slashes=False,
    )
    return feeds


def _unknown_feed(name: str) -> Response:  # noqa: ARG001 (the route's variable)
    # A tag's first story makes its feed, so that the answer must not be kept.
    answer = Response("There is no such feed. The feeds there are stand at /\n", 404, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
