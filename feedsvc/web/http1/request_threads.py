"""The threads that requests are answered in, and how long each kind of request may wait for one and take.

Knows paths, and nothing of what they are answered with.
"""

from typing import Final

from feedsvc.util.bounded_threads import Lane
from feedsvc.web.feeds.error_responses import API

_FEED_THREADS: Final = 4
_FEED_PATIENCE: Final = 2.0  # seconds; then the store is taken not to answer
_FEED_DEADLINE: Final = 4.0  # seconds that a feed may take in its thread; then as if there were none
_PATIENCE: Final = 10.0  # seconds that a page, or a story that is pushed, waits for a thread
_DEADLINE: Final = 15.0  # seconds in it: then the store doesn't answer. A batch has no end
_OPS_SECONDS: Final = 5.0  # to wait for a thread, and then in it: whoever asks has little patience


class Lanes:
    """Threads for each kind of request; `threads` for pages, and as many for stories that are pushed."""

    def __init__(self, threads: int) -> None:
        self._feeds = Lane("feeds", _FEED_THREADS, _FEED_PATIENCE, deadline=_FEED_DEADLINE)
        self._pages = Lane("pages", threads, _PATIENCE, deadline=_DEADLINE)
        self._api = Lane("api", threads, _PATIENCE, deadline=_DEADLINE)
        # Whether the service is well is to be told even while the store keeps everybody waiting.
        self._ops = {
            path: Lane(path[1:], 1, _OPS_SECONDS, deadline=_OPS_SECONDS)
            for path in ("/healthz", "/readyz", "/metrics")
        }

    def of(self, path: str, is_feed: bool) -> Lane:
        """The threads for requests of a path."""
        if is_feed:
            return self._feeds
        return self._api if path.startswith(API) else self._ops.get(path, self._pages)
