"""The web: Flask behind a WSGI short cut, reading what the refresher published.

Knows nothing of loading, rendering or refreshing.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from feedsvc import config_file
from feedsvc.config import Config
from feedsvc.logs import set_up_logging
from feedsvc.store.schema import Store
from feedsvc.web.handover import handed_over

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask import Flask

# The application and Flask are imported by those who make one: the commands, which need neither, import
# what else is in this package.


def create_app(config: Config | None = None) -> "Flask":
    """The Flask application, its `wsgi_app` wrapped by the short cut.

    Without `config`, the file that FEEDSVC_CONFIG names (else `config.toml` here) is read. Raises ConfigError
    or StoreError.
    """
    from feedsvc.web.application import application

    if config is None:
        config = config_file.load(Path(os.environ.get("FEEDSVC_CONFIG", "config.toml")), os.environ)
        set_up_logging(config.log.level, config.log.format)
    return application(config, Store(config.store_url))


def create_worker_app() -> "WSGIApplication":
    """The application of one of `feedsvc serve`'s workers, with what it was handed: Granian calls it."""
    from feedsvc.web.application import application

    _work_in_batches()
    config, folder, parent = handed_over()
    set_up_logging(config.log.level, config.log.format)
    # The short cut itself: Flask would only call it.
    return application(config, Store(config.store_url, create=False), folder, parent).wsgi_app


def _work_in_batches() -> None:
    """Have a thread of this process that wakes up wait until the one that runs has no more to do.

    A request passes from the thread that reads sockets to one that runs Python, and its answer back. On one
    core each would interrupt the other for every single one; so they pass on what has gathered meanwhile.
    """
    with suppress(AttributeError, OSError):  # there is none but on Linux, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
