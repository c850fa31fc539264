"""Serves over HTTP what the refresher published: the Flask application, and feedsvc's own server.

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

# `create_app` imports the application, and with it Flask, only when it is called: the commands import other
# modules of this package, and need neither.


def create_app(config: Config | None = None) -> "Flask":
    """The Flask application, for any WSGI server.

    Without `config`, it reads the file named by FEEDSVC_CONFIG, else `config.toml` in the current folder, and
    sets up logging. Raises ConfigError or StoreError.
    """
    from feedsvc.web.app import application

    if config is None:
        config = file.load(Path(os.environ.get("FEEDSVC_CONFIG", "config.toml")), os.environ)
        set_up_logging(config.log.level, config.log.format)
    return application(config, opened(config))
