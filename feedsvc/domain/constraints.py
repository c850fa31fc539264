"""What ids, URLs, languages, addresses and labels may be: the rules of files, API, configuration and lint.

Pure: values and limits; knows neither front matter, JSON documents nor settings. A caller may first put what
was written in order (white space, a path without its slash, `en_US`), and then asks here. The patterns stand
in the API's JSON Schema as well: together with a length they alone decide, and they keep to what every
dialect of regular expressions has.
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
"""In characters (RFC 1035 §2.3.4, without the dots and lengths that nobody writes)."""
MOST_PIXELS: Final = 1_000_000
MOST_BYTES: Final = 10**15 - 1
EARLIEST: Final = BEGINNING
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""The end of time, a day early: what is written for "never" must have a date in every zone."""

_PLANE_ENDS: Final = "".join(
    f"{chr(plane << 16 | 0xFFFE)}-{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17)
)
_UNSEEN: Final = (
    r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufdd0-\ufdef\ufffd-\uffff"
    + _PLANE_ENDS
)
"""White space, and what no feed may carry (see `characters.ILLEGAL`)."""

_NOT_IN_ID: Final = rf'{_UNSEEN}?#\\<>"/'
_ID_PART: Final = rf"(?:\.{{0,2}}[^{_NOT_IN_ID}.][^{_NOT_IN_ID}]*|\.{{3}}[^{_NOT_IN_ID}]*)"

