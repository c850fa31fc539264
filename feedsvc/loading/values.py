"""One value of front matter → text, a flag, a number, labels; or an error: the value seen, the value wanted.

Pure: knows the types of values (all text from YAML, typed from TOML and JSON); must not know what a key
means. A function that converts a Written raises FieldError if the value does not fit.
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
    """A value with its key as written. `part` is the position in the key's value: `[2]` of a list, `.name`.

    `literal` says that the value is plain text already: what looks like a tag or a reference in it is text.
    """

    key: str
    value: object
    part: str = ""
    literal: bool = False

    def unfit(self, wanted: str, rule: Rule) -> FieldError:
        """The error that shows this value, followed by `wanted`, such as `is not a date; write …`."""
        return FieldError(self.key, f"{self.key}{self.part}: {shown(self.value)} {wanted}", rule)

    @property
    def is_empty(self) -> bool:
        """Whether the key has no value, as in a template that was not filled in."""
        value = self.value
        if isinstance(value, str):
            return not value or value.isspace()
        return value is None or value in ([], {})


@lru_cache(maxsize=1_024)  # very many stories share few keys
def normalised(key: str) -> str:
    """A key in lower case without separators: `Last-Modified`, `last_modified` → `lastmodified`."""
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


def place(fields: dict[str, Written], written: Written, name: str) -> None:
    """Add a value to `fields` under the normalised form of `name`: its key, or a part's name in a mapping.

    A value replaces an empty one under another spelling of the same key. Raises FieldError if both have
    different values: which of two embargoes is meant cannot be known.
    """
    key = normalised(name)
    other = fields.get(key)
    if other is None or other.is_empty:
        fields[key] = written
    elif not written.is_empty and not _is_same(other.value, written.value):
        told = f"{written.key}{written.part}: is written twice, as {other.key}{other.part}, too; keep one"
        raise FieldError(written.key, told, "duplicate-key")


def _is_same(value: object, other: object) -> bool:
    # Comparing two lists that are built of YAML aliases may take forever.
    is_nested = isinstance(value, list | dict) or isinstance(other, list | dict)
    return value is other or (not is_nested and type(value) is type(other) and value == other)


def shown(value: object) -> str:
    """A value as an error message shows it: short, without passwords, without items of lists or mappings."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            # The fault may be a password in a URL, and errors go to logs and to `feedsvc status`.
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
    """Text of any number of lines, without surrounding white space."""
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
    """Text as one line, each run of white space replaced by one space. At most `longest` characters."""
    found = text(written)
    if len(found) > longest:
        raise written.unfit(f"is too long; write at most {longest} characters", "too-long")
    return " ".join(found.split())


def plain_text(written: Written) -> str:
    """Text of any number of lines as readers see it: without tags, with character references resolved.

    At most `LONGEST_TEXT` characters.
    """
    found = text(written)
    if len(found) > LONGEST_TEXT:
        raise written.unfit(f"is too long; write at most {LONGEST_TEXT:,} characters", "too-long")
    return found if written.literal else plain(found).strip()


def plain_line(written: Written, longest: int = LONGEST_LINE) -> str:
    """One line as readers see it: without tags, with character references resolved."""
    found = line(written, longest)
    return found if written.literal else " ".join(plain(found).split())


def unescaped(written: Written) -> Written:
    """The same value as plain text, to be split afterwards: `R&amp;D; news` has one separator."""
    if written.literal or not isinstance(written.value, str):
        return written
    return written._replace(value=plain(written.value), literal=True)


def label(written: Written) -> str:
    """A name to derive a slug from: one plain line, at most `LONGEST_LABEL` characters, no password in it."""
    found = plain_line(written, LONGEST_LABEL)
    if constraints.shows_credentials(found):
        raise written.unfit(constraints.NO_CREDENTIALS, "url-credentials")
    return found


def labels(written: Written) -> list[str]:
    """The non-empty items of a list, or of a string, split at semicolons, else commas, and at line breaks."""
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
    """The labels of a list if each can be taken as it is, which nearly all can; else None."""
    value = written.value
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        return None
    made = [
        _simple_label(item) if isinstance(item, str) and len(item) <= LONGEST_LABEL else None
        for item in value
    ]
    names = [name for name in made if name]
    return names if len(names) == len(made) else None


