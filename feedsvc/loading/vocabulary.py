"""The words with which newsrooms and other systems hold a story back, read from vocabulary.toml.

Pure: words, and the meaning of each. Must not decide about a story: `flags`, `suspicion` and `unknown_keys`
do that.
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
"""The meaning of a key.

`held`: true holds the story back; `released`: false does; `begins`, `ends`: a date; `status`; `access`: for
whom; `level`: how much of it. `word`: an ordinary word that resembles such a key, and holds back only with a
date or a word in that sense. `flag`: another system's flag, misspelt.
"""


class Suspect(NamedTuple):
    """What an unknown key may have been meant as; `nearest` is the key that feedsvc knows for that.

    With `is_strict`, hardly anything else can have been meant: whatever is not plainly harmless holds back.
    With `is_dated`, nothing but a date is ever meant: one that has passed does not hold back, and what cannot
    be read as one does.
    """

    says: Says
    nearest: str
    is_strict: bool = False
    is_dated: bool = False


NEVER: Final = frozenset(
    {"never", "none", "no", "false", "off", "0", "nil", "null", "~", "n", "na", "n/a", "-"}
)
"""Values that mean no or nothing: `embargo: none`."""

_TABLE: Final[Mapping[str, Any]] = tomllib.loads(
    files("feedsvc.loading").joinpath("vocabulary.toml").read_text("utf-8")
)


def _suspects(kind: str) -> dict[str, Suspect]:
    return {
        name: Suspect(one["says"], one["write"], one.get("strict", False), one.get("dated", False))
        for one in _TABLE[kind]
        for name in one["names"].split()
    }


SYNONYMS: Final[Mapping[str, Suspect]] = _suspects("keys")
"""Restricting keys of newsrooms and other systems that feedsvc does not read, normalised."""
STEMS: Final[Mapping[str, Suspect]] = _suspects("stems")
"""Parts of keys: a key that contains one can hardly mean anything else."""
UNLIKE_RESTRICTING: Final = frozenset(_TABLE["words"]["near_a_restricting_key"].split())
UNLIKE_OTHERS: Final = frozenset(_TABLE["words"]["near_another_key"].split())
"""Ordinary words that differ from a known key by a letter or two, and are not misspellings of it."""

_LATER: Final = frozenset(_TABLE["times"]["later"].split())
_NOT_YET: Final = re.compile(r"(?:not|needs|to be|awaiting|pending|on hold)[ _-]")
_SHORTEST: Final = 5  # letters; too many words differ from a shorter one by one letter
_STATUSES: Final = {word: name for name, words in _TABLE["status"].items() for word in words.split()}
_AUDIENCES: Final = {word: name for name, words in _TABLE["audience"].items() for word in words.split()}


def status_of(word: str) -> Status | None:
    """The status that a word means, in feedsvc's vocabulary or another system's; None if it is no status."""
    squeezed = _squeezed(word).removeprefix("stat:")  # the scheme of NewsML-G2's status codes
    if (found := _STATUSES.get(squeezed)) is None and _NOT_YET.match(word.strip().lower()):
        return "draft"
    return cast(Status | None, found)


def audience_of(word: str) -> Audience | None:
    """The audience that a word such as `paid` or `private` means; None if it means none."""
    return cast(Audience | None, _AUDIENCES.get(_squeezed(word)))


def says_held(word: str) -> bool:
    """Whether a word means, as a status or an audience, that a story is not public now."""
    if _squeezed(word) in NEVER:
        return False
    return status_of(word) in {"draft", "withdrawn"} or audience_of(word) in {"members", "internal"}


def says_later(words: str) -> bool:
    """Whether words in lower case say that something is to come: `next week`, `Q1`."""
    return any(word in _LATER for word in re.findall(r"\w+", words))


def is_nearly_held(word: str) -> bool:
    """Whether a word is at most one letter away from a status of an unpublished story: `withdrwn`."""
    squeezed = _squeezed(word)
    return any(
        OSA.distance(squeezed, one, score_cutoff=1) <= 1
        for one, meant in _STATUSES.items()
        if meant != "published" and len(one) >= _SHORTEST
    )


def _squeezed(word: str) -> str:
    return word.strip().lower().replace(" ", "").replace("-", "").replace("_", "")
