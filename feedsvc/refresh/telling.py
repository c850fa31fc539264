"""Keeps a condition, which operators see, up to date with what one process finds.

Must not know what the condition means.
"""

from collections.abc import Callable
from datetime import datetime

from feedsvc.store import conditions
from feedsvc.store.engine import Store


class Telling:
    """Sets and clears the condition `name`. `clock` returns aware UTC."""

    def __init__(self, store: Store, name: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        self._told: str | None = None
        """The detail that was set last; None as long as it isn't known what an earlier process set."""

    def tell(self, detail: str) -> bool:
        """Set the condition with this detail, or clear it if that is empty; returns whether that is new."""
        if detail == self._told:
            return False
        with self._store.write() as tx:
            if detail:
                conditions.put(tx, self._name, detail, self._clock())
            else:
                conditions.clear(tx, self._name)
        self._told = detail
        return True
