"""An application that says which way it was asked; `tests.test_worker` has Granian serve it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from feedsvc.web.worker import ask_memory_first

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NEEDED = ("HTTP_HOST", "PATH_INFO", "REMOTE_ADDR", "REQUEST_METHOD", "SERVER_PROTOCOL")


class TwoWays:
    """Knows /known from memory, and by WSGI everything."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [("Way", "wsgi")])
        return [environ["wsgi.input"].read() or b"nothing"]

    def from_memory(self, environ: dict[str, Any]) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
        if environ["PATH_INFO"] == "/failing":
            raise RuntimeError("not in memory, nor anywhere")
        if environ["PATH_INFO"] != "/known":
            return None
        said = " ".join(environ[name] for name in NEEDED)
        return 203, (("Way", "memory"), ("Also", "1"), ("Also", "2")), said.encode()


def app() -> TwoWays:
    """What Granian calls in its worker process."""
    ask_memory_first()
    return TwoWays()
