"""Temporary folders of processes that may be killed: what one leaves is removed when the next one starts.

Knows nothing of what is in a folder. Its lock is held by all processes that use it, and by none once the last
of them is gone, however it went.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

log = structlog.get_logger(__name__)

_PREFIX: Final = "feedsvc-"
_LOCK: Final = ".lock"


class RunFolder(NamedTuple):
    """A folder, and the descriptor of its lock, for other processes that use it to inherit."""

    path: Path
    lock: int


def _is_nobodys(_path: Path, owner: str) -> bool:
    return not owner


@contextmanager
def run_folder(owner: str = "", may_go: Callable[[Path, str], bool] = _is_nobodys) -> Iterator[RunFolder]:
    """A new temporary folder; before that, those are removed that were left by processes that were killed.

    `may_go` is asked of each of these, with the `owner` that was named when it was made, whether it may go
    with what is in it: by default one for which none was named. A folder of another user stays, and so does
    one without a lock: it may be in use.
    """
    _remove_left(may_go)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = _locked(path, owner)
    try:
        yield RunFolder(path, lock)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path, owner: str) -> int:
    """The lock of a new folder, which nobody can find before it is held."""
    draft = folder / f"{_LOCK}.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, owner.encode())
    draft.rename(folder / _LOCK)
    return lock


def _remove_left(may_go: Callable[[Path, str], bool]) -> None:
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        with suppress(OSError), _taken(path) as owner:
            if may_go(path, owner):
                shutil.rmtree(path)
                log.debug("left_folder_removed", path=str(path))


@contextmanager
def _taken(folder: Path) -> Iterator[str]:
    """Whose folder it was; it is held now. Raises OSError if it has no lock, or somebody holds it."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(folder)
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.read(lock, 4_096).decode()
    finally:
        os.close(lock)
