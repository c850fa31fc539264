"""How many stories may lose their files within a minute before somebody has to confirm their removal.

Pure: no I/O, no clock. `refresh/removing.py` counts the stories, and removes or holds them.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=1)
"""Removals within this span are counted together; a file counts as new for as long."""

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
        """Whether there is no limit."""
        return self.stories is None and self.percent is None

    def enough_to_know(self, removed: int) -> int:
        """The number of published stories at which `removed` is certainly within the limit.

        The caller stops counting there: counting a whole archive takes a while. 0 if it need not count.
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
        """Whether stories whose files a scan did not find stay until somebody confirms their removal.

        `gone` is their number, `before` how many were removed or held in the minute before, and `published`
        how many stories from files were published before that minute. An empty folder is more likely a disk
        that isn't mounted, however few stories it had, so its stories stay as well; but a single file that is
        gone was deleted by somebody.
        """
        if self.is_off:
            return False
        return self.is_exceeded(before + gone, published) or (gone > 1 and not is_any_left)


DEFAULT: Final = RemovalLimit()
NO_LIMIT: Final = RemovalLimit(None, None)


def parsed(written: object) -> RemovalLimit:
    """The limit written in config.toml: `"20 and 20%"`, `20`, `"20%"` or `"all"`. Raises ValueError."""
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
    """Which missing files were moved: old path → new path.

    Both arguments map paths to fingerprints of the files' bytes. A new file matches one old file only,
    preferably one of the same name. A file without a fingerprint (`""`) matches none.
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
    """Whether a path is one of `allowed`, or below one; `""` is the whole content folder."""
    return any(not one or path == one or path.startswith(f"{one}/") for one in allowed)
