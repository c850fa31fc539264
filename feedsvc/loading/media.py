"""Front matter keys for pictures and files → Images and Enclosures, in the forms that themes expect.

Pure: knows the parts of these keys, as themes of Hugo, Jekyll and Pelican define them. Must not fetch
anything, nor resolve a URL.
"""

from typing import Final

from feedsvc.domain.constraints import REFERENCE
from feedsvc.domain.media_types import guessed
from feedsvc.domain.model import Enclosure, Image
from feedsvc.loading import nested_keys
from feedsvc.loading.values import Parts, Written, flag, items, media_type, reference

_IMAGE_PARTS: Final = (
    *("url", "src", "image", "path", "type", "mime", "mimetype", "width", "height"),
    *("alt", "caption", "title", "credit", "maysyndicate", "syndicate", "syndication"),
)

_FILE_PARTS: Final = (
    *("url", "href", "src", "file", "path", "type", "mimetype", "mime"),
    *("length", "size", "sizeinbytes", "title"),
)


def images(written: Written | None) -> tuple[Image, ...]:
    """The pictures that a key holds: a URL, a mapping, or a list of these. Raises FieldError."""
    if written is None:
        return ()
    return tuple(image for item in items(written) if not item.is_empty and (image := _image(item)))


def _image(item: Written) -> Image | None:
    if not isinstance(item.value, dict):
        if _is_inline(item):
            return None
        url = reference(item)
        return Image(url=url, type=guessed(url))
    parts = Parts(item)
    # First: whatever is said of a picture that isn't there yet may be meant for the story.
    nested_keys.refuse_in_part(parts.others(*_IMAGE_PARTS), "may_syndicate")
    located = _located(parts, "url", "src", "image", "path")
    if not located:
        return None
    may_syndicate = parts.first("maysyndicate", "syndicate", "syndication")
    return Image(
        url=located,
        type=_media_type(parts, "type", "mime", "mimetype") or guessed(located),
        width=parts.pixels("width"),
        height=parts.pixels("height"),
        alt=parts.line("alt"),
        caption=parts.line("caption", "title"),
        credit=parts.line("credit"),
        may_syndicate=_may(may_syndicate) if may_syndicate else True,
    )


def _may(written: Written) -> bool:
    return written.value != "none" and flag(written)


def enclosures(written: Written | None) -> tuple[Enclosure, ...]:
    """The files that a key holds: a URL, a mapping, or a list of these. Raises FieldError."""
    if written is None:
        return ()
    return tuple(made for item in items(written) if not item.is_empty and (made := _enclosure(item)))


def _enclosure(item: Written) -> Enclosure | None:
    if not isinstance(item.value, dict):
        url = reference(item)
        return Enclosure(url=url, type=guessed(url) or "application/octet-stream")
    parts = Parts(item)
    nested_keys.refuse_in_part(parts.others(*_FILE_PARTS), "syndication of the whole story")
    places = ("url", "href", "src", "file", "path")
    located = _located(parts, *places)
    if not located:
        if parts.has(*places):
            return None
        raise parts.missing(f"has no url; {REFERENCE.wanted}", "url-missing")
    written_type = _media_type(parts, "type", "mimetype", "mime")
    return Enclosure(
        url=located,
        type=written_type or guessed(located) or "application/octet-stream",
        length=parts.whole("length", "size", "sizeinbytes") or 0,
    )


def _located(parts: Parts, *names: str) -> str | None:
    """The URL of a mapping; None if it has none, as themes' templates and settings of a cover have not."""
    found = parts.first(*names)
    return None if found is None or _is_inline(found) else reference(found)


def _is_inline(written: Written) -> bool:
    """Whether it is a `data:` URL (RFC 2397), to which no feed can link: the picture is left out."""
    return isinstance(written.value, str) and written.value.lstrip()[:5].lower() == "data:"


def _media_type(parts: Parts, *names: str) -> str | None:
    found = parts.first(*names)
    return media_type(found) if found else None
