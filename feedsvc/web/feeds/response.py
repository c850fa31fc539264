"""A response that is ready to be sent, by any server.

Pure: knows no rule about when it is sent.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

Headers = tuple[tuple[str, str], ...]

CORS: Final[Headers] = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Last-Modified, Link"),
)
"""What lets scripts of any site read a response (https://fetch.spec.whatwg.org/#http-cors-protocol)."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, header fields and body; `body` is empty where none is to be sent, as after HEAD.

    `head` is the status line and the fields as HTTP/1.1 writes them. Date and what frames the message on its
    connection are for the server to add.
    """

    status: int
    headers: Headers
    body: bytes = b""
    head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        object.__setattr__(self, "head", ("\r\n".join(lines) + "\r\n").encode("latin-1"))

    def without_body(self) -> "Response":
        """The same in answer to HEAD."""
        return Response(self.status, self.headers) if self.body else self


PREFLIGHT: Final = Response(
    204,
    (
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET, HEAD"),
        ("Access-Control-Allow-Headers", "*"),
        ("Access-Control-Max-Age", "86400"),
        ("Allow", "GET, HEAD, OPTIONS"),
        ("Cache-Control", "public, max-age=86400"),
    ),
)
"""The answer to OPTIONS where any site's scripts may read."""
