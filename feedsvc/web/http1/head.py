"""Refuses request heads that llhttp would accept, and turns a request target into origin-form.

Pure: no connection and no clock.
"""

from collections.abc import Sequence
from typing import Final

import httptools

from feedsvc.web.feeds.error_responses import NO_HOST

LONGEST_TARGET: Final = 8_192
"""Bytes; RFC 9110 §4.1 recommends at least 8,000."""

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields, their names in lower case."""


class RefusedHeadError(Exception):
    """A head is refused with `status`; `text` gives the reason where the status does not."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.text = text


def origin_form(method: bytes, version: str, target: bytes, fields: Fields) -> bytes:
    """The target of a request as a path with its query (RFC 9112 §3.2.1). Raises RefusedHeadError.

    `version` is "1.1" or the like. HTTP/1.1 requires exactly one Host (RFC 9112 §3.2). Chunked is the only
    transfer-coding that is supported (§6.1). CONNECT is for proxies (RFC 9110 §9.3.6).
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
    """The target in origin-form (RFC 9112 §3.2); empty if it is no target of http or https."""
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
    """The head as a server reads it that ignores its Upgrade field (RFC 9110 §7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in fields:
        if name == b"connection":
            kept = [one for one in value.split(b",") if one.strip().lower() in {b"close", b"keep-alive"}]
            lines.append(b"connection: " + b",".join(kept))
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
