"""Caches feeds in memory: representations with their encoded variants, loaded on the first request.

Knows the store only by its errors, and no rule of HTTP: representations come from `load`, variants from
`variants`.
"""

import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from zlib import crc32

import structlog

from feedsvc.domain.model import Format, Representation, Site
from feedsvc.store import trouble
from feedsvc.util.repeated_faults import Faults
from feedsvc.web.feeds.encoding import Coding
from feedsvc.web.feeds.places import Place, wsgi_path
from feedsvc.web.feeds.response import Response
from feedsvc.web.feeds.variants import Variant, ready_variant

log = structlog.get_logger(__name__)

Load = Callable[[str, Format, str], Representation | None]

_VARIANT_OVERHEAD = 6_144
"""Bytes that a variant's objects and responses take in addition to its body, or an entry's to its own.

tracemalloc measures 900 for an entry and 5,000 for a variant; the rest allows for allocator overhead.
"""
_REQUESTS_KEPT = 64
"""How many raw requests are cached per feed: one for each client, coding and ETag that it polls with."""
_REQUEST_OVERHEAD = 512
"""Bytes that a cached raw request's objects take in addition to its bytes and its response's head."""
_RETRY_SECONDS = 1.0
"""No new load is tried for so long after one that failed, or brought a feed that has already expired."""
_FAILING_SECONDS = 60.0
"""For so long after a failed load, `failing` reports the store's condition."""
_PATIENCE_SECONDS = 2.0
"""How long a request waits for another request's load of the same feed; a longer one counts as failed."""
_GRACE_SECONDS = 5.0
"""How long after a story's expiry the refresher may take to publish its feeds without the story."""
_GATES = 256
"""How many locks there are for loads, one chosen by a path's hash: two feeds that load rarely share one."""


class FeedUnavailableError(Exception):
    """An existing feed cannot be shown: it could not be loaded, or the cached one has expired.

    The cause, if there is one, is the load's own error.
    """


@dataclass(slots=True, eq=False)
class KnownResponse:
    """The response to one raw request, byte for byte, until its feed is invalidated.

    `counts` is where the response is counted by status. `framing` is the Connection field line that the
    response needs for this request, or nothing; `closes` says whether the connection ends with it. `head` is
    the whole head as it was sent in `second` (since the epoch).
    """

    entry: "Entry"
    response: Response
    counts: dict[int, int]
    framing: bytes
    closes: bool
    status: int = 0
    body: bytes = b""
    head: bytes = b""
    second: int = 0

    def __post_init__(self) -> None:
        self.status, self.body = self.response.status, self.response.body


