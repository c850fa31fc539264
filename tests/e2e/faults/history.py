"""What happened in a run, in order, and which promises were broken: printed when a run fails.

Knows nothing of what it is told.
"""

import threading
import time
from collections import Counter
from pathlib import Path

_SHOWN = 120  # last lines of a history that a failure prints; the file has all
_BROKEN_SHOWN = 25


class History:
    """One run's. Each line has its second from the beginning on."""

    def __init__(self, file: Path, seed: str) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self._began = time.time()
        self._file = file
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._broken: dict[tuple[str, str], str] = {}

    def note(self, told: str) -> None:
        """Something was done, or happened."""
        line = f"{time.time() - self._began:7.2f} {told}"
        with self._lock:
            self._lines.append(line)
            with self._file.open("a", encoding="utf-8") as written:
                written.write(f"{line}\n")

    def broken(self, promise: str, of: str, told: str) -> None:
        """A promise was broken, of a story or feed; told once for each of them, and counted."""
        with self._lock:
            self.counts[f"BROKEN {promise}"] += 1
            if (promise, of) in self._broken:
                return
            self._broken[promise, of] = f"{time.time() - self._began:7.2f} {promise}: {of}: {told}"
        self.note(f"BROKEN {promise}: {of}: {told}")

    @property
    def is_whole(self) -> bool:
        """Whether every promise was kept."""
        return not self._broken

    def text(self) -> str:
        """What a failure prints."""
        broken = list(self._broken.values())
        counts = ", ".join(f"{name} {number}" for name, number in sorted(self.counts.items()))
        return "\n".join(
            [
                f"seed {self.seed}: {len(broken)} broken promises; `SEEDS={self.seed}` begins it again",
                *broken[:_BROKEN_SHOWN],
                f"counts: {counts}",
                f"the last lines of {self._file}:",
                *self._lines[-_SHOWN:],
            ]
        )
