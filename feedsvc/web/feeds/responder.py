"""Decides the response to a feed's URL; the only place that does, whichever server asks.

Knows neither the store nor any server: feeds come from the cache, the rules of HTTP from `conditional`.

    path ──▶ entry in memory ──▶ variant of the coding ──▶ 200, 304, 406, 412, 429
                │ none, invalidated, expired    │ none yet
                ▼                               ▼
             load(key, format)              encode once
                │ None ──▶ 404
                │ fails ──▶ the invalidated entry, else 503
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf

from feedsvc.domain.model import FORMATS, Format
from feedsvc.store.tokens import Token
from feedsvc.web.feeds.cache import Entry, FeedCache, FeedUnavailableError, KnownResponse
from feedsvc.web.feeds.conditional import choose_coding, conditional_status
from feedsvc.web.feeds.encoding import Coding
from feedsvc.web.feeds.error_responses import STATUSES, error_response
from feedsvc.web.feeds.places import Place, place_of
from feedsvc.web.feeds.response import PREFLIGHT, Response
from feedsvc.web.feeds.variants import Variant, nearer_expiry, opened_as_page

_CODINGS_KEPT = 1_024
_CODING_FIELD_KEPT = 256
"""The longest Accept-Encoding, in characters, for which the chosen coding is cached."""
_PASSED_OVER = 1_024
"""If a feed has as many raw requests as allowed: how many more come before one of them replaces these."""

FIELDS = frozenset(
    (
        "accept-encoding",
        "authorization",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "sec-fetch-dest",
        "x-forwarded-for",
    )
)
"""The request header fields that a response depends on."""


@dataclass(slots=True)
class FeedRequest:
    """A request for a feed.

    `path` is as WSGI writes it (UTF-8 bytes as Latin-1 characters), without the prefix below which the site
    is mounted. `fields` has those of FIELDS that the request has, names in lower case, several lines joined
    by commas. `remote` is the address of the connection's peer; `holder` the valid token of a partner's
    request.
    """

    method: str = "GET"
    path: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    holder: Token | None = None

    def address_fields(self) -> dict[str, str]:
        """What `client_address` and `AuthThrottle` read from a WSGI environment, under WSGI's names."""
        told = {"REMOTE_ADDR": self.remote}
        for name, variable in (
            ("authorization", "HTTP_AUTHORIZATION"),
            ("x-forwarded-for", "HTTP_X_FORWARDED_FOR"),
        ):
            if name in self.fields:
                told[variable] = self.fields[name]
        return told


class FeedCounters:
    """How many requests for feeds were answered, by format and status.

    Plain integers without a lock: concurrent threads may rarely lose a count, and a request costs only two
    look-ups.
    """

    def __init__(self) -> None:
        self.by_format: dict[Format, dict[int, int]] = {
            fmt: dict.fromkeys((200, 204, 304, 404, *STATUSES), 0) for fmt in FORMATS
        }

    def snapshot(self) -> dict[tuple[str, int], int]:
        """The counts by (format, status); zeros included, so that every time series exists from the start."""
        return {
            (fmt, status): count for fmt, counts in self.by_format.items() for status, count in counts.items()
        }


