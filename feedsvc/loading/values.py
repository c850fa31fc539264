"""One value of front matter → text, a flag, a number, labels; or what was seen and what is wanted.

Pure: knows the shapes values come in (all text from YAML, typed from TOML and JSON), never what a key means.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

from feedsvc.domain import constraints
from feedsvc.domain.constraints import LONGEST_LABEL, LONGEST_LINE, LONGEST_TEXT, MOST_ITEMS, Constraint
from feedsvc.loading.errors import FieldError, Rule
from feedsvc.loading.plain import plain

_TRUE: Final = frozenset(
    {
        "true",
        "yes",
        "on",
        "y",
        "1",
        "oui",
        "ja",
        "sí",
        "si",
        "sì",
        "sim",
        "tak",
        "да",
        "是",
        "verdadero",
        "vrai",
    }
)
_FALSE: Final = frozenset(
    {"false", "no", "off", "n", "0", "non", "nein", "nee", "nej", "não", "nie", "нет", "否", "falso", "faux"}
)
_SIMPLE: Final = re.compile(r"[\w .,'’–-]{1,100}")
_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_NOT_IN_URL: Final = re.compile(r'[\x00-\x20<>"^`{|}]')
_COLON_FIRST: Final = re.compile("[^/?#:]*:")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Written(NamedTuple):
    """A value with the key it stands under. `part` names where within it, if it is a list or a mapping.

    `literal` says that it is plain text already: what looks like a tag or a reference in it is none.
    """

    key: str
    value: object
    part: str = ""
    literal: bool = False

    def unfit(self, wanted: str, rule: Rule) -> FieldError:
        """The error that shows this value and says what it should be, such as `is not a date; write …`."""
        return FieldError(self.key, f"{self.key}{self.part}: {shown(self.value)} {wanted}", rule)

    @property
    def is_empty(self) -> bool:
        """Whether the key stands there with nothing behind it, as in a template nobody filled in."""
        value = self.value
        if isinstance(value, str):
            return not value or value.isspace()
        return value is None or value in ([], {})


@lru_cache(maxsize=1_024)  # few keys stand in very many stories
def normalised(key: str) -> str:
    """A key without what authors write differently: `Last-Modified`, `last_modified` → `lastmodified`."""
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


def place(fields: dict[str, Written], written: Written, name: str) -> None:
    """Put a value among `fields` under its key, or `name` if that is a part's.

    An empty one gives way to another spelling of its key. Raises FieldError if two hold different things:
    nobody can tell which of two embargoes was meant.
    """
    key = normalised(name)
    other = fields.get(key)
    if other is None or other.is_empty:
        fields[key] = written
    elif not written.is_empty and not _is_same(other.value, written.value):
        told = f"{written.key}{written.part}: is written twice, as {other.key}{other.part}, too; keep one"
        raise FieldError(written.key, told, "duplicate-key")


def _is_same(value: object, other: object) -> bool:
    # Two lists built of YAML aliases may take forever to compare.
    is_nested = isinstance(value, list | dict) or isinstance(other, list | dict)
    return value is other or (not is_nested and type(value) is type(other) and value == other)


def shown(value: object) -> str:
    """A value as an error message shows it: short, and never expanded."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            # What is wrong with a URL may be the password in it: errors go to logs, and to `feedsvc status`.
            safe = constraints.masked(value)
            return repr(safe if len(safe) <= 60 else safe[:57] + "...")
        case int() if value.bit_length() > 200:
            return "a huge number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case date() | time():
            return value.isoformat()
    return str(value)


def text(written: Written) -> str:
    """Text of any number of lines, without white space at its ends."""
    match written.value:
        case str() as found:
            return (found.replace("\r\n", "\n").replace("\r", "\n") if "\r" in found else found).strip()
        case bool():
            raise written.unfit("is not text; put it in quotes", "text-invalid")
        case list() | dict() | None:
            raise written.unfit("is not text; write text here", "text-invalid")
        case datetime():
            return written.value.isoformat(sep=" ")
    return shown(written.value)


