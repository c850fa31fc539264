"""Decides which changed files are read: those that are complete. The others are held until they are.

Knows where files are and what `settling` knows of them; must not know what is in them, nor the store.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from feedsvc.domain.model import Rejected
from feedsvc.loading.errors import NOT_READ
from feedsvc.loading.settling import NOTHING_KNOWN, Known, Settling, Unsettled
from feedsvc.loading.walk import FoundFile
from feedsvc.refresh.read_pool import Outcome, Ready

_MOST_WAIT = 5.0  # seconds that a scan waits at most for files that have just changed


class Holding:
    """Filters the files below `root`: before reading, and again by what reading showed."""

    def __init__(self, root: Path, settling: Settling) -> None:
        self._root = root
        self._settling = settling

    @property
    def seconds(self) -> float:
        """How many seconds after a scan another scan can tell which files are no longer changing."""
        return min(max(self._settling.settle, 0.05) + 0.01, _MOST_WAIT)

    def known(self, path: str) -> Known | None:
        """What is known of one file; None if it must not be read yet."""
        linked = os.path.realpath(self._root / path)
        return self._settling.known(linked, time.monotonic())

    def readable(self, files: Iterable[FoundFile], held: set[str]) -> Iterator[FoundFile]:
        """Those that may be read now, each with what is known of it; the paths of the others go to `held`."""
        base = os.path.realpath(self._root)
        for file in files:
            known = self._settling.known(_place(base, file), time.monotonic())
            if known is None:
                held.add(file.path)
            else:
                yield file if known is NOTHING_KNOWN else file._replace(known=known)

    def whole(
        self, outcomes: Sequence[Outcome], held: set[str]
    ) -> dict[str, tuple[FoundFile, Ready | Rejected]]:
        """What was read, by path; the paths of files that turned out to be incomplete go to `held`."""
        base = os.path.realpath(self._root)
        whole: dict[str, tuple[FoundFile, Ready | Rejected]] = {}
        for file, outcome in outcomes:
            if isinstance(outcome, Unsettled):
                self._settling.hold(_place(base, file), outcome, time.monotonic())
                held.add(file.path)
                continue
            whole[file.path] = file, outcome
            if is_not_read(outcome):
                self._settling.failed(_place(base, file), time.monotonic())
            else:
                self._settling.mended(_place(base, file))
        held.difference_update(whole)
        return whole

    def are_gone(self, paths: Iterable[str]) -> None:
        """Note that files are gone, or were folders that may be read now: they need not be tried again."""
        base = os.path.realpath(self._root)
        for path in paths:
            self._settling.mended(f"{base}/{path}")

    def were_read(self, files: Iterable[FoundFile], since: float) -> None:
        """Note that files were loaded, with what was known of them after `since` (monotonic seconds)."""
        base = os.path.realpath(self._root)
        for file in files:
            self._settling.was_read(_place(base, file), since)


def is_not_read(outcome: Ready | Rejected) -> TypeGuard[Rejected]:
    """Whether the file could not be read at all, so that it is to be tried again."""
    return isinstance(outcome, Rejected) and outcome.rule in NOT_READ


def _place(base: str, file: FoundFile) -> str:
    """A file's path with links resolved, as `settling` uses it; `base` is that of the folder of stories."""
    place = f"{base}/{file.path}"
    return os.path.realpath(place) if file.linked else place
