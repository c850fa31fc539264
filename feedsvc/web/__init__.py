"""The web: Flask, and the server that comes with it, answering with what the refresher published.

Must not know loading or refreshing.
Open `app` first: it puts the parts together.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from feedsvc.config import file
from feedsvc.config.schema import Config
from feedsvc.config.store import opened
from feedsvc.util.logs import set_up_logging

if TYPE_CHECKING:
    from flask import Flask

# The application and Flask are imported by those who make one: the commands, which need neither, import
# what else is in this package.


def create_app(config: Config | None = None) -> "Flask":
    """The Flask application, for any WSGI server.

    Without `config`, the file that FEEDSVC_CONFIG names (else `config.toml` here) is read. Raises ConfigError
    or StoreError.
    """
    from feedsvc.web.app import application

    if config is None:
        config = file.load(Path(os.environ.get("FEEDSVC_CONFIG", "config.toml")), os.environ)
        set_up_logging(config.log.level, config.log.format)
    return application(config, opened(config))
