"""Retention: removes rows that are no longer needed, some at a time, so that nobody has to wait.

Knows which kinds of rows there are and in which order they go; must not know SQL.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection

from feedsvc.domain.model import to_micros
from feedsvc.domain.names import Names
from feedsvc.domain.retention import FEEDS_SAY, Retention
from feedsvc.domain.selection import Rules
from feedsvc.store import articles, names, pruning, removals, representations
from feedsvc.store.engine import Store
from feedsvc.store.names import Use
from feedsvc.store.pruning import Page, Place

log = structlog.get_logger(__name__)

_FIRST = 50  # rows in the first transaction; how long it took decides how many the next one has
_LEAST, _MOST = 10, 1_000
_AIM = 0.015  # seconds that a transaction should hold SQLite's lock: others wait for it
_FEEDS = 20  # unused names in one transaction: each has a body for each format and partner
_REST = 20  # times the duration of a run pass until the next: each run goes through all unsettled recalls
_PAUSE = 0.01  # seconds between two transactions, so that others that wait come first


class _Kind(NamedTuple):
    """One kind of row: `find` gets the end of the last page, and how many rows to look at."""

    name: str
    find: Callable[[Connection, Place, int], Page]
    remove: Callable[[Connection, Sequence[tuple[Any, ...]]], int]


class Pruner:
    """Removes rows past their retention. `clock` returns aware UTC, `names` are those the configuration uses.

    Once `stopped` is set, the work under way ends after its present transaction.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        retention: Retention,
        clock: Callable[[], datetime],
        stopped: threading.Event,
        names: Names,
    ) -> None:
        self._store = store
        self._partners = frozenset(one.name for one in rules.partners)
        self._retention = retention
        self._clock = clock
        self._stopped = stopped
        self._named = {one.key for one in names.used} | names.tables | rules.by_key.keys()
        self._rest_until = 0.0  # by time.monotonic()

    def run(self) -> dict[str, int]:
        """Remove everything past its retention; returns the number of rows of each kind, if any."""
        began = time.monotonic()
        if began < self._rest_until:
            return {}
        now = self._clock()
        removed: dict[str, int] = {}
        for kind in self._kinds(now):
            if number := self._prune(kind):
                removed[kind.name] = number
        with self._store.read() as connection:
            is_any_old = removals.is_any_old(connection, now)
        if is_any_old:
            with self._store.write(repeatable=True) as tx:
                removals.forget_old(tx, now)
        if number := self._prune_names(now):
            removed["feeds"] = number
        self._rest_until = time.monotonic() + _REST * (time.monotonic() - began)
        if removed:
            log.info("pruned", **removed)
        return removed

    def _kinds(self, now: datetime) -> Iterator[_Kind]:
        """The kinds, recalls first: a line of the delivery log is kept as long as a recall depends on it."""
        keep, partners = self._retention, self._partners
        learnt, received = now - keep.recalls, now - keep.deliveries
        stood = now - keep.tombstones + FEEDS_SAY  # their rows have the instant when feeds stop showing them
        yield _Kind(
            "recalls",
            partial(pruning.recalled, before=learnt, partners=partners),
            pruning.remove_recalls,
        )
        yield _Kind(
            "revocations",
            partial(pruning.revoked, before=learnt, partners=partners),
            pruning.remove_revocations,
        )
        yield _Kind("deliveries", partial(pruning.delivered, before=received), pruning.remove_deliveries)
        yield _Kind("notices", partial(pruning.noticed, before=now - keep.notices), pruning.remove_notices)
        yield _Kind("tokens", partial(pruning.ended_tokens, before=received), pruning.remove_tokens)
        yield _Kind("tombstones", partial(pruning.buried, before=stood), pruning.remove_tombstones)
        yield _Kind("dates", partial(pruning.dated, before=now - keep.feeds), pruning.remove_dates)

    def _prune_names(self, now: datetime) -> int:
        """Forget names that no story has had for long, with their feeds; returns how many."""
        before = to_micros(now - self._retention.feeds)
        removed, after = 0, ""
        while not self._stopped.is_set():
            with self._store.read() as connection:
                page = names.uses(connection, after, _MOST)
            if not page:
                break
            after = page[-1].key
            self._note_uses(page, now)
            over = [
                one.key
                for one in page
                if one.unused_since is not None and one.unused_since < before and not self._is_kept(one)
            ]
            for start in range(0, len(over), _FEEDS):
                removed += self._forget(over[start : start + _FEEDS])
        return removed

    def _is_kept(self, one: Use) -> bool:
        return one.is_used or one.key in self._named

    def _note_uses(self, page: Sequence[Use], now: datetime) -> None:
        used = [one.key for one in page if one.is_used and one.unused_since is not None]
        unused = [one.key for one in page if not one.is_used and one.unused_since is None]
        for keys, since in ((used, None), (unused, now)):
            if keys:
                with self._store.write(repeatable=True) as tx:
                    names.note_use(tx, keys, since)

    def _forget(self, keys: Sequence[str]) -> int:
        with self._store.write(repeatable=True) as tx:
            articles.lock_all(tx)  # a new story with such a name waits, and then makes its feed again
            forgotten = names.forget_unused(tx, keys)
            representations.withdraw_feeds(tx, forgotten)
        self._stopped.wait(_PAUSE)
        return len(forgotten)

    def _prune(self, kind: _Kind) -> int:
        removed, rows = 0, _FIRST
        after: Place | None = ()
        while after is not None and not self._stopped.is_set():
            with self._store.read() as connection:
                page = kind.find(connection, after, rows)
            after = page.end
            if not page.keys:
                continue
            # If a power cut undoes this, the rows are still past their retention: the next run removes them.
            with self._store.write(repeatable=True) as tx:
                began = time.monotonic()
                removed += kind.remove(tx, page.keys)
            rows = _next_size(rows, time.monotonic() - began)
            self._stopped.wait(_PAUSE)
        return removed


def _next_size(rows: int, seconds: float) -> int:
    """How many rows the next transaction gets, after one with `rows` rows took `seconds`."""
    if seconds > _AIM:
        return max(rows // 2, _LEAST)
    return min(rows * 2, _MOST) if seconds < _AIM / 3 else rows
