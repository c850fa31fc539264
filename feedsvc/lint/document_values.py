"""What documents of more than one format hold: dates, addresses, numbers; and a fault found in one.

Must not know any format's elements.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from lxml import etree

from feedsvc.domain.constraints import WEB_ADDRESS

REPORT: Final = "please report this, with the stories of the feed"
NS: Final = {
    "a": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_RFC_822 = re.compile(
    r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d\d? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d(:\d\d)? ([+-]\d{4}|GMT|UT|Z|[ECMP][SD]T)",
    re.ASCII,
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]+""")


class Fault(NamedTuple):
    """What a document does wrong: the rule, what was seen and what to do, and where.

    `entry` is the guid or id of the item or entry concerned (its link, if it has neither); "" is the feed.
    """

    rule: str
    reason: str
    entry: str


def is_uri(text: str) -> bool:
    """Whether a text is an absolute URI; one of the web must be as `WEB_ADDRESS` has it."""
    has_web_scheme = text.lower().startswith(("http:", "https:"))
    return is_web(text) if has_web_scheme else _URI.fullmatch(text) is not None


def is_web(text: str) -> bool:
    """Whether a text is an absolute http(s) URL."""
    return WEB_ADDRESS.matches(text)


def is_number(text: str) -> bool:
    """Whether a text is a number without a sign."""
    return text.isascii() and text.isdigit() and len(text) < 20


def up_to(most: int) -> Callable[[str], bool]:
    """A check: whether a text is a number from 1 to `most`."""
    return lambda text: is_number(text) and 1 <= int(text) <= most


def instant(text: str) -> datetime | None:
    """The instant that a date of RFC 3339 names; None if it is no such date."""
    try:
        return datetime.fromisoformat(text) if _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None


def is_rfc_822(text: str) -> bool:
    """Whether a text is a date of RFC 822 with a year of four digits, on the right day of the week."""
    try:
        date = parsedate_to_datetime(text) if _RFC_822.fullmatch(text) else None
    except ValueError:
        return False
    return date is not None and ("," not in text or text[:3] == _DAYS[date.weekday()])


def text_of(element: etree._Element, path: str) -> str:
    """The text of the first child at `path`, stripped; "" if there is none."""
    return (element.findtext(path, "", NS) or "").strip()


def all_of(element: etree._Element, path: str) -> list[etree._Element]:
    """Every child at `path`."""
    return element.findall(path, NS)


def repeated(names: Iterable[str]) -> list[str]:
    """The names that stand more than once."""
    return [name for name, times in Counter(names).items() if name and times > 1]
