"""What inotify cannot watch: why, and the command that mends it.

Knows the kernel's limits and its file systems, and nothing of events.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from feedsvc.loading import whole

_USUAL = 8_192  # of a limit that the system doesn't say
_SILENT: Final = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
    *("prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"),
}
"""File systems that others change, too: of what they do this kernel tells nothing. So are FUSE's, mostly."""
_LOCAL_FUSE: Final = {"fuse.bindfs", "fuse.encfs", "fuse.gocryptfs", "fuse.mergerfs", "fuse.unionfs"}


def remedy_for(error: OSError) -> str:
    """Why a folder can't be watched, and what to do about it."""
    if error.errno == errno.ENOSPC:
        return f"there may be no more watches; {raised('watches')} allows more"
    return f"{error.strerror}; have its mode let feedsvc read it"


def raised(limit: str) -> str:
    """The command that doubles one of inotify's limits: the kernel's own, or that of a user namespace."""
    names = [
        f"fs.inotify.max_{'' if limit == 'queued_events' else 'user_'}{limit}",
        f"user.max_inotify_{limit}",
    ]
    found: dict[str, int] = {}
    for name in names:
        with suppress(OSError, ValueError):
            found[name] = int(Path("/proc/sys", *name.split(".")).read_text())
    name = min(found, key=found.__getitem__, default=names[0])
    return f"`sysctl {name}={2 * (found.get(name) or _USUAL)}`"


def silent_file_system(folder: str) -> str:
    """The file system of a folder, if it does not tell all that happens; else ""."""
    name = _file_system(folder)
    is_silent = name in _SILENT or (name.startswith("fuse.") and name not in _LOCAL_FUSE)
    return name if is_silent else ""


def _file_system(folder: str) -> str:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return whole.file_system(file)
    finally:
        os.close(file)