class Responder:
    """Answers requests for feeds.

    There are two, one for public feeds and one for partners', each with a cache of its own: no byte of one is
    ever in the other.

    Args:
        cache: the source of feeds.
        counters: counts each response.
        place_of: parses a path into one of its feeds; None for other paths.
        admit: called before each full response; returns 0, or the seconds that the client has to wait.
        confirm: called for each 304 to a client that has named the current ETag, and so holds these bytes.
    """

    def __init__(
        self,
        cache: FeedCache,
        counters: FeedCounters,
        *,
        place_of: Callable[[str], Place | None] = place_of,
        admit: Callable[[Entry, FeedRequest], int] | None = None,
        confirm: Callable[[Entry, FeedRequest], None] | None = None,
    ) -> None:
        self.place_of = place_of
        self.known = cache.known
        """Raw request → its response; see `FeedCache`."""
        self.needs_address = admit is not None
        """Whether a response may depend on the client's address."""
        self._admit = admit
        self._confirm = confirm
        self._cache = cache
        self._peek = cache.peek
        self._counts = counters.by_format
        self.calendar = cache.calendar
        self._codings: dict[str | None, Coding | None] = {}
        self._not_remembered = 0

    def respond(self, request: FeedRequest) -> Response | None:
        """The response to a request for a feed; None if there is no such feed. It may wait for the store.

        Called in threads. For a feed that does not exist the 404 is counted here, but the caller sends it.
        """
        place = self.place_of(request.path)
        if place is None:
            return None
        counts = self._counts[place.format]
        if request.method == "OPTIONS" and not place.partner:
            counts[204] += 1
            return PREFLIGHT
        if request.method not in {"GET", "HEAD"}:
            return self._error(405, place.format, request)
        try:
            entry = self._cache.find(place)
        except FeedUnavailableError:
            return self.unavailable(request)
        if entry is None:
            counts[404] += 1
            return None
        return self._from(entry, request) or self.unavailable(request)

    def from_memory(self, request: FeedRequest) -> tuple[Response, Entry] | None:
        """The response to a GET or HEAD, and the feed's entry, if the variant is in memory; never waits.

        None otherwise: `respond` has to answer. That includes an invalidated feed, unless its reload has just
        failed, and a coding in which the feed is not encoded yet: encoding takes a thousand times as long.
        """
        entry = self._peek(request.path)
        if entry is None or not (entry.fresh or self._cache.needs_no_load(entry)):
            return None
        fields = request.fields
        accept_encoding = fields.get("accept-encoding")
        coding = self._codings.get(accept_encoding) or self._coding(accept_encoding)
        if coding is None:
            return self._error(406, entry.format, request), entry
        variant = entry.variants.get(coding)
        if variant is None:
            return None
        response = self._from_variant(entry, variant, request)
        return (response, entry) if response else None

    def remember(
        self, raw: Collection[bytes], entry: Entry, response: Response, framing: bytes, closes: bool
    ) -> None:
        """Cache the response to these bytes until the feed is invalidated, if that is allowed.

        It is not where the response depends on the time, or on who asks. Each of `raw` is exactly one whole
        message.
        """
        if not self._cache.has_room_for_request(entry):
            self._not_remembered += 1
            if self._not_remembered % _PASSED_OVER:
                return
        if not any(self._stands(response, variant) for variant in entry.variants.values()):
            return
        counts = self._counts[entry.format]
        self._cache.remember(raw, KnownResponse(entry, response, counts, framing, closes))

    def _stands(self, response: Response, variant: Variant) -> bool:
        """Whether it is one of the variant's responses, and depends on neither time nor address."""
        if variant.ready_until != inf:
            return False
        if response is variant.not_modified:
            return not self._confirm
        return not self._admit and (response is variant.full or response is variant.full_head)

    def last_resort(self, request: FeedRequest) -> Response:
        """The response when no thread is free to load the feed: the invalidated entry's, else 503."""
        place = self.place_of(request.path)
        entry = self._cache.at_hand(place, even_invalidated=True) if place else None
        response = self._from(entry, request) if entry and request.method in {"GET", "HEAD"} else None
        return response or self.unavailable(request)

    def unavailable(self, request: FeedRequest) -> Response:
        """The 503 of a feed that is unavailable at the moment."""
        place = self.place_of(request.path)
        return self._error(503, place.format if place else None, request)

    def _from(self, entry: Entry, request: FeedRequest) -> Response | None:
        """The response to a GET or HEAD of the feed; None if a story in it has expired."""
        coding = self._coding(request.fields.get("accept-encoding"))
        if coding is None:
            return self._error(406, entry.format, request)
        variant = entry.variants.get(coding) or self._cache.variant(entry, coding)
        return self._from_variant(entry, variant, request)

    def _from_variant(self, entry: Entry, variant: Variant, request: FeedRequest) -> Response | None:
        entry.used = True
        fields = request.fields
        # A short cut for nearly all polls: the same result as everything below, in half the time.
        if (
            fields.get("if-none-match") == variant.etag
            and variant.ready_until == inf
            and "if-match" not in fields
            and "if-unmodified-since" not in fields
            and "sec-fetch-dest" not in fields
        ):
            self._counts[entry.format][304] += 1
            if self._confirm:
                self._confirm(entry, request)
            return variant.not_modified
        now = self.calendar()
        if now > variant.ready_until:
            if now > entry.shown_until:
                return None
            variant = entry.variants[variant.coding] = nearer_expiry(variant, now)
        status = conditional_status(
            variant.etag,
            variant.changed_at,
            now,
            fields.get("if-match"),
            fields.get("if-unmodified-since"),
            fields.get("if-none-match"),
            fields.get("if-modified-since"),
        )
        if status == 412:
            return self._error(412, entry.format, request)
        if status == 200 and self._admit and (seconds := self._admit(entry, request)):
            return self._error(429, entry.format, request, retry_after=seconds)
        self._counts[entry.format][status] += 1
        # A date, or "*", does not prove that the client holds these bytes.
        if status == 304 and self._confirm and variant.etag in fields.get("if-none-match", ""):
            self._confirm(entry, request)
        full = variant.full if request.method == "GET" else variant.full_head
        response = variant.not_modified if status == 304 else full
        # Browsers send it when somebody follows a link or enters an address; feed readers don't:
        # https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
        if fields.get("sec-fetch-dest") == "document" and entry.format != "json":
            return opened_as_page(response)
        return response

    def _coding(self, accept_encoding: str | None) -> Coding | None:
        coding = choose_coding(accept_encoding)
        if len(accept_encoding or "") <= _CODING_FIELD_KEPT:
            if len(self._codings) >= _CODINGS_KEPT:
                self._codings.clear()
            self._codings[accept_encoding] = coding
        return coding

    def _error(self, status: int, fmt: Format | None, request: FeedRequest, retry_after: int = 0) -> Response:
        if fmt:
            self._counts[fmt][status] += 1
        return error_response(status, request.path, request.method, retry_after)
