"""The feeds of a store made anew of the same stories, and how they differ from those of the store that lived.

What is in a store alone is left out of the comparison: the marks of stories that were pushed, or that were
held back by other means than `status: withdrawn` (docs/operations.md, docs/feeds.md).
"""

import json
from urllib.parse import quote

from lxml import etree

from tests.e2e.conftest import Service
from tests.e2e.faults.asking import Connection
from tests.e2e.faults.reference import Story
from tests.e2e.faults.run import Run

_ATOM = "{http://www.w3.org/2005/Atom}"
_DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
_PATIENCE = 20.0  # seconds
_ITEMS = {"rss": b"<item>", "atom": b"<entry", "json": b'"id":'}


def differences(run: Run, store: str, config: str) -> list[str]:
    """The feeds that a store made anew at `store` (its URL) has otherwise, and how."""
    folder = run.folder / "rebuilt"
    folder.mkdir()
    (folder / "content").symlink_to(run.content, target_is_directory=True)
    live = run.nodes.answering[0].service
    again = Service(folder, store, config).start()
    try:
        _push(run, live, again)
        found = _compare(run, live, again)
        if found:
            again.wait_until(lambda: not _compare(run, live, again) or _is_late(run), _PATIENCE + 5)
            found = _compare(run, live, again)
        return found
    finally:
        again.stop()
        again.kill()
        again.client.close()


def _is_late(run: Run) -> bool:
    run.history.counts["looks at the rebuilt store"] += 1
    return run.history.counts["looks at the rebuilt store"] > 40


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
    were, are = live.feeds(), again.feeds()
    stories = run.reference.stories
    found = [f"{path}: only in the rebuilt store" for path in sorted(are.keys() - were.keys())]
    for path, (body, *_) in sorted(were.items()):
        fmt = path.rpartition(".")[2]
        if path not in are:
            # A feed that lost its last story stays, in the store alone.
            if _ITEMS[fmt] in body:
                found.append(f"{path}: only in the live store, with stories")
        elif (seen := _comparable(fmt, body, stories)) != (made := _comparable(fmt, are[path][0], stories)):
            found.append(f"{path}: {_first_difference(seen, made)}")
    return found


def _comparable(fmt: str, body: bytes, stories: dict[str, Story]) -> bytes:
    if fmt != "atom":
        return body
    feed = etree.fromstring(body)
    for mark in feed.findall(_DELETED):
        story = stories.get(mark.get("ref", "").rpartition(":")[2])
        if not (story and story.is_file and story.last and story.last.status == "withdrawn"):
            feed.remove(mark)
    updated = feed.find(f"{_ATOM}updated")  # of the newest mark, too
    if updated is not None:
        feed.remove(updated)
    return bytes(etree.tostring(feed, method="c14n"))


def _first_difference(one: bytes, other: bytes) -> str:
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    around = slice(max(0, at - 150), at + 250)
    return f"live {one[around]!r}, rebuilt {other[around]!r}"
