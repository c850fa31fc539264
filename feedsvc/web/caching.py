"""The HTTP semantics of a feed: which content-coding, which status, which header fields.

Pure: knows no framework, no store and no clock. Field values and the time come in as arguments.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from email.utils import formatdate
from math import floor, inf
from typing import Final, Literal, NamedTuple

from feedsvc.model import CONTENT_TYPES, Format, Representation, Site
from feedsvc.urls import feed_url
from feedsvc.web.encoding import Coding, encoded

Headers = tuple[tuple[str, str], ...]

CODINGS: Final[tuple[Coding, ...]] = ("zstd", "br", "gzip", "identity")
"""What a feed can be had as, best first: the order decides between equal weights."""

# A coding that no member names is not acceptable, but identity is (RFC 9110 §12.5.3): less wanted than
# anything the client did name, whose weight is at least 0.001.
_UNNAMED_IDENTITY = 0.0005

_CODING_MEMBER = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)

# The tag is matched by its quotes, so that a comma in it does not end it.
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
    """The content-coding to answer with: the one of the highest weight, by our order among equals.

    `accept_encoding` is the field's value, None if the request has none: then, as for an empty one, identity.
    Members that break the grammar are ignored, and of two for one coding the greater weight holds. Returns
    None if the client refuses identity and accepts nothing else there is. RFC 9110 §12.5.3; x-gzip: §8.4.1.3.
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
    """The members of an If-Match or If-None-Match list: whether it is weak, and the tag with its quotes.

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
    """Whether If-Match holds for the strong `etag`: the list has it, not marked weak, or the field is `*`.

    RFC 9110 §13.1.1 and §8.8.3.2. A `*` among other members is malformed, and ignored.
    """
    if if_match.strip(" \t") == "*":
        return True
    return any(tag == etag and not weak for weak, tag in entity_tags(if_match))


def matches_weakly(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match names the strong `etag`, weak or not, or is `*`: then its condition is false.

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
    """An HTTP date in any of its three forms, in seconds since the epoch; None if it is none of them.

    `now` (seconds since the epoch) places the two digits of an RFC 850 year: more than 50 years ahead means
    the past. The name of the day is not held against the date. RFC 9110 §5.6.7.
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


class Freshness(NamedTuple):
    """How long caches may keep a feed, in seconds, and show it after that while they ask or get errors.

    `valid_until` (seconds since the epoch) is when a story in it expires: no cache may show it any more.
    """

    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    valid_until: float = inf

    @property
    def unlimited_until(self) -> float:
        """The last instant (seconds since the epoch) at which no limit reaches beyond `valid_until`."""
        return self.valid_until - self.max_age - max(self.stale_while_revalidate, self.stale_if_error)

    def seconds_left(self, now: float) -> int:
        """Whole seconds from `now` (since the epoch) to an expiry there is; negative when it has passed."""
        return floor(self.valid_until - now)


def cache_control(freshness: Freshness, now: float, *, for_one: bool = False) -> str:
    """The Cache-Control of a feed sent at `now`, seconds since the epoch (RFC 9111 §5.2.2, RFC 5861).

    With `for_one`, no cache but that of the one who asked may keep it.
    Ahead of an expiry each limit is cut, so that nothing is kept or shown beyond it, and one of which nothing
    is left is left out. Without any, a cache must not show the feed stale even if it is cut off (§4.2.4).
    """
    max_age, on_revalidation, on_error, _ = freshness
    whose = "private" if for_one else "public"
    if now <= freshness.unlimited_until:
        return (
            f"{whose}, max-age={max_age}, stale-while-revalidate={on_revalidation}, stale-if-error={on_error}"
        )
    left = max(freshness.seconds_left(now), 0)
    max_age = min(max_age, left)
    limits = {
        "stale-while-revalidate": min(on_revalidation, left - max_age),
        "stale-if-error": min(on_error, left - max_age),
    }
    stale = [f"{name}={limit}" for name, limit in limits.items() if limit] or ["must-revalidate"]
    return ", ".join([whose, f"max-age={max_age}", *stale])


def link(site: Site, key: str, fmt: Format, partner: str = "") -> str:
    """The Link of a feed (RFC 8288): its own URL, and the site's hub if there is one (WebSub §4).

    A hub hands on what it fetches to whoever asks: a partner's feed has none.
    """
    own = f'<{feed_url(site, key, fmt, partner)}>; rel="self"'
    return f'{own}, <{site.hub}>; rel="hub"' if site.hub and not partner else own


@dataclass(frozen=True, slots=True)
class Variant:
    """One representation under one content-coding, ready to be sent.

    `changed_at` is in whole seconds since the epoch, and `last_modified` the same as an HTTP date. `etag` is
    strong and has its quotes. The header fields hold for an answer sent at `ready_until` (seconds since the
    epoch) at the latest; after that see `nearer_expiry`.
    """

    coding: Coding
    body: bytes
    etag: str
    changed_at: int
    last_modified: str
    headers_200: Headers
    headers_304: Headers
    freshness: Freshness
    ready_until: float


