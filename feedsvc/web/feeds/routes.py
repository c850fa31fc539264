"""Connects Flask to the feeds: passes requests to `Feeds`, and its responses back.

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
    """The routes of all feeds, public and partners'.

    Requests for feeds, whatever their method, are answered before Flask looks for a view: it would reject
    unusual methods itself, and redirect to paths that it takes for equivalent.
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
        # A path with // names no feed: the response is 404, not the redirect that Flask would send.
        merge_slashes=False,
    )
    return routes


HOLDER: Final = "feedsvc.holder"
"""The key in the environment for the valid token of a partner's request. No header field can set it."""


def feed_request(environ: Mapping[str, Any]) -> FeedRequest:
    """The request for a feed that a WSGI environment describes."""
    return FeedRequest(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        {name: environ[variable] for variable, name in _VARIABLES if variable in environ},
        environ.get("REMOTE_ADDR") or "",
    )


def as_flask(response: Response, date: float = inf) -> FlaskResponse:
    """The same response as one of Flask, to be sent at `date` (seconds since the epoch) or later."""
    made = FlaskResponse(response.body, response.status)
    made.headers.clear()  # removes the Content-Type that Flask adds by itself
    made.headers.extend(response.headers_at(date))
    return made


def _names_host_once(environ: Mapping[str, Any]) -> bool:
    """The rule of RFC 9112 §3.2. Servers join several lines of a field with commas; HTTP/1.0 has no Host."""
    host = environ.get("HTTP_HOST")
    return "," not in host if host else environ.get("SERVER_PROTOCOL") != "HTTP/1.1"


def _unknown_feed(name: str) -> FlaskResponse:  # noqa: ARG001 (the route's variable)
    # The feed may exist soon, with a tag's first story: the response must not be cached.
    return as_flask(error_response(404, ROOT))
