"""Flask's views of feeds: they ask who decides, and hand on the response.

Knows neither the store nor any rule of HTTP but that of Host.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from flask import Blueprint, request
from flask import Response as FlaskResponse

from feedsvc.web.feeds.dispatch import Feeds
from feedsvc.web.feeds.error_responses import NO_HOST, error_response
from feedsvc.web.feeds.places import ROOT
from feedsvc.web.feeds.responder import FIELDS, FeedRequest
from feedsvc.web.feeds.response import Response

_VARIABLES: Final = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in sorted(FIELDS))


def blueprint(feeds: Feeds) -> Blueprint:
    """The feeds, everybody's and partners'.

    Whatever method they are asked with, they are answered before Flask looks for a view: it would know few
    methods, and send redirects to addresses that are not the same to it.
    """
    routes = Blueprint("feeds", __name__)

    def answer() -> FlaskResponse | None:
        environ = request.environ
        if not _names_host_once(environ):
            return as_flask(
                error_response(400, environ["PATH_INFO"], environ["REQUEST_METHOD"], text=NO_HOST)
            )
        asked = feed_request(environ)
        if not feeds.is_feed(asked.path):
            return None
        response = feeds.respond(asked)
        environ[HOLDER] = asked.holder
        return as_flask(response, feeds.calendar()) if response else None

    routes.before_app_request(answer)
    routes.add_url_rule(
        f"{ROOT}<path:name>",
        "unknown",
        _unknown_feed,
        methods=["GET"],
        provide_automatic_options=False,
        # A path with // names no feed; the redirect that Flask would send is another answer than 404.
        merge_slashes=False,
    )
    return routes


HOLDER: Final = "feedsvc.holder"
"""Where in the environment the token is that a partner's request came in with. No header field can set it."""


def feed_request(environ: Mapping[str, Any]) -> FeedRequest:
    """What a WSGI environment says of a request for a feed."""
    return FeedRequest(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        {name: environ[variable] for variable, name in _VARIABLES if variable in environ},
        environ.get("REMOTE_ADDR") or "",
    )


def as_flask(response: Response, date: float = inf) -> FlaskResponse:
    """The same response for Flask to send at `date`, in seconds since the epoch, or later."""
    made = FlaskResponse(response.body, response.status)
    made.headers.clear()  # of its own it would add a Content-Type
    made.headers.extend(response.headers_at(date))
    return made


def _names_host_once(environ: Mapping[str, Any]) -> bool:
    """RFC 9112 §3.2. Servers join the lines of a field with commas; HTTP/1.0 has no Host."""
    host = environ.get("HTTP_HOST")
    return "," not in host if host else environ.get("SERVER_PROTOCOL") != "HTTP/1.1"


def _unknown_feed(name: str) -> FlaskResponse:  # noqa: ARG001 (the route's variable)
    # A tag's first story makes its feed, so that the answer must not be kept.
    return as_flask(error_response(404, ROOT))
