"""How many stories may lose their files within a minute before somebody has to confirm it.

Pure: no I/O, no clock. Who counts, and what becomes of the stories, is in `refresh/removing.py`.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=1)
"""The span whose removals are counted together; a file is new for as long."""

_WANTED = 'write "20 and 20%" (both must be exceeded), a number of stories, a share such as "20%", or "all"'
_NUMBER = re.compile(r"\d{1,9}")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")


@dataclass(frozen=True, slots=True)
class RemovalLimit:
    """The most stories that may be removed within a minute: a number, a share in percent, or both.

    With both, more than the number *and* more than the share must be gone. With neither there is no limit.
    """

    stories: int | None = 20
    percent: float | None = 20

    @property
    def is_off(self) -> bool:
        """Whether everything may be removed."""
        return self.stories is None and self.percent is None

    def enough_to_know(self, removed: int) -> int:
        """How many published stories make sure that these are not too many: more need not be counted.

        0 if the number alone says it. To count a whole archive takes a while.
        """
        if removed <= (self.stories or 0) or not self.percent:
            return 0
        return math.floor(removed * 100 / self.percent) + 1

    def is_exceeded(self, removed: int, published: int) -> bool:
        """Whether `removed` of `published` stories are too many."""
        if self.is_off:
            return False
        too_many = self.stories is None or removed > self.stories
        too_large_a_share = self.percent is None or removed * 100 > self.percent * published
        return too_many and too_large_a_share

    def holds(self, gone: int, *, before: int, published: int, is_any_left: bool) -> bool:
        """Whether stories that a look finds gone are to stay until somebody confirms their removal.

        `gone` is how many it finds gone, `before` how many went or were held in the minute before, and
        `published` how many files published before that minute. A folder in which nothing is left is rather a
        disk that isn't mounted, however few stories it had: that is held, unless it is a single file that
        somebody deleted.
        """
        if self.is_off:
            return False
        return self.is_exceeded(before + gone, published) or (gone > 1 and not is_any_left)


DEFAULT: Final = RemovalLimit()
NO_LIMIT: Final = RemovalLimit(None, None)


def parsed(written: object) -> RemovalLimit:
    """A limit as config.toml has it: `"20 and 20%"`, `20`, `"20%"` or `"all"`. Raises ValueError."""
    if isinstance(written, int) and not isinstance(written, bool):
        written = str(written)
    if not isinstance(written, str):
        raise ValueError(_WANTED)
    if written.strip() == "all":
        return NO_LIMIT
    numbers: list[int] = []
    shares: list[float] = []
    for part in re.split(r"\s+and\s+", written.strip()):
        if _NUMBER.fullmatch(part):
            numbers.append(int(part))
        elif (share := _SHARE.fullmatch(part)) and float(share[1]) <= 100:
            shares.append(float(share[1]))
        else:
            raise ValueError(_WANTED)
    if len(numbers) > 1 or len(shares) > 1:
        raise ValueError(_WANTED)
    return RemovalLimit(numbers[0] if numbers else None, shares[0] if shares else None)


def moves(gone: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Which files that are gone were found again elsewhere: old path → new path.

    Both sides map a path to the fingerprint of the file's bytes. A new file stands for one old file only, by
    preference for one of the same name; without a fingerprint (`""`) a file is nobody's.
    """
    made: dict[str, str] = {}
    for alike in (_bytes_and_name, _bytes):
        waiting: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for new in sorted(found.keys() - gone.keys() - set(made.values()), reverse=True):
            waiting[alike(new, found[new])].append(new)
        for old in sorted(gone.keys() - made.keys()):
            if gone[old] and (candidates := waiting.get(alike(old, gone[old]))):
                made[old] = candidates.pop()
    return made


def _bytes_and_name(path: str, fingerprint: str) -> tuple[str, ...]:
    return fingerprint, path.rpartition("/")[2]


def _bytes(_path: str, fingerprint: str) -> tuple[str, ...]:
    return (fingerprint,)


def is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    """Whether a path is one of these, or below one; `""` is the whole content folder."""
    return any(not one or path == one or path.startswith(f"{one}/") for one in allowed)
