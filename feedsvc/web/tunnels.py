"""Connections of clients, and the tunnels that carry some of them to Granian and back.

Knows sockets, and of HTTP only where an answer ends. Nothing here waits: what can't be sent yet is kept, and
whence it came is not listened to until it is gone.
"""

import errno
import os
import select
import socket

from feedsvc.web.heads import END, response_size

CHUNK = 65_536
"""How many bytes are taken from a socket at a time."""
IN, OUT = select.EPOLLIN, select.EPOLLOUT
_GONE = select.EPOLLHUP | select.EPOLLERR
_LONGEST_HEAD = 65_536  # bytes of an answer in which the end of its head is looked for
_SOURCES = 0xFF_FF00  # how many addresses of the loopback network tunnels come from

Place = tuple[str, int]
"""An address and a port."""


class Peers:
    """Whose connection each tunnel carries.

    To Granian each comes from an address of its own in the loopback network, 127.0.0.0/8.
    """

    def __init__(self) -> None:
        self.are_asked = False
        """Whether who answers behind the tunnels asks here whose requests they carry."""
        self._by_source: dict[str, str] = {}
        self._last = 0

    def take(self, peer: str) -> str:
        """An address for a tunnel that carries the connection of `peer`."""
        source = ""
        while not source or source in self._by_source:
            self._last = self._last % _SOURCES + 1
            number = self._last + 255  # not 127.0.0.x, where other programs are
            source = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self._by_source[source] = peer
        return source

    def give_back(self, source: str) -> None:
        """The tunnel from there is closed."""
        self._by_source.pop(source, None)

    def behind(self, source: str) -> str:
        """Whose requests come from there; `source` itself if it is no tunnel's."""
        return self._by_source.get(source, source)


class Answering:
    """How much of the answer to a plain GET has come through a tunnel."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        self._left: int | None = None  # bytes, once the head has come

    def is_whole_after(self, chunk: bytes) -> bool | None:
        """Whether the answer ends with this chunk; None if nobody can tell, or it went on."""
        if self._left is None:
            self._head += chunk
            if END not in self._head:
                return False if len(self._head) < _LONGEST_HEAD else None
            size = response_size(self._head)
            if size is None:
                return None
            self._left = size - len(self._head)
        else:
            self._left -= len(chunk)
        return self._left == 0 if self._left >= 0 else None


class End:
    """One connection: a client's, or the one behind it to Granian.

    `other` is the connection at the other side of a tunnel. `unsent` is what it could not take yet. `ended`
    is whether no more comes from it. `seen` is when it last moved, in monotonic seconds. Of one to Granian,
    `source` is the address it comes from, and `answering` is set while it carries a single plain GET.
    """

    __slots__ = ("answering", "ended", "fd", "mask", "other", "peer", "seen", "socket", "source", "unsent")

    def __init__(self, connection: socket.socket, seen: float, *, peer: str = "", source: str = "") -> None:
        self.socket = connection
        self.fd = connection.fileno()
        self.seen = seen
        self.peer = peer
        self.source = source
        self.other: End | None = None
        self.answering: Answering | None = None
        self.unsent: memoryview | None = None
        self.ended = False
        self.mask = 0

    @property
    def is_heard(self) -> bool:
        """Whether what it says can be taken: not before what it said, or was told, has got where it goes."""
        if self.other is None:
            return not self.ended and self.unsent is None
        return not self.ended and self.other.unsent is None


class Tunnels:
    """The connections there are, by file descriptor, each heard of through `epoll`.

    Methods raise OSError when a connection fails; whoever called closes it then.
    """

    def __init__(self, epoll: select.epoll, behind: Place, peers: Peers) -> None:
        self.ends: dict[int, End] = {}
        self.now = 0.0
        """Monotonic seconds, as far as connections are concerned."""
        self._epoll = epoll
        self._behind = behind
        self._peers = peers

    def add(self, connection: socket.socket, peer: str) -> None:
        """A client has connected from there."""
        end = End(connection, self.now, peer=peer)
        self.ends[end.fd] = end
        self._hear(end)

    def open(self, client: End, request: bytes, answering: Answering | None) -> None:
        """Carry a client's connection to Granian, beginning with what it has said."""
        source = self._peers.take(client.peer)
        try:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            self._peers.give_back(source)
            raise
        behind = End(connection, self.now, source=source)
        behind.other, client.other, behind.answering = client, behind, answering
        behind.unsent = memoryview(request)  # it goes once the connection is made
        self.ends[behind.fd] = behind
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.bind((source, 0))
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
        speaks = False
        if end.is_heard and event & (IN | _GONE):
            if end.other is None:
                speaks = True
            else:
                self._carry(end, end.other)
        if end.fd in self.ends:
            self._hear(end)
            if end.other is not None:
                self._hear(end.other)
        return speaks

    def close(self, end: End) -> None:
        """Close a connection, and the one at the other side of its tunnel."""
        other, end.other = end.other, None
        self._close_alone(end)
        if other is not None:
            other.other = None
            self._close_alone(other)

    def _carry(self, end: End, other: End) -> None:
        chunk = end.socket.recv(CHUNK)
        end.seen = self.now
        if not chunk:
            self._end(end, other)
            return
        self.send(other, chunk)
        if not end.source:
            other.answering = None  # the client didn't wait: who knows where its next request begins
        elif end.answering is not None:
            whole = end.answering.is_whole_after(chunk)
            if whole is None:
                end.answering = None
            elif whole:
                self._close_behind(end)

    def _end(self, end: End, other: End) -> None:
        """No more comes from an end: that is told to the other one, after what came before."""
        end.ended = True
        if end.source:
            other.ended = True
            self._close_behind(end)
        elif other.unsent is None:
            self._say_no_more(other)

    def _say_no_more(self, behind: End) -> None:
        # Granian would take that for a client that has gone. One that asked and waits is to be answered.
        if behind.answering is None:
            behind.socket.shutdown(socket.SHUT_WR)

    def _flush(self, end: End) -> None:
        assert end.unsent is not None
        sent = end.socket.send(end.unsent)
        end.seen = self.now
        end.unsent = end.unsent[sent:] if sent < len(end.unsent) else None
        if end.unsent is not None:
            return
        if end.other is None:
            if end.ended:
                self._close_alone(end)
        elif end.source and end.other.ended:
            self._say_no_more(end)

    def _close_behind(self, behind: End) -> None:
        client, behind.other = behind.other, None
        self._close_alone(behind)
        if client is not None:
            client.other = None
            if client.ended and client.unsent is None:
                self._close_alone(client)
            else:
                self._hear(client)

    def _close_alone(self, end: End) -> None:
        self.ends.pop(end.fd, None)
        self._hear_of(end, 0)
        end.socket.close()
        if end.source:
            self._peers.give_back(end.source)

    def _hear(self, end: End) -> None:
        self._hear_of(end, (IN if end.is_heard else 0) | (OUT if end.unsent is not None else 0))

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
