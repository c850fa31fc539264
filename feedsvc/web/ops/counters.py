"""What all workers of one service counted, together: so that it doesn't matter which of them is asked.

Knows nothing of what counts mean. Each worker leaves its counts in a file of its own in a folder they share.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

_INTERVAL = 1.0  # seconds between two writings of a file

Counts = Mapping[tuple[str, int], int]


class Tally:
    """Counts of this process, live, and of the others, at most a second old.

    A worker that died leaves its file behind, so that no counter goes back. Without a folder, which a process
    that is nobody's worker has not, only this process counts.
    """

    def __init__(self, own: Callable[[], Counts], folder: Path | None) -> None:
        self._own = own
        self._folder = folder
        self._file = f"{os.getpid()}-{time.monotonic_ns()}.json"
        self._written: Counts = {}
        self._due = 0.0

    def keep(self) -> None:
        """Leave the counts for the other workers, if they moved and the last time is a second ago."""
        now = time.monotonic()
        if self._folder is None or now < self._due:
            return
        self._due = now + _INTERVAL
        counts = dict(self._own())
        if counts == self._written:
            return
        draft = self._folder / f".{self._file}"
        draft.write_text(json.dumps([[*key, count] for key, count in counts.items()]))
        draft.replace(self._folder / self._file)
        self._written = counts

    def total(self) -> Counts:
        """The counts of every worker that there is or was."""
        total = Counter(dict(self._own()))
        for file in self._folder.glob("*.json") if self._folder else ():
            if file.name != self._file:
                for fmt, status, count in json.loads(file.read_text()):
                    total[fmt, status] += count
        return dict(total)
