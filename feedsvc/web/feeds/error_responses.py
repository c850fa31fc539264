"""Responses for errors, ready to be sent in place of a feed or page.

Pure: knows statuses and their texts, not when each is the right one.
"""

import json
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from feedsvc.web.feeds.conditional import CODINGS
from feedsvc.web.feeds.places import ROOT
from feedsvc.web.feeds.response import CORS, Headers, Response

PARTNERS: Final = "/partners/"
API: Final = "/api/"

_TEXTS: Final = {
    400: "The request can't be read.",
    401: "This address is opened by a token: as Bearer, or as the password of Basic.",
    404: "There is no such feed. The feeds there are stand at /",
    405: "This address can be read with GET and HEAD.",
    406: f"This feed can be had as {', '.join(CODINGS)}; the request's Accept-Encoding refuses them all.",
    408: "The request did not come in time.",
    412: "The feed is not the version that the request asks for.",
    413: "The body is larger than this service takes.",
    414: "The request's target is longer than this service takes.",
    429: "Too many; please come again after the time in Retry-After.",
    431: "The request's header fields are longer than this service takes.",
    501: "The body can be sent as it is or chunked, with no other transfer-coding.",
    505: "The request is of another version than HTTP/1.1 and HTTP/1.0.",
    503: "This cannot be had just now; please try again in a few seconds.",
}
STATUSES: Final = tuple(_TEXTS)
"""The statuses that have a response here."""
NO_HOST: Final = "An HTTP/1.1 request names the host it asks, and names it once."

_PLAIN: Final = "text/plain; charset=utf-8"
_MORE: Final[dict[int, Headers]] = {
    401: (
        ("WWW-Authenticate", 'Bearer realm="feedsvc"'),
        ("WWW-Authenticate", 'Basic realm="feedsvc", charset="UTF-8"'),
    ),
    405: (("Allow", "GET, HEAD"),),
    406: (("Vary", "Accept-Encoding"),),
    503: (("Retry-After", "5"),),
}


def error_response(
    status: int, path: str, method: str = "GET", retry_after: int = 0, text: str = ""
) -> Response:
    """The response with `status` for `path`: problem details (RFC 9457) in the API, else plain text.

    `retry_after` is in seconds, 0 for the status's default. `text` replaces the status's own text.
    """
    made = _made(status, path.startswith(API), path.startswith(PARTNERS), path.startswith(ROOT), text)
    if retry_after:
        kept = tuple(pair for pair in made.headers if pair[0] != "Retry-After")
        made = Response(status, (*kept, ("Retry-After", str(retry_after))), made.body)
    return made.without_body() if method == "HEAD" else made


@lru_cache(maxsize=256)
def _made(status: int, in_api: bool, of_partner: bool, is_feed: bool, text: str) -> Response:
    text = text or _TEXTS[status]
    if in_api:
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status, "detail": text}
        return _response(status, json.dumps(problem), "application/problem+json", "no-store")
    if of_partner:
        return _response(
            status, f"{text}\n", "text/plain; charset=utf-8", "private, no-cache", "Authorization"
        )
    response = _response(status, f"{text}\n", _PLAIN, "no-cache")
    if not is_feed:
        return response
    allowed = {"Allow": "GET, HEAD, OPTIONS"}
    headers = tuple((name, allowed.get(name, value)) for name, value in response.headers)
    return Response(status, headers + CORS, response.body)


def _response(status: int, text: str, content_type: str, cache_control: str, vary: str = "") -> Response:
    body = text.encode()
    more = _MORE.get(status, ())
    varying = ", ".join(filter(None, [vary, *(value for name, value in more if name == "Vary")]))
    headers: Headers = (
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", cache_control),
        ("X-Content-Type-Options", "nosniff"),
        *(pair for pair in more if pair[0] != "Vary"),
    )
    return Response(status, headers + ((("Vary", varying),) if varying else ()), body)
