"""The values inside feeds: dates, URIs, languages, addresses, plain text. What is right, and what is not.

Pure: knows no element and no format.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.entities import name2codepoint
from unicodedata import normalize
from urllib.parse import SplitResult, unquote, urlsplit

from lxml import etree

from tests.validation.markup import KNOWN_ELEMENTS
from tests.validation.rules import words

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_RFC_822 = re.compile(
    rf"((Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d\d? ({_MONTHS}) \d{{4}} \d\d:\d\d(:\d\d)? ([+-]\d\d[03]0|GMT|UT|Z)"
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_W3CDTF = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9;/?:@&=+$.\-_!~*'(),#\[\]]|%[0-9A-Fa-f]{2})+")
_TAG = re.compile(
    r"tag:([a-z0-9._-]+@)?[a-z0-9.-]+,\d{4}(-\d\d(-\d\d)?)?:([A-Za-z0-9;/?:@&=+$.\-_!~*'(),#]|%[0-9A-F]{2})*"
)
_ADDRESS = re.compile(r"[\w.+'-]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w-]+=(\"[^\"]*\"|[\w.+-]+))*")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{1,8})*")
_ISO_639_1 = words(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz "
    "ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln "
    "lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi "
    "pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti "
    "tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_END_TAG = re.compile(r"</(\w+)>")
_REFERENCE = re.compile(r"&(#?\w+)")
_LOOKS_LIKE_MARKUP = re.compile(r"&#[x0-9]|<[/a-zA-Z]")
_NO_CHARACTERS = "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
_BAD = re.compile(f"[\x7f-\x9f\ufdd0-\ufdef\ufffd{_NO_CHARACTERS}]")


def rfc_822(text: str) -> datetime | None:
    """The instant of a date as the RSS profile wants it: RFC 822 with a year of four digits, and a zone."""
    if not _RFC_822.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def names_wrong_day(text: str) -> bool:
    """Whether a date of RFC 822 names a day of the week that it is not."""
    date = rfc_822(text)
    return date is not None and "," in text and date.strftime("%a") != text[:3]


def rfc_3339(text: str) -> datetime | None:
    """The instant of a date and time with a zone, as Atom and JSON Feed want it."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def is_w3cdtf(text: str) -> bool:
    """Whether it is a date of https://www.w3.org/TR/NOTE-datetime; a time has a zone."""
    try:
        return bool(_W3CDTF.fullmatch(text)) and (len(text) < 10 or bool(datetime.fromisoformat(text)))
    except ValueError:
        return False


def is_plausible(date: datetime, now: datetime) -> bool:
    """Whether a date lies between 1990 and ten minutes from now."""
    return datetime(1990, 1, 1, tzinfo=UTC) <= date <= now + timedelta(minutes=10)


def is_uri(text: str) -> bool:
    """Whether it is an absolute URI of legal characters (RFC 3986); a tag: URI as RFC 4151 has it."""
    if text.startswith("tag:"):
        return bool(_TAG.fullmatch(text))
    parts = _split(text)
    if parts is None or not _URI.fullmatch(text):
        return False
    return bool(parts.netloc) if parts.scheme in {"http", "https"} else True


def is_web_url(text: str) -> bool:
    """Whether it is an absolute http or https URL."""
    return is_uri(text) and text.startswith(("http://", "https://"))


def is_canonical(uri: str) -> bool:
    """Whether it is in the normal form of RFC 3986 §6.2.2, so that comparing characters compares URIs."""
    parts = _split(uri)
    if parts is None:
        return False
    escapes = _ESCAPE.findall(uri)
    path = unquote(parts.path)
    return (
        uri.startswith(f"{parts.scheme}:")
        and all(one == one.upper() and not _UNRESERVED.fullmatch(chr(int(one, 16))) for one in escapes)
        and normalize("NFC", path) == path
        and parts.netloc == parts.netloc.lower()
        and not parts.netloc.endswith((":80" if parts.scheme == "http" else ":443", ":"))
        and not {".", ".."} & set(parts.path.split("/") if parts.netloc else ())
        and not (parts.netloc and not parts.path)
    )


def is_language(text: str) -> bool:
    """Whether it is a language tag that begins with a code of ISO 639 (RFC 5646)."""
    found = _LANGUAGE.fullmatch(text)
    return found is not None and (len(found[1]) == 3 or found[1].lower() in _ISO_639_1)


def is_address(text: str) -> bool:
    """Whether it is a plain e-mail address."""
    return bool(_ADDRESS.fullmatch(text))


def is_address_with_name(text: str) -> bool:
    """Whether it is `desk@example.org (The Desk)`, as RSS wants people."""
    address, opened, name = text.partition(" (")
    return bool(opened) and name.endswith(")") and bool(name[:-1].strip()) and is_address(address)


def is_mime(text: str) -> bool:
    """Whether it is a media type (RFC 2045)."""
    return bool(_MIME.fullmatch(text))


def is_number(text: str, *, least: int = 0) -> bool:
    """Whether it is a whole number, at least so large."""
    return text.isascii() and text.isdigit() and int(text) >= least


def holds_tag(text: str) -> bool:
    """Whether plain text ends an HTML element: markup that was not meant to be read."""
    return any(name.lower() in KNOWN_ELEMENTS for name in _END_TAG.findall(text))


def is_ambiguous(text: str, *, tags: bool) -> bool:
    """Whether readers that take plain text for HTML would change it: references, and `tags` if so asked."""
    named = _REFERENCE.findall(text)
    return any(one in name2codepoint or one == "apos" or not one.isalpha() for one in named) or (
        tags and bool(_LOOKS_LIKE_MARKUP.search(text))
    )


def bad_characters(text: str) -> set[str]:
    """Characters that say an encoding went wrong (C1 controls, U+FFFD), and ones that are none at all."""
    return {f"U+{ord(char):04X}" for char in _BAD.findall(text)}


def texts_of(root: etree._Element) -> Iterator[str]:
    """Every text and attribute value of a document."""
    for element in root.iter():
        if isinstance(element.tag, str):
            yield element.text or ""
            yield from map(str, element.attrib.values())
        yield element.tail or ""


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts
