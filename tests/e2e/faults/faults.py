"""What is done to a service while it works: each kind once in an order by the seed, then again.

Knows processes, files and the database; what must hold all the while is held by `pollers` and `desks`.
"""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from tests.e2e.faults import stories
from tests.e2e.faults.asking import Connection
from tests.e2e.faults.run import Run
from tests.e2e.faults.timeline import DATABASE

_BETWEEN = (0.4, 1.6)  # seconds
_AT_ONCE = 3
_UPLOADS = 4
_HUNT_SECONDS = 8.0
_AMID_LEAST, _AMID_MOST = 6.0, 8.0  # seconds: longer than others may be kept waiting
_STALLS = (2.0, 6.0)  # seconds
_COMES_BACK_SECONDS = 30.0
"""So long a service whose store was deleted may take to have another."""
_GRACE_SECONDS = 2.0  # after a database is up again, until everybody has found it

Fault = Callable[[], None]


class Faults:
    """Disturbs a run until it is over. `only` names the kinds that there are to be; default: all."""

    def __init__(self, run: Run, only: Sequence[str] = ()) -> None:
        self._run = run
        self._dice = run.dice("faults")
        self._threads: list[threading.Thread] = []
        self._paused: set[int] = set()
        self._ending: set[str] = set()
        self._arrived = 0
        self._exclusive = threading.Lock()
        both: dict[str, Fault] = {
            "kill a process": self._kill_process,
            "kill a node": self._kill_node,
            "pause": self._pause,
            "terminate": self._terminate,
            "files arrive": self._files_arrive,
            "uploads stall": self._uploads_stall,
        }
        own: dict[str, Fault] = {"delete the store": self._delete_store}
        if run.cluster:
            own = {
                "end sessions": self._end_sessions,
                "restart the database": self._restart_database,
                "pause amid a transaction": self._pause_amid_transaction,
            }
        self.kinds = both | own
        if only:
            self.kinds = {name: fault for name, fault in self.kinds.items() if name in only}

    def disturb(self, seconds: float) -> None:
        """Begin faults for so long; returns when the last is undone."""
        until = time.monotonic() + seconds
        bag: list[str] = []
        while time.monotonic() < until:
            if not bag:
                bag = self._dice.sample(sorted(self.kinds), len(self.kinds))
            self._threads = [one for one in self._threads if one.is_alive()]
            if bag and len(self._threads) < _AT_ONCE:
                self._begin(bag.pop())
            time.sleep(self._dice.uniform(*_BETWEEN))
        for thread in self._threads:
            thread.join(self._run.size.pause_most + 2 * _COMES_BACK_SECONDS)

    def _begin(self, name: str) -> None:
        self._run.history.counts[f"fault: {name}"] += 1
        thread = threading.Thread(target=self._guarded, args=(name,), name=f"fault-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, name: str) -> None:
        try:
            self.kinds[name]()
        except Exception as error:  # a fault that could not be done is a fault of the test
            self._run.history.broken("every fault can be done", name, repr(error))

    # -- processes --------------------------------------------------------------------------------------

    def _kill_process(self) -> None:
        """Any but a main process: its parent replaces it."""
        node = self._dice.choice(self._run.nodes.answering)
        if others := node.processes()[1:]:
            pid = self._dice.choice(others)
            self._note(f"SIGKILL to process {pid} of {node.name} ({node.part_of(pid)})")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _kill_node(self) -> None:
        node = self._dice.choice(self._run.nodes.all)
        self._note(f"SIGKILL to all of {node.name}")
        self._run.nodes.kill(node)

    def _terminate(self) -> None:
        """A node of which nothing stands still, which could not end."""
        nodes = [one for one in self._run.nodes.all if not self._paused.intersection(one.processes())]
        if not nodes:
            return
        node = self._dice.choice(nodes)
        self._note(f"SIGTERM to {node.name}")
        self._ending.add(node.name)
        self._run.nodes.terminate(node)
        self._ending.discard(node.name)

    def _pause(self) -> None:
        node = self._dice.choice(self._run.nodes.all)
        pids = [pid for pid in node.processes() if pid not in self._paused]
        if not pids or node.name in self._ending:
            return
        pid, seconds = self._dice.choice(pids), self._dice.uniform(1.0, self._run.size.pause_most)
        self._note(f"SIGSTOP for {seconds:.1f} s to process {pid} ({node.part_of(pid)})")
        self._paused.add(pid)
        with self._run.nodes.paused(node, pid):
            self._run.ended.wait(seconds)
        self._paused.discard(pid)
        self._note(f"SIGCONT to process {pid} ({node.part_of(pid)})")

    def _pause_amid_transaction(self) -> None:
        """One refresher is stopped and let go on until it was stopped with locks in its hands."""
        with self._alone() as is_alone:
            if is_alone:
                self._hunt()

    def _hunt(self) -> None:
        assert self._run.cluster
        node = self._dice.choice([one for one in self._run.nodes.all if one.refreshes])
        pids = node.processes()[:1]
        if not pids or pids[0] in self._paused or node.name in self._ending:
            return
        pid, seconds = pids[0], self._dice.uniform(_AMID_LEAST, max(_AMID_MOST, self._run.size.pause_most))
        self._paused.add(pid)
        until = time.monotonic() + _HUNT_SECONDS
        while time.monotonic() < until and not self._run.over.is_set():
            with self._run.nodes.paused(node, pid), suppress(OSError, psycopg.OperationalError):
                time.sleep(0.01)
                if self._run.cluster.is_amid_transaction(pid):
                    self._note(f"SIGSTOP for {seconds:.1f} s to {node.refresher}, amid a transaction")
                    self._run.ended.wait(seconds)
                    self._note(f"SIGCONT to {node.refresher}")
                    break
            time.sleep(self._dice.uniform(0.005, 0.05))
        self._paused.discard(pid)

    # -- what arrives -----------------------------------------------------------------------------------

    def _files_arrive(self) -> None:
        """Many at first, a tenth of them each time after that."""
        number = self._run.size.files if not self._arrived else self._run.size.files // 10
        first, self._arrived = self._arrived, self._arrived + number
        self._note(f"{number} files arrive")
        for n in range(first, first + number):
            folder = self._run.content / "archive" / f"{n // 500:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"volume-{n}.md").write_text(stories.bulk_file(n), "utf-8")
        self._note(f"{number} files are there")

    def _uploads_stall(self) -> None:
        node = self._dice.choice(self._run.nodes.answering)
        seconds = self._dice.uniform(*_STALLS)
        self._note(f"{_UPLOADS} uploads to {node.name} stall for {seconds:.1f} s")
        held = []
        for number in range(_UPLOADS):
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", node.service.port), timeout=2))
                held[-1].sendall(self._half_an_upload(number))
        self._run.ended.wait(seconds)
        for one in held:
            one.close()

    def _half_an_upload(self, number: int) -> bytes:
        line = b'{"id": "z%d", "title": "Story z%d version 1.", "body": "Half of it' % (number, number)
        head = f"POST /api/articles HTTP/1.1\r\nHost: stalls.example\r\nContent-Length: {len(line) + 900}\r\n"
        head += f"Content-Type: application/x-ndjson\r\nAuthorization: Bearer {self._run.token}\r\n\r\n"
        return head.encode() + line

    # -- the database -----------------------------------------------------------------------------------

    def _end_sessions(self) -> None:
        assert self._run.cluster
        share = self._dice.choice((0.5, 1.0))
        with suppress(psycopg.OperationalError):
            ended = self._run.cluster.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < %s",
                share,
            )
            self._note(f"{len(ended)} database sessions are ended")

    def _restart_database(self) -> None:
        with self._alone() as is_alone:
            if is_alone:
                self._have_database_down(self._dice.random() < 0.5, self._dice.uniform(0.2, 2.0))

    def _have_database_down(self, at_once: bool, seconds: float) -> None:
        assert self._run.cluster
        self._note(f"the database is down for {seconds:.1f} s, {'at once' if at_once else 'in order'}")
        down = self._run.timeline.down(DATABASE)
        self._run.cluster.stop(at_once=at_once)
        time.sleep(seconds)
        self._run.cluster.start()
        down.end(_GRACE_SECONDS)
        self._note("the database is up")

    def _delete_store(self) -> None:
        with self._alone() as is_alone:
            if is_alone:
                self._have_store_made_anew()

    def _have_store_made_anew(self) -> None:
        """var/ is deleted; the service has to make it anew, an operator to make another token."""
        run, var = self._run, self._run.folder / "var"
        self._note("var/ is deleted")
        down = run.timeline.down(DATABASE)
        run.epoch += 1
        shutil.rmtree(var, ignore_errors=True)
        run.reference.lose_pushed()
        began = time.monotonic()
        while not (var / "feedsvc.db").exists() and not run.ended.wait(0.1):
            if time.monotonic() > began + _COMES_BACK_SECONDS:
                run.history.broken("a deleted store is made anew", "var", f"not in {_COMES_BACK_SECONDS} s")
                break
        self._note(f"there is a store again, after {time.monotonic() - began:.1f} s")
        make_token(run, _COMES_BACK_SECONDS)
        run.epoch += 1  # what was asked for meanwhile may have been of either
        down.end(_GRACE_SECONDS)
        self._note(f"pushes are taken again, after {time.monotonic() - began:.1f} s")

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Of faults that the store itself has, one at a time; gives whether this may be the one."""
        is_alone = self._exclusive.acquire(blocking=False)
        try:
            yield is_alone
        finally:
            if is_alone:
                self._exclusive.release()

    def _note(self, told: str) -> None:
        self._run.history.note(f"FAULT {told}")


def make_token(run: Run, seconds: float) -> None:
    """Have a token for pushes, and every service that answers know it, that long after it answers at all."""
    until = time.monotonic() + seconds
    service = run.nodes.all[0].service
    made = service.run("token", "create", "cms", "--scope", "write")
    while made.returncode and time.monotonic() < until:
        time.sleep(0.3)
        made = service.run("token", "create", "cms", "--scope", "write")
    run.token = made.stdout.strip()
    for node in run.nodes.answering:
        left = seconds
        while (status := _answered(run, node.service.port)) != 404:
            if left < 0 or run.ended.is_set():
                run.history.broken(
                    "a new token opens the API", node.web, f"{status} for {seconds} s; {made.stderr}"
                )
                return
            time.sleep(0.1)
            left -= 0.1 if status else 0.0  # one that is being killed all the time is not to blame


def _answered(run: Run, port: int) -> int | None:
    """What the API answers of a story that there is not; None if it does not answer."""
    connection = Connection(port)
    with suppress(Exception):
        return connection.ask("GET", "/api/articles/none", None, run.authorization).status
    return None
