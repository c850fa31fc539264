"""`bulk`: how long one change takes to reach readers while very many files come or go.

Knows files, feeds and the API; nothing of how a service chooses what to do first.
"""

import http.client
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import corpus, running
from benchmarks.archives import Archives
from benchmarks.measuring import median, percentile
from benchmarks.results import Section, Table, Target
from benchmarks.running import HOST, Server
from benchmarks.scale import Scale
from benchmarks.service import FEED, SITE, command

_CONFIG = """\
content = "content"

[content]
removals = "all"

[http]
workers = 2

[log]
level = "warning"
"""
_DELETED = "deleted"
_KINDS = ("withdrawn, renamed", "withdrawn, saved", "embargo, saved", "edited", _DELETED, "DELETE", "PUT")
_STORIES = 420  # that are changed, one after another
_A_GROUP = 30  # that share their feeds, so that each is among the latest fifty
_SEEN_EVERY = 0.02  # seconds
_UNSEEN = 0.4  # seconds without a sight of it, after which a story counts as gone
_PAUSE = (0.0, 0.4)
_LIMIT = 120.0
_LOADS = 600.0
_HURRY = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of which kind, and how many seconds after it a reader last had the story as it was."""

    kind: str
    seconds: float


def run(scale: Scale, archives: Archives) -> Section:
    """Change story after story while files are copied, renamed in one by one, moved in, and deleted."""
    section = Section("bulk", f"single changes while {scale.bulk:,} files come")
    bulk = archives.content(scale.bulk)
    rows: dict[str, list[Change]] = {}
    for name, (before, doing) in _WAYS.items():
        folder = archives.empty_folder(f"bulk-{name.replace(' ', '-')}")
        rows[name] = _Newsroom(folder, bulk, scale.bulk, before, doing).measured()
        shutil.rmtree(folder)
    section.tables += [_table("", rows), _table("By kind of change", _by_kind(rows))]
    changes = [one for some in rows.values() for one in some]
    said = percentile([one.seconds for one in changes if one.kind != _DELETED], 0.99)
    gone = percentile([one.seconds for one in changes if one.kind == _DELETED], 0.99)
    what = f"A change while {scale.bulk:,} files come or go, 99th percentile"
    section.targets += [
        Target(what, f"{said:.2f} s", f"< {_HURRY:g} s", said < _HURRY),
        Target("The same, of a file that is deleted", f"{gone:.2f} s"),
    ]
    section.how += _how(scale)
    return section


# -- how many files come or go, in a process of their own ---------------------------------------------------

_COPY = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
_RENAME = """\
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    place = os.path.join(sys.argv[2], os.path.relpath(folder, sys.argv[1]))
    os.makedirs(place, exist_ok=True)
    for name in names:
        os.rename(os.path.join(folder, name), os.path.join(place, name))
