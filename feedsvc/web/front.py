"""What stands before Granian in a worker: it answers by heart what is asked again byte for byte.

Knows nothing of feeds. Whatever else is asked goes to Granian, and its answer back, as they are.

    request ──▶ known by heart ──▶ answer
                  │ no             ▲
                  ▼                │ learnt, if it stands
                a plain GET ──▶ in memory
                  │ no             │ no
                  ▼                ▼
                a tunnel to Granian until it has answered; for what isn't plain, until either hangs up
"""

import errno
import os
import select
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import Protocol

import structlog

from feedsvc.web.caching import http_date
from feedsvc.web.feed_cache import Entry, Standing
from feedsvc.web.heads import Answering, answer_head, plain_request, without_user_agent
from feedsvc.web.peers import Peers, Place
from feedsvc.web.refusals import REFUSALS
from feedsvc.web.short_cut import Answer
from feedsvc.web.tunnels import IN, End, Tunnels

log = structlog.get_logger(__name__)

_LONGEST_KNOWN = 4_096  # bytes of a request that is worth remembering
_ACCEPTED_AT_ONCE = 64
_BACKLOG = 1_024  # connections that wait to be accepted
_LONGEST_START = 10.0  # seconds until Granian listens
_TICK = 1.0  # seconds between two looks for connections nobody uses
_STOPPING_TICK = 0.02
_IDLE = 75.0  # seconds until one is closed: longer than proxies keep them, so that it is they who close
_STUCK = 300.0  # seconds until one is closed that takes nothing of what it asked for
_UNHEARD = 0.3  # seconds that a client which has just connected has for its request when a worker ends
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Memory(Protocol):
    """What answers without waiting; a ShortCut is one."""

    requests: dict[bytes, Standing]

    def standing(self, environ: dict[str, str]) -> tuple[Answer, Entry | None] | None:
        """An answer, and of which feed if it stands; see `ShortCut.standing`."""

    def learn(self, request: bytes, entry: Entry, status: int, head: bytes, body: bytes) -> Standing:
        """Know an answer by heart; see `ShortCut.learn`."""

    def learn_another(self, request: bytes, standing: Standing) -> None:
        """Know a further request for an answer, if there is room; see `FeedCache.learn`."""


