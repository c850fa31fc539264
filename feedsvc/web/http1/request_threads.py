"""The threads that answer requests, and how long each kind of request may wait for one and run.

Knows paths, and nothing of the responses.
"""

from typing import Final

from feedsvc.util.bounded_threads import Lane
from feedsvc.web.feeds.error_responses import API

_FEED_THREADS: Final = 4
_FEED_PATIENCE: Final = 2.0  # seconds a feed waits for a thread; after that the store is taken to hang
_FEED_DEADLINE: Final = 4.0  # seconds a feed may run in its thread; after that as if no thread were free
_PATIENCE: Final = 10.0  # seconds a page or a pushed story waits for a thread
_DEADLINE: Final = 15.0  # seconds it may run there; then the store is taken to hang. Batches have no deadline
_OPS_SECONDS: Final = 5.0  # both to wait and to run: monitoring tools have short timeouts


class Lanes:
    """Threads for each kind of request: `threads` for pages, and as many again for pushed stories."""

    def __init__(self, threads: int) -> None:
        self._feeds = Lane("feeds", _FEED_THREADS, _FEED_PATIENCE, deadline=_FEED_DEADLINE)
        self._pages = Lane("pages", threads, _PATIENCE, deadline=_DEADLINE)
        self._api = Lane("api", threads, _PATIENCE, deadline=_DEADLINE)
        # Their own threads, so that monitoring gets a response even while the store blocks all others.
        self._ops = {
            path: Lane(path[1:], 1, _OPS_SECONDS, deadline=_OPS_SECONDS)
            for path in ("/healthz", "/readyz", "/metrics")
        }

    def of(self, path: str, is_feed: bool) -> Lane:
        """The threads for requests of a path."""
        if is_feed:
            return self._feeds
        return self._api if path.startswith(API) else self._ops.get(path, self._pages)
