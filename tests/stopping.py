"""`python -m tests.stopping …` is `feedsvc …`, which suspends itself in a transaction once it is told to.

The variable STOP_AT names where: `claim`, `publish`, `apply`, or `pipeline`, amid many statements that
are sent in one go. It does so if there is the file that STOP_IF names, which it removes: once each time.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from feedsvc.cli.main import main
from feedsvc.store import articles, dirty, representations

AT = os.environ["STOP_AT"]
IF = Path(os.environ["STOP_IF"])


def stop_if_told() -> None:
    try:
        IF.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)


def stopping_after(work: Callable[..., Any]) -> Callable[..., Any]:
    def stopping(*arguments: Any, **named: Any) -> Any:
        made = work(*arguments, **named)
        if made or made is None:
            stop_if_told()
        return made

    return stopping


def stopping_amid(rows: Iterable[Any]) -> Iterator[Any]:
    for number, row in enumerate(rows):
        yield row
        if number == 200:
            stop_if_told()


def executing(cursor: Any, query: Any, rows: Any, **named: Any) -> Any:
    return executemany(cursor, query, stopping_amid(rows), **named)


executemany = psycopg.Cursor.executemany
if AT == "pipeline":
    psycopg.Cursor.executemany = executing  # type: ignore[method-assign]
elif AT == "claim":
    dirty.claim = stopping_after(dirty.claim)
elif AT == "publish":
    representations.publish = stopping_after(representations.publish)
elif AT == "apply":
    articles.apply = stopping_after(articles.apply)

if __name__ == "__main__":
    main()
