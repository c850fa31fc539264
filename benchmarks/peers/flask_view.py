"""A plain Flask view of a feed whose ready bytes are in memory: the least that a Flask application does.

Run by gunicorn, which finds the bytes in the folder that FLASK_VIEW_FOLDER names.
"""

import os
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.wrappers import Response as BaseResponse

_FOLDER = Path(os.environ["FLASK_VIEW_FOLDER"])
_PLAIN = (_FOLDER / "all.rss").read_bytes()
_GZIPPED = (_FOLDER / "all.rss.gz").read_bytes()
_CHANGED_AT = datetime.now(UTC).replace(microsecond=0)
_ETAGS = {body: blake2b(body, digest_size=16).hexdigest() for body in (_PLAIN, _GZIPPED)}

app = Flask(__name__)


@app.get("/feeds/all.rss")
def feed() -> BaseResponse:
    """The feed, or 304."""
    zipped = request.accept_encodings["gzip"] > 0
    body = _GZIPPED if zipped else _PLAIN
    response = Response(body, content_type="application/rss+xml; charset=utf-8")
    response.set_etag(_ETAGS[body])
    response.last_modified = _CHANGED_AT
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Vary"] = "Accept-Encoding"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    return response.make_conditional(request)
