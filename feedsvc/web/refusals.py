"""What is answered instead of a feed or a page, ready to be sent.

Pure: knows statuses and their texts, and nothing of when they are due.
"""

import json
from dataclasses import dataclass
from typing import Final

from feedsvc.web.caching import CODINGS, Headers


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer without a feed in it, ready to be sent: its status line, header fields and text."""

    status: str
    headers: Headers
    body: bytes


def _refusal(status: str, text: str, *more: tuple[str, str]) -> Refusal:
    body = f"{text}\n".encode()
    headers: Headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Refusal(status, headers + more, body)


def _as_problem(status: int, refusal: Refusal) -> Refusal:
    title = refusal.status.partition(" ")[2]
    told = {"type": "about:blank", "title": title, "status": status, "detail": refusal.body.decode().strip()}
    body = json.dumps(told).encode()
    changed = {"Content-Type": "application/problem+json", "Content-Length": str(len(body))}
    headers = tuple((name, changed.get(name, field)) for name, field in refusal.headers)
    return Refusal(refusal.status, headers, body)


REFUSALS: Final[dict[int, Refusal]] = {
    401: _refusal(
        "401 Unauthorized",
        "This address is opened by a token: as Bearer, or as the password of Basic.",
        ("WWW-Authenticate", 'Bearer realm="feedsvc"'),
        ("WWW-Authenticate", 'Basic realm="feedsvc", charset="UTF-8"'),
        ("Vary", "Authorization"),
    ),
    429: _refusal("429 Too Many Requests", "Too many; please come again after the time in Retry-After."),
    400: _refusal("400 Bad Request", "An HTTP/1.1 request names the host it asks, and names it once."),
    405: _refusal(
        "405 Method Not Allowed", "This address can be read with GET and HEAD.", ("Allow", "GET, HEAD")
    ),
    406: _refusal(
        "406 Not Acceptable",
        f"This feed can be had as {', '.join(CODINGS)}; the request's Accept-Encoding refuses them all.",
        ("Vary", "Accept-Encoding"),
    ),
    412: _refusal("412 Precondition Failed", "The feed is not the version that the request asks for."),
    503: _refusal(
        "503 Service Unavailable",
        "This cannot be had just now; please try again in a few seconds.",
        ("Retry-After", "5"),
    ),
}
"""What is answered by status when neither a feed nor a page is."""


def _licensed(refusal: Refusal) -> Refusal:
    varying = ", ".join(["Authorization", *(field for name, field in refusal.headers if name == "Vary")])
    kept = tuple(pair for pair in refusal.headers if pair[0] not in {"Vary", "Cache-Control"})
    return Refusal(
        refusal.status, (*kept, ("Cache-Control", "private, no-cache"), ("Vary", varying)), refusal.body
    )


LICENSED: Final[dict[int, Refusal]] = {
    status: refusal if status == 401 else _licensed(refusal) for status, refusal in REFUSALS.items()
}
"""The same below /partners/, where who shows no token gets another answer than who shows one."""

PROBLEMS: Final[dict[int, Refusal]] = {status: _as_problem(status, REFUSALS[status]) for status in (400, 503)}
"""The same below /api, as problem details (RFC 9457)."""
