"""Static files of the pages, each with a version in its URL, and the header fields of all that browsers show.

Must not know what is on a page.
"""

from hashlib import blake2b
from pathlib import Path

from flask import abort, request
from werkzeug.wrappers import Response as WerkzeugResponse

from feedsvc.web.site.cacheable import cacheable

_MAX_AGE = 31_536_000  # a year: another version has another URL
_UNVERSIONED_MAX_AGE = 3_600  # of what is asked for without the version in its URL
_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    "feed.css": "text/css; charset=utf-8",
    "feedsvc.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_ASSETS = {name: (_FOLDER / name).read_bytes() for name in _TYPES}
# The version in its URL lets a new release's pages have their own stylesheet, whatever is cached.
ASSET_PATHS = {
    name: f"/static/{name}?v={blake2b(asset, digest_size=4).hexdigest()}" for name, asset in _ASSETS.items()
}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src http: https:; media-src http: https:; style-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def asset(name: str) -> WerkzeugResponse:
    """A static file. Its URL with the current version may be cached for a year."""
    if name not in _ASSETS:
        abort(404)
    is_versioned = ASSET_PATHS[name].endswith(f"?v={request.args.get('v', '')}")
    max_age = f"{_MAX_AGE}, immutable" if is_versioned else f"{_UNVERSIONED_MAX_AGE}"
    return cacheable(_ASSETS[name], _TYPES[name], f"public, max-age={max_age}", headers=SECURITY_HEADERS)
