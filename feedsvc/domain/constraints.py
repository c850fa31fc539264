"""Which ids, URLs, languages, addresses and labels are valid: in files, API, configuration and lint alike.

Pure: values and limits; knows neither front matter, JSON documents nor settings. A caller may first normalise
what was written (white space, a path without its leading slash, `en_US`) and then check it here. The patterns
are part of the API's JSON Schema, too: a pattern and a maximum length alone decide, and the patterns use only
what every dialect of regular expressions supports.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from feedsvc.domain.model import BEGINNING

MOST_ITEMS: Final = 500
"""How many items a list may have: YAML aliases let a small file hold a list of billions."""
LONGEST_ID: Final = 512
LONGEST_LABEL: Final = 300
LONGEST_LINE: Final = 5_000
"""In characters (code points), as JSON Schema counts them. URLs are lines."""
LONGEST_TEXT: Final = 100_000
"""In characters: a summary, a correction, a reason. Only a body may be longer."""
LONGEST_HOST: Final = 253
"""In characters (RFC 1035 §2.3.4: 255 octets, less the first length octet and the root label)."""
MOST_PIXELS: Final = 1_000_000
MOST_BYTES: Final = 10**15 - 1
EARLIEST: Final = BEGINNING
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""One day before the last date there is: a date that stands for "never" must exist in every time zone."""

_PLANE_ENDS: Final = "".join(
    f"{chr(plane << 16 | 0xFFFE)}-{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17)
)
_UNSEEN: Final = (
    r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufdd0-\ufdef\ufffd-\uffff"
    + _PLANE_ENDS
)
"""White space, and the characters that no feed may carry (see `xml_text.ILLEGAL`)."""

_NOT_IN_ID: Final = rf'{_UNSEEN}?#\\<>"/'
_ID_PART: Final = rf"(?:\.{{0,2}}[^{_NOT_IN_ID}.][^{_NOT_IN_ID}]*|\.{{3}}[^{_NOT_IN_ID}]*)"

