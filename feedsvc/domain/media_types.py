"""The extension of a URL → the media type of the resource.

Pure: no I/O, and nothing imported from the rest of the package.
"""

from typing import Final
from urllib.parse import urlsplit

_TYPES: Final = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "ogv": "video/ogg",
    "webm": "video/webm",
    "csv": "text/csv",
    "epub": "application/epub+zip",
    "pdf": "application/pdf",
    "zip": "application/zip",
}
"""Not the standard library's table, which reads the machine's: feeds must be the same on every machine."""


def guessed(url: str) -> str | None:
    """The media type of a picture or a file, by the extension of its URL's path; None if that is unknown."""
    return _TYPES.get(urlsplit(url).path.rpartition(".")[2].lower())