"""
_MOVE = "import os, sys; os.rename(sys.argv[1], sys.argv[2])"
_DELETE = "import shutil, sys; shutil.rmtree(sys.argv[2])"
_WAYS = {
    "copied": ("elsewhere", _COPY),
    "renamed one by one": ("beside", _RENAME),
    "their folder renamed": ("beside", _MOVE),
    "deleted": ("there", _DELETE),
}
"""Where the files are before, and what is done to them."""


class _Newsroom:
    """A service, the files that come or go, and the stories that are changed meanwhile."""

    def __init__(self, folder: Path, bulk: Path, size: int, before: str, doing: str) -> None:
        self._folder = folder
        self._content = folder / "content"
        self._size = size
        self._source = bulk if before == "elsewhere" else folder / "staged"
        self._doing = doing
        self._is_there = before == "there"
        if before == "beside":
            shutil.copytree(bulk, self._source)
        elif self._is_there:
            shutil.copytree(bulk, self._content / "bulk")
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._dice = random.Random(corpus.SEED)

    def measured(self) -> list[Change]:
        """Start the service, begin the bulk, and change stories until all of it is published."""
        for number in range(_STORIES):
            self._write(number)
        config = self._folder / "config.toml"
        config.write_text(SITE + _CONFIG, "utf-8")
        port = running.free_port()
        arguments = [*command(), "serve", "--config", str(config), "--port", str(port)]
        server = running.start(arguments, self._folder, port=port, ready=FEED, limit=_LOADS)
        try:
            token = _token(config)
            self._push_all(server.port, token)
            files = _STORIES + (self._size if self._is_there else 0)
            _wait(lambda: _is_all_published(server.port, files))
            return self._changes(server, token)
        finally:
            server.stop()

    def _changes(self, server: Server, token: str) -> list[Change]:
        target = self._content / "bulk"
        bulk = subprocess.Popen([sys.executable, "-c", self._doing, str(self._source), str(target)])
        changes: list[Change] = []
        try:
            for number in range(_STORIES):
                kind = _KINDS[number % len(_KINDS)]
                if kind == _DELETED and self._is_there:
                    continue
                changes.append(Change(kind, self._timed(server.port, token, number, kind)))
                time.sleep(self._dice.uniform(*_PAUSE))
                if bulk.poll() is not None and _is_all_loaded(server.port, self._is_there, self._size):
                    break
        finally:
            bulk.wait()
        return changes

    def _timed(self, port: int, token: str, number: int, kind: str) -> float:
        changed = time.monotonic()
        pushed = kind in {"DELETE", "PUT"}
        self._change(port, token, number, kind)
        mark = _title(number, pushed=pushed).encode()
        feeds = _feeds(number)
        seen = changed
        while (now := time.monotonic()) < seen + _UNSEEN:
            if any(mark in running.get(port, feed).body for feed in feeds):
                seen = time.monotonic()
            if now > changed + _LIMIT:
                break
            time.sleep(_SEEN_EVERY)
        return seen - changed

    # -- stories --------------------------------------------------------------------------------------------

    def _change(self, port: int, token: str, number: int, kind: str) -> None:
        place = self._content / _path(number)
        if kind == "withdrawn, renamed":
            draft = self._folder / "draft.md"
            draft.write_text(self._text(number, "status: withdrawn"), "utf-8")
            draft.rename(place)
        elif kind == "withdrawn, saved":
            place.write_text(self._text(number, "status: withdrawn"), "utf-8")
        elif kind == "embargo, saved":
            place.write_text(self._text(number, "embargo: 2035-01-01T00:00:00Z"), "utf-8")
        elif kind == "edited":
            place.write_text(self._text(number, title="Edited"), "utf-8")
        elif kind == _DELETED:
            place.unlink()
        elif kind == "DELETE":
            _ask(port, token, "DELETE", f"/api/articles/pushed/{number}")
        else:
            document = self._document(number) | {"title": "Edited"}
            _ask(port, token, "PUT", f"/api/articles/pushed/{number}", document)

    def _write(self, number: int) -> None:
        place = self._content / _path(number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self._text(number), "utf-8")

    def _text(self, number: int, more: str = "", title: str = "") -> str:
        front = (
            f"title: {title or _title(number)}",
            f"date: {(self._now - timedelta(minutes=number)).isoformat()}",
            f"tags: [Changed {_group(number)}, {corpus.TAGS[number % 20]}]",
            f"author: Author {_group(number)}",
            *([more] if more else []),
        )
        return "\n".join(["---", *front, "---", "", "The boats leave an hour earlier.", ""])

    def _document(self, number: int) -> dict[str, object]:
        return {
            "title": _title(number, pushed=True),
            "body": "The boats leave an hour earlier.",
            "published": (self._now - timedelta(minutes=number)).isoformat(),
            "section": f"Changed/{_group(number)}",
            "tags": [f"Changed {_group(number)}", corpus.TAGS[number % 20]],
            "authors": [f"Author {_group(number)}"],
        }

    def _push_all(self, port: int, token: str) -> None:
        for number in range(_STORIES):
            if _KINDS[number % len(_KINDS)] in {"DELETE", "PUT"}:
                _ask(port, token, "PUT", f"/api/articles/pushed/{number}", self._document(number))


def _group(number: int) -> int:
    return number // _A_GROUP


def _path(number: int) -> str:
    return f"changed/{_group(number)}/{number}.md"


def _title(number: int, *, pushed: bool = False) -> str:
    return f"{'Pushed' if pushed else 'Filed'} in the morning {number}."


def _feeds(number: int) -> Sequence[str]:
    """Where it is among the latest: the feeds of its group, which no file of the bulk is in."""
    group = _group(number)
    names = (f"sections/changed/{group}", f"tags/changed-{group}", f"authors/author-{group}")
    return [f"/feeds/{name}.json" for name in names]


# -- the service --------------------------------------------------------------------------------------------


def _ask(port: int, token: str, method: str, path: str, document: object = None) -> None:
    """Have the API take a change; it is asked again as long as it says that it can't now."""
    until = time.monotonic() + _LIMIT
    while True:
        connection = http.client.HTTPConnection(HOST, port, timeout=30)
        fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(document) if document else None, fields)
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status < 300:
            return
        if response.status not in {401, 503} or time.monotonic() > until:
            raise http.client.HTTPException(f"{method} {path}: {response.status}: {said[:200]!r}")
        time.sleep(_SEEN_EVERY)


