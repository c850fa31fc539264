"""Watches the store from a web worker, and invalidates in memory what was published, within 250 ms.

Knows nothing of HTTP. One thread of its own reads the store; no request waits for that.
"""

import threading
import time
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy import Connection

from feedsvc.domain.model import Format
from feedsvc.store import health, representations, trouble
from feedsvc.store.engine import Store
from feedsvc.util.repeated_faults import Faults

log = structlog.get_logger(__name__)

_INTERVAL = 0.1  # seconds between two looks where only a query shows commits (PostgreSQL)
_PULSE = 0.02  # seconds between two checks for commits where they are cheap (SQLite)
_SURE = 1.0  # seconds after which a look is due even without a sign of a commit
_PAUSE = 1.0  # at most so many seconds between a failed look and the next; fewer after the first failure


class InvalidationPoller:
    """Tells caches which representations have changed.

    `invalidate` takes the changed ones as (partner, key, format); `invalidate_all` is called if it is not
    known which changed. `on_beat` is called after each round; its failures are logged and have no other
    effect. `on_look` is called in each look, with the connection that the look reads from.
    """

    def __init__(
        self,
        store: Store,
        invalidate: Callable[[Iterable[tuple[str, str, Format]]], None],
        invalidate_all: Callable[[], None],
        on_beat: Callable[[], None] = lambda: None,
        on_look: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self._store = store
        self._invalidate = invalidate
        self._invalidate_all = invalidate_all
        self._on_beat = on_beat
        self._on_look = on_look
        self._seen: tuple[int, int] | None = None
        self._pulse: int | None = None
        self._due = 0.0
        self._faults = Faults(log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="feedsvc-follower", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for it to end."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Read once what was published, and invalidate it. Raises what reading the store raises."""
        with self._store.read() as connection:
            self._on_look(connection)
            now = representations.publication(connection)
            if now == self._seen:
                return
            published, removed = now
            if self._seen is None or self._seen[1] != removed or published < self._seen[0]:
                self._invalidate_all()
            else:
                self._invalidate(representations.changed_since(connection, self._seen[0]))
        self._seen = now

    def look_if_due(self) -> float:
        """Look if something was committed, or may have been; returns the seconds until the next call."""
        if self._store.was_replaced:
            self._store.reopen(self._may_replace)
            self._seen = self._pulse = None  # the new store may have the same numbers for other content
            log.warning("store_replaced")
        pulse = self._store.pulse()
        # A look takes a hundred times as long as a pulse, and requests wait while it holds the interpreter.
        if pulse is None or pulse != self._pulse or time.monotonic() >= self._due:
            self.look()
            self._pulse, self._due = pulse, time.monotonic() + _SURE
        return _INTERVAL if pulse is None else _PULSE

    def _may_replace(self, connection: Connection) -> bool:
        """Whether a new store may take the place of the one that is gone; it is asked by `connection`."""
        # Cached feeds are served until the new store has everything published, too.
        has_published = self._seen is not None and self._seen[0] > 0
        if has_published and not health.is_filled(connection):
            return False
        self._on_look(connection)  # now: no request may write to the new store by a token of the old one
        return True

    def _follow(self) -> None:
        failing = False
        pause = _PULSE
        while not self._stopping.wait(pause):
            try:
                pause = self.look_if_due()
            except Exception as error:  # the store is unavailable: cached feeds are still served
                self._faults.failed("look", "store_unreachable", trouble.of(error).words)
                # The first retry comes soon: a store that is just being created is there in a moment.
                pause = min(2 * pause, _PAUSE) if failing else _INTERVAL
                failing = True
            else:
                failing = False
                self._faults.over("look")
                self._heartbeat()

    def _heartbeat(self) -> None:
        try:
            self._on_beat()
        except Exception as error:
            self._faults.failed("beat", "beat_failed", repr(error))
        else:
            self._faults.over("beat")
