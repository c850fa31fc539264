"""Note in the store which configuration a service runs by, and tell whether the file now differs from it.

Knows no setting by name. Values are stored as hashes only: there are secrets among them.
"""

import json
import os
import secrets
import socket
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from feedsvc.config.schema import Config
from feedsvc.config.store import opened
from feedsvc.store.engine import Store
from feedsvc.store.meta import list_meta, remove_meta, write_meta

_PREFIX = "running:"
_MOST_NAMED = 8
_REMEMBERED = timedelta(days=400)


def note(config: Config, command: str) -> None:
    """Note in the store that `feedsvc <command>` runs in this process, by the file as it is now.

    The note holds for as long as the process exists; notes of processes that have ended are removed.
    """
    salt = secrets.token_hex(8)
    told = {
        "command": command,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "path": str(config.path.absolute()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "salt": salt,
        "settings": _hashed(config.path, salt),
    }
    store = opened(config)
    try:
        with store.write() as tx:
            for other in _gone(list_meta(tx, _PREFIX)):
                remove_meta(tx, other)
            write_meta(tx, f"{_PREFIX}{told['host']}:{told['pid']}", json.dumps(told))
    finally:
        store.close()


def differences(store: Store, config: Config) -> list[str]:
    """For each service on this machine whose configuration file has changed since it read it: what to do.

    Raises what reading the store raises.
    """
    with store.read() as connection:
        notes = list_meta(connection, _PREFIX)
    path = str(config.path.absolute())
    found = []
    for name, value in sorted(notes.items()):
        told = json.loads(value)
        if told["path"] != path or told["host"] != socket.gethostname() or name in _gone(notes):
            continue
        now = _hashed(config.path, told["salt"])
        then = told["settings"]
        keys = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
        if keys:
            named = ", ".join(keys[:_MOST_NAMED]) + (" and more" if len(keys) > _MOST_NAMED else "")
            found.append(
                f"{config.path} has changed since `feedsvc {told['command']}` read it at {told['since']}:"
                f" {named}; `kill -HUP {told['pid']}` has it read the file anew"
            )
    return found


def _gone(notes: dict[str, str]) -> set[str]:
    """The names of the notes whose processes have ended.

    Processes of other machines cannot be seen: they are assumed to have ended after `_REMEMBERED`.
    """
    gone = set()
    old = datetime.now(UTC) - _REMEMBERED
    for name, value in notes.items():
        told = json.loads(value)
        is_here = told["host"] == socket.gethostname()
        if not _lives(told["pid"]) if is_here else datetime.fromisoformat(told["since"]) < old:
            gone.add(name)
    return gone


def _lives(pid: int) -> bool:
    """Whether a process of that number exists and, as far as can be seen, is one of feedsvc's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):
        return b"feedsvc" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


def _hashed(path: Path, salt: str) -> dict[str, str]:
    """The salted hash of each setting in a file, by its dotted name; empty if the file cannot be read."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {
        key: blake2b(f"{salt}{json.dumps(value, default=str)}".encode(), digest_size=8).hexdigest()
        for key, value in _flat(tables, "")
    }


def _flat(tables: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
