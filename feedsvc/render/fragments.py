"""Fragments: each story rendered once per version, format and dialect, and spliced into a feed's shell.

Knows nothing of any format but where its fragments go.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from feedsvc.model import Article, Format

_OVERHEAD = 200  # bytes that an entry of the cache takes beside the fragment itself


@dataclass(frozen=True, slots=True)
class Shell:
    """A feed's bytes without its stories: what stands before them, between two of them, and after them."""

    head: bytes
    tail: bytes
    between: bytes = b""

    def around(self, fragments: Sequence[bytes]) -> bytes:
        """The whole document."""
        return b"".join((self.head, self.between.join(fragments), self.tail))


class FragmentCache:
    """The fragments used last, up to `max_bytes`.

    An article's digest stands for all that is in it, the site being the same for the life of the process. A
    dialect names what else a fragment depends on: the feed's content and its profile.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._fragments: OrderedDict[tuple[str, str, Format, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, article: Article, fmt: Format, dialect: str) -> bytes | None:
        """The fragment of this version of the article, if it is kept."""
        key = (article.id, article.digest, fmt, dialect)
        with self._lock:
            fragment = self._fragments.get(key)
            if fragment is not None:
                self._fragments.move_to_end(key)
        return fragment

    def put(self, article: Article, fmt: Format, dialect: str, fragment: bytes) -> None:
        """Keep a fragment; the ones used longest ago go when there is no more room."""
        key = (article.id, article.digest, fmt, dialect)
        with self._lock:
            if key not in self._fragments:
                self._fragments[key] = fragment
                self._bytes += len(fragment) + _OVERHEAD
            while self._bytes > self._max_bytes and self._fragments:
                _, oldest = self._fragments.popitem(last=False)
                self._bytes -= len(oldest) + _OVERHEAD

    @property
    def size(self) -> int:
        """Bytes held, with what holding them takes."""
        return self._bytes
