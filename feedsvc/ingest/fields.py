"""The values in a pushed story's JSON document: what each may be, for pydantic and in JSON Schema.

Knows one value at a time, never what a story is. Whatever is refused here is ruled out by the schema beside
it, so that who writes a client can check a document before it is sent; patterns keep to what every dialect
of regular expressions has. Text is literal: what looks like a tag in a title is none.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from feedsvc.characters import without_illegal
from feedsvc.model import BEGINNING
from feedsvc.rights import LEVELS, Level

MOST_ITEMS: Final = 500
"""How many items a list may have, as in files."""
LONGEST_ID: Final = 512
_LONGEST_LABEL: Final = 300
_LONGEST_LINE: Final = 5_000
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""The end of time, a day early: what is written for "never" must have a date in every zone."""

_SPACE: Final = (
    r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufdd0-\ufdef\ufffd-\uffff"
)
"""White space, and what XML forbids."""
VISIBLE: Final = f"[^{_SPACE}]"
"""A character that shows: text without one is none."""
_IN_ID: Final = rf'[^{_SPACE}?#\\<>"/.]'
_ID_PART: Final = rf"(?:\.{{0,2}}{_IN_ID}(?:\.|{_IN_ID})*|\.{{3}}(?:\.|{_IN_ID})*)"
ID: Final = rf"^{_ID_PART}(?:/+{_ID_PART})*$"
"""Parts between slashes, none of which is `.` or `..`."""
_NOT_IN_URL: Final = r'\x00-\x20\x7f-\xa0<>"\\^`{|}'
# No user and no password: a feed must not carry them. No character either that becomes / or ? in IDNA.
_HOST: Final = r"[A-Za-z0-9._~%!$&'()*+,;=\u00c0-\u1fff\u3040-\ud7ff-]+"
_PORT: Final = r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_WEB: Final = rf"[Hh][Tt][Tt][Pp][Ss]?://{_HOST}{_PORT}(?:[/?#][^{_NOT_IN_URL}]*)?"
WEB_ADDRESS: Final = f"^{_WEB}$"
ADDRESS: Final = rf"^(?:{_WEB}|/(?:[^/{_NOT_IN_URL}][^{_NOT_IN_URL}]*)?)$"
_EMAIL: Final = rf'[^{_SPACE}@<>"(),:;\[\]\\]+'
EMAIL: Final = rf"^{_EMAIL}@{_EMAIL}$"
LANGUAGE: Final = "^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$"
MEDIA_TYPE: Final = "^[A-Za-z0-9][A-Za-z0-9_.+-]*/[A-Za-z0-9_.+-]+$"
INSTANT: Final = (
    "^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339 from 1970 on; which months have 31 days is left to the format."""

_COMPILED: Final = {
    pattern: re.compile(pattern)
    for pattern in (ID, WEB_ADDRESS, ADDRESS, EMAIL, LANGUAGE, MEDIA_TYPE, INSTANT, VISIBLE)
}


def is_visible(text: str) -> bool:
    """Whether there is anything in a text to be seen."""
    return _COMPILED[VISIBLE].search(text) is not None


def _held(value: str, pattern: str, longest: int, wanted: str) -> str:
    # `$` would let a line end follow in Python, and in no other dialect.
    if len(value) > longest or value.endswith("\n") or not _COMPILED[pattern].search(value):
        raise PydanticCustomError("value_unfit", wanted)
    return value


def text(value: str) -> str:
    """Text of any number of lines, without white space at its ends."""
    return without_illegal(value).replace("\r\n", "\n").replace("\r", "\n").strip()


def _line(value: str) -> str:
    if len(value) > _LONGEST_LINE:
        raise PydanticCustomError("too_long", "write at most 5000 characters")
    return " ".join(without_illegal(value).split())


def _label(value: str) -> str:
    held = _held(value, VISIBLE, _LONGEST_LABEL, "write 1 to 300 characters, not all of them white space")
    return " ".join(without_illegal(held).split())


def story_id(value: str) -> str:
    """An id as it is kept: normalised (NFC), as what a browser sends is. Raises PydanticCustomError."""
    wanted = 'write at most 512 characters, no spaces, none of ? # < > " \\ and no / at an end'
    return unicodedata.normalize("NFC", without_illegal(_held(value, ID, LONGEST_ID, wanted)))


def _address(value: str) -> str:
    wanted = "write https://… or a path such as /world/story"
    found = without_illegal(_held(value, ADDRESS, _LONGEST_LINE, wanted))
    return _parted(found, wanted)


def _web_address(value: str) -> str:
    return _parted(
        without_illegal(_held(value, WEB_ADDRESS, _LONGEST_LINE, "write https://…")), "write https://…"
    )


def _parted(found: str, wanted: str) -> str:
    """A URL that can be taken apart still, without what was illegal in it."""
    try:
        _ = urlsplit(found).port
    except ValueError:
        raise PydanticCustomError("value_unfit", wanted) from None
    if found.startswith("//"):
        raise PydanticCustomError("value_unfit", wanted)
    return found


def _email(value: str) -> str:
    return without_illegal(_held(value, EMAIL, _LONGEST_LABEL, "write an address such as jane@example.org"))


def _language(value: str) -> str:
    return _held(value, LANGUAGE, _LONGEST_LABEL, "write a tag such as en or nl-BE")


def _media_type(value: str) -> str:
    return _held(value, MEDIA_TYPE, _LONGEST_LABEL, "write a media type such as image/jpeg").lower()


def _instant(value: Any) -> datetime:
    wanted = "write a date with time and offset, from 1970 on, such as 2026-02-11T14:00:00+01:00"
    if not isinstance(value, str):
        raise PydanticCustomError("date_unfit", wanted)
    try:
        moment = datetime.fromisoformat(_held(value, INSTANT, 64, wanted).upper())
    except ValueError:  # the 30th of February
        raise PydanticCustomError("date_unfit", wanted) from None
    try:
        return min(max(moment.astimezone(UTC), BEGINNING), _LATEST)
    except OverflowError:
        return _LATEST


def _whole(value: Any) -> Any:
    """JSON Schema takes 640.0 for an integer (draft 2020-12, §4.2.3 of its core), and some write it so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The schema of what is sent; what is shown comes of stories in files, too, whose rules are wider.
def _sent(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema}, mode="validation")


Text = Annotated[str, AfterValidator(text)]
Line = Annotated[str, AfterValidator(_line), _sent(maxLength=_LONGEST_LINE)]
Label = Annotated[str, AfterValidator(_label), _sent(maxLength=_LONGEST_LABEL, pattern=VISIBLE)]
StoryId = Annotated[str, AfterValidator(story_id), _sent(maxLength=LONGEST_ID, pattern=ID)]
Address = Annotated[str, AfterValidator(_address), _sent(maxLength=_LONGEST_LINE, pattern=ADDRESS)]
WebAddress = Annotated[str, AfterValidator(_web_address), _sent(maxLength=_LONGEST_LINE, pattern=WEB_ADDRESS)]
Email = Annotated[str, AfterValidator(_email), _sent(maxLength=_LONGEST_LABEL, pattern=EMAIL)]
Language = Annotated[str, AfterValidator(_language), _sent(maxLength=_LONGEST_LABEL, pattern=LANGUAGE)]
MediaType = Annotated[str, AfterValidator(_media_type), _sent(maxLength=_LONGEST_LABEL, pattern=MEDIA_TYPE)]
Instant = Annotated[
    datetime, BeforeValidator(_instant), _sent(format="date-time", maxLength=64, pattern=INSTANT)
]
# Pydantic would make a pattern of the names, which binds those alone that match it.
Syndication = Annotated[
    dict[Label, Level],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"maxLength": _LONGEST_LABEL, "pattern": VISIBLE},
            "additionalProperties": {"enum": list(LEVELS)},
        },
        mode="validation",
    ),
]
Pixels = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole)]
Bytes = Annotated[int, Field(ge=0, lt=10**15), BeforeValidator(_whole)]
