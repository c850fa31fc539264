"""The processes of a service under test, and what restarts them as an operator's supervisor does.

Knows which part of a service each process is, and nothing of stories.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.conftest import Service
from tests.e2e.faults.history import History
from tests.e2e.faults.timeline import Down, Timeline

STARTS_SECONDS = 20.0
"""So long a start may take on a busy machine before it counts as one that failed."""
_REFRESHES_AFTER = 6.0  # seconds from the start of a refresher until it has looked through its folder
_LOOKS_AFTER = 2.0  # the same, from the first answer of a `serve`
_RESTART = 0.3  # seconds
ENDS_SECONDS = 5.5
"""Of SIGTERM: five are promised."""
_ENDS_AT_MOST = 30.0  # seconds, however busy the machine is


@dataclass
class Node:
    """A `serve`, `web` or `worker`: it answers at its port, if it has one, and refreshes, or not."""

    name: str
    command: str
    service: Service
    options: tuple[str, ...] = ()
    downs: list[Down] = field(default_factory=list)
    starting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answers(self) -> bool:
        """Whether it has a port."""
        return self.command in {"serve", "web"}

    @property
    def refreshes(self) -> bool:
        """Whether it publishes feeds."""
        return self.command in {"serve", "worker"}

    @property
    def parts(self) -> list[str]:
        """The names of its parts, as the timeline has them."""
        return [self.web] * self.answers + [self.refresher] * self.refreshes

    @property
    def web(self) -> str:
        """The part that answers."""
        return f"{self.name} web"

    @property
    def refresher(self) -> str:
        """The part that publishes."""
        return f"{self.name} refresher"

    @property
    def is_alive(self) -> bool:
        """Whether its main process is there."""
        process = self.service.process
        return process is not None and process.poll() is None

    def processes(self) -> list[int]:
        """The ids of its processes and of those they started, main process first."""
        main = self.service.process
        if main is None:
            return []
        found = [main.pid]
        for one in found:
            found += _children(one)
        return found

    def part_of(self, pid: int) -> str:
        """Which part stands still while that process of it does."""
        is_main = self.service.process is not None and pid == self.service.process.pid
        if self.command == "worker" or (self.command == "serve" and (is_main or not _serves(pid))):
            return self.refresher
        return self.web if not is_main else f"{self.name} supervisor"


class Nodes:
    """All nodes of a run. What dies is started again, until `end`."""

    def __init__(self, nodes: list[Node], timeline: Timeline, history: History) -> None:
        self.all = nodes
        self.timeline = timeline
        self._history = history
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    @property
    def answering(self) -> list[Node]:
        """Those with a port."""
        return [one for one in self.all if one.answers]

    @property
    def refreshers(self) -> list[str]:
        """The parts that publish."""
        return [one.refresher for one in self.all if one.refreshes]

    def start(self) -> None:
        """Start all; each that answers does when this returns."""
        for node in self.all:
            self._start(node)
        for node in self.answering:
            node.service.wait_until(lambda at=node: _is_ready(at), 3 * STARTS_SECONDS)  # type: ignore[misc]
        self._keeper.start()

    def end(self) -> None:
        """End all processes, whatever state they are in."""
        self._ending.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for node in self.all:
            for pid in node.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            node.service.kill()
            node.service.client.close()

    def note_down(self, node: Node) -> None:
        """All its parts are down from now on, until it was started again."""
        node.downs += [self.timeline.down(part) for part in node.parts]

    def kill(self, node: Node) -> None:
        """End all processes of a node at once, as a power cut would."""
        self.note_down(node)
        for pid in node.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.service.kill()

    @contextmanager
    def paused(self, node: Node, pid: int) -> Iterator[None]:
        """Have one process stand still meanwhile."""
        born = _born(pid)
        down = self.timeline.down(node.part_of(pid))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if born and _born(pid) == born:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            down.end(0.5)

    def terminate(self, node: Node) -> None:
        """End a node as an operator does, and hold it to its promise."""
        self.note_down(node)
        process = node.service.process
        if process is None or process.poll() is not None:
            return
        pids = node.processes()
        began = time.time()
        process.send_signal(signal.SIGTERM)
        while any(_born(pid) for pid in pids) and time.time() - began < _ENDS_AT_MOST:
            process.poll()
            time.sleep(0.05)
        if (took := self.timeline.able([], began, time.time())) > ENDS_SECONDS:
            self._history.broken("SIGTERM ends everything within 5 s", node.name, f"it took {took:.1f} s")
            node.service.kill()

    # -- restarts ---------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._ending.wait(_RESTART):
            for node in self.all:
                if not node.is_alive and not self._ending.is_set() and node.starting.acquire(blocking=False):
                    if not node.downs:
                        self.note_down(node)
                    threading.Thread(target=self._start_again, args=(node,), daemon=True).start()

    def _start_again(self, node: Node) -> None:
        try:
            self._history.note(f"{node.name} is started again")
            began = time.monotonic()
            self._start(node)
            while not self._ending.is_set() and node.is_alive:
                took = time.monotonic() - began
                if node.answers and _is_alive(node):
                    self._up(node, _LOOKS_AFTER)
                    return
                if not node.answers and took > _REFRESHES_AFTER:
                    self._up(node, 0.0)
                    return
                if took > 3 * STARTS_SECONDS:
                    self._history.broken("what died comes back", node.name, f"no answer after {took:.0f} s")
                    node.service.kill()
                time.sleep(0.1)
        finally:
            node.starting.release()

    def _start(self, node: Node) -> None:
        node.service.start(*node.options, command=node.command, ready=False)

    def _up(self, node: Node, grace: float) -> None:
        for down in node.downs:
            down.end(grace)
        node.downs.clear()


def _is_ready(node: Node) -> bool:
    return node.service.get("/readyz").status_code == 200


def _is_alive(node: Node) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{node.service.port}/healthz", timeout=2).status_code == 200
    return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _serves(pid: int) -> bool:
    """Whether it is a web worker: the refresher has processes of its own, which read and render."""
    with suppress(OSError):
        return b"server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _born(pid: int) -> str:
    """When a process was started, in ticks since boot, so that another of its number isn't taken for it."""
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    return ""