_NOT_IN_URL: Final = rf'{_UNSEEN}<>"\\^`{{|}}'
_REST: Final = f"[^{_NOT_IN_URL}]*"
# Characters that a browser's normalisation turns into one that ends a host or a label (℀ → a/c, ． → a dot).
_MARKS: Final = (
    r"\u00a8\u00af\u00b4\u00b8\u2000-\u206f\u2100\u2101\u2105\u2106\u2a74\ufe10-\ufe1f\ufe30-\ufe6f"
    r"\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_NAME: Final = rf"[^{_NOT_IN_URL}{_MARKS}/?#@:%\[\]]{{1,{LONGEST_HOST}}}"
_HEX: Final = "[0-9A-Fa-f]{1,4}"
_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LAST: Final = rf"(?:{_HEX}:{_HEX}|{_BYTE}(?:\.{_BYTE}){{3}})"


def _ipv6() -> str:
    """The nine forms of an IPv6 address, by the place of `::` (RFC 3986 §3.2.2)."""
    forms = [f"(?:{_HEX}:){{6}}{_LAST}"]
    for before in range(8):
        left = f"(?:(?:{_HEX}:){{0,{before - 1}}}{_HEX})?" if before else ""
        after = 5 - before
        right = f"(?:{_HEX}:){{{after}}}{_LAST}" if after >= 0 else _HEX if after == -1 else ""
        forms.append(f"{left}::{right}")
    return "|".join(forms)


_HOST: Final = rf"(?:{_NAME}|\[(?:{_ipv6()})\])"
_PORT: Final = (
    "(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
_SCHEME: Final = "[Hh][Tt][Tt][Pp][Ss]?://"
_WEB: Final = f"{_SCHEME}{_HOST}{_PORT}(?:[/?#]{_REST})?"
_PATH: Final = rf"/(?:[^/{_NOT_IN_URL}]{_REST})?"
_RELATIVE: Final = rf"[^/:?#{_NOT_IN_URL}]+(?:[/?#]{_REST})?"
_IN_ADDRESS: Final = rf'[^{_UNSEEN}@<>"(),:;\[\]\\]+'
_LANGUAGE: Final = "[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*"


@dataclass(frozen=True, slots=True)
class Constraint:
    """The rule for a text: a pattern, the most characters, and what to write instead of a refused value.

    The pattern is anchored at both ends, except that of `LABEL`, which requires one character anywhere.
    """

    pattern: str
    longest: int
    wanted: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # In Python `$` also matches before a final line end, which JSON Schema's dialect does not allow.
        expression = self.pattern[:-1] + r"\Z" if self.pattern.endswith("$") else self.pattern
        object.__setattr__(self, "_expression", re.compile(expression))

    def accepts(self, text: str) -> bool:
        """Whether `text` is valid as it is."""
        return len(text) <= self.longest and self._expression.search(text) is not None

    def matches(self, text: str) -> bool:
        """Whether `text` matches the pattern, however long: a body may hold longer URLs than a field."""
        return self._expression.search(text) is not None


LABEL: Final = Constraint(
    f"[^{_UNSEEN}]", LONGEST_LABEL, f"write 1 to {LONGEST_LABEL} characters, not all of them white space"
)
"""A name from which a slug is made. At least one of its characters is visible."""
ID: Final = Constraint(
    rf"^{_ID_PART}(?:/+{_ID_PART})*$",
    LONGEST_ID,
    f"write at most {LONGEST_ID} characters, no spaces, no user name or password, "
    'none of ? # < > " \\ and no / at an end',
)
"""A story's id, which becomes part of URLs: parts separated by slashes, none of them `.` or `..`."""
ID_WITH_CREDENTIALS: Final = "^(?:[A-Za-z][A-Za-z0-9+.-]*:/{2,}|[Hh][Tt][Tt][Pp][Ss]?:/?)[^/]*@"
"""How no id may begin: every feed shows the id, and so would show the user name and password in it."""
_ID_WITH_CREDENTIALS: Final = re.compile(ID_WITH_CREDENTIALS)
WEB_ADDRESS: Final = Constraint(f"^{_WEB}$", LONGEST_LINE, "write https://…")
"""An absolute URL (http, https) of any host, without user name and password. Ports are 1 to 65535."""
ADDRESS: Final = Constraint(
    f"^(?:{_WEB}|{_PATH})$", LONGEST_LINE, "write https://… or a path such as /world/story"
)
"""A URL that is not relative to a story: absolute, or a path on the site. `//host/x` is neither."""
REFERENCE: Final = Constraint(
    f"^(?:{_WEB}|{_PATH}|{_RELATIVE})$", LONGEST_LINE, "write https://… or a path such as /media/name"
)
"""The URL of a picture or file: absolute, a path on the site, or relative to the story's own URL."""
EMAIL: Final = Constraint(
    f"^{_IN_ADDRESS}@{_IN_ADDRESS}$", LONGEST_LABEL, "write an address such as jane@example.org"
)
MAILBOX: Final = Constraint(
    rf"^{_IN_ADDRESS}@{_IN_ADDRESS}(?: \([^()]+\))?$",
    LONGEST_LINE,
    'write an address and a name, "desk@example.org (The Desk)"',
)
"""An e-mail address, perhaps with a name after it: https://www.rssboard.org/rss-profile#data-types-email"""
LANGUAGE: Final = Constraint(f"^{_LANGUAGE}$", LONGEST_LABEL, "write a tag such as en or nl-BE")
"""A language tag (RFC 5646) that begins with an ISO 639 code.

Primary subtags of four letters are reserved, and longer ones were never registered (§2.2.1), so `english` is
refused. Tags that begin with `x-` or `i-` are unknown to feed readers and to validators of feeds.
"""
MEDIA_TYPE: Final = Constraint(
    "^[A-Za-z0-9][A-Za-z0-9_.+-]*/[A-Za-z0-9_.+-]+$", LONGEST_LABEL, "write a media type such as image/jpeg"
)
"""A media type without parameters (RFC 6838 §4.2). It is stored in lower case."""
INSTANT: Final = Constraint(
    "^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$",
    64,
    "write a date with time and offset, from 1970 on, such as 2026-02-11T14:00:00+01:00",
)
"""An RFC 3339 timestamp from 1970 on. The pattern does not check whether the month has that day."""

TEXTS_SHOWN: Final = ("title", "summary", "correction", "dateline", "rights")
"""The fields of a story that feeds show as text, as their author wrote it, with the URLs in it."""
NO_CREDENTIALS: Final = "holds a user name or password, which no feed may carry; write the URL without it"

# Browsers read any number of slashes or backslashes as two: https://url.spec.whatwg.org/#url-parsing
_CREDENTIALS: Final = re.compile(
    r"\s*(?:([a-z][a-z0-9+.-]*:)[/\\]{2,}|(https?:)[/\\]?|([/\\]{2,}))[^/?#\\]*@", re.IGNORECASE
)
# The scheme is not matched: in `a.a.a.…` one may begin at each dot, and each would be read to the end.
_IN_WORDS: Final = re.compile(r"""(?<=[a-z0-9+.-])://[^\s/?#<>"\\]*@(?=[^\s<>"])""", re.IGNORECASE)


def story_id(text: str) -> str | None:
    """An id as it is stored: normalised to NFC, the form in which browsers send it. None if it is not valid.

    It may have `LONGEST_ID` characters at most, both as written and as stored. A URL with a user name or
    password is not valid.
    """
    if not ID.accepts(text) or _ID_WITH_CREDENTIALS.match(text):
        return None
    kept = unicodedata.normalize("NFC", text)
    return kept if len(kept) <= LONGEST_ID else None


def has_credentials(url: str) -> bool:
    """Whether a URL, of any scheme, holds a user name or a password."""
    return "@" in url and _CREDENTIALS.match(url) is not None


def without_credentials(url: str, instead: str = "") -> str:
    """The same URL with `instead` (`…@` in an error message) in place of user name and password."""
    if "@" not in url:
        return url
    return _CREDENTIALS.sub(lambda found: f"{found[1] or found[2] or ''}//{instead}", url, count=1)


def shows_credentials(text: str) -> bool:
    """Whether a URL written out within a text holds a user name or a password."""
    return "@" in text and "://" in text and _IN_WORDS.search(text) is not None


def without_shown_credentials(text: str, instead: str = "") -> str:
    """The text with `instead` in place of every user name and password in its URLs."""
    return _IN_WORDS.sub(f"://{instead}", text) if shows_credentials(text) else text


def masked(text: str) -> str:
    """A text or URL as an error message may show it, without credentials: `https://…@intranet.example/x`."""
    return without_credentials(without_shown_credentials(text, "…@"), "…@")


def in_time(moment: datetime) -> datetime | None:
    """An aware instant as it is stored: UTC, within `EARLIEST` and `LATEST`. None if its year is before 1970.

    The year is that of the instant's own time zone: midnight of 1 January 1970 is accepted in every zone.
    """
    if moment.year < EARLIEST.year:
        return None
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:  # the last hours of 9999, west of Greenwich
        return LATEST
