"""Temporary folders for processes that may be killed: the next process to start removes those left behind.

Knows nothing of what is in a folder. All processes that use a folder hold its lock, which is free once the
last of them has ended, in whatever way.
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
    """A folder, and the descriptor of its lock, which other processes that use the folder must inherit."""

    path: Path
    lock: int


def _is_nobodys(_path: Path, owner: str) -> bool:
    return not owner


@contextmanager
def run_folder(owner: str = "", may_go: Callable[[Path, str], bool] = _is_nobodys) -> Iterator[RunFolder]:
    """Remove the folders left behind by killed processes, then make a new temporary folder for the context.

    `may_go` is called with each of the former and the `owner` it was made with, and says whether the folder
    may be removed with its contents; by default one made without an owner may. A folder of another user
    stays, and so does one without a lock: it may be in use.
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
    """Create the lock of a new folder, and hold it before any other process can find it."""
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
    """Hold the lock of a folder; yields its owner. Raises OSError if it has no lock, or that is held."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(folder)
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.read(lock, 4_096).decode()
    finally:
        os.close(lock)
