"""The types of settings: durations, sizes, URLs and the like, each with its error message.

Pure: knows no setting.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from feedsvc.domain import constraints, removals
from feedsvc.domain.urls import uri

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_FINE_UNITS = {"ms": 0.001, **_UNITS}
_SIZES = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


def _scaled(value: object, units: Mapping[str, int], wanted: str) -> object:
    """`5m` → 300 and `5MB` → 5000000, by `units`; a plain number stays."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value.strip())
        if not found or found[2] not in units:
            raise ValueError(wanted)
        return round(float(found[1]) * units[found[2]])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(wanted)
    return value


def _duration(value: object) -> object:
    return _scaled(value, _UNITS, 'write a duration such as "30s", "5m", "2h" or "1d"')


def _fine_duration(value: object) -> object:
    """Seconds with their fraction: 0.5, `0.5s`, `500ms`, `1m`."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip())
        if found and found[2] in _FINE_UNITS:
            return float(found[1]) * _FINE_UNITS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError('write a duration such as "0.5s", "500ms" or "1m"')


def _duration_or_auto(value: object) -> object:
    return value if value == "auto" else _duration(value)


def _size(value: object) -> object:
    return _scaled(value, _SIZES, 'write a size such as "500KB" or "5MB"')


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("write a whole number")
    return value


def _printable(value: str) -> str:
    # XML can't hold most control characters, and no title needs one.
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise ValueError("write plain text, without control characters")
    return value


def _namespaces(value: dict[str, str]) -> dict[str, str]:
    for prefix, address in value.items():
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", prefix, re.ASCII) or prefix.lower().startswith("xml"):
            raise ValueError(f"write a prefix of letters and digits instead of {prefix!r}")
        if prefix in _OWN_PREFIXES:
            raise ValueError(f"write another prefix; feedsvc has {prefix!r} itself")
        _namespace(address)
    return value


_OWN_PREFIXES = {"at", "atom", "content", "dc", "dcterms", "media", "sy"}


def _site_url(value: str) -> str:
    parts = urlsplit(_web_url(value))
    path = parts.path.rstrip("/")
    if parts.username or parts.query or parts.fragment or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError(
            'write an origin such as "https://news.example.org", with a path of letters, digits, - . _ ~ '
            'if the site is below one, "https://example.org/news"'
        )
    if {".", ".."} & set(path.split("/")):
        raise ValueError("write the path without . and ..")
    return value.rstrip("/")


def _host_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if value and not (host and port.isdecimal() and port.isascii() and 0 < int(port) < 65_536):
        raise ValueError('write an address and a port, "127.0.0.1:9100" or "[::1]:9100"')
    return value


def _web_url(value: str) -> str:
    """An absolute URL, checked as in stories; returned in ASCII, as it is in feeds."""
    if constraints.has_credentials(value):
        raise ValueError(f"it {constraints.NO_CREDENTIALS}")
    if not constraints.WEB_ADDRESS.accepts(value):
        raise ValueError('write an absolute URL such as "https://news.example.org"')
    return uri(value)


def _callback(value: str) -> str:
    """A URL that is never shown: it may hold a user name and password, sent as Basic authentication."""
    if not constraints.WEB_ADDRESS.accepts(constraints.without_credentials(value)):
        raise ValueError('write an absolute URL such as "https://news.example.org"')
    return value


def _namespace(value: str) -> str:
    # Must stay as written, as it is compared by character: https://www.w3.org/TR/xml-names/#NSNameComparison
    if uri(value) != value:
        raise ValueError('write an absolute URL in ASCII such as "https://news.example.org"')
    return _web_url(value)


def _mailbox(value: str) -> str:
    address = value.partition(" (")[0]
    if value and not (constraints.MAILBOX.accepts(value) and constraints.EMAIL.accepts(address)):
        raise ValueError(constraints.MAILBOX.wanted)
    return value


def _timezone(value: str) -> str:
    if value not in available_timezones():
        near = difflib.get_close_matches(value, available_timezones(), 1)
        raise ValueError(f'write an IANA time zone such as "{near[0] if near else "Europe/Brussels"}"')
    return value


def _authority(value: str) -> str:
    found = re.fullmatch(r"[A-Za-z0-9.@_-]+,(\d{4}(?:-\d\d(?:-\d\d)?)?)", value)
    try:
        complete = not value or bool(found and date.fromisoformat(f"{found[1]}-01-01"[:10]))
    except ValueError:
        complete = False
    if not complete:
        raise ValueError('write a name you own and a date you owned it, "news.example.org,2026" (RFC 4151)')
    return value


def _language(value: str) -> str:
    tag = value.replace("_", "-")  # as in stories
    if not constraints.LANGUAGE.accepts(tag):
        raise ValueError('write a language tag such as "en" or "nl-BE" (RFC 5646)')
    return tag


def _store_url(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
        raise ValueError('write "sqlite:///var/feedsvc.db" or "postgresql+psycopg://user@host/name"')
    return value.replace("postgresql://", "postgresql+psycopg://", 1)


_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("write a name of small letters, digits, - and _, which stands in URLs")
    return value


def _rate(value: object) -> object:
    """`60/m` → (60, 60): a number, and the seconds in which so many are allowed."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+) ?/ ?(\d*)(s|m|h|d)", value.strip())
        if found:
            return int(found[1]), int(found[2] or 1) * _UNITS[found[3]]
    elif isinstance(value, list | tuple):
        return value
    raise ValueError('write how many in what time, "60/m", "10/s" or "1000/h"')


def _removals(value: object) -> object:
    removals.parsed(value)
    return str(value).strip()


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError('write an address or a network such as "127.0.0.1" or "10.0.0.0/8"') from None


Duration = Annotated[int, BeforeValidator(_duration), Field(ge=0)]
FineDuration = Annotated[float, BeforeValidator(_fine_duration), Field(ge=0, allow_inf_nan=False)]
Patience = Annotated[FineDuration, Field(le=86_400)]
MaxAge = Annotated[Annotated[int, Field(ge=0)] | Literal["auto"], BeforeValidator(_duration_or_auto)]
Count = Annotated[int, BeforeValidator(_whole)]
Words = Annotated[str, AfterValidator(_printable)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]
SiteUrl = Annotated[str, AfterValidator(_site_url)]
HostPort = Annotated[str, AfterValidator(_host_port)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
CallbackUrl = Annotated[str, AfterValidator(_callback)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Authority = Annotated[str, AfterValidator(_authority)]
Language = Annotated[str, AfterValidator(_language)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Name = Annotated[str, AfterValidator(_name)]
Rate = Annotated[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]], BeforeValidator(_rate)]
Removals = Annotated[str, BeforeValidator(_removals)]
Network = Annotated[str, AfterValidator(_network)]
Namespaces = Annotated[dict[str, str], AfterValidator(_namespaces)]
