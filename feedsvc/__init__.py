"""feedsvc turns a newsroom's article store into web feeds and serves them.

The flow runs one way::

    content/ ─load─▶ Article ─apply─▶ store ─select─▶ Feed ─render─▶ bytes ─publish─▶ Representation ─▶ HTTP
     loading/        model            store/  selection      render/          store/                    web/

Left of `publish` is the refresher, which `refresh` sequences and `schedule` drives with APScheduler. Right of
it is `web`, Flask and the server that comes with it. They meet only in the store, so either can restart or
fail alone.
Imports point one way, too::

    model, errors, slugs, urls, characters, lru, settling
        ◀ markup ◀ loading, store, selection, render ◀ reading ◀ refresh ◀ cli
          settling, loading ◀ watching ◀ schedule ◀ cli
          markup, store, selection, config_values ◀ web ◀ cli
"""

__version__ = "0.1.0"
