"""feedsvc turns a newsroom's article store into web feeds and serves them.

The flow runs one way::

    content/ ─load─▶ Article ─apply─▶ store ─select─▶ Feed ─render─▶ bytes ─publish─▶ Representation ─▶ HTTP
     loading/        domain/  changes/ store/  domain/        render/          refresh/                  web/

Left of `publish` is the refresher, driven by APScheduler. Right of it is the web: Flask and
the server that comes with it. They meet only in the store, so either can restart or fail alone.

Imports point one way, too (`tests/test_architecture.py`)::

    domain, util ◀ html, ingest, store ◀ loading, render, changes ◀ config, importing, outbound
                 ◀ refresh, web ◀ lint ◀ cli
"""

__version__ = "0.1.0"
