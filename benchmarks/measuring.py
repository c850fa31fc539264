"""What a process and all it started cost, in seconds, CPU seconds and bytes; and statistics of such figures.

Knows Linux's /proc, and nothing of what it measures.
"""

import math
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.05

median = statistics.median


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Memory(NamedTuple):
    """Bytes. `rss` counts a page for each process that has it, `pss` once; 0 if PSS may not be read."""

    rss: int
    pss: int

    def __add__(self, other: object) -> "Memory":
        return (
            Memory(self.rss + other.rss, self.pss + other.pss)
            if isinstance(other, Memory)
            else NotImplemented
        )


NOTHING = Memory(0, 0)


def children(pid: int) -> list[int]:
    """The processes that it started itself and that still live."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def tree(pid: int) -> list[int]:
    """A process and all that it started, itself first."""
    found = [pid]
    for one in found:
        found += children(one)
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all it started, with those that it has already seen end."""
    ticks = 0
    for one in tree(pid):
        with suppress(OSError, ValueError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc(5)
    return ticks / _TICKS


def memory(pid: int) -> Memory:
    """What one process holds now."""
    with suppress(OSError, ValueError, IndexError):
        rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        return Memory(rss, _pss(pid))
    return NOTHING


def tree_memory(pid: int) -> Memory:
    """What a process and all it started hold now."""
    return sum(map(memory, tree(pid)), NOTHING)


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Peak:
    """The most memory that a process tree was seen to hold, sampled from a thread."""

    def __init__(self, pid: int) -> None:
        self.most = NOTHING
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.is_set():
            now = tree_memory(self._pid)
            self.most = Memory(max(self.most.rss, now.rss), max(self.most.pss, now.pss))
            self._ended.wait(_SAMPLE_SECONDS)


class Cost(NamedTuple):
    """What a command took: seconds, CPU seconds with its children's, and its peak memory if asked."""

    seconds: float
    cpu_seconds: float
    peak: Memory


class CommandFailedError(Exception):
    """A command that was to be measured did not do its work."""


def cost(
    command: Sequence[str],
    folder: Path,
    *,
    limit: float,
    with_memory: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command in `folder` to its end and say what it took; it may take `limit` seconds.

    Ask for memory in a run of its own: reading the page tables of a process of gigabytes twenty times a
    second makes it half as fast.
    """
    with (folder / "command.log").open("w+b") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=environment
        )
        timer = threading.Timer(limit, _kill_group, [process.pid])
        timer.start()
        try:
            with watched(process.pid, with_memory) as peak:
                _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            if process.returncode is None:
                _kill_group(process.pid)
        if process.returncode != 0:
            log.seek(0)
            said = log.read()[-2000:].decode("utf-8", "replace")
            raise CommandFailedError(
                f"{' '.join(command)} ended with {process.returncode} after {seconds:.0f} s: {said}"
            )
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak.most if peak else NOTHING)


@contextmanager
def watched(pid: int, wanted: bool) -> Iterator[Peak | None]:
    """Watch the peak memory of a process tree meanwhile, if wanted."""
    if not wanted:
        yield None
        return
    with Peak(pid) as peak:
        yield peak


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
