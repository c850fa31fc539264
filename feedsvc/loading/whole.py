"""The bytes of an open story file, if it is whole: nobody is writing to it, as far as the system tells.

Knows Linux's leases and what /proc says of mounts; must not know what is in a file.
"""

import errno
import os
import signal
import stat
import time
from typing import Final

from feedsvc.loading.errors import FrontMatterError
from feedsvc.loading.settling import Known, State, Unsettled

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SKEW: Final = 60.0  # seconds that the clock of a file server may be before or behind ours
_LOCAL: Final = {
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs", "tmpfs"),
    *("xfs", "zfs"),
}
"""File systems on which all writers are this kernel's, and changes are dated by its clock.

On others a lease says nothing: NFS 4 and SMB refuse it for files that nobody has open, FUSE grants it while
others write.
"""


class UnsettledError(Exception):
    """A file is not to be read yet."""

    def __init__(self, found: Unsettled) -> None:
        super().__init__(found)
        self.found = found


class WholeFiles:
    """Reads files that are whole, a batch of them: on which file system they are is looked up once.

    `settle` is how long (seconds) a file has to be quiet, unless it was renamed into place.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._local: dict[int, bool] = {}

    def bytes_of(self, file: int, path: str, limit: int, known: Known) -> tuple[bytes, int]:
        """What an open file holds, and its size in bytes; at most one byte more than `limit` is read.

        `path` is how it is called. Raises UnsettledError if it is not whole, FrontMatterError for what is no
        file, and OSError.
        """
        seen = os.fstat(file)
        if stat.S_ISDIR(seen.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(seen.st_mode):
            raise FrontMatterError(1, "not a regular file; put the story itself there", "file-not-regular")
        state = _state(seen)
        if not known.placed:
            self._refuse_unsettled(file, path, state, seen.st_dev, known)
        if seen.st_size > limit:
            return b"", seen.st_size
        raw = _read(file, seen.st_size, limit)
        if (after := _state(os.fstat(file))) != state:
            raise UnsettledError(Unsettled(path, after, "growing"))
        return raw, len(raw)

    def _refuse_unsettled(self, file: int, path: str, state: State, device: int, known: Known) -> None:
        is_local = self._is_local(file, device)
        is_open = _is_open(file) if is_local else None
        if is_open or (is_open is None and known.written):
            raise UnsettledError(Unsettled(path, state, "open"))
        if self._settle and known.seen != state and self._is_fresh(state, is_local=is_local):
            raise UnsettledError(Unsettled(path, state, "fresh"))

    def _is_fresh(self, state: State, *, is_local: bool) -> bool:
        """Whether it changed too short a time ago. One that changes in the future has to be seen twice."""
        # The time of its content may be set to any; that of its inode can't, where there is one.
        age = time.time() - max(state.mtime_ns, state.ctime_ns) / 1e9
        return age < self._settle + (0 if is_local else _SKEW)

    def _is_local(self, file: int, device: int) -> bool:
        found = self._local.get(device)
        if found is None:
            found = self._local[device] = file_system(file) in _LOCAL
        return found


def leased(path: str, real: str) -> UnsettledError:
    """What to raise of a file that can't be opened at once: another has a lease to write it (Samba)."""
    return UnsettledError(Unsettled(path, _state(os.stat(real)), "open"))


def _state(seen: os.stat_result) -> State:
    return State(seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _read(file: int, size: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit + 1  # one byte more than allowed tells a file that has grown since
    wanted = size + 1
    while left > 0 and (part := os.read(file, min(left, wanted))):
        parts.append(part)
        left -= len(part)
        if len(part) < wanted:
            break
        wanted = 65_536
    return b"".join(parts)


def _is_open(file: int) -> bool | None:
    """Whether anybody has a file open for writing, or mapped so; None if the system doesn't tell us.

    A read lease is refused then (fcntl(2)). Only the file's owner gets one, or who has CAP_LEASE; it is given
    back at once.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        # Whoever opens the file just now breaks the lease, and we get a signal: SIGIO would end the process,
        # SIGURG does nothing (signal(7)).
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def file_system(file: int) -> str:
    """The name of the file system that an open file is on; "" where the system doesn't tell."""
    try:
        with open(f"/proc/self/fdinfo/{file}", encoding="ascii") as info:
            mount = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            fields = next(line for line in mounts if line.startswith(f"{mount} "))
    except (OSError, StopIteration, IndexError):
        return ""
    return fields.rpartition(" - ")[2].split()[0]