_NOT_IN_URL: Final = rf'{_UNSEEN}<>"\\^`{{|}}'
_REST: Final = f"[^{_NOT_IN_URL}]*"
# Beyond what ends a host: what becomes such a mark once a browser has normalised it (℀ is a/c, ． is a dot).
_MARKS: Final = (
    r"\u00a8\u00af\u00b4\u00b8\u2000-\u206f\u2100\u2101\u2105\u2106\u2a74\ufe10-\ufe1f\ufe30-\ufe6f"
    r"\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_NAME: Final = rf"[^{_NOT_IN_URL}{_MARKS}/?#@:%\[\]]{{1,{LONGEST_HOST}}}"
_HEX: Final = "[0-9A-Fa-f]{1,4}"
_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LAST: Final = rf"(?:{_HEX}:{_HEX}|{_BYTE}(?:\.{_BYTE}){{3}})"


def _ipv6() -> str:
    """The nine forms of https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2, which differ in their `::`."""
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
    """What a text must be: a pattern, the most characters, and what to write instead of what is refused.

    The pattern is anchored at both ends, but for `LABEL`'s, which asks for one character anywhere.
    """

    pattern: str
    longest: int
    wanted: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # `$` lets a line end follow in Python, and in no other dialect.
        expression = self.pattern[:-1] + r"\Z" if self.pattern.endswith("$") else self.pattern
        object.__setattr__(self, "_expression", re.compile(expression))

    def accepts(self, text: str) -> bool:
        """Whether `text` may stand as it is."""
        return len(text) <= self.longest and self._expression.search(text) is not None

    def matches(self, text: str) -> bool:
        """Whether `text` is of the form, however long: a body may hold longer URLs than a key."""
        return self._expression.search(text) is not None


LABEL: Final = Constraint(
    f"[^{_UNSEEN}]", LONGEST_LABEL, f"write 1 to {LONGEST_LABEL} characters, not all of them white space"
)
"""A name that makes a slug. One character of it shows: text without any is none."""
ID: Final = Constraint(
    rf"^{_ID_PART}(?:/+{_ID_PART})*$",
    LONGEST_ID,
    f"write at most {LONGEST_ID} characters, no spaces, no user name or password, "
    'none of ? # < > " \\ and no / at an end',
)
"""A story's id, which stands in URLs: parts between slashes, none of which is `.` or `..`."""
ID_WITH_CREDENTIALS: Final = "^(?:[A-Za-z][A-Za-z0-9+.-]*:/{2,}|[Hh][Tt][Tt][Pp][Ss]?:/?)[^/]*@"
"""What no id may begin as: every feed shows it, and the name and password in it."""
_ID_WITH_CREDENTIALS: Final = re.compile(ID_WITH_CREDENTIALS)
WEB_ADDRESS: Final = Constraint(f"^{_WEB}$", LONGEST_LINE, "write https://…")
"""An absolute URL (http, https) of any host, without user name and password. Ports are 1 to 65535."""
ADDRESS: Final = Constraint(
    f"^(?:{_WEB}|{_PATH})$", LONGEST_LINE, "write https://… or a path such as /world/story"
)
"""A URL that stands alone: absolute, or a path on the site. `//host/x` is neither."""
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
"""An e-mail address, with a name behind it or without: https://www.rssboard.org/rss-profile#data-types-email"""
LANGUAGE: Final = Constraint(f"^{_LANGUAGE}$", LONGEST_LABEL, "write a tag such as en or nl-BE")
"""A language tag (RFC 5646) that begins with an ISO 639 code.

Four letters are reserved, and longer names were never registered (its section 2.2.1): `english` is none. Tags
that begin with `x-` or `i-` are unknown to readers, and to validators of feeds.
"""
MEDIA_TYPE: Final = Constraint(
    "^[A-Za-z0-9][A-Za-z0-9_.+-]*/[A-Za-z0-9_.+-]+$", LONGEST_LABEL, "write a media type such as image/jpeg"
)
"""https://www.rfc-editor.org/rfc/rfc6838#section-4.2, without parameters. It is kept in lower case."""
INSTANT: Final = Constraint(
    "^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$",
    64,
    "write a date with time and offset, from 1970 on, such as 2026-02-11T14:00:00+01:00",
)
"""RFC 3339 from 1970 on, as programs write it; which months have 31 days is left to the calendar."""

TEXTS_SHOWN: Final = ("title", "summary", "correction", "dateline", "rights")
"""The fields of a story whose lines feeds show as people wrote them, with the URLs in them."""
NO_CREDENTIALS: Final = "holds a user name or password, which no feed may carry; write the URL without it"

# Browsers take any number of slashes for two, also backslashes: https://url.spec.whatwg.org/#url-parsing
_CREDENTIALS: Final = re.compile(
    r"\s*(?:([a-z][a-z0-9+.-]*:)[/\\]{2,}|(https?:)[/\\]?|([/\\]{2,}))[^/?#\\]*@", re.IGNORECASE
)
# Not from the scheme's beginning: `a.a.a.…` may have one at each dot, and would be read from each to its end.
_IN_WORDS: Final = re.compile(r"""(?<=[a-z0-9+.-])://[^\s/?#<>"\\]*@(?=[^\s<>"])""", re.IGNORECASE)


def story_id(text: str) -> str | None:
    """An id as it is kept: normalised (NFC), as what a browser sends is. None if it is no id.

    At most `LONGEST_ID` characters, as written and as kept. A URL with a user name or password is none.
    """
    if not ID.accepts(text) or _ID_WITH_CREDENTIALS.match(text):
        return None
    kept = unicodedata.normalize("NFC", text)
    return kept if len(kept) <= LONGEST_ID else None


def has_credentials(url: str) -> bool:
    """Whether a URL, of whatever scheme, holds a user name or a password."""
    return "@" in url and _CREDENTIALS.match(url) is not None


def without_credentials(url: str, instead: str = "") -> str:
    """The same URL without user name and password; an error may show `…@` instead of them."""
    if "@" not in url:
        return url
    return _CREDENTIALS.sub(lambda found: f"{found[1] or found[2] or ''}//{instead}", url, count=1)


def shows_credentials(text: str) -> bool:
    """Whether a URL in a text, as people write it out, holds a user name or a password."""
    return "@" in text and "://" in text and _IN_WORDS.search(text) is not None


def without_shown_credentials(text: str, instead: str = "") -> str:
    """A text whose URLs hold no user name and no password, but `instead`."""
    return _IN_WORDS.sub(f"://{instead}", text) if shows_credentials(text) else text


def masked(text: str) -> str:
    """A text, or a URL however it is written, as an error may show it: `https://…@intranet.example/x`."""
    return without_credentials(without_shown_credentials(text, "…@"), "…@")


def in_time(moment: datetime) -> datetime | None:
    """An aware instant as it is kept: UTC, within `EARLIEST` and `LATEST`. None if its year is before 1970.

    The year counts as it is written, in the instant's own zone: midnight of 1 January 1970 is kept anywhere.
    """
    if moment.year < EARLIEST.year:
        return None
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:  # the last hours of 9999, west of Greenwich
        return LATEST
