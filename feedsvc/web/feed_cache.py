"""Feeds in memory: representations with their ready variants, loaded on first demand.

Knows neither the store nor any rule of HTTP: representations come from `load`, the variants from `caching`.
"""

import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple
from zlib import crc32

import structlog

from feedsvc.model import CONTENT_TYPES, Format, Representation, Site
from feedsvc.web.caching import Variant, ready_variant
from feedsvc.web.encoding import Coding

log = structlog.get_logger(__name__)

Load = Callable[[str, Format, str], Representation | None]

ROOT = "/feeds/"
"""What the path of every feed begins with."""

_VARIANT_OVERHEAD = 2_048
"""Bytes that a variant's objects and header fields take beside its body, or an entry's beside its own.

tracemalloc says 900 for an entry and 1,400 to 2,300 for a variant; the rest is for what the allocator wastes.
"""
REQUESTS_KEPT = 64
"""How many requests for one feed are known by heart: one for each client, coding and ETag it polls with."""
_STANDING_OVERHEAD = 512
"""Bytes that such a request's objects take beside its bytes and its answer's head."""
_RETRY_SECONDS = 1.0
"""How long after a load that brought nothing new, or nothing at all, the store is left alone."""
_PATIENCE_SECONDS = 0.25
"""How long a request waits for another one's load if it has a forgotten entry to fall back on."""
_LONGEST_WAIT_SECONDS = 1.0
"""How long it waits if it has nothing: then the store is taken not to answer."""
_GRACE_SECONDS = 5.0
"""How long after a story's expiry the refresher may take to publish its feeds without it."""
_GATES = 256
"""How many loads of different feeds may run at a time without two of them sharing a gate by chance."""


class FeedUnavailableError(Exception):
    """A feed there is cannot be shown: it could not be loaded, or what there is of it has expired.

    The cause, if there is one, is the load's own error.
    """


class Place(NamedTuple):
    """What a feed's path names. `path` is as WSGI writes it: UTF-8 bytes as Latin-1 characters, in NFC.

    `partner` is whose feed it is, "" for everybody's.
    """

    path: str
    key: str
    format: Format
    partner: str = ""


def place_of(path: str) -> Place | None:
    """What PATH_INFO names if it is a feed's: `/feeds/<key>.<format>`; else None.

    The key is NFC, as slugs are, in whatever form the client wrote it. One with a control character is none:
    no slug has any, and PostgreSQL raises on NUL.
    """
    return place_below(path)


