"""The least that any WSGI application could do: one ready answer. What is left is the server.

Run by Granian, with the bytes in the folder that FLASK_VIEW_FOLDER names.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

with suppress(AttributeError, OSError):  # as feedsvc's workers do
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))

_BODY = (Path(os.environ["FLASK_VIEW_FOLDER"]) / "all.rss.gz").read_bytes()
_304 = [
    ("ETag", f'"{blake2b(_BODY, digest_size=16).hexdigest()}"'),
    ("Cache-Control", "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400"),
    ("Vary", "Accept-Encoding"),
]
_200 = [
    *_304,
    ("Content-Type", "application/rss+xml; charset=utf-8"),
    ("Content-Encoding", "gzip"),
    ("Content-Length", str(len(_BODY))),
]


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """304 to whoever has an entity tag, the feed to everybody else."""
    if "HTTP_IF_NONE_MATCH" in environ:
        start_response("304 Not Modified", _304)
        return []
    start_response("200 OK", _200)
    return [_BODY]
