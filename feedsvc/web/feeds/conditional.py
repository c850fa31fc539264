"""The HTTP semantics of a conditional GET: which content-coding, which status.

Pure: knows no framework, no store and no clock. Field values and the time come in as arguments.
"""

import re
from collections.abc import Iterator
from datetime import date
from email.utils import formatdate
from math import floor
from typing import Final, Literal

from feedsvc.web.feeds.encoding import Coding

CODINGS: Final[tuple[Coding, ...]] = ("zstd", "br", "gzip", "identity")
"""The content-codings of feeds, best first: the order decides between equal weights."""

# A coding that no member names is not acceptable, except identity (RFC 9110 §12.5.3). It gets less than the
# least weight that a client can give, 0.001.
_UNNAMED_IDENTITY = 0.0005

_CODING_MEMBER = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)

# The tag is matched by its quotes, because it may contain a comma.
_ENTITY_TAG = re.compile(r'[ \t]*(W/)?("[^"]*")[ \t]*(?:,|\Z)')

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_DATE_FORMS = tuple(
    re.compile(form)
    for form in (
        f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT",
        f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT",
        f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_CLOCK} (?P<year>[0-9]{{4}})",
    )
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def choose_coding(accept_encoding: str | None) -> Coding | None:
    """The content-coding to respond with: the one of the highest weight; CODINGS decides between equal ones.

    `accept_encoding` is the field's value, None if the request has none: then, as for an empty one, identity.
    Malformed members are ignored; of two for the same coding the greater weight holds. Returns None if the
    client refuses identity and accepts no other of CODINGS. RFC 9110 §12.5.3; x-gzip: §8.4.1.3.
    """
    if accept_encoding is None:
        return "identity"
    weights = _weights(accept_encoding)
    others = weights.get("*")
    best: Coding | None = None
    best_weight = 0.0
    for coding in CODINGS:
        weight = weights.get(coding, others)
        if weight is None:
            weight = _UNNAMED_IDENTITY if coding == "identity" else 0.0
        if weight > best_weight:
            best, best_weight = coding, weight
    return best


def _weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for member in accept_encoding.split(","):
        found = _CODING_MEMBER.fullmatch(member)
        if found is None:
            continue
        named = found[1].lower()
        coding = "gzip" if named == "x-gzip" else named
        weights[coding] = max(weights.get(coding, 0.0), float(found[2] or 1))
    return weights


def entity_tags(field: str) -> Iterator[tuple[bool, str]]:
    """The members of an If-Match or If-None-Match list: whether each is weak, and its tag with the quotes.

    A malformed member is skipped up to the next comma. RFC 9110 §8.8.3.
    """
    position = 0
    while position < len(field):
        found = _ENTITY_TAG.match(field, position)
        if found:
            yield found[1] is not None, found[2]
            position = found.end()
            continue
        comma = field.find(",", position)
        if comma < 0:
            return
        position = comma + 1


def matches_strongly(if_match: str, etag: str) -> bool:
    """Whether If-Match is true for the strong `etag`: it lists the tag, not marked weak, or is `*`.

    RFC 9110 §13.1.1 and §8.8.3.2. A `*` among other members is malformed, and ignored.
    """
    if if_match.strip(" \t") == "*":
        return True
    return any(tag == etag and not weak for weak, tag in entity_tags(if_match))


def matches_weakly(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match lists the strong `etag`, weak or not, or is `*`; the condition is then false.

    RFC 9110 §13.1.2 and §8.8.3.2. A `*` among other members is malformed, and ignored.
    """
    if if_none_match == etag:
        return True
    if etag not in if_none_match:
        return if_none_match.strip(" \t") == "*"
    return any(tag == etag for _, tag in entity_tags(if_none_match))


def http_date(instant: float) -> str:
    """The whole second of `instant` (seconds since the epoch) as an IMF-fixdate (RFC 9110 §5.6.7)."""
    return formatdate(floor(instant), usegmt=True)


def parse_http_date(text: str, now: float) -> int | None:
    """Parse an HTTP date in any of its three forms to seconds since the epoch; None if it is malformed.

    `now` (seconds since the epoch) gives the century of an RFC 850 date's two-digit year: a date more than 50
    years ahead is in the past. The day's name need not fit the date. RFC 9110 §5.6.7.
    """
    for form in _DATE_FORMS:
        found = form.fullmatch(text.strip(" \t"))
        if found:
            break
    else:
        return None
    month = _MONTHS.index(found["month"]) + 1
    day = int(found["day"])
    seconds = int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"])
    try:
        if len(found["year"]) == 2:
            return _nearest_century(int(found["year"]), month, day, seconds, now)
        return _instant(int(found["year"]), month, day, seconds)
    except ValueError:
        return None


def _instant(year: int, month: int, day: int, seconds: int) -> int:
    return (date(year, month, day).toordinal() - _EPOCH_DAY) * 86_400 + seconds


def _nearest_century(digits: int, month: int, day: int, seconds: int, now: float) -> int:
    today = date.fromordinal(_EPOCH_DAY + floor(now) // 86_400)
    horizon = today.year + 50
    year = horizon - (horizon - digits) % 100
    if year == horizon and (month, day, seconds) > (today.month, today.day, floor(now) % 86_400):
        year -= 100
    return _instant(year, month, day, seconds)


def conditional_status(
    etag: str,
    changed_at: int | None,
    now: float,
    if_match: str | None,
    if_unmodified_since: str | None,
    if_none_match: str | None,
    if_modified_since: str | None,
) -> Literal[200, 304, 412]:
    """The status of a GET or HEAD under its preconditions, in the order of RFC 9110 §13.2.2.

    A field is None if the request does not have it; several lines of one come joined by commas. Malformed
    dates are ignored. With an If-None-Match, even one without a valid tag, If-Modified-Since is ignored
    (§13.1.3). `changed_at` and `now` are seconds since the epoch. `changed_at` may be later than `now`; it is
    None for what has no date, and then conditions on dates are ignored. `etag` is strong, with its quotes.
    """
    if if_match is not None:
        if not matches_strongly(if_match, etag):
            return 412
    elif if_unmodified_since is not None and changed_at is not None:
        limit = parse_http_date(if_unmodified_since, now)
        if limit is not None and changed_at > limit:
            return 412
    if if_none_match is not None:
        return 304 if matches_weakly(if_none_match, etag) else 200
    if if_modified_since is not None and changed_at is not None:
        since = parse_http_date(if_modified_since, now)
        if since is not None and changed_at <= since:
            return 304
    return 200