def place_below(path: str, partner: str = "") -> Place | None:
    """What a path names below that of the partner whose feeds they are; see `place_of`."""
    if not path.startswith(ROOT):
        return None
    stem, _, suffix = path[len(ROOT) :].rpartition(".")
    if suffix not in CONTENT_TYPES:
        return None
    try:
        key = unicodedata.normalize("NFC", stem.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return None
    if not key or any(char < " " or char == "\x7f" for char in key):
        return None
    return Place(_wsgi_path(key, suffix, partner), key, suffix, partner)


def _wsgi_path(key: str, fmt: Format, partner: str) -> str:
    path = f"{ROOT}{key}.{fmt}".encode().decode("latin-1")
    return f"/partners/{partner}{path}" if partner else path


@dataclass(slots=True, eq=False)
class Standing:
    """What one request, byte for byte, is answered with until its feed is forgotten.

    `head` is the status line and the fields but Date; `counts` is where the answer is counted by `status`.
    `ready` is the whole head as it was sent in `second` (seconds since the epoch).
    """

    entry: "Entry"
    status: int
    counts: dict[int, int]
    head: bytes
    body: bytes
    ready: bytes = b""
    second: int = 0


@dataclass(slots=True, eq=False)
class Entry:
    """One feed in memory, with its variants as far as they were asked for.

    Read on every request without a lock. `fresh` falls when the feed is forgotten; `used` is set by a hit and
    cleared by the sweep; `size` is in bytes; until `retry_at` (monotonic seconds) no new load is tried. After
    `shown_until` (seconds since the epoch) it is not shown: a story in it has expired. `requests` are those
    known by heart, each with the bytes that it takes.
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
    """Path → representation with its ready variants, bounded in bytes, loaded on first demand.

    Args:
        load: gives the representation of a key and format, everybody's ("") or a partner's, or None if there
            is none; it may raise.
        max_bytes: what bodies and header fields may take; the least recently used go first, roughly.
        site: for the Link field.
        stale_while_revalidate, stale_if_error: in seconds, for Cache-Control.
        clock: monotonic seconds.
        calendar: seconds since the epoch.

    A forgotten entry stays until its reload succeeds, and is served while that fails, so that a store that is
    gone turns no feed in memory into an error. One in which a story has expired is not: that it doesn't leak
    comes before an answer.
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
        # The paths being loaded, less those forgotten meanwhile: what is loaded for these is already old.
        self._loading: set[str] = set()
        self.requests: dict[bytes, Standing] = {}
        """What is known by heart: a request that is here is answered so. For any thread to look into."""
        self.calendar = calendar
        self.peek: Callable[[str], Entry | None] = self._entries.get
        """The entry of a path, fresh or forgotten, without a lock or a load: one dictionary look-up."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """How many bytes the entries in memory take."""
        return self._held_bytes

    def at_hand(self, place: Place, *, even_forgotten: bool = False) -> Entry | None:
        """The entry of a feed if it can be shown without a load; with `even_forgotten`, also an old one."""
        held = self.peek(place.path)
        if held is None or self._has_expired(held):
            return None
        return held if even_forgotten or held.fresh or self._clock() < held.retry_at else None

    def find(self, place: Place) -> Entry | None:
        """The entry of a feed, loaded if it is not in memory or was forgotten; None if there is no such feed.

        One request at a time loads a path; others wait for it, but not for long, and less if they can do
        without. Raises FeedUnavailableError if there is nothing to show.
        """
        entry = self.at_hand(place) or self._found_behind_gate(place)
        if entry is not None and self._has_expired(entry):
            raise FeedUnavailableError(f"{place.path}: a story in it has expired")
        return entry

    def _found_behind_gate(self, place: Place) -> Entry | None:
        spare = self.at_hand(place, even_forgotten=True)
        gate = self._gates[crc32(place.path.encode()) % _GATES]
        if not gate.acquire(timeout=_PATIENCE_SECONDS if spare else _LONGEST_WAIT_SECONDS):
            if spare is None:
                raise FeedUnavailableError(f"{place.path}: the store does not answer")
            # Else each request would wait as long, in turn, for as long as that load takes.
            spare.retry_at = self._clock() + _RETRY_SECONDS
            return spare
        try:
            held = self.peek(place.path)
            if held is not None and self._needs_no_load(held):
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

    def learn(self, request: bytes, standing: Standing) -> None:
        """Know by heart what a request is answered with, unless its feed was forgotten meanwhile."""
        entry = standing.entry
        with self._lock:
            if not entry.fresh or self._entries.get(entry.path) is not entry:
                return
            if len(entry.requests) >= REQUESTS_KEPT:
                self._unlearn(entry)
            if request not in entry.requests:
                entry.requests[request] = size = len(request) + 2 * len(standing.head) + _STANDING_OVERHEAD
                entry.size += size
                self._held_bytes += size
            self.requests[request] = standing
            self._sweep()

    def _unlearn(self, entry: Entry) -> None:
        for request in entry.requests:
            self.requests.pop(request, None)
        size = sum(entry.requests.values())
        entry.requests.clear()
        entry.size -= size
        if self._entries.get(entry.path) is entry:
            self._held_bytes -= size

    def forget(self, changed: Iterable[tuple[str, str, Format]]) -> None:
        """Have these feeds loaded anew on their next request, at once even if the last load failed.

        For any thread: what a load that runs meanwhile brings is answered with, but not kept.
        """
        with self._lock:
            for partner, key, fmt in changed:
                path = _wsgi_path(unicodedata.normalize("NFC", key), fmt, partner)
                self._loading.discard(path)
                entry = self._entries.get(path)
                if entry is not None:
                    entry.fresh, entry.retry_at = False, 0.0
                    self._unlearn(entry)

    def forget_all(self) -> None:
        """Have every feed loaded anew on its next request, as when it is not known what changed."""
        with self._lock:
            self._loading.clear()
            for entry in self._entries.values():
                entry.fresh, entry.retry_at = False, 0.0
                self._unlearn(entry)

    def _needs_no_load(self, entry: Entry) -> bool:
        """Whether a load would bring nothing better just now."""
        return self._clock() < entry.retry_at or (entry.fresh and not self._has_expired(entry))

    def _has_expired(self, entry: Entry) -> bool:
        return self.calendar() > entry.shown_until

    def _reloaded(self, place: Place, held: Entry | None) -> Entry | None:
        with self._lock:
            self._loading.add(place.path)
        try:
            representation = self._load(place.key, place.format, place.partner)
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
            entry = held
            entry.fresh = current
        else:
            entry = _entry(place, representation)
            if current:
                self._drop(place.path)
                self._entries[place.path] = entry
                self._held_bytes += entry.size
                self._sweep()
        if current and self._has_expired(entry):
            log.warning("feed_expired", key=place.key, format=place.format)
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
            self._unlearn(gone)

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


def _entry(place: Place, representation: Representation) -> Entry:
    expiry = representation.valid_until
    return Entry(
        place.path,
        representation,
        place.format,
        size=len(representation.body) + _VARIANT_OVERHEAD,
        shown_until=expiry.timestamp() + _GRACE_SECONDS if expiry else inf,
    )
