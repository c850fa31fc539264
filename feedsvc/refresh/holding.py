"""Which of the files that changed are read: those that are whole. The others are held until they are.

Knows where files are and what `settling` knows of them; nothing of what is in them, nor of the store.
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

_MOST_WAIT = 5.0  # seconds that a look waits at most for files that have just changed


class Holding:
    """Stands between the files below `root` and those who read them, before and after they are read."""

    def __init__(self, root: Path, settling: Settling) -> None:
        self._root = root
        self._settling = settling

    @property
    def seconds(self) -> float:
        """How long after a look another one tells what is quiet."""
        return min(max(self._settling.settle, 0.05) + 0.01, _MOST_WAIT)

    def known(self, path: str) -> Known | None:
        """What is known of one file; None if it is not to be read yet."""
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
        """What was read, by path; the paths of files that turned out not to be whole go to `held`."""
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
        """Files are gone, or were folders that may be read now: they need not be tried again."""
        base = os.path.realpath(self._root)
        for path in paths:
            self._settling.mended(f"{base}/{path}")

    def were_read(self, files: Iterable[FoundFile], since: float) -> None:
        """Files were brought in; what is known of them was asked for after the instant `since`."""
        base = os.path.realpath(self._root)
        for file in files:
            self._settling.was_read(_place(base, file), since)


def is_not_read(outcome: Ready | Rejected) -> TypeGuard[Rejected]:
    """Whether nothing is known of what is in a file, so that it is to be tried again."""
    return isinstance(outcome, Rejected) and outcome.rule in NOT_READ


def _place(base: str, file: FoundFile) -> str:
    """Where a file is, without links, as `settling` knows it; `base` is where the folder of stories is."""
    place = f"{base}/{file.path}"
    return os.path.realpath(place) if file.linked else place
