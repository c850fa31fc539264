"""A cache that is bounded in bytes: the least recently used value is evicted first.

Pure: knows nothing of the values, nor how large they are: the caller says.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_OVERHEAD = 200  # bytes that an entry takes besides its value


class ByteLRU(Generic[Key, Value]):
    """The most recently used values, up to `max_bytes`; thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value cached under `key`; None if there is none."""
        return self.get_all((key,))[0]

    def get_all(self, keys: Iterable[Key]) -> list[Value | None]:
        """The value cached under each key; None where there is none."""
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
        """Cache a value of `size` bytes, in place of the one that was cached under `key`."""
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
        """Bytes of all cached values, with `_OVERHEAD` for each."""
        return self._bytes
