"""What Flask says of feeds: those that the short cut passes on, because there are none at their paths.

Knows neither the store nor the cache: a feed that exists is answered before Flask is asked.
"""

from flask import Blueprint, Response

from feedsvc.web.feed_cache import ROOT


def blueprint() -> Blueprint:
    """What Flask says of feeds the short cut passes on: 404 to GET and HEAD, 405 to all else."""
    feeds = Blueprint("feeds", __name__)
    feeds.add_url_rule(
        f"{ROOT}<path:name>",
        "unknown",
        _unknown_feed,
        methods=["GET"],
        provide_automatic_options=False,
        # A path with // names no feed; the redirect that Flask would send is another answer than 404.
        merge_slashes=False,
    )
    return feeds


def _unknown_feed(name: str) -> Response:  # noqa: ARG001 (the route's variable)
    # A tag's first story makes its feed, so that the answer must not be kept.
    answer = Response("There is no such feed. The feeds there are stand at /\n", 404, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
