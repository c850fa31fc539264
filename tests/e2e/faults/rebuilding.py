"""The feeds of a store made anew of the same stories, and how they differ from those of the store that lived.

What is in a store alone is left out of the comparison: the marks of stories that were pushed, that were held
back by other means than `status: withdrawn`, or of which it isn't sure that they were out before, for a file
that says so when it is first read is taken to have been (docs/operations.md, docs/feeds.md).
"""

import json
import time
from urllib.parse import quote

from lxml import etree

from tests.e2e.conftest import Service
from tests.e2e.faults.asking import Connection
from tests.e2e.faults.reference import HELD_BACK_SECONDS, Story
from tests.e2e.faults.run import Run
from tests.e2e.faults.timeline import DATABASE

_ATOM = "{http://www.w3.org/2005/Atom}"
_DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
_PATIENCE = 20.0  # seconds
_LOADS = 180.0  # of all the files that arrived
_ITEMS = {"rss": b"<item>", "atom": b"<entry", "json": b'"id":'}


def differences(run: Run, store: str, config: str) -> list[str]:
    """The feeds that a store made anew at `store` (its URL) has otherwise, and how."""
    folder = run.folder / "rebuilt"
    folder.mkdir()
    (folder / "content").symlink_to(run.content, target_is_directory=True)
    live = run.nodes.answering[0].service
    again = Service(folder, store, config).start(ready=False)
    try:
        again.wait_until(lambda: again.get("/readyz").status_code == 200, _LOADS)
        _push(run, live, again)
        until = time.monotonic() + _PATIENCE
        while (found := _compare(run, live, again)) and time.monotonic() < until:
            time.sleep(0.3)
        return found
    finally:
        again.stop()
        again.kill()
        again.client.close()


def _push(run: Run, live: Service, again: Service) -> None:
    """What was pushed is pushed again, each story as the store that lived has it."""
    lines = []
    for story in run.reference.stories.values():
        if story.is_file:
            continue
        answer = live.client.get(f"/api/articles/{quote(story.name)}", headers=run.authorization)
        if answer.status_code == 200:
            lines.append(json.dumps({"id": story.name} | answer.json()))
    made = again.run("token", "create", "cms", "--scope", "write")
    fields = {"Authorization": f"Bearer {made.stdout.strip()}", "Content-Type": "application/x-ndjson"}
    again.wait_until(
        lambda: again.client.get("/api/articles/none", headers=fields).status_code == 404, _PATIENCE
    )
    connection = Connection(again.port)
    answer_ = connection.ask("POST", "/api/articles", "\n".join(lines).encode(), fields)
    connection.close()
    refused = [line for line in answer_.body.splitlines() if json.loads(line)["status"] != 201]
    assert not refused, refused


def _compare(run: Run, live: Service, again: Service) -> list[str]:
    were, are = _feeds(live), _feeds(again)
    marked = {name for name, story in run.reference.stories.items() if _leaves_mark(run, story)}
    found = [f"{path}: only in the rebuilt store" for path in sorted(are.keys() - were.keys())]
    for path, body in sorted(were.items()):
        fmt = path.rpartition(".")[2]
        if path not in are:
            # A feed that lost its last story stays, in the store alone.
            if _ITEMS[fmt] in body:
                found.append(f"{path}: only in the live store, with stories")
        elif (seen := _comparable(fmt, body, marked)) != (made := _comparable(fmt, are[path], marked)):
            found.append(f"{path}: {_first_difference(seen, made)}")
    return found


def _feeds(service: Service) -> dict[str, bytes]:
    """The bytes of every published feed, by key and format."""
    outlines = etree.fromstring(service.get("/feeds.opml").content)
    urls = [one.get("xmlUrl", "") for one in outlines.iter("outline")]
    keys = {one.partition("/feeds/")[2].rpartition(".")[0] for one in urls}
    paths = [f"{key}.{fmt}" for key in keys if key for fmt in _ITEMS]
    return {path: service.get(f"/feeds/{path}").content for path in paths}


def _leaves_mark(run: Run, story: Story) -> bool:
    """Whether both stores must say that it was withdrawn: its file does, and it surely was public before."""
    if not story.is_file or len(story.changes) < 2 or story.changes[-1].version.status != "withdrawn":
        return False
    before, last = story.changes[-2:]
    if before.version.status != "published" or before.acknowledged is None:
        return False
    since = max(before.acknowledged, before.version.embargo)
    until = min(before.version.expires, last.sent)
    needed = [[DATABASE], run.nodes.refreshers]
    return since < until and run.timeline.able(needed, since, until) > HELD_BACK_SECONDS


def _comparable(fmt: str, body: bytes, marked: set[str]) -> bytes:
    if fmt != "atom":
        return body
    feed = etree.fromstring(body)
    for mark in feed.findall(_DELETED):
        if mark.get("ref", "").rpartition(":")[2] not in marked:
            feed.remove(mark)
    updated = feed.find(f"{_ATOM}updated")  # of the newest mark, too
    if updated is not None:
        feed.remove(updated)
    etree.cleanup_namespaces(feed)  # that of marks which were taken out
    return bytes(etree.tostring(feed, method="c14n"))


def _first_difference(one: bytes, other: bytes) -> str:
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    around = slice(max(0, at - 150), at + 250)
    return f"live {one[around]!r}, rebuilt {other[around]!r}"