@dataclass(slots=True, eq=False)
class Entry:
    """One feed in memory, with the variants that have been asked for so far.

    Read on every request without a lock. `fresh` is cleared when the feed is invalidated; `used` is set by a
    hit and cleared by the sweep; `size` is in bytes; no new load is tried before `retry_at` (monotonic
    seconds). After `shown_until` (seconds since the epoch) it must not be shown, because a story in it has
    expired. `requests` maps the raw requests that are cached for it to the bytes that each takes.
    """

    path: str
    representation: Representation
    format: Format
    size: int
    shown_until: float = inf
    fresh: bool = True
    used: bool = True
    retry_at: float = 0.0
    variants: dict[Coding, Variant] = field(default_factory=dict)
    requests: dict[bytes, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FeedCache:
    """Path → representation with its encoded variants; bounded in bytes, loaded on the first request.

    Args:
        load: returns the representation of a key and format, the public one ("") or a partner's, or None if
            there is none; it may raise.
        max_bytes: limit for bodies and header fields; approximately the least recently used are evicted.
        site: for the Link field.
        stale_while_revalidate, stale_if_error: in seconds, for Cache-Control.
        clock: monotonic seconds.
        calendar: seconds since the epoch.

    An invalidated entry is kept until its reload succeeds, and is served while the reload fails or hangs:
    feeds in memory stay available while the store is not. An entry with an expired story is not served: that
    it does not leak is more important than a response.
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
        calendar: Callable[[], float] = time.time,
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
        # Paths being loaded, except those invalidated since the load began: its result is already outdated.
        self._loading: set[str] = set()
        self._load_began: dict[str, float] = {}
        self._faults = Faults(log)
        self._last_failure: tuple[float, str] | None = None
        self.known: dict[bytes, KnownResponse] = {}
        """Raw request → its response. Only whole, single requests; any thread may read it."""
        self.calendar = calendar
        self.peek: Callable[[str], Entry | None] = self._entries.get
        """The entry of a path, fresh or invalidated, without a lock or a load: one dictionary look-up."""

    def __len__(self) -> int:
        return len(self._entries)

    def has_any(self) -> bool:
        """Whether there is a feed in memory that may be shown."""
        with self._lock:
            return any(map(self.may_be_shown, self._entries.values()))

    def failing(self) -> str | None:
        """The name of the store's condition if the last load failed, less than a minute ago; else None."""
        failure = self._last_failure
        return failure[1] if failure and self._clock() - failure[0] < _FAILING_SECONDS else None

    @property
    def held_bytes(self) -> int:
        """How many bytes the entries in memory take."""
        return self._held_bytes

    def at_hand(self, place: Place, *, even_invalidated: bool = False) -> Entry | None:
        """The entry of a feed if it needs no load to be shown; with `even_invalidated`, also an old one."""
        held = self.peek(place.path)
        if held is None or not self.may_be_shown(held):
            return None
        return held if even_invalidated or self.needs_no_load(held) else None

    def needs_no_load(self, entry: Entry) -> bool:
        """Whether it is current, or a load has just failed, so that no new one should be tried yet."""
        return entry.fresh or self._clock() < entry.retry_at

    def may_be_shown(self, entry: Entry) -> bool:
        """Whether no story in it has expired."""
        return self.calendar() <= entry.shown_until

    def find(self, place: Place) -> Entry | None:
        """The entry of a feed, loaded if need be; None if there is no such feed.

        One request at a time loads a path. Others wait for it up to two seconds, and then use the invalidated
        entry. Raises FeedUnavailableError if there is nothing to show.
        """
        entry = self.at_hand(place) or self._found_behind_gate(place)
        if entry is not None and not self.may_be_shown(entry):
            raise FeedUnavailableError(f"{place.path}: a story in it has expired")
        return entry

    def _found_behind_gate(self, place: Place) -> Entry | None:
        gate = self._gates[crc32(place.path.encode()) % _GATES]
        # While a load hangs, requests must not each wait for the full two seconds.
        patience = 0.0 if self._load_hangs(place.path) else _PATIENCE_SECONDS
        if not gate.acquire(timeout=patience):
            spare = self.at_hand(place, even_invalidated=True)
            if spare is None:
                raise FeedUnavailableError(f"{place.path}: the store does not answer")
            return spare
        try:
            held = self.peek(place.path)
            if held is not None and (
                self._clock() < held.retry_at or (held.fresh and self.may_be_shown(held))
            ):
                return held
            return self._reloaded(place, held)
        finally:
            gate.release()

    def _load_hangs(self, path: str) -> bool:
        began = self._load_began.get(path)
        return began is not None and time.monotonic() - began > _PATIENCE_SECONDS

    def variant(self, entry: Entry, coding: Coding) -> Variant:
        """The variant of `entry` under `coding`; encoded once, however many requests ask at the same time."""
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

    def remember(self, requests: Iterable[bytes], known: KnownResponse) -> None:
        """Cache the response to raw requests, unless their feed has been invalidated meanwhile."""
        entry = known.entry
        with self._lock:
            if not entry.fresh or self._entries.get(entry.path) is not entry:
                return
            if len(entry.requests) >= _REQUESTS_KEPT:
                self._drop_known(entry)
            for request in requests:
                if request not in entry.requests:
                    entry.requests[request] = size = (
                        len(request) + len(known.response.head) + 2 * len(known.framing) + _REQUEST_OVERHEAD
                    )
                    entry.size += size
                    self._held_bytes += size
                self.known[request] = known
            self._sweep()

    def has_room_for_request(self, entry: Entry) -> bool:
        """Whether another raw request for a feed can be cached without dropping the others."""
        return len(entry.requests) < _REQUESTS_KEPT

    def _drop_known(self, entry: Entry) -> None:
        for request in entry.requests:
            self.known.pop(request, None)
        size = sum(entry.requests.values())
        entry.requests.clear()
        entry.size -= size
        if self._entries.get(entry.path) is entry:
            self._held_bytes -= size

    def invalidate(self, changed: Iterable[tuple[str, str, Format]]) -> None:
        """Have these feeds reloaded on their next request, at once even if the last load failed.

        For any thread. The result of a load that is running is still used for its response, but not cached.
        """
        with self._lock:
            for partner, key, fmt in changed:
                path = wsgi_path(unicodedata.normalize("NFC", key), fmt, partner)
                self._loading.discard(path)
                entry = self._entries.get(path)
                if entry is not None:
                    entry.fresh, entry.retry_at = False, 0.0
                    self._drop_known(entry)

    def invalidate_all(self) -> None:
        """Have every feed reloaded on its next request, for when it is not known what changed."""
        with self._lock:
            self._loading.clear()
            for entry in self._entries.values():
                entry.fresh, entry.retry_at = False, 0.0
                self._drop_known(entry)

    def _reloaded(self, place: Place, held: Entry | None) -> Entry | None:
        with self._lock:
            self._loading.add(place.path)
        self._load_began[place.path] = time.monotonic()
        try:
            representation = self._load(place.key, place.format, place.partner)
        except Exception as error:
            with self._lock:
                self._loading.discard(place.path)
            found = trouble.of(error)
            self._last_failure = self._clock(), found.condition
            self._faults.failed("load", "feed_load_failed", found.words, path=place.path)
            if held is None:
                raise FeedUnavailableError(place.path) from error
            held.retry_at = self._clock() + _RETRY_SECONDS
            return held
        finally:
            del self._load_began[place.path]
        self._last_failure = None
        self._faults.over("load")
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
            # Invalidated without a change, or published again unchanged: keep the variants, encode nothing.
            entry = held
            entry.fresh = current
        else:
            entry = _entry(place, representation)
            if current:
                self._drop(place.path)
                self._entries[place.path] = entry
                self._held_bytes += entry.size
                self._sweep()
        if current and not self.may_be_shown(entry):
            self._faults.failed(place.path, "feed_expired", "a story in it has expired", path=place.path)
            entry.retry_at = self._clock() + _RETRY_SECONDS
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
            self._drop_known(gone)

    def _sweep(self) -> None:
        """Make room: evict the oldest entry, unless it was used since the sweep last passed it.

        The second-chance algorithm rather than strict LRU: a hit then sets one attribute and needs no lock.
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


def _entry(place: Place, representation: Representation) -> Entry:
    expiry = representation.valid_until
    return Entry(
        place.path,
        representation,
        place.format,
        size=len(representation.body) + _VARIANT_OVERHEAD,
        shown_until=expiry.timestamp() + _GRACE_SECONDS if expiry else inf,
    )
