"""Follows the store from a web worker: what was published is invalidated in memory within a quarter second.

Knows nothing of HTTP. The store is looked at from one thread of its own, never on a request's path.
"""

import threading
import time
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy import Connection

from feedsvc.domain.model import Format
from feedsvc.store import health, representations, trouble
from feedsvc.store.schema import Store
from feedsvc.util.repeated_faults import Faults

log = structlog.get_logger(__name__)

_INTERVAL = 0.1  # seconds between two looks where only a look tells whether there is anything new
_PULSE = 0.02  # seconds between two looks at whether there is, where that is cheap
_SURE = 1.0  # seconds after which a look is due all the same
_PAUSE = 1.0  # seconds at most between a look that failed and the next; the first is tried again sooner


class Follower:
    """Tells caches which representations changed.

    `invalidate` takes those that changed (partner, key, format), `invalidate_all` is for when it isn't known
    which; `on_beat` is called after each look, and a failure of its own is logged and changes nothing.
    `on_look` is given each look's view of the store.
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
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
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
        """Look if something was committed, or if there's no telling; returns seconds until the next time."""
        if self._store.was_replaced:
            # What was published goes on being served until the new store has all of it.
            has_published = self._seen is not None and self._seen[0] > 0
            self._store.reopen(health.is_filled if has_published else None)
            self._seen = self._pulse = None  # its numbers may be the same
            log.warning("store_replaced")
        pulse = self._store.pulse()
        # Requests wait while Python looks, and a look takes a hundred times as long as a pulse.
        if pulse is None or pulse != self._pulse or time.monotonic() >= self._due:
            self.look()
            self._pulse, self._due = pulse, time.monotonic() + _SURE
        return _INTERVAL if pulse is None else _PULSE

    def _follow(self) -> None:
        failing = False
        pause = _PULSE
        while not self._stopping.wait(pause):
            try:
                pause = self.look_if_due()
            except Exception as error:  # the store is gone: what is in memory goes on being served
                self._faults.failed("look", "store_unreachable", trouble.of(error).words)
                # Soon at first: a store that is being made is there in a moment.
                pause = min(2 * pause, _PAUSE) if failing else _INTERVAL
                failing = True
            else:
                failing = False
                self._faults.over("look")
                self._beat()

    def _beat(self) -> None:
        try:
            self._on_beat()
        except Exception as error:
            self._faults.failed("beat", "beat_failed", repr(error))
        else:
            self._faults.over("beat")
