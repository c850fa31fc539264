"""A cache that is bounded in bytes: what was used longest ago goes first.

Pure: knows nothing of what it keeps, nor how large that is: the caller says.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_OVERHEAD = 200  # bytes that keeping something takes beside the thing itself


class ByteLRU(Generic[Key, Value]):
    """What was used last, up to `max_bytes`; for any number of threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """What is kept under `key`; None if nothing is."""
        return self.get_all((key,))[0]

    def get_all(self, keys: Iterable[Key]) -> list[Value | None]:
        """What is kept under each key; None where nothing is."""
        kept, made = self._kept, list[Value | None]()
        with self._lock:
            for key in keys:
                found = kept.get(key)
                if found is None:
                    made.append(None)
                else:
                    kept.move_to_end(key)
                    made.append(found[0])
        return made

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep a value of `size` bytes, in place of what was kept under `key`."""
        with self._lock:
            before = self._kept.pop(key, None)
            if before is not None:
                self._bytes -= before[1]
            self._kept[key] = value, size + _OVERHEAD
            self._bytes += size + _OVERHEAD
            while self._bytes > self._max_bytes and self._kept:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= oldest

    @property
    def size(self) -> int:
        """Bytes held, with what holding them takes."""
        return self._bytes
