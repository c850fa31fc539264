"""Mounting below a prefix: the WSGI application as it is asked for under `site.url`'s path.

Knows nothing of what is below it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from feedsvc.web.feeds.dispatch import without_prefix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Mounted:
    """An application below a prefix ("/news"), whether or not a proxy has removed it from the path.

    What the server itself gives as SCRIPT_NAME is not looked at: links follow from the configuration alone.
    """

    def __init__(self, app: "WSGIApplication", prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = without_prefix(environ.get("PATH_INFO", ""), self._prefix)
        environ["SCRIPT_NAME"] = self._prefix
        return self._app(environ, start_response)
