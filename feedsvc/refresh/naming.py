"""Names in the configuration that no story has: logged once, and kept as a condition until corrected.

Must not know files. A name that some story had once is not checked again.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

from feedsvc.domain.names import Named, Names, Unknown, matches, unknown
from feedsvc.store import articles, conditions
from feedsvc.store import names as known_names
from feedsvc.store.engine import Store

log = structlog.get_logger(__name__)

CONDITION = "names-unknown"
_MOST_TOLD = 5


class NameCheck:
    """Compares the names that a configuration uses with those that stories have."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._waiting = names.used
        self._is_first = True
        self._lock = threading.Lock()

    def look(self, store: Store, now: datetime) -> None:
        """Check again the names that no story had. Nothing is reported before a story was loaded.

        Costs a query as long as names are unknown, and nothing once there are none.
        """
        with self._lock:
            self._look(store, now)

    def _look(self, store: Store, now: datetime) -> None:
        if not (self._waiting or self._is_first):
            return
        with store.read() as connection:
            waiting = tuple(self._still_unknown(connection))
            if articles.is_empty(connection) or (waiting == self._waiting and not self._is_first):
                return
            known = known_names.beginning(connection, "") if waiting else set()
            stands = any(one.name == CONDITION for one in conditions.current(connection))
        found = unknown(waiting, known, self._names)
        if found or stands:
            with store.write() as tx:
                if found:
                    conditions.put(tx, CONDITION, _told(found), now)
                else:
                    conditions.clear(tx, CONDITION)
        for one in found if self._is_first else ():
            log.warning("name_unknown", file=one.named.file, line=one.named.line, reason=one.reason)
        self._waiting, self._is_first = waiting, False

    def _still_unknown(self, connection: Connection) -> Iterator[Named]:
        known = known_names.known(connection, [one.key for one in self._waiting])
        for one in self._waiting:
            start, star, _ = one.key.partition("*")
            if star:
                known_here = known_names.beginning(connection, start) | self._names.custom
                if not matches(one.key, known_here):
                    yield one
            elif one.key not in known:
                yield one


def _told(found: Sequence[Unknown]) -> str:
    rest = f" (and {len(found) - _MOST_TOLD} more)" if len(found) > _MOST_TOLD else ""
    return "; ".join(map(str, found[:_MOST_TOLD])) + rest
