"""Converts a request's ASGI scope to a WSGI environment (PEP 3333), and calls a WSGI application with it.

Knows no server: the body comes in as a file.
"""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import RequestEntityTooLarge

from feedsvc.web.http1.body import Body, BodyTooLargeError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PIECE: Final = 1_000_000
"""A response is sent in pieces of about so many bytes, each made before it is sent."""
WHOLE_BODY: Final = "feedsvc.whole_body"
"""Key that is in the environment if wsgi.input has the whole body already."""
_UNNAMED: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def environ_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of a request, without its body.

    A field with an underscore in its name is left out: WSGI would not distinguish it from the field with a
    hyphen, which a proxy may have checked. So is Proxy, which libraries would take for a setting
    (https://httpoxy.org/).
    """
    server, client = scope.get("server") or ("", None), scope.get("client") or ("", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0] or "localhost",
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"proxy":
            continue
        variable = _UNNAMED.get(name) or f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        text = value.decode("latin-1")
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


def with_body(environ: dict[str, Any], body: IO[bytes], size: int) -> None:
    """Give an environment its whole body as a file of `size` bytes."""
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ |= {"CONTENT_LENGTH": str(size), "wsgi.input": body, WHOLE_BODY: True}


@contextmanager
def whole_body(
    environ: Mapping[str, Any], stream: Callable[[], IO[bytes]], longest: int
) -> Iterator[IO[bytes]]:
    """The whole body of a request as a file, under any server: so a truncated body changes nothing.

    Raises RequestEntityTooLarge, and what reading `stream()` raises.
    """
    if environ.get(WHOLE_BODY):
        yield environ["wsgi.input"]
        return
    body = Body(longest)
    try:
        read = stream()
        while piece := read.read(65_536):
            body.add(piece)
        yield body.whole()
    except BodyTooLargeError:
        raise RequestEntityTooLarge from None
    finally:
        body.close()


class Made(NamedTuple):
    """A response: its first PIECE, and an iterator that makes the rest."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    rest: Iterator[bytes]


def made_by(app: "WSGIApplication", environ: dict[str, Any]) -> Made:
    """The application's response. Called in a thread."""
    status, headers = 500, list[tuple[str, str]]()

    def start_response(line: str, fields: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        nonlocal status, headers
        status, headers = int(line[:3]), fields

    # HTTP/1.0 has no chunked coding: the body is sent in one piece, with its length.
    in_one = environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    pieces = _pieces(app(environ, start_response), in_one)
    body = next(pieces, b"")  # a generator may call start_response only now
    if len(body) < PIECE or in_one:
        pieces.close()
        if body and all(name.lower() != "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(body)))]
    return Made(status, headers, body, pieces)


def _pieces(made: Iterable[bytes], in_one: bool) -> Generator[bytes]:
    try:
        gathered, size = list[bytes](), 0
        for piece in made:
            gathered.append(piece)
            size += len(piece)
            if size >= PIECE and not in_one:
                yield b"".join(gathered)
                gathered, size = [], 0
        yield b"".join(gathered)
    finally:
        if (close := getattr(made, "close", None)) is not None:
            close()
