"""What a running service holds at one instant: memory, descriptors, log, rows, files; and how that grows.

Knows Linux's /proc and SQLite, and nothing of what is measured but where it is.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from benchmarks.measuring import median, memory, tree


@dataclass(frozen=True, slots=True)
class Sample:
    """At `at` seconds: bytes of memory and descriptors by process, rows by table; bytes, number of files."""

    at: float
    memory: dict[str, int]
    descriptors: dict[str, int]
    log_bytes: int
    rows: dict[str, int]
    store_bytes: int
    store_files: int
    temporary_bytes: int
    temporary_files: int


@dataclass
class Service:
    """Where a service is: its main process, log, SQLite file, and the folder of its temporary files."""

    pid: int
    log: Path
    database: Path
    temporary: Path
    names: dict[int, str] = field(default_factory=dict)

    def sample(self, at: float) -> Sample:
        """What it holds now; `at` is the second of the run."""
        held: dict[str, int] = {}
        opened: dict[str, int] = {}
        for pid in tree(self.pid):
            name = self._name(pid)
            held[name] = held.get(name, 0) + memory(pid).rss
            opened[name] = opened.get(name, 0) + _descriptors(pid)
        return Sample(
            at,
            held,
            opened,
            self.log.stat().st_size,
            _rows(self.database),
            *_size(self.database.parent),
            *_size(self.temporary),
        )

    def _name(self, pid: int) -> str:
        """Each web worker has its own; processes that the refresher starts for some work share one."""
        if pid not in self.names:
            workers = sum(name.startswith("worker") for name in self.names.values())
            is_worker = b"server.worker" in _command(pid)
            self.names[pid] = (
                "refresher" if pid == self.pid else f"worker {workers + 1}" if is_worker else "helpers"
            )
        return self.names[pid]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How fast figures grow, a second: the median of the slopes of all pairs (Theil and Sen).

    A least-squares line would follow single peaks; of two points or fewer it is 0.
    """
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1]
    return median(slopes) if slopes else 0.0


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def _rows(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as store:
        listed = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        names = [name for (name,) in store.execute(listed)]
        return {name: store.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def _size(folder: Path) -> tuple[int, int]:
    """Bytes of the files below a folder, and their number."""
    size = number = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            if file.is_file():
                size, number = size + file.stat().st_size, number + 1
    return size, number
