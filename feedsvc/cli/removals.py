"""Stories whose files are gone, for `feedsvc refresh --allow-removals` and `feedsvc status`.

Must not know why such stories are held: resolves the paths on the command line, and lists those in the store.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from feedsvc.cli.common import store_of
from feedsvc.config.schema import Config
from feedsvc.refresh.refresher import Refresher
from feedsvc.refresh.removing import tell_folder, why_missing
from feedsvc.store import trouble
from feedsvc.store.removals import Held
from feedsvc.util.errors import ConfigError

_SHOWN = 20  # held stories that are printed at most; `--json` lists all of them


def allowed(root: Path, refresher: Refresher, written: Sequence[str]) -> tuple[str, ...]:
    """The paths, relative to the content folder `root`, that the paths in `written` mean.

    Each is written relative to the content folder or to the current directory; no path means the whole
    folder. The files need not exist any more, but must have been read once. Raises ConfigError for a path
    from which no story was ever read, or that could mean two places.
    """
    return tuple(_meant(root, refresher, one) for one in written) or ("",)


def _meant(root: Path, refresher: Refresher, written: str) -> str:
    candidates = dict.fromkeys([*_from_content(written), *_from_here(root, written)])
    found = [path for path in candidates if refresher.has_read(path)]
    if not found:
        raise ConfigError(
            f"--allow-removals: no story was ever read from {written!r}; name a file or folder as"
            " `feedsvc status` does, or from here"
        )
    if len(found) > 1:
        either = " or ".join(str(root / path) for path in found)
        raise ConfigError(f"--allow-removals: {written!r} could be two places; write {either}")
    return found[0]


def _from_content(written: str) -> Iterator[str]:
    """The path if it may be relative to the content folder: not if absolute or beginning with `.` or `..`."""
    path = os.path.normpath(written)
    if not os.path.isabs(written) and written.split("/")[0] not in {"", ".", ".."} and path[:2] != "..":
        yield path


def _from_here(root: Path, written: str) -> Iterator[str]:
    for place in (os.path.abspath(written), os.path.realpath(written)):
        for base in (os.path.abspath(root), os.path.realpath(root)):
            if place == base:
                yield ""
            elif place.startswith(f"{base}/"):
                yield place[len(base) + 1 :]


def require_folder(config: Config) -> None:
    """Raise ConfigError if the content folder is missing; the store records that, for `feedsvc status`."""
    root = config.content_root
    why = why_missing(root)
    if not why:
        return
    # Without a store, nothing was ever published, and there is no service that should report it.
    with suppress(*trouble.FAULTS), store_of(config) as store, store.write() as tx:
        tell_folder(tx, root, why, datetime.now(UTC))
    raise ConfigError(f"store.content: {root} is no folder; name the folder of stories")


def show(held: Sequence[Held]) -> None:
    """Print how many stories are held, and the first `_SHOWN` of them."""
    if held:
        click.echo(f"held, because their files are gone: {len(held)}")
    for one in held[:_SHOWN]:
        click.echo(f"  {one.path}: gone since {one.since.isoformat(timespec='seconds')}")
    if len(held) > _SHOWN:
        click.echo(f"  and {len(held) - _SHOWN} more, which --json lists")
