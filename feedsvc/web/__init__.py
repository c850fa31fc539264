"""The web: Flask, and the server that comes with it, reading what the refresher published.

Knows nothing of loading, rendering or refreshing.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from feedsvc import config_file
from feedsvc.config import Config
from feedsvc.logs import set_up_logging
from feedsvc.opening import opened

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
        config = config_file.load(Path(os.environ.get("FEEDSVC_CONFIG", "config.toml")), os.environ)
        set_up_logging(config.log.level, config.log.format)
    return application(config, opened(config))
