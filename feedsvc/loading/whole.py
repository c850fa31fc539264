"""Reads an open story file if it is complete: no process is writing to it, as far as the system can tell.

Knows Linux's file leases and the mounts in /proc; must not know what is in a file.
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

_SKEW: Final = 60.0  # seconds by which the clock of a file server may differ from ours
_LOCAL: Final = {
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs", "tmpfs"),
    *("xfs", "zfs"),
}
"""File systems to which only this machine's kernel writes, so that its clock sets the times of change.

On other file systems a lease proves nothing: NFS 4 and SMB refuse it for files that nobody has open, FUSE
grants it while others write.
"""


class UnsettledError(Exception):
    """A file must not be read yet, because it may be incomplete; `found` says why."""

    def __init__(self, found: Unsettled) -> None:
        super().__init__(found)
        self.found = found


class WholeFiles:
    """Reads a batch of files if they are complete; looks up the type of each file system only once.

    `settle` is how long (seconds) a file must have been unchanged, unless it was renamed into place.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._local: dict[int, bool] = {}

    def bytes_of(self, file: int, path: str, limit: int, known: Known) -> tuple[bytes, int]:
        """The content of an open file, and its size in bytes; reads at most `limit` bytes and one more.

        `file` is the descriptor; `path` is for errors; `known` is what the watcher knows about the file. The
        content of a file larger than `limit` may be empty or cut off. Raises UnsettledError if the file may
        be incomplete, FrontMatterError if it is not a regular file, and OSError.
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
        """Whether the file changed less than `settle` seconds ago.

        A file whose time is in the future always counts as fresh: it is read once it was seen twice in the
        same state.
        """
        # A program may set mtime to any time; ctime, where the file system has it, is the kernel's.
        age = time.time() - max(state.mtime_ns, state.ctime_ns) / 1e9
        return age < self._settle + (0 if is_local else _SKEW)

    def _is_local(self, file: int, device: int) -> bool:
        found = self._local.get(device)
        if found is None:
            found = self._local[device] = file_system(file) in _LOCAL
        return found


def leased(path: str, real: str) -> UnsettledError:
    """The error for a file whose open would block: another process (Samba) has a write lease on it."""
    return UnsettledError(Unsettled(path, _state(os.stat(real)), "open"))


def _state(seen: os.stat_result) -> State:
    return State(seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _read(file: int, size: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit + 1  # one byte more than allowed shows that the file has grown beyond the limit since fstat
    wanted = size + 1
    while left > 0 and (part := os.read(file, min(left, wanted))):
        parts.append(part)
        left -= len(part)
        if len(part) < wanted:
            break
        wanted = 65_536
    return b"".join(parts)


def _is_open(file: int) -> bool | None:
    """Whether a process has the file open, or mapped, for writing; None if the system does not tell.

    Asks for a read lease, which is refused in that case (fcntl(2)), and releases it at once. Only the file's
    owner, or a process with CAP_LEASE, is given a lease.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        # A process that opens the file at this moment breaks the lease, and the kernel signals this process:
        # SIGIO would end it, SIGURG is ignored by default (signal(7)).
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def file_system(file: int) -> str:
    """The type of the file system that an open file is on, such as "ext4"; "" on systems without /proc."""
    try:
        with open(f"/proc/self/fdinfo/{file}", encoding="ascii") as info:
            mount = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            fields = next(line for line in mounts if line.startswith(f"{mount} "))
    except (OSError, StopIteration, IndexError):
        return ""
    return fields.rpartition(" - ")[2].split()[0]
