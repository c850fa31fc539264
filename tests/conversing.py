"""A worker of `tests.echo_server` as a process of its own, and raw conversations with it."""

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import h11

LAST = b"GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


class Said(NamedTuple):
    """One response: its status, its fields in lower case (the last of each), and its body."""

    status: int
    fields: dict[str, str]
    body: bytes


class Worker:
    """The process, at a port."""

    def __init__(self, config: str = "", preexec: object = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-m", "tests.echo_server", str(self.port), config]
        folder = Path(__file__).parent.parent
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, preexec_fn=preexec)  # type: ignore[call-overload]
        self.pid = self.process.pid
        for _ in range(300):
            with suppress(OSError, h11.RemoteProtocolError), self.connect() as connection:
                self.ask(connection, request("/page"))
                return
            time.sleep(0.05)
        raise TimeoutError("the worker did not start")

    def stop(self) -> int:
        """End it as a supervisor does; returns its exit code."""
        self.process.terminate()
        return self.process.wait(15)

    def connect(self) -> socket.socket:
        """A connection that waits 10 s at most."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, connection: socket.socket, request: bytes) -> Said:
        """The response to one request on a connection that goes on."""
        connection.sendall(request)
        return next(responses(connection, [request.partition(b" ")[0].decode()]))

    def converse(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """All that comes back on a connection to which these are sent, in their order."""
        with self.connect() as connection:
            with suppress(OSError):
                for piece in pieces:
                    connection.sendall(piece)
                    if pause:
                        time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Bytes it holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096


@contextmanager
def worker(config: str = "", preexec: object = None) -> Iterator[Worker]:
    """A worker that is ended afterwards."""
    made = Worker(config, preexec)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def responses(connection: socket.socket, methods: list[str]) -> Iterator[Said]:
    """The responses to requests of these methods, as a client that is strict reads them."""
    client = h11.Connection(h11.CLIENT)
    for number, method in enumerate(methods):
        if number:
            client.start_next_cycle()
        client.send(h11.Request(method=method, target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
        client.send(h11.EndOfMessage())
        status, fields, body = 0, dict[str, str](), b""
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(connection.recv(65_536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                fields = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                yield Said(status, fields, body)
                break
            else:
                assert isinstance(event, h11.InformationalResponse), event


def echoed(method: str, target: str, body: bytes = b"", name: str = "") -> bytes:
    """What the worker's application says of a request."""
    path, _, query = target.partition("?")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return f"{method} {path} {query} {len(body)} {digest} {name}\n".encode("latin-1")


def request(target: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request of HTTP/1.1; with a body, its Content-Length is among the fields."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {target} HTTP/1.1", "Host: a.example", *length, *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