def _token(config: Path) -> str:
    arguments = [*command(), "token", "create", "cms", "--scope", "write", "--config", str(config)]
    made = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=config.parent)
    return made.stdout.strip()


def _figure(port: int, name: str) -> float:
    """A figure of the service's; it leaves them out if its store takes too long to count."""
    until = time.monotonic() + _LIMIT
    while time.monotonic() < until:
        lines = running.get(port, "/metrics").body.decode().splitlines()
        if found := [float(line.split()[1]) for line in lines if line.startswith(f"{name} ")]:
            return found[0]
    raise running.NotReadyError(f"/metrics has no {name}")


def _is_all_published(port: int, files: int) -> bool:
    return _figure(port, "feedsvc_articles") >= files and _figure(port, "feedsvc_dirty_feeds") == 0


def _is_all_loaded(port: int, is_deleted: bool, size: int) -> bool:
    stories, waiting = _figure(port, "feedsvc_articles"), _figure(port, "feedsvc_dirty_feeds")
    return (stories < 2 * _STORIES if is_deleted else stories >= size) and waiting == 0


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + _LOADS
    while not is_so():
        if time.monotonic() > until:
            raise running.NotReadyError(f"not all was published after {_LOADS:g} s")
        with suppress(OSError):
            time.sleep(0.2)


# -- what was found -----------------------------------------------------------------------------------------


def _by_kind(rows: dict[str, list[Change]]) -> dict[str, list[Change]]:
    return {kind: [one for some in rows.values() for one in some if one.kind == kind] for kind in _KINDS}


def _table(caption: str, rows: dict[str, list[Change]]) -> Table:
    columns = ("", "changes", "median, s", "99th percentile, s", "longest, s")
    return Table(caption, columns, [(name, *_figures(some)) for name, some in rows.items() if some])


def _figures(changes: Sequence[Change]) -> tuple[str, ...]:
    seconds = [one.seconds for one in changes]
    figures = (median(seconds), percentile(seconds, 0.99), max(seconds))
    return (f"{len(seconds)}", *(f"{one:.2f}" for one in figures))


def _how(scale: Scale) -> list[str]:
    return [
        f"`feedsvc serve` with two workers on SQLite, at {HOST}; {_STORIES} small stories, files and pushed "
        "ones, are changed one after another, with pauses, from the moment that "
        f"{scale.bulk:,} files of the corpus begin to come or go until each of their feeds is published.",
        "Time runs from the change (before a file is written, or the request is sent) until a reader last "
        "had the story as it was in one of three feeds, its section's, a tag's, its author's, asked every "
        "20 ms by a new connection. A file that is saved in place has to be quiet for half a second before "
        "it is read; one that is deleted, for a second. Amid files that are deleted no other one is: nothing "
        "tells it from them.",
    ]
