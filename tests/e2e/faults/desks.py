"""Who changes stories: systems that push them, one by one and in batches, and authors who write files.

Each story has one writer. A request that was not answered, or not taken for a fault of the service, is sent
again until it is, as real clients do; `updated` and If-Match keep an attempt that comes late from doing harm.
"""

import http.client
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.e2e.faults import stories
from tests.e2e.faults.asking import HANGS_SECONDS, Answer, Connection
from tests.e2e.faults.reference import Change, Version
from tests.e2e.faults.run import Run
from tests.e2e.faults.timeline import DATABASE

_SOON = (2.0, 8.0)  # seconds until an embargo or an expiry that is seen to come
_LATER = 86_400.0
_AGAIN_SECONDS = 0.2
_MOST_REFUSALS = 30
_DELETIONS_APART = 5.0  # seconds: the guard of removals lets twenty a minute go
_API = "/api/articles"
_KINDS = {"edit": 9, "batch": 2, "withdraw": 4, "embargo": 2, "long embargo": 1, "expiry": 2, "draft": 1}


class Desk(threading.Thread):
    """One that changes its own stories, one after another."""

    kinds = _KINDS
    is_file = False

    def __init__(self, run: Run, name: str, names: list[str], pause: tuple[float, float]) -> None:
        super().__init__(name=name, daemon=True)
        self.desk_run = run
        self.dice = run.dice(name)
        self.names = names
        self.published = {one: run.began - 60 - 7 * number for number, one in enumerate(names)}
        self.pause = pause
        self.filled = threading.Event()
        """Every story of it was written once."""
        for one in names:
            run.reference.add(one, is_file=self.is_file)

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # a desk that ends early would hide what it has to find
            self.desk_run.history.broken("every desk goes on", self.name, repr(error))

    def _work(self) -> None:
        run = self.desk_run
        for name in self.names:
            self.change(name, Version(1))
        self.filled.set()
        while not run.over.wait(self.dice.uniform(*self.pause)):
            (kind,) = self.dice.choices(list(self.kinds), list(self.kinds.values()))
            self.do(kind, self.dice.choice(self.names))

    def do(self, kind: str, name: str) -> None:
        """One change, of that kind; what is held back comes back as likely as not."""
        last = self.desk_run.reference.stories[name].last
        if last and last.status in {"withdrawn", "deleted"}:
            kind = "edit"
        self.change(name, self.next_version(kind, name))

    def next_version(self, kind: str, name: str) -> Version:
        """The version that such a change makes."""
        last = self.desk_run.reference.stories[name].last
        number = (last.number if last else 0) + 1
        soon = time.time() + self.dice.uniform(*_SOON)
        return {
            "withdraw": Version(number, "withdrawn"),
            "draft": Version(number, "draft"),
            "delete": Version(number, "deleted"),
            "embargo": Version(number, embargo=soon),
            "long embargo": Version(number, embargo=time.time() + _LATER),
            "expiry": Version(number, expires=soon),
        }.get(kind, Version(number))

    def change(self, name: str, version: Version) -> None:
        """Have a story be that version; returns once it was acknowledged, or the run has ended."""
        raise NotImplementedError