def line(written: Written, longest: int = LONGEST_LINE) -> str:
    """Text of one line, runs of white space made one space. At most `longest` characters."""
    found = text(written)
    if len(found) > longest:
        raise written.unfit(f"is too long; write at most {longest} characters", "too-long")
    return " ".join(found.split())


def plain_text(written: Written) -> str:
    """Text of any number of lines for people to read: without tags, and with references resolved.

    At most `LONGEST_TEXT` characters.
    """
    found = text(written)
    if len(found) > LONGEST_TEXT:
        raise written.unfit(f"is too long; write at most {LONGEST_TEXT:,} characters", "too-long")
    return found if written.literal else plain(found).strip()


def plain_line(written: Written, longest: int = LONGEST_LINE) -> str:
    """One line for people to read: without tags, and with references resolved."""
    found = line(written, longest)
    return found if written.literal else " ".join(plain(found).split())


def unescaped(written: Written) -> Written:
    """The same value as plain text, for those who take it apart: `R&amp;D; news` has one semicolon."""
    if written.literal or not isinstance(written.value, str):
        return written
    return written._replace(value=plain(written.value), literal=True)


def label(written: Written) -> str:
    """A name that makes a slug: one plain line, and short, without a password in it."""
    found = plain_line(written, LONGEST_LABEL)
    if constraints.shows_credentials(found):
        raise written.unfit(constraints.NO_CREDENTIALS, "url-credentials")
    return found


def labels(written: Written) -> list[str]:
    """The items of a list, or of a string that commas, semicolons or lines part. None is empty."""
    if isinstance(written.value, str):
        if len(written.value) > LONGEST_TEXT:
            raise written.unfit(f"is too long; write at most {MOST_ITEMS} items", "too-many")
        written = unescaped(written)
        whole_text = str(written.value)
        apart = re.split(r"[;\n]" if ";" in whole_text else r"[,\n]", whole_text)
        written = written._replace(value=apart)
    return simple_labels(written) or [
        made for item in items(written) if not item.is_empty and (made := label(item))
    ]


def simple_labels(written: Written) -> list[str] | None:
    """A list of labels with nothing in them to be resolved or refused, as nearly all are; else None."""
    value = written.value
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        return None
    made = [
        _simple_label(item) if isinstance(item, str) and len(item) <= LONGEST_LABEL else None
        for item in value
    ]
    names = [name for name in made if name]
    return names if len(names) == len(made) else None


@lru_cache(maxsize=16_384)  # few labels stand in very many stories
def _simple_label(value: str) -> str | None:
    return " ".join(value.split()) if _SIMPLE.fullmatch(value) else None


def items(written: Written) -> list[Written]:
    """The items of a list; anything else is its own only item."""
    value = written.value
    if not isinstance(value, list):
        return [written]
    if len(value) > MOST_ITEMS:
        told = f"{written.key}: {len(value)} items are too many; write at most {MOST_ITEMS}"
        raise FieldError(written.key, told, "too-many")
    return [
        Written(written.key, item, f"[{number}]", written.literal)
        for number, item in enumerate(value, start=1)
    ]


class Parts:
    """The parts of a mapping, found by any of their names."""

    def __init__(self, written: Written) -> None:
        assert isinstance(written.value, dict)
        self._whole = written
        self._parts: dict[str, Written] = {}
        for key, value in written.value.items():
            part = Written(written.key, value, f"{written.part}.{key}", written.literal)
            place(self._parts, part, key)

    def has(self, *names: str) -> bool:
        """Whether any of the names stands there, be it with nothing behind it."""
        return any(name in self._parts for name in names)

    def first(self, *names: str) -> Written | None:
        """The first part of these names (see `normalised`) that holds something."""
        return next(self._found(names), None)

    def others(self, *names: str) -> Iterator[tuple[str, Written]]:
        """The parts of other names (see `normalised`) that hold something, each with its normalised name."""
        return ((name, part) for name, part in self._parts.items() if name not in names and not part.is_empty)

    def line(self, *names: str) -> str:
        """The first of these parts as one plain line; "" if there is none."""
        found = self.first(*names)
        return plain_line(found) if found else ""

    def whole(self, *names: str) -> int | None:
        """The first of these parts as a whole number; None if there is none."""
        found = self.first(*names)
        return whole(found) if found else None

    def pixels(self, *names: str) -> int | None:
        """The first of these parts as a size in pixels; None if there is none, or it is 0."""
        found = self.first(*names)
        return pixels(found) if found else None

    def missing(self, wanted: str, rule: Rule) -> FieldError:
        """The error that says which part is missing, and what to write."""
        return FieldError(self._whole.key, f"{self._whole.key}{self._whole.part}: {wanted}", rule)

    def _found(self, names: tuple[str, ...]) -> Iterator[Written]:
        return (part for name in names if (part := self._parts.get(name)) and not part.is_empty)


