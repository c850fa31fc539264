"""Keeps deliveries on disk while the store cannot be written, so that they outlive the process.

Knows nothing of HTTP, nor when to try the store. A file belongs to the process that holds its lock, for as
long as that lives. Any process may write the content of an unlocked file to the store, and then removes it.
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
from feedsvc.store.engine import Store

log = structlog.get_logger(__name__)

_SUFFIX = ".ledger"
_SETTLING = 1.0  # seconds that a service which ends waits for the store


def spool_folder(store: Store, run_folder: Path | None) -> Path | None:
    """The folder for spool files: beside SQLite's file, to outlive the service; else `run_folder`."""
    return store.file.with_name(f"{store.file.name}-ledger") if store.file else run_folder


class Spool:
    """This process's file in `folder`, created when needed. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file = -1

    def keep(self, lines: Sequence[Delivery]) -> None:
        """Append lines to the file. They survive a crash of this process, but perhaps not one of the system.

        Raises OSError, as when the disk is full.
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
        """Whether the file was deleted from its folder; its lines must then be kept again, in a new one."""
        if self._file < 0 or self._path is None or _is(self._path, self._file):
            return False
        os.close(self._file)
        self._file = -1
        return True

    def clear(self) -> None:
        """Empty the file, because the store has its lines."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def close(self, *, clear: bool) -> None:
        """Close the file: with `clear` it is removed, else another process will adopt it."""
        if self._file >= 0:
            if clear and self._path:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def recover(self, write: Callable[[Sequence[Delivery]], None]) -> int:
        """Pass the lines that ended processes left to `write`; returns how many lines.

        A file is removed once `write` has taken its lines. What `write` raises is raised, and the file stays.
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
    """Before `run_folder` is removed, write to the store what workers left there; waits a second at most."""
    if not any(run_folder.glob(f"*{_SUFFIX}")):
        return
    thread = threading.Thread(target=_settle, args=(url, run_folder), name="feedsvc-settle", daemon=True)
    thread.start()
    thread.join(_SETTLING)
    if left := [path for path in run_folder.glob(f"*{_SUFFIX}") if path.stat().st_size]:
        log.error("ledger_lost", files=len(left))


def owner_of(url: str) -> str:
    """An identifier of the store's URL, which marks a service's run folder; it reveals no password."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def may_go(url: str, run_folder: Path, owner: str) -> bool:
    """Whether a folder left by a killed service may be removed; its lines are written to the store first.

    If the folder belongs to another store (see `owner_of`), its lines are left to that store's next service.
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

        Spool(run_folder).recover(write)
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
        os.close(file)  # another process adopted and removed it before it was locked


@contextmanager
def _unheld(path: Path) -> Iterator[int]:
    """The file, now locked by us, if no other process had locked it; else -1."""
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
            except (ValueError, TypeError):  # truncated: its process died while writing
                log.warning("ledger_line_unreadable", bytes=len(line))
