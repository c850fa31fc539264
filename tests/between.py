"""Stands between a client and a server: lets bytes through, closes connections, or keeps all back."""

import socket
import threading
from contextlib import suppress


class Between:
    """A TCP proxy at a port of its own on 127.0.0.1."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._refusing = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close_all(self) -> None:
        """Close every connection, as a pooler closes idle ones, or a server that restarts."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def refuse(self) -> None:
        """Close every connection, and each new one at once."""
        self._refusing = True
        self.close_all()

    def keep_back(self) -> None:
        """Take what is sent, and pass nothing on: the server hangs."""
        self._flows.clear()

    def let_through(self) -> None:
        """Be as if not there."""
        self._refusing = False
        self._flows.set()

    def end(self) -> None:
        """Close all, for good."""
        self._listener.close()
        self._flows.set()
        self.close_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refusing:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._sockets |= {client, server}
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                self._flows.wait()
                target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
