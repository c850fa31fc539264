"""Fragments: each story rendered once per version, format and dialect, and spliced into a feed's shell.

Knows nothing of any format but where its fragments go.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from feedsvc.lru import ByteLRU
from feedsvc.model import Article, Format


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
        self._kept: ByteLRU[tuple[str, str, Format, str], bytes] = ByteLRU(max_bytes)

    def get(self, article: Article, fmt: Format, dialect: str) -> bytes | None:
        """The fragment of this version of the article, if it is kept."""
        return self._kept.get((article.id, article.digest, fmt, dialect))

    def put(self, article: Article, fmt: Format, dialect: str, fragment: bytes) -> None:
        """Keep a fragment; the ones used longest ago go when there is no more room."""
        self._kept.put((article.id, article.digest, fmt, dialect), fragment, len(fragment))

    @property
    def is_full(self) -> bool:
        """Whether something went, or soon will, to make room."""
        return self._kept.size > 0.95 * self._max_bytes

    @property
    def size(self) -> int:
        """Bytes held, with what holding them takes."""
        return self._kept.size
