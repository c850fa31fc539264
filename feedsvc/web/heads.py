"""Heads of HTTP/1.1 messages, as far as feed readers write them: plain requests read, answers written.

Pure: knows no socket. What is not plain is for Granian, which knows all of RFC 9112.
"""

import re
from functools import lru_cache
from http import HTTPStatus

from feedsvc.web.caching import Headers

_REQUEST = re.compile(
    rb"GET (/[A-Za-z0-9._~/-]*) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+: ?[!-~](?:[ !-~]*[!-~])?\r\n)+)"
    rb"\r\n"
)
_NOT_PLAIN = {
    "HTTP_CONTENT_LENGTH",
    "HTTP_CONTENT_TYPE",
    "HTTP_EXPECT",
    "HTTP_HTTP2_SETTINGS",
    "HTTP_TE",
    "HTTP_TRAILER",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_UPGRADE",
}
"""Fields of requests that have more to them than a head, or ask for another protocol."""
_USER_AGENT = b"\r\nUser-Agent: "
_VISIBLE = bytes(range(32, 127))
_MOST_FIELDS = 64  # Granian says no to more than a hundred
_RESPONSE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)+)\r\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_ENDS = re.compile(rb"^(?:connection|transfer-encoding|upgrade):", re.IGNORECASE | re.MULTILINE)
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SERVER = "server: granian\r\n"
_END = b"\r\n\r\n"
_LONGEST_HEAD = 65_536  # bytes of an answer in which the end of its head is looked for


def without_user_agent(request: bytes) -> bytes | None:
    """A request less the line that says by whom, on which no answer from memory depends, if there is one."""
    at = request.find(_USER_AGENT)
    if at < 0:
        return None
    end = request.find(b"\r\n", at + len(_USER_AGENT))
    value = request[at + len(_USER_AGENT) : end]
    if end < 0 or not value or value[0] == 32 or value[-1] == 32 or value.translate(None, _VISIBLE):
        return None
    return request[:at] + request[end:]


def plain_request(request: bytes) -> dict[str, str] | None:
    """What a request says, by the names WSGI has for it, if it is a plain one and nothing follows; else None.

    A plain one is a GET by HTTP/1.1 of a path without anything escaped or asked for, whose fields are ASCII,
    come once each, and leave the connection as it is.
    """
    found = _REQUEST.fullmatch(request)
    if found is None:
        return None
    said = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": found[1].decode("ascii"),
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    lines = found[2].decode("ascii").split("\r\n")
    lines.pop()
    if len(lines) > _MOST_FIELDS:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        key = _key(name)
        if key in said or key in _NOT_PLAIN:
            return None
        said[key] = value.lstrip(" ")
    if "HTTP_HOST" not in said or said.get("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return None
    return said


@lru_cache(maxsize=512)
def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


@lru_cache(maxsize=256)
def answer_head(status: int, headers: Headers, length: int) -> bytes:
    """The head of an answer up to Date, as Granian writes it; `length` is that of its body in bytes."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}\r\n"]
    lines += [f"{name.lower()}: {value}\r\n" for name, value in headers]
    lines.append(_SERVER)
    if status != 304 and not any(name.lower() == "content-length" for name, _ in headers):
        lines.append(f"content-length: {length}\r\n")
    return "".join(lines).encode("latin-1")


def response_size(received: bytes) -> int | None:
    """The bytes of a response to a plain GET, whose whole head is in `received`; None if that doesn't say.

    It says by Content-Length (RFC 9112 §6.3). After what is said of the connection, or how the body is coded,
    there is no telling here.
    """
    found = _RESPONSE.match(received)
    if found is None or _ENDS.search(found[2]):
        return None
    if found[1] in (b"204", b"304"):
        return found.end()
    lengths = _LENGTH.findall(found[2])
    return found.end() + int(lengths[0]) if len(lengths) == 1 else None


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
            if _END not in self._head:
                return False if len(self._head) < _LONGEST_HEAD else None
            size = response_size(self._head)
            if size is None:
                return None
            self._left = size - len(self._head)
        else:
            self._left -= len(chunk)
        return self._left == 0 if self._left >= 0 else None
