"""A response that any server can send as it is.

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
"""Lets scripts of any site read a response (https://fetch.spec.whatwg.org/#http-cors-protocol)."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, header fields and body; `body` is empty where none is sent, as for HEAD.

    `head` is the status line and the header fields as HTTP/1.1 writes them. The server adds Date and the
    fields that frame the message on its connection; it sends the fields that `headers_at` or `head_at`
    returns for that Date. `dated` is the Last-Modified instant, in seconds since the epoch.
    """

    status: int
    headers: Headers
    body: bytes = b""
    dated: float = -inf
    head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", _head(self.status, self.headers))

    def without_body(self) -> "Response":
        """The same response for HEAD."""
        return Response(self.status, self.headers, dated=self.dated) if self.body else self

    def headers_at(self, date: float) -> Headers:
        """The header fields to send at `date` (seconds since the epoch), the response's Date.

        A Last-Modified later than Date must not be sent (RFC 9110 §8.8.2.1). Replacing it by Date would
        change the validator although the bytes do not change, so the field is left out until its instant has
        come.
        """
        if self.dated <= date:
            return self.headers
        return tuple(one for one in self.headers if one[0] != "Last-Modified")

    def head_at(self, date: float) -> bytes:
        """The head to send at `date` (seconds since the epoch); see `headers_at`."""
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
"""The response to OPTIONS where scripts of any site may read."""
