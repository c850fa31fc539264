"""A response that is ready to be sent, by any server.

Pure: knows no rule about when it is sent.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
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
    connection are for the server to add, which sends the fields that `headers_at` or `head_at` gives for that
    very Date. `dated` is the instant that Last-Modified names, in seconds since the epoch.
    """

    status: int
    headers: Headers
    body: bytes = b""
    dated: float = -inf
    head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", _head(self.status, self.headers))

    def without_body(self) -> "Response":
        """The same in answer to HEAD."""
        return Response(self.status, self.headers, dated=self.dated) if self.body else self

    def headers_at(self, date: float) -> Headers:
        """The fields as they are sent at `date` (seconds since the epoch), the response's Date.

        A Last-Modified that lies after Date must not be sent (RFC 9110 §8.8.2.1), and Date in its place would
        be moved although the bytes are not: the field is left out until its instant has come.
        """
        if self.dated <= date:
            return self.headers
        return tuple(one for one in self.headers if one[0] != "Last-Modified")

    def head_at(self, date: float) -> bytes:
        """The same as `head`."""
        return self.head if self.dated <= date else _head(self.status, self.headers_at(date))


def _head(status: int, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


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