class FileDesk(Desk):
    """Authors: they rename files into place, save them in place, move and delete them."""

    kinds = _KINDS | {"move": 3, "delete": 1, "batch": 0}
    is_file = True

    def __init__(self, run: Run, name: str, names: list[str], pause: tuple[float, float]) -> None:
        super().__init__(run, name, names, pause)
        self._places: dict[str, Path] = {}
        self._staging = run.folder / f"staging-{name}"
        self._staging.mkdir()
        self._deleted_at = 0.0

    def do(self, kind: str, name: str) -> None:
        if kind == "move":
            self._move(name)
            return
        if kind == "delete":
            if time.time() < self._deleted_at + _DELETIONS_APART:
                return
            self._deleted_at = time.time()
        super().do(kind, name)

    def change(self, name: str, version: Version) -> None:
        run = self.desk_run
        place = self._places.setdefault(name, run.content / "desk" / f"{name}.md")
        place.parent.mkdir(exist_ok=True)
        change = run.reference.send(name, version)
        if version.status == "deleted":
            place.unlink(missing_ok=True)
        else:
            self._write(place, stories.file(name, version, self.published[name], change.sent))
        run.reference.acknowledge(change)
        run.history.counts["files written"] += 1
        run.history.note(f"file {name} is version {version.number}, {_said(version)}")

    def _write(self, place: Path, text: str) -> None:
        if self.dice.random() < 0.25:
            place.write_text(text, "utf-8")
            return
        draft = self._staging / place.name
        draft.write_text(text, "utf-8")
        draft.rename(place)

    def _move(self, name: str) -> None:
        """To another name or folder: by its written id it is the same story."""
        before = self._places.get(name)
        if before is None or not before.exists():
            return
        folder = self.desk_run.content / self.dice.choice(("desk", "desk/late", "wire"))
        folder.mkdir(parents=True, exist_ok=True)
        self._places[name] = folder / f"{name}-{self.dice.randrange(1000)}.md"
        os.rename(before, self._places[name])
        self.desk_run.history.note(f"file {name} is moved to {self._places[name].name}")


