"""Limits how often somebody may do something, with counts shared by all workers of a service.

Knows nothing of HTTP, nor who the clients are: `who` identifies a client, `what` the thing that is limited.
"""

import fcntl
import math
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

_SLOTS = 65_536
_PROBES = 16  # slots in which a key is looked for; if other keys have them all, the stalest is overwritten
_SLOT = struct.Struct("<Qd")
_FILE = "limits"


class Rate(NamedTuple):
    """At most `number` in `seconds`; all of them at once after a period of that length without any."""

    number: int
    seconds: int


class Limits:
    """Counts by the generic cell rate algorithm: per key, the instant until which its allowance is used.

    With `folder`, the instants are in a file of one megabyte there, which the workers share; without one they
    are in this process's memory. `clock` gives seconds since the epoch.
    https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
    """

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._file = -1
        if folder is None:
            self._held = mmap.mmap(-1, _SLOTS * _SLOT.size)
            return
        self._file = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, _SLOTS * _SLOT.size)
        self._held = mmap.mmap(self._file, _SLOTS * _SLOT.size)

    def take(self, what: str, who: str, rate: Rate) -> int:
        """Count one if it is allowed, and return 0; else return the whole seconds until one will be."""
        return self._counted(what, who, rate, taking=True)

    def wait(self, what: str, who: str, rate: Rate) -> int:
        """The whole seconds until the next one is allowed, 0 if it is now. Counts nothing."""
        return self._counted(what, who, rate, taking=False)

    def _counted(self, what: str, who: str, rate: Rate, *, taking: bool) -> int:
        key = int.from_bytes(blake2b(f"{what}\0{who}".encode(), digest_size=8).digest(), "little") or 1
        with self._lock:
            self._lock_file(fcntl.LOCK_EX)
            try:
                return self._at(key, rate, taking)
            finally:
                self._lock_file(fcntl.LOCK_UN)

    def _lock_file(self, how: int) -> None:
        if self._file >= 0:
            fcntl.flock(self._file, how)

    def _at(self, key: int, rate: Rate, taking: bool) -> int:
        now = self._clock()
        place, until = self._found(key, now)
        interval = rate.seconds / rate.number
        # At most one whole period ahead of now: the clock may have been set back since.
        after = min(max(until, now), now + rate.seconds) + interval
        # The whole allowance of a period may be used at once.
        excess = after - now - rate.seconds
        if excess > 1e-6:
            return max(1, math.ceil(excess))
        if taking:
            _SLOT.pack_into(self._held, place, key, after)
        return 0

    def _found(self, key: int, now: float) -> tuple[int, float]:
        """The offset of the key's slot, or of the slot that it may take, and the key's instant."""
        stalest, oldest = -1, math.inf
        for probe in range(_PROBES):
            place = ((key + probe) % _SLOTS) * _SLOT.size
            other, until = _SLOT.unpack_from(self._held, place)
            if other == key:
                return place, until
            if until < oldest:
                stalest, oldest = place, until
        return stalest, now

    def close(self) -> None:
        """Close the file."""
        self._held.close()
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
