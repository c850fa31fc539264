"""Responses for documents made on request (pages, OPML, sitemaps, schemas) and static files.

Knows Flask's request, content-codings and preconditions, and nothing of what a document says.
"""

from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from flask import Response, request

from feedsvc.util.lru import ByteLRU
from feedsvc.web.feeds.conditional import choose_coding, conditional_status
from feedsvc.web.feeds.encoding import Coding, encoded

_SMALLEST: Final = 256
"""Bytes; smaller documents are not encoded."""
_TAG_BYTES: Final = 16
_coded: Final = ByteLRU[tuple[bytes, Coding], bytes](8_000_000)
"""(digest of a document, coding) → encoded bytes, for documents that are requested repeatedly."""


def cacheable(
    body: bytes,
    content_type: str,
    cache_control: str,
    *,
    vary: str = "Accept-Encoding",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """The response to a GET or HEAD of a document, under its preconditions (RFC 9110 §13) and best coding.

    `headers` are added to the response.
    """
    digest = blake2b(body, digest_size=_TAG_BYTES).digest()
    coding: Coding = "identity"
    if len(body) >= _SMALLEST:
        coding = choose_coding(_field("Accept-Encoding")) or "identity"
    etag = f'"{digest.hex()}{"" if coding == "identity" else f"-{coding}"}"'
    status = conditional_status(etag, None, 0.0, _field("If-Match"), None, _field("If-None-Match"), None)
    fields = dict(headers) | {"ETag": etag, "Cache-Control": cache_control, "Vary": vary}
    if status != 200:
        made = Response(status=status, headers=fields)
        del made.headers["Content-Type"]
        return made
    made = Response(_in(coding, digest, body), 200, fields, content_type=content_type)
    if coding != "identity":
        made.headers["Content-Encoding"] = coding
    return made


def _field(name: str) -> str | None:
    """A header field of the request, several lines joined; None if absent."""
    value = request.headers.get(name)
    return None if value is None else str(value)


def _in(coding: Coding, digest: bytes, body: bytes) -> bytes:
    if coding == "identity":
        return body
    coded = _coded.get((digest, coding))
    if coded is None:
        coded = encoded(body, coding)
        _coded.put((digest, coding), coded, len(coded))
    return coded