class ApiDesk(Desk):
    """A newsroom's system."""

    def __init__(self, run: Run, name: str, names: list[str], pause: tuple[float, float]) -> None:
        super().__init__(run, name, names, pause)
        self._tags: dict[str, str] = {}

    def do(self, kind: str, name: str) -> None:
        if kind == "batch":
            self._batch(self.dice.sample(self.names, min(8, len(self.names))))
            return
        super().do(kind, name)

    def change(self, name: str, version: Version) -> None:
        last = self.desk_run.reference.stories[name].last
        by_delete = version.status == "withdrawn" and last is not None and self.dice.random() < 0.7
        was_withdrawn = last is not None and last.status == "withdrawn"
        change = self.desk_run.reference.send(name, version)
        self._send_until_taken(name, change, by_delete, was_withdrawn)

    def push_again(self, name: str) -> None:
        """What went with a deleted store: as a newsroom does that sees its story is missing."""
        self.change(name, self.next_version("edit", name))

    # -- one story --------------------------------------------------------------------------------------

    def _send_until_taken(self, name: str, change: Change, by_delete: bool, if_match: bool) -> None:
        run, attempts, refusals = self.desk_run, 0, 0
        while not run.ended.is_set():
            attempts += 1
            is_lost = run.reference.is_lost(name) or change.is_lost
            answer = self._send(name, change, by_delete, if_match and not is_lost)
            status = answer.status if answer else 0
            if answer and status in {200, 201}:
                if status == 201 and not is_lost:
                    run.history.broken("what was acknowledged is kept", name, "it is made anew by a change")
                self._taken(name, change, answer.etag, attempts)
                return
            if answer and status in {404, 409, 412}:
                refusals += 1
                if self._is_there(name, change, by_delete, answer, attempts):
                    return
                if_match = True
                if refusals > _MOST_REFUSALS:
                    told = f"{status}: {answer.body[:300]!r}"
                    run.history.broken("a change is taken in the end", name, told)
                    return
            run.history.counts[f"pushes answered {status or 'not at all'}"] += 1
            run.ended.wait(_AGAIN_SECONDS)

    def _send(self, name: str, change: Change, by_delete: bool, if_match: bool) -> Answer | None:
        fields = {"Content-Type": "application/json"}
        if (if_match or by_delete) and name in self._tags and not change.is_lost:
            fields["If-Match"] = self._tags[name]
        if by_delete:
            return self._ask("DELETE", f"{_API}/{name}?reason=It+was+not+so.", None, fields)
        document = stories.document(name, change.version, self.published[name], change.sent)
        return self._ask("PUT", f"{_API}/{name}", json.dumps(document).encode(), fields)

    def _is_there(self, name: str, change: Change, by_delete: bool, told: Answer, attempts: int) -> bool:
        """Whether an earlier attempt did what this one was refused for; else what is there is learnt."""
        run = self.desk_run
        found = self._ask("GET", f"{_API}/{name}", None, {})
        if found is None or found.status not in {200, 404}:
            return False
        is_lost = run.reference.is_lost(name) or change.is_lost
        if found.status == 404:
            self._tags.pop(name, None)
            if not is_lost:
                run.history.broken("what was acknowledged is kept", name, f"it is 404; {told.body[:200]!r}")
            if by_delete:  # it went with its store: there is nothing to withdraw, and no tombstone of it
                change.is_lost = True
                self._taken(name, change, "", attempts)
            return by_delete
        self._tags[name] = found.etag
        document = json.loads(found.body)
        wanted = stories.title(name, change.version)
        if (by_delete and document["status"] == "withdrawn") or document["title"] == wanted:
            self._taken(name, change, found.etag, attempts)
            return True
        taken = run.reference.stories[name].taken
        if taken and not is_lost and not by_delete and taken.version.status != "withdrawn":
            newest = stories.title(name, taken.version)
            if document["title"] != newest:
                seen = f"{document['title']} is there, {newest} was taken"
                run.history.broken("what was acknowledged is kept", name, seen)
        return False

    def _taken(self, name: str, change: Change, etag: str, attempts: int) -> None:
        run = self.desk_run
        if etag:
            self._tags[name] = etag
        run.reference.acknowledge(change)
        run.history.counts["pushes taken"] += 1
        took = time.time() - change.sent
        run.history.note(
            f"{name} is taken as version {change.version.number}, {_said(change.version)},"
            f" after {took:.2f} s, {attempts} attempts"
        )

    # -- many -------------------------------------------------------------------------------------------

    def _batch(self, names: list[str]) -> None:
        """Edits of several; lines that are not taken are sent by themselves, as any other change."""
        run = self.desk_run
        plain = [
            one for one in names if (last := run.reference.stories[one].last) and last.status == "published"
        ]
        changes = {one: run.reference.send(one, self.next_version("edit", one)) for one in plain}
        lines = [
            json.dumps({"id": one} | stories.document(one, change.version, self.published[one], change.sent))
            for one, change in changes.items()
        ]
        fields = {"Content-Type": "application/x-ndjson"}
        answer = self._ask("POST", _API, "\n".join(lines).encode(), fields)
        answers = answer.body.splitlines() if answer and answer.status == 200 else []
        told: dict[str, dict[str, Any]] = {one["id"]: one for one in map(json.loads, answers) if "id" in one}
        run.history.counts[f"batches answered {answer.status if answer else 'not at all'}"] += 1
        for name, change in changes.items():
            line = told.get(name, {"status": 0})
            if line["status"] in {200, 201}:
                self._taken(name, change, line["etag"], 1)
            else:
                self._send_until_taken(name, change, False, False)

    # -- requests ---------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: bytes | None, fields: dict[str, str]) -> Answer | None:
        """One request to any node; None if it was not answered whole."""
        run = self.desk_run
        node = self.dice.choice(run.nodes.answering)
        connection, began = Connection(node.service.port), time.time()
        try:
            return connection.ask(method, path, body, fields | run.authorization)
        except TimeoutError:
            self._note_hanging(node.web, f"{method} {path}", began)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        return None

    def _note_hanging(self, web: str, asked: str, began: float) -> None:
        up = self.desk_run.timeline.up([[DATABASE], [web]], began, time.time())
        if up > HANGS_SECONDS - 1:
            told = f"no answer at {web} in {HANGS_SECONDS:.0f} s, with database and node up"
            self.desk_run.history.broken("a push is answered, with 503 at worst", asked, told)


def _said(version: Version) -> str:
    now = time.time()
    if version.embargo:
        return f"embargo in {version.embargo - now:.1f} s"
    if version.expires < now + _LATER:
        return f"expires in {version.expires - now:.1f} s"
    return version.status


def desks(run: Run, many: random.Random) -> list[Desk]:
    """All that change stories in a run."""
    pause = (0.05, many.uniform(0.3, 0.6))
    names = {kind: [f"{kind}{number}" for number in range(18)] for kind in "abf"}
    return [
        ApiDesk(run, "push-a", names["a"], pause),
        ApiDesk(run, "push-b", names["b"], pause),
        FileDesk(run, "files", names["f"], pause),
    ]
