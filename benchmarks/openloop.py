"""Sends requests at a fixed rate, whatever the answers' pace, and times each from the instant it was due.

Knows no server. So a request that waits because an earlier one was slow counts in full; wrk, which sends when
the last answer has come, leaves such waits out (coordinated omission). A process of its own, on a core of its
own: `python -m benchmarks.openloop PORT PATH ETAG RATE SECONDS` writes a JSON object.
"""

import gc
import json
import select
import socket
import sys
import time
from typing import NamedTuple

from benchmarks.measuring import percentile
from benchmarks.running import HOST

CONNECTIONS = 64
_GRACE_SECONDS = 5
_HEADER_END = b"\r\n\r\n"


class Latency(NamedTuple):
    """Microseconds from a request's due time to its answer, and by how much its sending was late."""

    rate: float
    p50: float
    p99: float
    late_p50: float
    late_p99: float


def measure(port: int, path: str, etag: str, rate: int, seconds: float) -> Latency:
    """Poll a feed that has not changed `rate` times a second."""
    fields = f"Host: {HOST}\r\nAccept-Encoding: gzip\r\nIf-None-Match: {etag}"
    request = f"GET {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode()
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for _ in range(CONNECTIONS):
        opened = socket.create_connection((HOST, port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        sockets[opened.fileno()] = opened
        poll.register(opened.fileno(), select.EPOLLIN)
    try:
        return _run(poll, sockets, request, rate, seconds)
    finally:
        for one in sockets.values():
            one.close()
        poll.close()


def _run(
    poll: select.epoll, sockets: dict[int, socket.socket], request: bytes, rate: int, seconds: float
) -> Latency:
    now = time.perf_counter
    idle = list(sockets)
    due: dict[int, float] = {}
    latencies: list[float] = []
    late: list[float] = []
    gc.disable()  # nothing here makes cycles, and a pause would be taken for the server's
    began = coming = now() + 0.05
    end, step = began + seconds, 1 / rate
    while coming < end or due:
        instant = now()
        # Every connection busy: what is due waits, and its wait counts.
        while coming <= instant and coming < end and idle:
            number = idle.pop()
            sockets[number].send(request)
            due[number] = coming
            late.append(instant - coming)
            coming += step
            instant = now()
        if instant > end + _GRACE_SECONDS:
            raise TimeoutError(f"{len(due)} answers had not come {_GRACE_SECONDS} s after the last request")
        for number, _ in poll.poll(0):
            answer = sockets[number].recv(65_536)
            if not answer.startswith(b"HTTP/1.1 304") or not answer.endswith(_HEADER_END):
                raise ConnectionError(f"not a whole 304: {answer[:200]!r}")
            latencies.append(now() - due.pop(number))
            idle.append(number)
    return Latency(
        len(latencies) / (now() - began),
        *(percentile(values, share) * 1e6 for values in (latencies, late) for share in (0.5, 0.99)),
    )


if __name__ == "__main__":
    _port, _path, _etag, _rate, _seconds = sys.argv[1:]
    print(json.dumps(measure(int(_port), _path, _etag, int(_rate), float(_seconds))._asdict()))
