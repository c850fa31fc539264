"""Connections of clients, and the tunnels that carry some of them to Granian and back.

Knows sockets, and of HTTP only where an answer ends. Nothing here waits: what can't be sent yet is kept, and
whence it came is not listened to until it is gone.
"""

import errno
import os
import resource
import select
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ

from feedsvc.web.heads import Answering
from feedsvc.web.peers import Peers, Place

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_CHUNK = 65_536  # bytes that are taken from a socket at a time
_GONE = select.EPOLLHUP | select.EPOLLERR
_KEPT_FREE = 96  # descriptors for the store, logs, and what else a process has
_KEPT_AT_LEAST = 1.0  # seconds that a client is kept after an answer, however many there are
_TUNNELS_AT_LEAST = 32  # so many can be opened however many clients there are
_PARTING = 5.0  # seconds that a client which is told no more may go on talking between two words
_LONGEST_PARTING = 30.0


class End:
    """One connection: a client's, or the one behind it to Granian.

    `other` is the connection at the other side of a tunnel; `unsent` what could not be sent yet. `asks` is
    whether what comes now is a request of its own. `ended` is whether no more comes, `closing` whether no
    more goes but what is unsent, and `parting` since when (monotonic seconds) a client is only heard out.
    `seen` is when it last moved. Of one to Granian, `source` is the address it comes from, `answering` is set
    while it carries a single plain GET, `is_answered` once that is, and `is_deaf` once Granian takes no more.
    """

    __slots__ = (
        "answering",
        "asks",
        "closing",
        "ended",
        "fd",
        "has_asked",
        "has_spoken",
        "is_answered",
        "is_deaf",
        "mask",
        "other",
        "parting",
        "peer",
        "queued",
        "seen",
        "socket",
        "source",
        "unsent",
        "waits",
    )

    def __init__(self, connection: socket.socket, seen: float, *, peer: str = "", source: str = "") -> None:
        self.socket = connection
        self.fd = connection.fileno()
        self.seen = seen
        self.peer = peer
        self.source = source
        self.other: End | None = None
        self.answering: Answering | None = None
        self.unsent: memoryview | None = None
        self.asks = self.ended = self.closing = self.has_asked = False
        self.is_deaf = self.is_answered = self.has_spoken = False
        self.waits = False  # for a tunnel
        self.parting = 0.0
        self.queued = 0  # bytes that the system had not brought on when it was last looked
        self.mask = 0

    @property
    def is_heard(self) -> bool:
        """Whether what it says can be taken: not before what it said, or was told, has got where it goes."""
        if self.parting:
            return True
        if self.ended or self.waits:
            return False
        if self.other is None:
            return self.unsent is None and not self.closing
        return self.other.unsent is None