def as_flag(value: object) -> bool | None:
    """True or false if the value says so in any of the usual ways, else None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        word = shown(value) if isinstance(value, int) else value.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return None


def flag(written: Written) -> bool:
    """True or false."""
    found = as_flag(written.value)
    if found is None:
        raise written.unfit("is not true or false; write one of them", "flag-invalid")
    return found


def whole(written: Written) -> int:
    """A whole number, not below zero; 640.0 is one, as in JSON."""
    value = written.value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= constraints.MOST_BYTES:
        return value
    raise written.unfit("is not a whole number; write digits only, such as 640", "number-invalid")


def pixels(written: Written) -> int | None:
    """A size in pixels; None for 0, which is what templates hold until somebody fills them in."""
    found = whole(written)
    if found > constraints.MOST_PIXELS:
        raise written.unfit(f"is too large; write at most {constraints.MOST_PIXELS}", "number-invalid")
    return found or None


def held(written: Written, found: str, constraint: Constraint, what: str, rule: Rule) -> str:
    """`found`, if it may stand; `what` is what else it is not: `a web address`."""
    if not constraint.accepts(found):
        raise written.unfit(f"is not {what}; {constraint.wanted}", rule)
    return found


def story_id(written: Written) -> str:
    """What names a story for good."""
    made = constraints.story_id(text(written))
    if made is None:
        raise written.unfit(f"is not an id; {constraints.ID.wanted}", "id-invalid")
    return made


def language(written: Written) -> str:
    """A language tag; `en_US` is one that programs write so."""
    tag = line(written).replace("_", "-")
    return held(written, tag, constraints.LANGUAGE, "a language", "language-invalid")


def email(written: Written) -> str:
    """An e-mail address, without the `mailto:` that makes a link of one."""
    found = re.sub("^mailto:", "", line(written), flags=re.IGNORECASE)
    return held(written, found, constraints.EMAIL, "an e-mail address", "email-invalid")


def media_type(written: Written) -> str:
    """A media type, in lower case."""
    named = line(written).lower()
    return held(written, named, constraints.MEDIA_TYPE, "a media type", "media-type-invalid")


def reference(written: Written) -> str:
    """The URL of a picture or file: absolute (http, https) or relative.

    What stands in file names and in no URL is percent-encoded, a `\\` is the slash that browsers take it for,
    and `//host/x` is on the web.
    """
    found = _NOT_IN_URL.sub(lambda char: quote(char[0]), line(written).replace("\\", "/"))
    if found.startswith("//"):
        found = f"https:{found}"
    elif _COLON_FIRST.match(found) and not _SCHEME.match(found):
        found = f"./{found}"  # RFC 3986 §4.2: else it would be taken for a scheme
    return _url(written, found, constraints.REFERENCE)


def address(written: Written) -> str:
    """A URL that stands alone: absolute (http, https), or a path on the site, which gets its `/`."""
    found = line(written)
    is_whole = found.startswith("/") or _SCHEME.match(found)
    return _url(written, found if is_whole else f"/{found}", constraints.ADDRESS)


def web_address(written: Written) -> str:
    """An absolute URL (http, https) that stands alone."""
    return _url(written, line(written), constraints.WEB_ADDRESS)


def _url(written: Written, found: str, constraint: Constraint) -> str:
    if constraints.has_credentials(found):
        raise written.unfit(constraints.NO_CREDENTIALS, "url-credentials")
    return held(written, found, constraint, "a web address", "url-invalid")
