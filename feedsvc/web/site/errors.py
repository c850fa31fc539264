"""HTTP errors as pages in the style of the others.

Must not know the store: it may be what failed.
"""

import structlog
from flask import Flask, Response, request
from jinja2 import Environment
from werkzeug.exceptions import HTTPException, MethodNotAllowed, ServiceUnavailable
from werkzeug.wrappers import Response as WerkzeugResponse

from feedsvc.store import trouble
from feedsvc.util.repeated_faults import Faults
from feedsvc.web.api import problems
from feedsvc.web.feeds.error_responses import PARTNERS
from feedsvc.web.site.assets import SECURITY_HEADERS

log = structlog.get_logger(__name__)

TEMPLATES = "feedsvc.pages"
"""The name among Flask's extensions of the environment that pages are made from."""
_RETRY_AFTER = 5  # seconds
_EXPLANATIONS = {
    404: "There is nothing at this address. It may have been mistyped, or it was never published.",
    405: "This address can only be read.",
    503: "The page can't be made just now; please try again in a few seconds.",
    500: "The page could not be made. This is our fault, not yours; please try again in a minute.",
}


def register_errors(app: Flask) -> None:
    """Answer every HTTP error of `app` with a page in the style of the others, without reading the store.

    The pages' blueprint must be registered first: the error page shows its site's name. Errors below /api are
    answered with problem details instead.
    """
    templates: Environment = app.extensions[TEMPLATES]
    template = templates.get_template("error.html")
    faults = Faults(log)

    def page(error: HTTPException) -> WerkzeugResponse:
        if problems.is_api(request.path):
            return problems.answer(error)
        if error.response is not None:
            return error.get_response()
        code = error.code or 500
        answer = Response(
            template.render(
                code=code, name=error.name, explanation=_EXPLANATIONS.get(code, error.description)
            ),
            code,
            SECURITY_HEADERS,
            mimetype="text/html",
        )
        answer.headers["Cache-Control"] = "no-cache"
        if request.path.startswith(PARTNERS):  # who shows no token gets another answer there
            answer.headers["Cache-Control"] = "private, no-cache"
            answer.headers["Vary"] = "Authorization"
        if isinstance(error, ServiceUnavailable):
            answer.headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return answer

    app.register_error_handler(HTTPException, page)

    def unavailable(error: Exception) -> WerkzeugResponse:
        faults.failed("store", "page_not_made", trouble.of(error).words)
        return page(ServiceUnavailable(retry_after=_RETRY_AFTER))

    for fault in (*trouble.FAULTS, TimeoutError):
        app.register_error_handler(fault, unavailable)
