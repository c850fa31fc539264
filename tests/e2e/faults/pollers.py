"""Who reads the feeds meanwhile: each response is held to the reference, and its validators to the rules.

Knows what HTTP promises of one feed over time; what a story may show is known by `reference`.
"""

import hashlib
import http.client
import threading
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from tests.e2e.faults import stories
from tests.e2e.faults.asking import Answer, Connection
from tests.e2e.faults.reference import HELD_BACK_SECONDS, Sighting
from tests.e2e.faults.run import Run

FORMATS = ("rss", "atom", "json")
_PAGES = ("/", "/sections/world", "/sitemap-news.xml")
_PAUSE = (0.01, 0.08)  # seconds
_POLLS_A_CONNECTION = 12


class Read(NamedTuple):
    """A feed as it was sent: when it was asked for and had, its coding and validators."""

    path: str
    coding: str
    sent: float
    received: float
    etag: str
    modified: float | None
    digest: str


class Validators:
    """What was seen of each feed, of all nodes together."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._digests: dict[tuple[str, str, str], str] = {}
        self._dates: dict[tuple[int, str, str, str], float] = {}
        self._etags: dict[tuple[int, str, str, float], str] = {}
        self._newest: dict[tuple[int, str], list[tuple[float, float]]] = {}
        self._known: set[str] = set()

    def note(self, read: Read, node: str, epoch: int) -> None:
        """Hold a whole response to what was seen before. Dates are of one store: `epoch` counts those."""
        with self._lock:
            self._known.add(read.path)
            named = read.path, read.coding, read.etag
            if self._digests.setdefault(named, read.digest) != read.digest:
                self._broken("one ETag is of one sequence of bytes", read, read.etag)
            if read.modified is None or epoch != self._run.epoch:
                return
            if self._dates.setdefault((epoch, *named), read.modified) != read.modified:
                self._broken("Last-Modified of the same bytes stays", read, f"{read.modified:.0f}")
            dated = epoch, read.path, read.coding, read.modified
            if self._etags.setdefault(dated, read.etag) != read.etag:
                self._broken("other bytes are dated later", read, f"{self._etags[dated]}, then {read.etag}")
            self._hold_to_newest(read, read.modified, node, epoch)

    def _hold_to_newest(self, read: Read, modified: float, node: str, epoch: int) -> None:
        newest = self._newest.setdefault((epoch, read.path), [])
        for when, before in reversed(newest):
            if when < read.sent and self._run.able(node, when, read.sent) > HELD_BACK_SECONDS:
                if modified < before:
                    self._broken("Last-Modified never goes back", read, f"by {before - modified:.0f} s")
                break
        if not newest or modified > newest[-1][1]:
            newest.append((read.received, modified))

    def was_seen(self, path: str) -> bool:
        """Whether a feed was ever answered."""
        with self._lock:
            return path in self._known

    def _broken(self, promise: str, read: Read, told: str) -> None:
        self._run.history.broken(promise, read.path, f"{told} ({read.coding or 'identity'})")


class Poller(threading.Thread):
    """One that reads all feeds of a node, over and over."""

    def __init__(self, run: Run, web: str, number: int, validators: Validators) -> None:
        super().__init__(name=f"poller-{web}-{number}", daemon=True)
        self._run = run
        self._web = web
        self._dice = run.dice(self.name)
        self._validators = validators
        self._etags: dict[str, str] = {}

    def run(self) -> None:
        try:
            self._read()
        except Exception as error:  # one that ends early would hide what it has to find
            self._run.history.broken("every poller goes on", self.name, repr(error))

    def _read(self) -> None:
        port = self._run.node(self._web).service.port
        while not self._run.ended.wait(self._dice.uniform(*_PAUSE)):
            connection = Connection(port)
            dates: dict[str, float] = {}  # by one connection one process answers
            try:
                for _ in range(_POLLS_A_CONNECTION):
                    self._poll(connection, dates)
                    if self._run.ended.wait(self._dice.uniform(*_PAUSE)):
                        return
            except (OSError, http.client.HTTPException) as error:
                self._run.history.counts[f"polls without an answer, {type(error).__name__}"] += 1
            finally:
                connection.close()

    def _poll(self, connection: Connection, dates: dict[str, float]) -> None:
        path = self._path()
        fields = {"Accept-Encoding": self._dice.choice(("gzip", "identity"))}
        known = self._etags.get(path)
        if known and self._dice.random() < 0.3:
            fields["If-None-Match"] = known
        epoch, sent = self._run.epoch, time.time()
        answer = connection.ask("GET", path, None, fields)
        received = time.time()
        self._run.history.counts[f"polls answered {answer.status}"] += 1
        is_feed = path.startswith("/feeds/")
        if answer.status == 200:
            self._run.judge(Sighting(self._web, path, sent, received, stories.found_in(answer.body)))
            if is_feed:
                read = _read(path, answer, sent, received)
                self._etags[path] = answer.etag
                self._validators.note(read, self._web, epoch)
                self._hold_to_connection(read, dates)
        elif answer.status == 304 and answer.etag != known:
            self._run.history.broken("304 repeats the ETag", path, f"{known}, then {answer.etag}")
        elif answer.status == 404 and is_feed and self._validators.was_seen(path) and not self._run.epoch:
            self._run.history.broken("a feed that was published stays", path, "404")
        elif answer.status >= 500 and answer.status != 503:
            self._run.history.broken("no fault is an internal error", path, str(answer.status))

    def _path(self) -> str:
        if self._dice.random() < 0.1:
            return self._dice.choice(_PAGES)
        return f"/feeds/{self._dice.choice(stories.FEEDS)}.{self._dice.choice(FORMATS)}"

    def _hold_to_connection(self, read: Read, dates: dict[str, float]) -> None:
        if read.modified is None:
            return
        before = dates.get(read.path, read.modified)
        if read.modified < before and not self._run.epoch:
            told = f"by {before - read.modified:.0f} s on one connection"
            self._run.history.broken("Last-Modified never goes back", read.path, told)
        dates[read.path] = read.modified


def _read(path: str, answer: Answer, sent: float, received: float) -> Read:
    written = answer.fields.get("last-modified")
    modified = parsedate_to_datetime(written).timestamp() if written else None
    coding = answer.fields.get("content-encoding", "")
    digest = hashlib.sha256(answer.body).hexdigest()
    return Read(path, coding, sent, received, answer.etag, modified, digest)


def pollers(run: Run) -> list[Poller]:
    """Two of each service that answers, or one of each of several."""
    validators = Validators(run)
    nodes = run.nodes.answering
    each = 2 if len(nodes) == 1 else 1
    return [Poller(run, node.web, number, validators) for node in nodes for number in range(each)]
