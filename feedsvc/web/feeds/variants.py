"""One representation under one content-coding, with the responses that are made of it.

Pure: knows no store and no clock; the time comes in as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor, inf
from typing import Final

from feedsvc.domain.model import CONTENT_TYPES, Representation, Site
from feedsvc.web.feeds.cache_control import Freshness, cache_control, link
from feedsvc.web.feeds.conditional import http_date
from feedsvc.web.feeds.encoding import Coding, encoded
from feedsvc.web.feeds.response import CORS, Headers, Response


@dataclass(frozen=True, slots=True)
class Variant:
    """One representation under one content-coding, ready to be sent.

    `changed_at` is in whole seconds since the epoch, and `last_modified` the same as an HTTP date: of several
    changes within a second each is dated a second later. `etag` is strong and has its quotes. `full` answers
    GET, `full_head` HEAD, `not_modified` whoever has it. They hold for what is sent at `ready_until` (seconds
    since the epoch) at the latest; after that see `nearer_expiry`.
    """

    coding: Coding
    body: bytes
    etag: str
    changed_at: int
    last_modified: str
    full: Response
    full_head: Response
    not_modified: Response
    freshness: Freshness
    ready_until: float


def ready_variant(
    representation: Representation,
    coding: Coding,
    site: Site,
    stale_while_revalidate: int,
    stale_if_error: int,
) -> Variant:
    """`representation` under `coding`, with the header fields of its 200 and its 304; limits in seconds.

    The fields are those that hold until shortly before the first of its stories expires, if one does. The 304
    repeats what RFC 9110 §15.4.5 asks for, and no Content-* field.
    """
    body = encoded(representation.body, coding)
    suffix = "" if coding == "identity" else f"-{coding}"
    etag = f'"{representation.digest}{suffix}"'
    changed_at = floor(representation.changed_at.timestamp())
    last_modified = http_date(changed_at)
    expiry = representation.valid_until
    freshness = Freshness(
        representation.max_age, stale_while_revalidate, stale_if_error, expiry.timestamp() if expiry else inf
    )
    for_one = bool(representation.partner)
    shared: Headers = (
        ("ETag", etag),
        ("Cache-Control", cache_control(freshness, -inf, for_one=for_one)),
        ("Vary", "Authorization, Accept-Encoding" if for_one else "Accept-Encoding"),
        ("Link", link(site, representation.key, representation.format, representation.partner)),
    )
    content: Headers = (
        ("Content-Type", CONTENT_TYPES[representation.format]),
        ("Content-Length", str(len(body))),
        ("Last-Modified", last_modified),
        ("X-Content-Type-Options", "nosniff"),
    )
    if coding != "identity":
        content += (("Content-Encoding", coding),)
    if not for_one:
        shared += CORS
    full = Response(200, content + shared, body, dated=changed_at)
    bodiless = full.without_body(), Response(304, shared)
    validators = etag, changed_at, last_modified
    return Variant(coding, body, *validators, full, *bodiless, freshness, freshness.unlimited_until)


def nearer_expiry(variant: Variant, now: float) -> Variant:
    """The variant as it is sent at `now` (seconds since the epoch), after its `ready_until`.

    It holds for all the second: what it says follows from the whole seconds that are left.
    """
    freshness = variant.freshness
    for_one = dict(variant.not_modified.headers)["Cache-Control"].startswith("private")
    field = cache_control(freshness, now, for_one=for_one)

    def limited(response: Response) -> Response:
        headers = response.headers
        fields = tuple((name, field if name == "Cache-Control" else value) for name, value in headers)
        return Response(response.status, fields, response.body, response.dated)

    return replace(
        variant,
        full=limited(variant.full),
        full_head=limited(variant.full_head),
        not_modified=limited(variant.not_modified),
        ready_until=freshness.valid_until - freshness.seconds_left(now),
    )


def opened_as_page(response: Response) -> Response:
    """The response with an RSS or Atom feed for a browser that opens it as a page.

    Chromium applies a style sheet to application/xml, and shows a feed's own media type as source text,
    whatever other fields say. The bytes are the same, and so is the strong ETag (RFC 9110 §8.8.1). The answer
    is private, so that no shared cache gives it to a feed reader; and nothing runs in it.
    """
    headers = [
        (name, _AS_PAGE[name](field) if name in _AS_PAGE else field) for name, field in response.headers
    ]
    headers.append(("Content-Security-Policy", "default-src 'none'; style-src http: https:"))
    return Response(response.status, tuple(headers), response.body, response.dated)


_AS_PAGE: Final[dict[str, Callable[[str], str]]] = {
    "Content-Type": lambda _: "application/xml; charset=utf-8",
    "Cache-Control": lambda field: field.replace("public", "private", 1),
    "Vary": lambda field: f"{field}, Sec-Fetch-Dest",
}
