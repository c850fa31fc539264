"""Story files that stay open for long → a condition that an operator sees, as long as it lasts.

Knows nothing of why a file isn't read; `settling` knows.
"""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from feedsvc.loading.settling import Settling
from feedsvc.refresh.telling import Telling
from feedsvc.store.engine import Store

log = structlog.get_logger(__name__)

NAME = "files-open"
_LONG = 60.0  # seconds
_MOST_NAMED = 10
_REMEDY = "their last whole versions stay published; close them, or end the program that writes them"


class OpenFiles:
    """Reports files below `root` that have been written to, or open, for over a minute.

    `clock` returns aware UTC.
    """

    def __init__(self, store: Store, root: Path, settling: Settling, clock: Callable[[], datetime]) -> None:
        self._condition = Telling(store, NAME, clock)
        self._root = root
        self._settling = settling
        self._clock = clock
        self._named: dict[tuple[str, float], str] = {}

    def tell(self) -> None:
        """Set the condition `files-open`, or clear it. A running service calls this again and again."""
        detail = self._detail()
        if self._condition.tell(detail) and detail:
            log.warning("files_open", detail=detail)

    def _detail(self) -> str:
        found = self._settling.unsettled_for(_LONG, time.monotonic())
        # The monotonic clock and the wall clock drift apart: keep the text, so that it has the same minute.
        self._named = {one: self._named.get(one) or self._name(*one) for one in found.items()}
        if not found:
            return ""
        named = list(self._named.values())[:_MOST_NAMED]
        more = f", and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"{', '.join(named)}{more}: open, or being written, for over a minute; {_REMEDY}"

    def _name(self, path: str, since: float) -> str:
        started = self._clock() - timedelta(seconds=time.monotonic() - since)
        return f"{os.path.relpath(path, os.path.realpath(self._root))} (since {started:%H:%M} UTC)"
