"""A condition that an operator sees, kept in line with what one process finds.

Knows nothing of what it means.
"""

from collections.abc import Callable
from datetime import datetime

from feedsvc.store import conditions
from feedsvc.store.schema import Store


class Telling:
    """Sets and clears the condition `name`. `clock` returns aware UTC."""

    def __init__(self, store: Store, name: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        self._told: str | None = None
        """What was said last; None if it isn't known what a process before this one said."""

    def tell(self, detail: str) -> bool:
        """Set the condition to this detail, or with none clear it; returns whether that is news."""
        if detail == self._told:
            return False
        with self._store.write() as tx:
            if detail:
                conditions.put(tx, self._name, detail, self._clock())
            else:
                conditions.clear(tx, self._name)
        self._told = detail
        return True
