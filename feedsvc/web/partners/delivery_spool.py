"""Where lines of the ledger wait on the disk while the store takes none: they outlive who noted them.

Knows nothing of HTTP, nor when the store is to be asked. A file is its process's for as long as that lives
and holds its lock; one that nobody holds is anybody's to write to the store, who then removes it.
"""

import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from feedsvc.domain.model import from_micros, to_micros
from feedsvc.store import deliveries
from feedsvc.store.deliveries import Delivery
from feedsvc.store.schema import Store

log = structlog.get_logger(__name__)

_SUFFIX = ".ledger"
_SETTLING = 1.0  # seconds that the end of a service may wait for the store


def spool_folder(store: Store, run_folder: Path | None) -> Path | None:
    """Where lines wait: beside SQLite's file, where they outlive the service; else in what workers share."""
    return store.file.with_name(f"{store.file.name}-ledger") if store.file else run_folder


class Spool:
    """The file of this process in `folder`, made when it is needed; none without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file = -1

    def keep(self, lines: Sequence[Delivery]) -> None:
        """Put lines on the disk, or in what the system writes there: a crash of this process spares them.

        Raises OSError if there is no room.
        """
        if self._folder is None:
            return
        if self._file < 0:
            self._path, self._file = _made(self._folder)
        rows = (json.dumps((*one[:-1], to_micros(one.delivered_at)), ensure_ascii=False) for one in lines)
        left = memoryview("".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass"))
        while left:
            left = left[os.write(self._file, left) :]

    def was_lost(self) -> bool:
        """Whether the file is gone from its folder: what was kept is to be kept again, in a new one."""
        if self._file < 0 or self._path is None or _is(self._path, self._file):
            return False
        os.close(self._file)
        self._file = -1
        return True

    def clear(self) -> None:
        """Forget what was kept: the store has it."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def close(self, *, clear: bool) -> None:
        """Let go of the file: with `clear` it is removed, else it is left for whoever comes next."""
        if self._file >= 0:
            if clear and self._path:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def adopt(self, write: Callable[[Sequence[Delivery]], None]) -> int:
        """Have `write` take what processes left that live no more; returns how many lines that were.

        What `write` raises is raised, and then the file stays.
        """
        number = 0
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder else ():
            if path == self._path:
                continue
            with _unheld(path) as file:
                if file >= 0:
                    lines = list(_read(file))
                    write(lines)
                    path.unlink(missing_ok=True)
                    number += len(lines)
        return number


def settle(url: str, run_folder: Path) -> None:
    """Write to the store what workers left in the folder they shared, before that goes; for a second."""
    if not any(run_folder.glob(f"*{_SUFFIX}")):
        return
    thread = threading.Thread(target=_settle, args=(url, run_folder), name="feedsvc-settle", daemon=True)
    thread.start()
    thread.join(_SETTLING)
    if left := [path for path in run_folder.glob(f"*{_SUFFIX}") if path.stat().st_size]:
        log.error("ledger_lost", files=len(left))


def owner_of(url: str) -> str:
    """What tells the folder of a service over that store from those of others; it names no password."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def may_go(url: str, run_folder: Path, owner: str) -> bool:
    """Whether a folder that a killed service left may be removed: its lines are written to the store first.

    Those of another store are left to the next service over that.
    """
    if any(run_folder.glob(f"*{_SUFFIX}")) and owner == owner_of(url):
        _settle(url, run_folder)
    return not any(path.stat().st_size for path in run_folder.glob(f"*{_SUFFIX}"))


def _settle(url: str, run_folder: Path) -> None:
    try:
        store = Store(url, create=False)

        def write(lines: Sequence[Delivery]) -> None:
            with store.write() as tx:
                deliveries.record(tx, lines)

        Spool(run_folder).adopt(write)
        store.close()
    except Exception as error:
        log.error("ledger_not_written", error=repr(error))


def _made(folder: Path) -> tuple[Path, int]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is(path, file):
            return path, file
        os.close(file)  # somebody took it for one that was left, before it was held


@contextmanager
def _unheld(path: Path) -> Iterator[int]:
    """The file, held now, if nobody else did; else -1."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield -1
        return
    try:
        yield file if _is_taken(file) and _is(path, file) else -1
    finally:
        os.close(file)


def _is_taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(path: Path, file: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(file))
    return False


def _read(file: int) -> Iterator[Delivery]:
    with open(os.dup(file), "rb") as whole:
        for line in whole:
            try:
                *values, at = json.loads(line)
                yield Delivery._make((*values, from_micros(at)))
            except (ValueError, TypeError):  # cut off in the middle: its process died as it wrote
                log.warning("ledger_line_unreadable", bytes=len(line))
