"""Listening sockets, opened by one process for others to accept from: at an address or a Unix socket's file.

Knows nothing of what is served there.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Final

from feedsvc.util.errors import ConfigError

Address = tuple[str, int] | Path
BACKLOG: Final = 4_096
"""Most connections that wait to be accepted."""
_UNSENT: Final = 131_072
"""Most bytes of a response that the kernel holds without having sent them."""


def listener(address: Address) -> socket.socket:
    """A socket that listens at `address`. Raises ConfigError."""
    try:
        if isinstance(address, Path):
            return _unix_listener(address)
        family, _, _, _, place = socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        # Otherwise connections in TIME_WAIT would keep the next start from binding the port for a minute.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        # Otherwise each client that doesn't read could take megabytes of kernel memory.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        made.listen(BACKLOG)
    except OSError as error:
        where = address if isinstance(address, Path) else f"{address[0]}:{address[1]}"
        raise ConfigError(f"http: cannot listen at {where}: {error.strerror or error}") from error
    return made


def _unix_listener(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path.is_socket():
        try:
            made.connect(str(path))
        except OSError:
            path.unlink()  # left by a service that was killed
        else:
            raise OSError("another process listens there")
    made.close()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    path.chmod(0o666)  # the permissions of its folder decide who may connect
    made.listen(BACKLOG)
    return made


def close_listener(listening: socket.socket) -> None:
    """Close a listener, if it isn't closed yet, and remove a Unix socket's file."""
    if listening.fileno() < 0:
        return
    place = listening.getsockname()
    listening.close()
    if isinstance(place, str) and place:
        Path(place).unlink(missing_ok=True)


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Check that a certificate and its key can be used for TLS. Raises ConfigError."""
    try:
        SSLContext(PROTOCOL_TLS_SERVER).load_cert_chain(str(certificate), str(key))
    except OSError as error:
        raise ConfigError(f"http.tls: {certificate} with {key}: {error.strerror or error}") from error


def tls_context(_config: object, default: Callable[[], SSLContext]) -> SSLContext:
    """The server's TLS settings, with one session ticket a connection, which resumes the next.

    OpenSSL sends two by default, and each takes 7 % of a new connection's handshake.
    """
    context = default()
    context.num_tickets = 1
    return context