def ready_variant(
    representation: Representation,
    coding: Coding,
    site: Site,
    stale_while_revalidate: int,
    stale_if_error: int,
) -> Variant:
    """`representation` under `coding`, with the header fields of its 200 and its 304; limits in seconds.

    They are those of long before a story expires, if one ever does.

    The 304 repeats what RFC 9110 §15.4.5 asks for, and no Content-* field.
    """
    body = encoded(representation.body, coding)
    suffix = "" if coding == "identity" else f"-{coding}"
    etag = f'"{representation.digest}{suffix}"'
    changed_at = floor(representation.changed_at.timestamp())
    last_modified = http_date(changed_at)
    expiry = representation.valid_until
    freshness = Freshness(
        representation.max_age, stale_while_revalidate, stale_if_error, expiry.timestamp() if expiry else inf
    )
    for_one = bool(representation.partner)
    shared: Headers = (
        ("ETag", etag),
        ("Cache-Control", cache_control(freshness, -inf, for_one=for_one)),
        ("Vary", "Authorization, Accept-Encoding" if for_one else "Accept-Encoding"),
        ("Link", link(site, representation.key, representation.format, representation.partner)),
    )
    content: Headers = (
        ("Content-Type", CONTENT_TYPES[representation.format]),
        ("Content-Length", str(len(body))),
        ("Last-Modified", last_modified),
        ("X-Content-Type-Options", "nosniff"),
    )
    if coding != "identity":
        content += (("Content-Encoding", coding),)
    return Variant(
        coding,
        body,
        etag,
        changed_at,
        last_modified,
        content + shared,
        shared,
        freshness,
        freshness.unlimited_until,
    )


def nearer_expiry(variant: Variant, now: float) -> Variant:
    """The variant as it is sent at `now` (seconds since the epoch), after its `ready_until`.

    It holds for all the second: what it says follows from the whole seconds that are left.
    """
    freshness = variant.freshness
    for_one = dict(variant.headers_304)["Cache-Control"].startswith("private")
    field = cache_control(freshness, now, for_one=for_one)

    def limited(headers: Headers) -> Headers:
        return tuple((name, field if name == "Cache-Control" else value) for name, value in headers)

    return replace(
        variant,
        headers_200=limited(variant.headers_200),
        headers_304=limited(variant.headers_304),
        ready_until=freshness.valid_until - freshness.seconds_left(now),
    )


_AHEAD = 5
"""How many seconds Last-Modified may be ahead of Date."""


def headers_at(variant: Variant, now: float) -> Headers:
    """The header fields of a 200 sent at `now` (seconds since the epoch).

    Several changes in one second run the stored instant ahead of the clock, by a second each. Last-Modified
    must not be later than the answer's Date (RFC 9110 §8.8.2.1), and it must not move while bytes don't: for
    a few seconds, less than clocks differ by, the second rule is kept; beyond them it shows `now`.
    """
    if variant.changed_at > now + _AHEAD:
        return tuple(
            (name, http_date(now) if name == "Last-Modified" else field)
            for name, field in variant.headers_200
        )
    return variant.headers_200


def opened_as_page(headers: Headers) -> Headers:
    """The header fields of an RSS or Atom feed for a browser that opens it as a page, in place of `headers`.

    Chromium applies a style sheet to application/xml, and shows a feed's own media type as source text,
    whatever other fields say. The bytes are the same, and so is the strong ETag (RFC 9110 §8.8.1). The answer
    is private, so that no shared cache gives it to a feed reader; and nothing runs in it.
    """
    as_page = [(name, _AS_PAGE[name](field) if name in _AS_PAGE else field) for name, field in headers]
    return (*as_page, ("Content-Security-Policy", "default-src 'none'; style-src http: https:"))


_AS_PAGE: Final[dict[str, Callable[[str], str]]] = {
    "Content-Type": lambda _: "application/xml; charset=utf-8",
    "Cache-Control": lambda field: field.replace("public", "private", 1),
    "Vary": lambda field: f"{field}, Sec-Fetch-Dest",
}


def conditional_status(
    variant: Variant,
    now: float,
    if_match: str | None,
    if_unmodified_since: str | None,
    if_none_match: str | None,
    if_modified_since: str | None,
) -> Literal[200, 304, 412]:
    """The status of a GET or HEAD under its preconditions, in the order of RFC 9110 §13.2.2.

    The fields are None where the request has none; several lines of one come joined by commas. Dates that
    are no HTTP dates are ignored; an If-None-Match puts If-Modified-Since out of force even if it names no
    tag (§13.1.3). Compared is the stored instant, which may be ahead of `now` (seconds since the epoch).
    """
    if if_match is not None:
        if not matches_strongly(if_match, variant.etag):
            return 412
    elif if_unmodified_since is not None:
        limit = parse_http_date(if_unmodified_since, now)
        if limit is not None and variant.changed_at > limit:
            return 412
    if if_none_match is not None:
        return 304 if matches_weakly(if_none_match, variant.etag) else 200
    if if_modified_since is not None:
        if if_modified_since == variant.last_modified:
            return 304
        since = parse_http_date(if_modified_since, now)
        if since is not None and variant.changed_at <= since:
            return 304
    return 200