class Tunnels:
    """The connections there are, by file descriptor, each heard of through `epoll`.

    `unanswered` is what a client is told whose plain GET Granian says nothing to.
    Methods raise OSError when a connection fails; whoever called closes it then.
    """

    def __init__(
        self, epoll: select.epoll, behind: Place, peers: Peers, unanswered: Callable[[], bytes]
    ) -> None:
        self._unanswered = unanswered
        self.ends: dict[int, End] = {}
        self.now = 0.0
        """Monotonic seconds, as far as connections are concerned."""
        self._epoll = epoll
        self._behind = behind
        self._peers = peers
        self._open = 0
        self._waiting: deque[tuple[End, bytes, Answering | None]] = deque()

    def has_room(self) -> bool:
        """Whether there are descriptors for another client, and then for some tunnels.

        If there are none, the client goes that has asked nothing for the longest time.
        """
        descriptors = _descriptors()
        if self._clients + 2 * min(_TUNNELS_AT_LEAST, descriptors // 8) < descriptors:
            return True
        idle = min((end for end in self.ends.values() if end.asks and end.has_asked), key=_seen, default=None)
        if idle is None or self.now - idle.seen < _KEPT_AT_LEAST:
            return False
        with suppress(OSError):
            if _has_unread(idle):
                return False
        self.close(idle)
        return True

    @property
    def _clients(self) -> int:
        return len(self.ends) - self._open

    def add(self, connection: socket.socket, peer: str) -> None:
        """A client has connected from there."""
        end = End(connection, self.now, peer=peer)
        self.ends[end.fd] = end
        self._hear(end)

    def open(self, client: End, request: bytes, answering: Answering | None) -> None:
        """Carry a client's connection to Granian, beginning with what it has said, once there is room."""
        client.waits = True
        self._waiting.append((client, request, answering))
        self._hear(client)
        self.open_waiting()

    def open_waiting(self) -> None:
        """Open the tunnels that were waited for, as far as there are descriptors: two for each."""
        while self._waiting and (len(self.ends) + self._open + 2 <= _descriptors() or not self._open):
            client, request, answering = self._waiting.popleft()
            if self.ends.get(client.fd) is not client:
                continue
            try:
                connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            except OSError:
                self._waiting.appendleft((client, request, answering))
                return  # there will be one when another connection ends
            try:
                self._open_one(connection, client, request, answering)
            except OSError:
                self.close(client)

    def _open_one(
        self, connection: socket.socket, client: End, request: bytes, answering: Answering | None
    ) -> None:
        client.waits = False
        behind = End(connection, self.now, source=self._peers.take(client.peer))
        behind.other, client.other, behind.answering = client, behind, answering
        behind.unsent = memoryview(request)  # it goes once the connection is made
        self.ends[behind.fd] = behind
        self._open += 1
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.bind((behind.source, 0))
        code = connection.connect_ex(self._behind)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._hear(client)
        self._hear(behind)

    def send(self, end: End, data: bytes) -> None:
        """Send, and keep what can't be sent yet."""
        try:
            sent = end.socket.send(data)
        except BlockingIOError:
            sent = 0
        end.seen = self.now
        if sent < len(data):
            self.keep(end, data, sent)

    def keep(self, end: End, data: bytes, sent: int) -> None:
        """Keep what comes after so many bytes until it can be sent."""
        end.unsent = memoryview(data)[sent:]
        self._hear(end)

    def move(self, end: End, event: int) -> bool:
        """Bring on what an event allows; returns whether what the client says now is a request of its own."""
        if end.unsent is not None and event & (OUT | _GONE):
            self._flush(end)
        asks = False
        if end.is_heard and event & (IN | _GONE):
            if end.parting:
                self._hear_out(end)
            elif end.other is None:
                asks = True
            else:
                self._carry(end, end.other)
        if self.ends.get(end.fd) is end:
            self._hear(end)
            if end.other is not None:
                self._hear(end.other)
        return asks

    def close(self, end: End) -> None:
        """Close a connection, and the one at the other side of its tunnel."""
        other, end.other = end.other, None
        self._close_alone(end)
        if other is not None:
            other.other = None
            self._close_alone(other)

    def close_unused(self, idle: float, stuck: float) -> None:
        """Close clients that have asked nothing for so many seconds, or taken nothing of what they asked."""
        for end in [*self.ends.values()]:
            if end.source:
                continue  # Granian sees to those
            quiet = self.now - end.seen
            if end.parting:
                is_over = quiet > _PARTING or self.now - end.parting > _LONGEST_PARTING
            elif end.unsent is not None:
                is_over = not self._takes_something(end) and quiet > stuck
            else:
                is_over = quiet > idle and (end.other is None or end.ended)
            if is_over:
                self.close(end)

    def _takes_something(self, end: End) -> bool:
        """Whether a client has taken anything since this was last asked: not all of it lets us send more."""
        queued = int.from_bytes(ioctl(end.fd, TIOCOUTQ, bytes(4)), sys.byteorder)
        moves, end.queued = queued != end.queued, queued
        if moves:
            end.seen = self.now
        return moves

    def _carry(self, end: End, other: End) -> None:
        try:
            chunk = end.socket.recv(_CHUNK)
        except ConnectionError:
            if not end.source:
                raise
            chunk = b""
        end.seen = self.now
        if not chunk:
            self._end(end, other)
        elif end.source:
            end.has_spoken = True
            self.send(other, chunk)
            self._follow(end, chunk)
        else:
            other.answering = None  # the client didn't wait: who knows where its next request begins
            self._pass_on(other, chunk)

    def _follow(self, behind: End, chunk: bytes) -> None:
        """See whether with a chunk all has come that the tunnel is there for."""
        if behind.answering is None:
            return
        whole = behind.answering.is_whole_after(chunk)
        if whole is None:
            behind.answering = None
            if behind.other is not None and behind.other.ended:
                self._say_no_more(behind)
        elif whole:
            behind.is_answered = True
            self._close_behind(behind)

    def _pass_on(self, behind: End, chunk: bytes) -> None:
        # Granian may have answered already, and closed: the answer is still to be had.
        if not behind.is_deaf:
            try:
                self.send(behind, chunk)
            except ConnectionError:
                behind.is_deaf = True

    def _end(self, end: End, other: End) -> None:
        """No more comes from an end: that is told to the other one, after what came before."""
        end.ended = True
        if end.source:
            if end.answering is not None and not end.has_spoken:
                self.send(other, self._unanswered())
            other.closing = True
            self._close_behind(end)
        elif other.unsent is None:
            self._say_no_more(other)

    def _say_no_more(self, behind: End) -> None:
        # Granian would take that for a client that has gone. One that asked and waits is to be answered.
        if behind.answering is None and not behind.is_deaf:
            with suppress(OSError):  # it may have closed
                behind.socket.shutdown(socket.SHUT_WR)

    def _flush(self, end: End) -> None:
        assert end.unsent is not None
        try:
            sent = end.socket.send(end.unsent)
        except BlockingIOError:
            return
        except ConnectionError:
            if not end.source:
                raise
            end.is_deaf, sent = True, len(end.unsent)
        end.seen = self.now
        end.unsent = end.unsent[sent:] if sent < len(end.unsent) else None
        if end.unsent is not None:
            return
        if end.other is None:
            self._settle(end)
        elif end.source and end.other.ended:
            self._say_no_more(end)

    def _settle(self, client: End) -> None:
        """Have a client that is no more carried go on as it is to."""
        if client.unsent is None and client.ended:
            self._close_alone(client)
        elif client.unsent is None and client.closing:
            self.part(client)
        else:
            self._hear(client)

    def part(self, client: End) -> None:
        """Tell a client no more, and hear it out."""
        # Closed at once, what it still sends would be answered with a reset, which takes back what it has not
        # read of its answer (RFC 9112 §9.6).
        client.parting = client.seen = self.now
        try:
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone
            self._close_alone(client)
        else:
            self._hear(client)

    def _hear_out(self, client: End) -> None:
        if client.socket.recv(_CHUNK):
            client.seen = self.now
        else:
            self._close_alone(client)

    def _close_behind(self, behind: End) -> None:
        client, behind.other = behind.other, None
        self._close_alone(behind)
        if client is not None:
            client.other = None
            self._settle(client)

    def _close_alone(self, end: End) -> None:
        if self.ends.get(end.fd) is not end:
            return  # closed before, and its descriptor may be another's by now
        del self.ends[end.fd]
        self._hear_of(end, 0)
        end.asks = False
        end.socket.close()
        if end.source:
            self._open -= 1
            self._peers.give_back(end.source, answered=end.is_answered)

    def _hear(self, end: End) -> None:
        is_heard = end.is_heard
        end.asks = is_heard and end.other is None and not end.parting and not end.source
        self._hear_of(end, (IN if is_heard else 0) | (OUT if end.unsent is not None else 0))

    def _hear_of(self, end: End, mask: int) -> None:
        """Hear of what `mask` says; of nothing with 0, or that a side is gone would be told over and over."""
        if mask == end.mask:
            return
        if not end.mask:
            self._epoll.register(end.fd, mask)
        elif mask:
            self._epoll.modify(end.fd, mask)
        else:
            self._epoll.unregister(end.fd)
        end.mask = mask


def _descriptors() -> int:
    """How many there may be for connections."""
    at_most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if at_most == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(at_most - _KEPT_FREE, at_most // 4)


def _seen(end: End) -> float:
    return end.seen


def _has_unread(end: End) -> bool:
    """Whether a client has said what nobody has read: closed now, it would be told with a reset."""
    try:
        return bool(end.socket.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
