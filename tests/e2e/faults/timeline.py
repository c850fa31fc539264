"""Which part of a service was down when, and for how long all that a change needs was up.

Pure but for the clock. Instants are seconds since 1970, as embargoes are of this clock, too.
"""

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

DATABASE = "database"
Groups = Sequence[Sequence[str]]
"""Parts that are needed: of each group at least one."""


@dataclass
class Down:
    """A span in which a part could not work; it goes on until it is ended."""

    part: str
    since: float
    until: float = inf

    def end(self, grace: float = 0.0) -> None:
        """It is over, `grace` seconds from now: that long the part may take to catch up."""
        self.until = min(self.until, time.time() + grace)


class Timeline:
    """When each part was down; parts that were never named were always up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._downs: list[Down] = []
        self._speeds: list[tuple[float, float]] = []

    def down(self, part: str) -> Down:
        """A part can't work from now on, for one reason of possibly several."""
        made = Down(part, time.time())
        with self._lock:
            self._downs.append(made)
        return made

    def note_speed(self, at: float, share: float) -> None:
        """What share of a processor (0 to 1) whoever wants one gets, from this instant on."""
        with self._lock:
            self._speeds.append((at, share))

    def slowest(self) -> float:
        """The least share there was."""
        with self._lock:
            return min((share for _, share in self._speeds), default=1.0)

    def able(self, groups: Groups, since: float, until: float) -> float:
        """For how many seconds of a span every group had a part that was up, on a machine for them alone.

        A second in which others had half of the processors counts half.
        """
        with self._lock:
            speeds = self._speeds[max(0, bisect_left(self._speeds, (since, 0.0)) - 1) :]
        return sum(
            (end - begin) * _share(speeds, begin)
            for begin, end in self._up(groups, since, until, [at for at, _ in speeds])
        )

    def up(self, groups: Groups, since: float, until: float) -> float:
        """The same in plain seconds, however busy the machine was."""
        return sum(end - begin for begin, end in self._up(groups, since, until))

    def _up(
        self, groups: Groups, since: float, until: float, instants: Iterable[float] = ()
    ) -> Iterator[tuple[float, float]]:
        """The pieces of a span in which every group had a part that was up; no instant lies within one."""
        parts = {part for group in groups for part in group}
        with self._lock:
            downs = [one for one in self._downs if one.part in parts]
        spans = [(one.part, one.since, one.until) for one in downs if one.since < until and one.until > since]
        ends = [*instants, *(at for _, *both in spans for at in both)]
        edges = sorted({since, until, *(min(max(at, since), until) for at in ends)})
        for begin, end in pairwise(edges):
            if _all_up(groups, {part for part, first, last in spans if first <= begin and last >= end}):
                yield begin, end


def _share(speeds: Sequence[tuple[float, float]], at: float) -> float:
    """What was measured last before that instant."""
    place = bisect_right(speeds, (at, inf))
    return speeds[place - 1][1] if place else 1.0


def _all_up(groups: Groups, down: set[str]) -> bool:
    return all(any(part not in down for part in group) for group in groups)
