"""Folders that can't be watched → a condition that an operator sees, and one warning.

Must not know why a folder can't be watched; the watcher says that.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import structlog

from feedsvc.refresh.telling import Telling
from feedsvc.store.engine import Store

log = structlog.get_logger(__name__)

NAME = "not-watched"
_MOST_NAMED = 5
_INSTEAD = "looked through every `schedule.refresh` instead"


class Unwatched:
    """Reports folders at or below `root` that can't be watched. `clock` returns aware UTC."""

    def __init__(self, store: Store, root: Path, clock: Callable[[], datetime]) -> None:
        self._root = root
        self._condition = Telling(store, NAME, clock)
        self._reasons: set[str] = set()

    def tell(self, unwatched: Mapping[str, str]) -> None:
        """Set the condition `not-watched`, or clear it. Folder (absolute) → why, and what to do about it.

        A folder without a reason doesn't exist, or isn't watched yet: others report that.
        """
        told = {folder: reason for folder, reason in unwatched.items() if reason}
        reasons = set(told.values())
        if not self._condition.tell(_detail(self._root, told)):
            return
        if reasons - self._reasons:
            log.warning("not_watched", folders=len(told), detail=_detail(self._root, told))
        elif self._reasons and not reasons:
            log.info("watched_again", path=str(self._root))
        self._reasons = reasons


def _detail(root: Path, unwatched: Mapping[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for folder, reason in sorted(unwatched.items()):
        by_reason.setdefault(reason, []).append(_shown(root, folder))
    parts = []
    for reason, folders in by_reason.items():
        more = f" and {len(folders) - _MOST_NAMED} more" if len(folders) > _MOST_NAMED else ""
        parts.append(f"{', '.join(folders[:_MOST_NAMED])}{more}: {reason}")
    return f"{'; '.join(parts)}; {_INSTEAD}" if parts else ""


def _shown(root: Path, folder: str) -> str:
    """The path of a folder below `root`; bytes that are not UTF-8 are escaped."""
    below = os.path.relpath(folder, os.path.realpath(root))
    path = root.name if below == "." else f"{root.name}/{below}"
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
