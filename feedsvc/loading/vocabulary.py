"""The words by which newsrooms and other systems hold a story back, from vocabulary.toml beside this file.

Pure: words, and what each says. `flags` and `unknown_keys` decide by them.
"""

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, cast

from rapidfuzz.distance import OSA

from feedsvc.domain.model import Status

Audience = Literal["public", "members", "internal"]
Says = Literal["held", "released", "begins", "ends", "status", "access", "level", "word", "flag"]
"""What a key says of a story: that it is held back, or released; from or until when; for whom, how much.

A `word` of its own, nearly such a key, says so with a date or a word in that sense alone; a `flag` is another
system's, misspelt.
"""


class Suspect(NamedTuple):
    """What a key that feedsvc does not know may have been meant as; `nearest` is the one it knows.

    With `is_strict`, hardly anything else can have been meant: whatever is not plainly harmless holds back.
    """

    says: Says
    nearest: str
    is_strict: bool = False


NEVER: Final = frozenset(
    {"never", "none", "no", "false", "off", "0", "nil", "null", "~", "n", "na", "n/a", "-"}
)
"""Words that say that there is nothing."""

_TABLE: Final[Mapping[str, Any]] = tomllib.loads(
    files("feedsvc.loading").joinpath("vocabulary.toml").read_text("utf-8")
)


def _suspects(kind: str) -> dict[str, Suspect]:
    return {
        name: Suspect(one["says"], one["write"], one.get("strict", False))
        for one in _TABLE[kind]
        for name in one["names"].split()
    }


SYNONYMS: Final[Mapping[str, Suspect]] = _suspects("keys")
"""Keys of newsrooms and other systems that feedsvc does not read, normalised."""
STEMS: Final[Mapping[str, Suspect]] = _suspects("stems")
"""What no key contains that means anything else."""
UNLIKE_RESTRICTING: Final = frozenset(_TABLE["words"]["near_a_restricting_key"].split())
UNLIKE_OTHERS: Final = frozenset(_TABLE["words"]["near_another_key"].split())
"""Words of their own that differ from a known key by a letter or two."""

_NOT_YET: Final = re.compile(r"(?:not|needs|to be|awaiting|pending|on hold)[ _-]")
_SHORTEST: Final = 5  # of shorter words, too many others are a letter away
_STATUSES: Final = {word: name for name, words in _TABLE["status"].items() for word in words.split()}
_AUDIENCES: Final = {word: name for name, words in _TABLE["audience"].items() for word in words.split()}


def status_of(word: str) -> Status | None:
    """What a word of status says, in feedsvc's terms or another system's; None if it is none."""
    squeezed = _squeezed(word).removeprefix("stat:")  # NewsML-G2's scheme
    if (found := _STATUSES.get(squeezed)) is None and _NOT_YET.match(word.strip().lower()):
        return "draft"
    return cast(Status | None, found)


def audience_of(word: str) -> Audience | None:
    """Whom a word such as `paid` or `private` lets have a story; None if it is none."""
    return cast(Audience | None, _AUDIENCES.get(_squeezed(word)))


def says_held(word: str) -> bool:
    """Whether a word says that a story is not for everybody now, as a status or as an audience."""
    if _squeezed(word) in NEVER:
        return False
    return status_of(word) in {"draft", "withdrawn"} or audience_of(word) in {"members", "internal"}


def is_nearly_held(word: str) -> bool:
    """Whether a word is one that says so but for a letter: `withdrwn`."""
    squeezed = _squeezed(word)
    return any(
        OSA.distance(squeezed, one, score_cutoff=1) <= 1
        for one, meant in _STATUSES.items()
        if meant != "published" and len(one) >= _SHORTEST
    )


def _squeezed(word: str) -> str:
    return word.strip().lower().replace(" ", "").replace("-", "").replace("_", "")