@lru_cache(maxsize=16_384)  # very many stories share few labels
def _simple_label(value: str) -> str | None:
    return " ".join(value.split()) if _SIMPLE.fullmatch(value) else None


def items(written: Written) -> list[Written]:
    """The items of a list; for any other value, that value as the only item."""
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
    """The parts of a mapping, which are looked up by several possible names."""

    def __init__(self, written: Written) -> None:
        assert isinstance(written.value, dict)
        self._whole = written
        self._parts: dict[str, Written] = {}
        for key, value in written.value.items():
            part = Written(written.key, value, f"{written.part}.{key}", written.literal)
            place(self._parts, part, key)

    def has(self, *names: str) -> bool:
        """Whether there is a part of any of these names, even an empty one."""
        return any(name in self._parts for name in names)

    def first(self, *names: str) -> Written | None:
        """The first part of these names (see `normalised`) that is not empty, else None."""
        return next(self._found(names), None)

    def others(self, *names: str) -> Iterator[tuple[str, Written]]:
        """The parts of other names (see `normalised`) that are not empty, each with its normalised name."""
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
    """True or false if the value is a boolean, or a word or number for one (`yes`, `off`, 1), else None."""
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
    """A whole number, not below zero; 640.0 counts as one, as in JSON."""
    value = written.value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= constraints.MOST_BYTES:
        return value
    raise written.unfit("is not a whole number; write digits only, such as 640", "number-invalid")


def pixels(written: Written) -> int | None:
    """A size in pixels; None for 0, which templates contain until somebody fills them in."""
    found = whole(written)
    if found > constraints.MOST_PIXELS:
        raise written.unfit(f"is too large; write at most {constraints.MOST_PIXELS}", "number-invalid")
    return found or None


def held(written: Written, found: str, constraint: Constraint, what: str, rule: Rule) -> str:
    """`found` if `constraint` accepts it; else raises FieldError: is not `what` (`a web address`)."""
    if not constraint.accepts(found):
        raise written.unfit(f"is not {what}; {constraint.wanted}", rule)
    return found


def story_id(written: Written) -> str:
    """The permanent id of a story."""
    made = constraints.story_id(text(written))
    if made is None:
        raise written.unfit(f"is not an id; {constraints.ID.wanted}", "id-invalid")
    return made


def language(written: Written) -> str:
    """A language tag; `en_US`, as programs write it, becomes `en-US`."""
    tag = line(written).replace("_", "-")
    return held(written, tag, constraints.LANGUAGE, "a language", "language-invalid")


def email(written: Written) -> str:
    """An e-mail address, without `mailto:` before it."""
    found = re.sub("^mailto:", "", line(written), flags=re.IGNORECASE)
    return held(written, found, constraints.EMAIL, "an e-mail address", "email-invalid")


def media_type(written: Written) -> str:
    """A media type, in lower case."""
    named = line(written).lower()
    return held(written, named, constraints.MEDIA_TYPE, "a media type", "media-type-invalid")


def reference(written: Written) -> str:
    """The URL of a picture or file: absolute (http, https) or relative.

    Characters of file names that are not allowed in URLs are percent-encoded, a `\\` becomes a slash, as
    browsers read it, and `//host/x` becomes an https URL.
    """
    found = _NOT_IN_URL.sub(lambda char: quote(char[0]), line(written).replace("\\", "/"))
    if found.startswith("//"):
        found = f"https:{found}"
    elif _COLON_FIRST.match(found) and not _SCHEME.match(found):
        found = f"./{found}"  # RFC 3986 §4.2: else the part before the colon would be taken for a scheme
    return _url(written, found, constraints.REFERENCE)


def address(written: Written) -> str:
    """The URL of a page: absolute (http, https), or a path on the site; a missing leading `/` is added."""
    found = line(written)
    is_whole = found.startswith("/") or _SCHEME.match(found)
    return _url(written, found if is_whole else f"/{found}", constraints.ADDRESS)


def web_address(written: Written) -> str:
    """The absolute URL (http, https) of a page."""
    return _url(written, line(written), constraints.WEB_ADDRESS)


def _url(written: Written, found: str, constraint: Constraint) -> str:
    if constraints.has_credentials(found):
        raise written.unfit(constraints.NO_CREDENTIALS, "url-credentials")
    return held(written, found, constraint, "a web address", "url-invalid")