class Front:
    """Answers at `listener`, a bound socket, from `memory`, and hands on the rest to Granian at `behind`.

    `peers` learns whose each connection to Granian is.
    """

    def __init__(self, listener: socket.socket, memory: Memory, behind: Place, peers: Peers) -> None:
        self._listener = listener
        self._memory = memory
        self._behind = behind
        self._epoll = select.epoll()
        self._tunnels = Tunnels(self._epoll, behind, peers, self._unavailable)
        self._second = 0  # since the epoch
        self._accepting = False
        self._stopping = self._waited = False
        self._unheard_until = 0.0
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="feedsvc-front", daemon=True)

    def start(self) -> None:
        """Begin to answer, once Granian listens."""
        self._await_granian()
        self._listener.setblocking(False)
        self._listener.listen(_BACKLOG)
        self._epoll.register(self._waker, IN)
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections, close those that wait for nothing, let others end; for any thread."""
        self._stopping = True
        os.eventfd_write(self._waker, 1)

    def wait(self, seconds: float) -> None:
        """Return when the last connection has ended after a stop, or when so much time has passed."""
        if self._thread.is_alive() and not self._waited:
            self._waited = True
            self._thread.join(seconds)

    def _await_granian(self) -> None:
        until = time.monotonic() + _LONGEST_START
        while time.monotonic() < until:
            with suppress(ConnectionRefusedError), socket.create_connection(self._behind, timeout=1):
                return
            time.sleep(0.005)
        raise TimeoutError(f"Granian does not listen at {self._behind}")

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            log.exception("front_failed")
            os.kill(os.getpid(), signal.SIGTERM)  # a worker that hears nobody is to be replaced

    def _serve(self) -> None:
        self._accept_again()
        due = 0.0
        while not (self._stopping and self._has_ended()):
            events = self._epoll.poll(_STOPPING_TICK if self._stopping else _TICK)
            self._second, self._tunnels.now = int(time.time()), time.monotonic()
            for fd, event in events:
                end = self._tunnels.ends.get(fd)
                if end is None:
                    self._on_own(fd)
                else:
                    self._on_connection(end, event)
            self._tunnels.open_waiting()
            if self._tunnels.now >= due:
                due = self._tunnels.now + _TICK
                self._tunnels.close_unused(_IDLE, _STUCK)
                self._accept_again()

    def _on_connection(self, end: End, event: int) -> None:
        try:
            # Nearly every event is a poll: the test is a third of what `move` takes to come to it.
            if (event == IN and end.asks) or self._tunnels.move(end, event):
                self._answer(end)
        except BlockingIOError:
            return
        except OSError:
            self._tunnels.close(end)
        except Exception:  # one connection's trouble is not the others'
            log.exception("connection_failed")
            self._tunnels.close(end)

    def _on_own(self, fd: int) -> None:
        if fd == self._waker:
            with suppress(BlockingIOError):
                os.eventfd_read(self._waker)
        elif self._accepting and fd == self._listener.fileno():
            self._accept()

    # -- connections -------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._tunnels.has_room():
                self._accept_no_more()
                return
            try:
                connection, address = self._listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # whoever called has hung up
                log.warning("connections_exhausted", error=str(error))
                self._accept_no_more()  # for a moment: the same would be told over and over
                return
            self._tunnels.add(connection, address[0])

    def _accept_again(self) -> None:
        if not self._accepting and not self._stopping and self._tunnels.has_room():
            self._epoll.register(self._listener, IN)
            self._accepting = True

    def _accept_no_more(self) -> None:
        self._epoll.unregister(self._listener)
        self._accepting = False

    def _has_ended(self) -> bool:
        """Whether the last connection is closed; those that have been answered are, now."""
        if self._listener.fileno() >= 0:
            if self._accepting:
                self._accept()  # who has called by now is to be answered
            if self._accepting:
                self._accept_no_more()
            self._listener.close()
            self._unheard_until = time.monotonic() + _UNHEARD
            return False
        is_late = time.monotonic() > self._unheard_until
        for end in [*self._tunnels.ends.values()]:
            if end.asks and (end.has_asked or is_late):
                self._answer_last(end)
        return all(end.parting for end in self._tunnels.ends.values())

    def _answer_last(self, end: End) -> None:
        """Answer what a client may have asked just now, and then tell it no more."""
        try:
            with suppress(BlockingIOError):
                self._answer(end)
            if end.asks:
                self._tunnels.part(end)
        except OSError:
            self._tunnels.close(end)

    # -- answers -----------------------------------------------------------------------------------------

    def _answer(self, end: End) -> None:
        request = end.socket.recv(_LONGEST_KNOWN)
        end.has_asked = True
        standing = self._memory.requests.get(request)
        if standing is None:
            self._on_unknown(end, request)
        else:
            self._send_known(end, standing)

    def _send_known(self, end: End, standing: Standing) -> None:
        standing.entry.used = True
        standing.counts[standing.status] += 1
        self._send(end, standing)

    def _send(self, end: End, standing: Standing) -> None:
        if standing.second != self._second:
            standing.ready, standing.second = standing.head + self._date(), self._second
        head, body = standing.ready, standing.body
        try:
            sent = end.socket.sendmsg((head, body)) if body else end.socket.send(head)
        except BlockingIOError:
            sent = 0
        end.seen = self._tunnels.now
        if sent != len(head) + len(body):
            self._tunnels.keep(end, head + body, sent)

    def _date(self) -> bytes:
        """The end of a head. RFC 9110 §6.6.1: the second in which it is sent."""
        return f"date: {http_date(self._second)}\r\n\r\n".encode()

    def _unavailable(self) -> bytes:
        refusal = REFUSALS[503]
        headers = (*refusal.headers, ("Connection", "close"))
        return answer_head(503, headers, len(refusal.body)) + self._date() + refusal.body

    def _on_unknown(self, end: End, request: bytes) -> None:
        if not request:
            self._tunnels.close(end)
            return
        # Readers differ by their name more than by what they ask for.
        nameless = without_user_agent(request)
        if nameless is not None and (standing := self._memory.requests.get(nameless)):
            self._memory.learn_another(request, standing)
            self._send_known(end, standing)
            return
        said = plain_request(request)
        if said is None:
            self._tunnels.open(end, request, None)
            return
        said["REMOTE_ADDR"] = end.peer
        found = self._memory.standing(said)
        if found is None:
            self._tunnels.open(end, request, Answering())
            return
        (status, headers, body), entry = found
        head = answer_head(status, headers, len(body))
        if entry is None:
            self._tunnels.send(end, head + self._date() + body)
        else:
            self._send(end, self._memory.learn(nameless or request, entry, status, head, body))
