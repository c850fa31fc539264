"""Decides whether something in a story file that cannot be parsed may be meant to hold the story back.

Pure. Searches the file for `key: value`, whatever its format: an author who adds `status: withdrawn`, and a
stray colon elsewhere, still wants the story withdrawn. Must not know why the file could not be parsed.
"""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from feedsvc.loading import dates
from feedsvc.loading.header_block import keys_above_dashes
from feedsvc.loading.suspicion import holds_back
from feedsvc.loading.unknown_keys import OWN, suspect
from feedsvc.loading.values import normalised
from feedsvc.loading.vocabulary import Suspect

_LONGEST: Final = 65_536
_MOST_LINES: Final = 200
_MOST_PAIRS: Final = 1_000
_FENCE: Final = re.compile(r"\s*^(---|\+\+\+)[ \t]*\n", re.MULTILINE)
_PAIR: Final = re.compile(
    r"""(?:^|[{,])[ \t]*["']?([^\W\d_][\w .-]{1,40}?)["']?[ \t]*[:=][ \t]*"""
    r"""(\[[^\]\n]{0,1000}\]|"[^"\n]*"|'[^'\n]*'|[^,}\n]*)""",
    re.MULTILINE,
)
_BUILD_OPTIONS: Final = frozenset({"list", "render"})


def may_hold(story: str, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a restricting key in the file's head, perhaps misspelt, has a value that holds back at `now`.

    `story` is the file's text; `zone` applies to dates without a zone; `now` is aware UTC.
    """
    pairs = _pairs(_head(story))
    # Checking thousands of keys would take too long: the story is held back instead.
    return len(pairs) > _MOST_PAIRS or any(_holds(key, value, zone, now) for key, value in pairs)


def _head(story: str) -> str:
    """The text before the body, as far as that can be determined in a file with broken syntax."""
    story = story[:_LONGEST]
    if fence := _FENCE.match(story):
        begin = fence.end()
        end = story.find(f"\n{fence[1]}", begin - 1)
        return story[begin:end] if end >= 0 else "\n".join(story[begin:].splitlines()[:_MOST_LINES])
    if story.lstrip()[:1] == "{":
        return story
    first, _, below = story.partition("\n\n")
    return "\n".join([first, *keys_above_dashes(below)])


def _pairs(head: str) -> list[tuple[str, str]]:
    return [
        (found[1], found[2].split(" #")[0].strip().strip("\"'").strip()) for found in _PAIR.finditer(head)
    ]


def _holds(written: str, value: str, zone: ZoneInfo, now: datetime) -> bool:
    key = normalised(written)
    if key in _BUILD_OPTIONS:
        return value == "never"
    meant = OWN.get(key) or suspect(key)
    return meant is not None and bool(value) and _holds_now(meant, value, zone, now)


def _holds_now(meant: Suspect, value: str, zone: ZoneInfo, now: datetime) -> bool:
    moment = dates.instant(value, zone)
    if moment and meant.says in {"begins", "released"}:
        return moment > now
    if moment and meant.says == "ends":
        return moment <= now
    return holds_back(meant, value, zone, now)
