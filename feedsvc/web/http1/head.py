"""Which heads of requests are refused, though llhttp reads them; and how a target names a path.

Pure: no connection and no clock.
"""

from collections.abc import Sequence
from typing import Final

import httptools

from feedsvc.web.feeds.error_responses import NO_HOST

LONGEST_TARGET: Final = 8_192
"""Bytes; RFC 9110 §4.1 wants 8,000 at least."""

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields, their names in lower case."""


class RefusedHeadError(Exception):
    """A head is refused with `status`; `text` says why if the status doesn't."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.text = text


def origin_form(method: bytes, version: str, target: bytes, fields: Fields) -> bytes:
    """The target of a request as a path with its query. Raises RefusedHeadError.

    `version` is "1.1" or the like. Of HTTP/1.1 there is one Host (RFC 9112 §3.2); of transfer-codings only
    chunked is known (§6.1); CONNECT is for proxies (RFC 9110 §9.3.6).
    """
    if version not in {"1.0", "1.1"}:
        raise RefusedHeadError(505)
    hosts = [value for name, value in fields if name == b"host"]
    host = b",".join(hosts)
    if len(hosts) > 1 or b"," in host or (version == "1.1" and not host):
        raise RefusedHeadError(400, NO_HOST)
    codings = b",".join(value for name, value in fields if name == b"transfer-encoding")
    if codings and codings.lower() != b"chunked":
        raise RefusedHeadError(501)
    if method == b"CONNECT":
        raise RefusedHeadError(405)
    path = _path(method, target)
    if not path:
        raise RefusedHeadError(400)
    return path


def _path(method: bytes, target: bytes) -> bytes:
    """RFC 9112 §3.2; nothing if it is no target of http or https."""
    if target == b"*":
        return b"/" if method == b"OPTIONS" else b""
    target = target.partition(b"#")[0]
    if target[:1] != b"/":
        try:
            parsed = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return b""
        if parsed.schema.lower() not in {b"http", b"https"} or not parsed.host:
            return b""
        return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
    return target


def without_upgrade(method: bytes, target: bytes, version: str, fields: Fields) -> bytes:
    """A head as who doesn't know its Upgrade field reads it (RFC 9110 §7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in fields:
        if name == b"connection":
            kept = [one for one in value.split(b",") if one.strip().lower() in {b"close", b"keep-alive"}]
            lines.append(b"connection: " + b",".join(kept))
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
