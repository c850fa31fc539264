"""What an author means to hold back nobody sees, however it is written, and who holds what is gone is told.

A state machine over story files, the API, partners, their webhooks, configurations and a moving clock does
what newsrooms really do: it mistypes keys, uses other systems' words, writes files slowly and breaks them,
sends old batches again, and takes rights away after delivery. After each step everything is fetched, as
everybody and as each partner. What may be there is decided by what was meant (`tests/newsroom.py`). That the
machine can fail is shown by breaking the service in the ways listed in MUTATIONS: each is found.
"""

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from werkzeug.test import Client

from feedsvc.changes import apply, push
from feedsvc.config import file as config_file
from feedsvc.config import options
from feedsvc.domain import revocation
from feedsvc.domain.rights import Webhook
from feedsvc.loading import availability, unknown_keys, unreadable, whole
from feedsvc.loading.settling import Kind, Known, Settling
from feedsvc.outbound import webhook_body
from feedsvc.outbound.webhooks import Notifier
from feedsvc.refresh import changed_rights, holding, refresher, scan
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import holdings, tokens
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Scope, Token, hashed
from feedsvc.web.app import application
from tests.newsroom import (
    EVERYBODY,
    FLAGS,
    LESS,
    MISSPELT,
    PARTNERS,
    RUINS,
    Found,
    Line,
    Piece,
    Rights,
    as_document,
    as_file,
    found_in,
    is_less,
    shown_at,
    slips,
    taken_away,
)
from tests.test_gate_machine import (
    CONFIG,
    EVERY_KEY,
    EVERY_PAGE,
    FORMATS,
    HOUR,
    SECTIONS,
    START,
    TAGS,
    feeds_for,
    feeds_of,
)

pytestmark = pytest.mark.slow

SETTLE = 4.0  # seconds, by a watch that is set forward and not waited for
SECRET = "a secret of sixteen or more"
WEBHOOKS = {who: Webhook(f"https://{who}.example/hook", SECRET) for who in ("acme", "globex")}
RETOLD = timedelta(days=2)  # what was lost longer ago may be told of no more
STANDS = timedelta(days=29)  # so long feeds say that a story is gone
PLACES = ("desk", "wire", "desk/late")


class Watch:
    """The time by which files settle: `time`, set forward at will."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def time(self) -> float:
        return time.time() + self.ahead

    def event(self) -> threading.Event:
        """One that is waited for by setting the watch."""
        watch = self

        class Event(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                watch.ahead += timeout or 0.0
                return self.is_set()

        return Event()


@dataclass
class Knowledge:
    """What a partner knows of a story: how much of it it was last shown to be given, and when it polled.

    `level` is the most that it holds and was not told to have lost. `said` has the ends it received with it.
    """

    level: str
    at: datetime
    version: int
    said: frozenset[datetime | None]
    named: tuple[str, str]
    """Its id and its link, as the partner's feed has them."""


class Newsroom(RuleBasedStateMachine):
    """Authors write, mistype, break, withdraw and restrict stories; partners poll; everybody looks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name).resolve()
        self.content = self.root / "content"
        (self.content / "desk").mkdir(parents=True)
        self.watch = Watch()
        self.patched = pytest.MonkeyPatch()
        clockwork = SimpleNamespace(monotonic=self.watch.monotonic, time=self.watch.time)
        for module in (holding, scan, whole):
            self.patched.setattr(module, "time", clockwork)
        self.patched.setattr(
            refresher, "threading", SimpleNamespace(Event=self.watch.event, Lock=threading.Lock)
        )
        self.now = START
        self.rights = Rights()
        self.pieces: dict[str, Piece] = {}
        self.gone: dict[str, Piece] = {}
        """The stories whose files were deleted."""
        self.places: dict[str, Path] = {}
        self.versions: dict[str, int] = {}
        self.could: dict[str, set[str]] = {}
        """Who could ever have a story: those who may learn that it is gone."""
        self.shown: dict[tuple[str, str], set[int]] = {}
        """The versions of a story that an audience could ever have, which it may be told the title of."""
        self.knows: dict[tuple[str, str], Knowledge] = {}
        self.broken: set[str] = set()
        """The stories whose files are broken, and whose last whole version is served."""
        self.polled: dict[str, datetime] = {}
        self.glanced: dict[str, datetime] = {}
        """When partners last polled another feed than that of all stories, which may or may not tell them."""
        self.acted: dict[str, datetime] = {}
        """When anything was last done to a story, or to its agency's rights."""
        self.short_since: dict[tuple[str, str], datetime] = {}
        """Since when a partner may have less of a story than it knows."""
        self.batches: list[list[Piece]] = []
        self.stated: dict[str, datetime | None] = {}
        self.tags: dict[str, str] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.answers = 200
        self.is_behind = False
        """Whether a notice may wait because a webhook failed."""
        self.told_at: dict[tuple[str, str], datetime] = {}
        self.start()
        self.cms = self.token("cms", "write")
        self.good = {who: self.token(who) for who in PARTNERS}

    # -- the service ------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        return self.now

    def start(self) -> None:
        """Start the service, by the present configuration."""
        text = CONFIG
        if self.rights.afp != "full":
            text += f'\n[sources.afp]\npartners = "{self.rights.afp}"\n'
        (self.root / "config.toml").write_text(text, "utf-8")
        config = config_file.load(self.root / "config.toml", {})
        self.store = Store(config.store_url)
        rules = options.rules(config)
        self.refresher = Refresher(
            self.store,
            self.content,
            options.load_rules(config),
            rules,
            clock=self.clock,
            settle=SETTLE,
        )
        self.refresher.prepare()
        self.notifier = Notifier(self.store, rules, WEBHOOKS, self.clock, self.post)
        # What the first is asked is noted in the delivery log; the second is only looked at.
        apps = [application(config, self.store, clock=self.clock) for _ in range(2)]
        self.followers = [app.extensions["feedsvc"] for app in apps]
        self.ledger = apps[0].extensions["feedsvc-ledger"]
        self.client, self.glass = (Client(app.wsgi_app) for app in apps)

    def post(self, url: str, body: bytes, _fields: Mapping[str, str], _private: bool) -> int:
        who = url.removeprefix("https://").partition(".")[0]
        self.sent.append((who, json.loads(body)))
        return self.answers

    def token(self, who: str, scope: Scope = "read") -> str:
        secret = secrets.token_urlsafe(16)
        with self.store.write() as tx:
            tokens.add(tx, Token(secrets.token_hex(4), hashed(secret), who, scope, "", self.now))
        return secret

    def ask(self, method: str, path: str, **more: Any) -> Any:
        fields = {"Authorization": f"Bearer {self.cms}"} | more.pop("headers", {})
        return self.client.open(f"/api/articles{path}", method=method, headers=fields, **more)

    # -- files ------------------------------------------------------------------------------------------

    def note(self, path: Path, *kinds: Kind) -> None:
        for kind in kinds:
            self.refresher.settling.note(str(path), kind, self.watch.monotonic())

    def read_due(self) -> None:
        """What a schedule does when something is due."""
        settling = self.refresher.settling
        if paths := settling.take(self.watch.monotonic()):
            self.refresher.scan_changed({Path(path) for path in paths})
            settling.done(paths)

    def settle(self) -> None:
        """Let what was closed be quiet for long enough, and have it read."""
        for _ in range(4):  # what is found fresh is looked at twice
            self.watch.ahead += SETTLE + 0.1
            self.read_due()

    def place(self, path: Path, text: str) -> None:
        """Rename a whole file into place."""
        beside = self.root / "beside"
        beside.write_text(text, "utf-8")
        self.stamp(beside)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.replace(path)
        self.note(path, Kind.PLACED)
        self.read_due()

    def save(self, path: Path, text: str) -> None:
        """Write a file in place, as an editor saves it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = Kind.WRITTEN if path.exists() else Kind.CREATED
        path.write_text(text, "utf-8")
        self.stamp(path)
        self.note(path, kind, Kind.WRITTEN, Kind.CLOSED)
        self.settle()

    def stamp(self, path: Path) -> None:
        stamp = self.now.timestamp()
        os.utime(path, (stamp, stamp))

    def write_file(self, path: Path, text: str, how: str) -> None:
        (self.place if how == "placed" else self.save)(path, text)

    # -- what changes -----------------------------------------------------------------------------------

    def act(self) -> None:
        """A second passes before anything is done."""
        self.forward(timedelta(seconds=1))

    def forward(self, step: timedelta) -> None:
        before, self.now = self.now, self.now + step
        for piece in self.pieces.values():
            self.could_have(piece, before)
        self.see_what_is_short()

    def becomes(self, piece: Piece) -> None:
        """A story is now as it was meant."""
        self.pieces[piece.name] = piece
        self.broken.discard(piece.name)
        self.acted[piece.name] = self.now
        self.could_have(piece, self.now)
        self.see_what_is_short()

    def could_have(self, piece: Piece, since: datetime) -> None:
        """Note who could have a story since an instant."""
        audiences = self.rights.could_have(piece, since, self.now)
        self.could.setdefault(piece.name, set()).update(audiences)
        for who in audiences:
            self.shown.setdefault((who, piece.name), set()).add(piece.version)

    def see_what_is_short(self) -> None:
        """Note since when partners may have less of stories than they know to be given."""
        for (who, name), known in self.knows.items():
            if is_less(self.most(name, who), known.level):
                self.short_since.setdefault((who, name), self.now)
            else:
                self.short_since.pop((who, name), None)

    def most(self, name: str, who: str) -> str:
        piece = self.pieces.get(name)
        return self.rights.most(piece, who, self.now) if piece else "none"

    def least(self, name: str, who: str) -> str:
        piece = self.pieces.get(name)
        return self.rights.least(piece, who, self.now) if piece else "none"

    def next_version(self, name: str) -> int:
        self.versions[name] = self.versions.get(name, -1) + 1
        return self.versions[name]

    def plain(self, name: str, **fields: Any) -> Piece:
        """The next version of a story, with nothing that holds it back but what is given."""
        made: dict[str, Any] = {"published": START - 3 * HOUR, "tags": ("ports",)} | fields
        is_pushed = name[0] == "p"
        return Piece(name, version=self.next_version(name), is_pushed=is_pushed, updated=self.now, **made)

    def again(self, piece: Piece, **fields: Any) -> Piece:
        """The next version of a story, as it is otherwise."""
        return replace(piece, version=self.next_version(piece.name), updated=self.now, **fields)

    def new_file(self, place: str = "desk") -> str:
        name = f"f{len(self.places)}"
        self.places[name] = self.content / place / f"{name}.md"
        return name

    def new_pushed(self) -> str:
        return f"p{len([name for name in self.versions if name[0] == 'p'])}"

    def some(self, data: st.DataObject, kind: str = "", **wanted: Any) -> Piece:
        """One of the stories there are, of files ("f") or pushed ("p"), with such fields."""
        found = [
            piece
            for name, piece in self.pieces.items()
            if name.startswith(kind)
            and all(getattr(piece, field) == value for field, value in wanted.items())
        ]
        if not found:
            name = self.new_pushed() if kind == "p" else self.new_file()
            self.bring(self.plain(name))
            return self.pieces[name]
        return data.draw(st.sampled_from(found))

    def bring(self, piece: Piece, how: str = "placed") -> None:
        """Have a new version come by its own door, rightly written."""
        if piece.is_pushed:
            before = self.pieces.get(piece.name)
            is_back = before is not None and before.status == "withdrawn" and piece.status != "withdrawn"
            answer = self.ask(
                "PUT", f"/{piece.id}{'?restore=true' if is_back else ''}", json=as_document(piece)
            )
            assert answer.status_code in (200, 201), answer.data
            self.accept(piece, answer.headers["ETag"])
        else:
            self.write_file(self.places[piece.name], as_file(piece), how)
            self.becomes(piece)

    def accept(self, piece: Piece, etag: str) -> None:
        """The API took a document."""
        if not (piece.status == "withdrawn" and piece.updated is None and piece.name in self.stated):
            self.stated[piece.name] = piece.updated or (self.now if piece.correction else None)
        self.tags[piece.name] = etag
        self.becomes(piece)

    def batch(self, *lines: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        text = "\n".join(json.dumps(line) for line in lines)
        answer = self.ask("POST", query, data=text, content_type="application/x-ndjson")
        assert answer.status_code == 200
        return [json.loads(line) for line in answer.data.splitlines()]

    # -- what newsrooms do ------------------------------------------------------------------------------

    @initialize(data=st.data())
    def morning(self, data: st.DataObject) -> None:
        """A first edition, which all partners get; then everything there is to do once, in any order."""
        for source in (None, None, "afp"):
            self.bring(self.plain(self.new_file(), source=source))
        self.push_batch(2)
        self.look()
        for who in PARTNERS:
            self.poll_all(who, data.draw(st.sampled_from(FORMATS[1:])))
        for name in data.draw(st.permutations(self.AGENDA)):
            getattr(self, name)(data)
            if data.draw(st.booleans()):
                self.tell_partners(data)

    AGENDA = (
        *("do_mistype", "do_flag", "do_slowly", "do_break", "do_withdraw", "do_take_away"),
        *("do_resend_what_was_corrected", "do_resend_what_was_withdrawn", "do_regret"),
        *("do_restart", "do_restore"),
    )

    @rule(
        data=st.data(),
        published=st.sampled_from([-3 * HOUR, -HOUR, timedelta(), HOUR]),
        embargo=st.none() | st.sampled_from([-HOUR, HOUR, 3 * HOUR]),
        expires=st.none() | st.sampled_from([HOUR, 3 * HOUR]),
        source=st.sampled_from([None, "reuters", "dpa", "ap", "afp"]),
        section=st.sampled_from(SECTIONS),
        tags=st.sets(st.sampled_from(TAGS)),
        access=st.sampled_from(["public", "public", "partners"]),
        door=st.sampled_from("fp"),
        how=st.sampled_from(["placed", "saved"]),
    )
    def write(self, data: st.DataObject, door: str, how: str, **fields: Any) -> None:
        """Write a new story, or an old one anew."""
        self.act()
        for instant in ("published", "embargo", "expires"):
            if fields[instant] is not None:
                fields[instant] = self.now + fields[instant]
        fields["tags"] = tuple(sorted(fields["tags"]))
        is_new = len(self.pieces) < 12 and data.draw(st.booleans())
        name = (
            (self.new_file() if door == "f" else self.new_pushed()) if is_new else self.some(data, door).name
        )
        self.bring(self.plain(name, **fields), how)
        self.look()

    @rule(data=st.data())
    def do_mistype(self, data: st.DataObject) -> None:
        """Hold a story back under a key that is mistyped, and leave it so."""
        self.act()
        unsure = frozenset[str]()
        if data.draw(st.booleans()):
            line = data.draw(st.sampled_from(MISSPELT))
        else:
            key, written, value = data.draw(slips())
            line = written, value
            if key == "syndication":
                unsure = frozenset({""})  # that everybody may have it is what a right key would say
        self.hold_back(data, [line], unsure)

    @rule(data=st.data())
    def do_flag(self, data: st.DataObject) -> None:
        """Hold a story back as another system does, or by the folder of its drafts."""
        self.act()
        self.hold_back(data, [data.draw(st.sampled_from(FLAGS))])

    def hold_back(
        self, data: st.DataObject, more: list[Line], unsure: frozenset[str] = frozenset(), ruin: str = ""
    ) -> None:
        before = self.some(data, "f", status="published")
        piece = self.again(before, is_held=True, unsure=unsure)
        how = data.draw(st.sampled_from(["placed", "saved"]))
        self.write_file(self.places[piece.name], as_file(piece, more, ruin), how)
        self.becomes(piece)
        self.look()

    @rule(data=st.data())
    def do_slowly(self, data: st.DataObject) -> None:
        """Write a story slowly, in place: as long as it isn't whole, what was whole before is served."""
        self.act()
        if data.draw(st.booleans()):
            before = self.some(data, "f")
            name, path = before.name, self.places[before.name]
            piece = self.again(before, is_held=False, unsure=frozenset(), status="published", expires=None)
        else:
            name = self.new_file()
            piece, path = self.plain(name), self.places[name]
        last = data.draw(st.sampled_from([("", ""), ("embargo", "embargo"), ("access", "access")]))[0]
        if last == "embargo":
            piece = replace(piece, embargo=self.now + HOUR)
        elif last == "access":
            piece = replace(piece, access="internal")
        text = as_file(piece)
        whole_head, whole_story = text.index("It began."), text.index(piece.mark("last"))
        cut = data.draw(st.sampled_from([whole_head, whole_story]) | st.integers(10, len(text) - 2))
        kind = Kind.WRITTEN if path.exists() else Kind.CREATED
        with path.open("w", encoding="utf-8") as file:
            file.write(text[:cut])
            file.flush()
            self.note(path, kind, Kind.WRITTEN)
            if data.draw(st.booleans()):
                self.settle()
            else:
                self.refresher.scan()
            self.look()
            file.write(text[cut:])
        self.note(path, Kind.WRITTEN, Kind.CLOSED)
        self.read_due()
        self.look()  # it was closed, and not quiet yet
        self.stamp(path)
        self.settle()
        self.becomes(piece)
        self.look()

    @rule(data=st.data())
    def do_break(self, data: st.DataObject) -> None:
        """Add a restriction to a live story, and a line by which its file can't be read."""
        self.act()
        lines = [
            ("status", "withdrawn"),
            ("embargo", NEVER),
            ("draft", "true"),
            ("access", "internal"),
            ("expires", "2020-01-01"),
            ("embagro", NEVER),
            ("unlisted", "true"),
            ("visibility", "private"),
        ]
        self.hold_back(data, [data.draw(st.sampled_from(lines))], ruin=data.draw(st.sampled_from(RUINS)))

    @rule(data=st.data())
    def break_a_plain_story(self, data: st.DataObject) -> None:
        """Break a story's file with nothing in it that holds back: its last whole version is served."""
        self.act()
        piece = self.plain(self.new_file())
        self.bring(piece)
        broken = as_file(self.again(piece), ruin=data.draw(st.sampled_from(RUINS)))
        self.write_file(self.places[piece.name], broken, data.draw(st.sampled_from(["placed", "saved"])))
        self.broken.add(piece.name)
        self.look()

    @rule(data=st.data())
    def do_withdraw(self, data: st.DataObject) -> None:
        """Withdraw a story with a reason, by its file or by the API."""
        self.act()
        before = self.some(data, data.draw(st.sampled_from("fp")), status="published")
        piece = self.again(before, status="withdrawn", is_held=False, unsure=frozenset())
        if not piece.is_pushed:
            self.bring(piece)
        else:
            answer = self.ask("DELETE", f"/{piece.id}?reason={piece.mark('reason')}")
            assert answer.status_code == 200, answer.data
            self.accept(replace(piece, updated=None), answer.headers["ETag"])
        self.look()

    def push_batch(self, number: int) -> None:
        self.act()
        pieces = [self.plain(self.new_pushed()) for _ in range(number)]
        answers = self.batch(*({"id": one.id} | as_document(one) for one in pieces))
        for piece, answer in zip(pieces, answers, strict=True):
            assert answer["status"] in (200, 201)
            self.accept(piece, answer["etag"])
        self.batches.append(pieces)

    @rule(data=st.data(), dated=st.booleans())
    def push_many(self, data: st.DataObject, dated: bool) -> None:
        """Push some stories in a batch, old ones and a new one; they may say when they were changed."""
        self.act()
        old = [one for one in self.pieces.values() if one.is_pushed and one.status == "published"][-2:]
        pieces = [self.again(one, correction=data.draw(st.booleans())) for one in old]
        pieces = [
            one if dated else replace(one, updated=None) for one in [*pieces, self.plain(self.new_pushed())]
        ]
        for piece, answer in zip(pieces, self.batch(*map(line_of, pieces)), strict=True):
            assert answer["status"] in (200, 201), answer
            self.accept(piece, answer["etag"])
        self.batches.append(pieces)
        self.look()

    @rule(data=st.data())
    def do_resend(self, data: st.DataObject, happened: str = "") -> None:
        """Send an old batch again, after a story of it was withdrawn, corrected, or neither."""
        self.act()
        pieces = data.draw(st.sampled_from(self.batches))
        name = data.draw(st.sampled_from(pieces)).name
        happened = happened or data.draw(st.sampled_from(["withdrawn", "corrected", "nothing"]))
        current = self.pieces[name]
        if happened == "withdrawn" and current.status == "published":
            piece = self.again(current, status="withdrawn")
            answer = self.ask("DELETE", f"/{piece.id}?reason={piece.mark('reason')}")
            self.accept(replace(piece, updated=None), answer.headers["ETag"])
        elif happened == "corrected" and current.status == "published":
            self.bring(self.again(current, correction=True))
        self.act()
        for piece, answer in zip(pieces, self.batch(*map(line_of, pieces)), strict=True):
            there = self.pieces[piece.name]
            if why := self.refused(piece, there):
                assert answer["status"] == 409, (why, answer)
                assert answer["etag"] == self.tags[piece.name]
            else:
                assert answer["status"] == 200, answer
                self.accept(piece, answer["etag"])
        self.look()

    def do_resend_what_was_withdrawn(self, data: st.DataObject) -> None:
        self.do_resend(data, "withdrawn")

    def do_resend_what_was_corrected(self, data: st.DataObject) -> None:
        self.do_resend(data, "corrected")

    def refused(self, piece: Piece, there: Piece) -> str:
        """Why a document that is sent again is not taken."""
        if piece.status == "withdrawn" or piece == there:
            return ""
        if there.status == "withdrawn":
            return "withdrawn"
        stated = self.stated[piece.name]
        return "older" if piece.updated and stated and piece.updated < stated else ""

    @rule(
        data=st.data(), how=st.sampled_from(["put", "line", "other version", "unknown field", "unknown word"])
    )
    def send_what_is_refused(self, data: st.DataObject, how: str) -> None:
        """Send what knows nothing of what is there, or what the API doesn't know: nothing changes."""
        self.act()
        there = self.some(data, "p")
        if how in ("put", "line") and there.status != "withdrawn":
            return
        piece = replace(self.again(there), status="published")
        document, path = as_document(piece), f"/{piece.id}"
        if how == "put":
            statuses = [self.ask("PUT", path, json=document).status_code]
        elif how == "line":
            statuses = [one["status"] for one in self.batch(line_of(piece))]
        elif how == "other version":
            statuses = [one["status"] for one in self.batch(line_of(piece) | {"if_match": '"0123"'})]
        elif how == "unknown field":
            statuses = [self.ask("PUT", path, json=document | {"embagro": NEVER}).status_code]
        else:
            statuses = [self.ask("DELETE", f"{path}?resaon=Libel").status_code]
        assert statuses[0] in (400, 409, 412, 422), (how, statuses)
        self.look()

    @rule(data=st.data())
    def do_restore(self, data: st.DataObject) -> None:
        """Bring a story back, by a request that says so or by its file, with nothing that holds it back."""
        self.act()
        away = [one for one in self.pieces.values() if one.status != "published" or one.is_held]
        before = data.draw(st.sampled_from(away)) if away else self.some(data)
        piece = self.plain(before.name, source=before.source)
        if before.is_pushed and data.draw(st.booleans()):
            (answer,) = self.batch(line_of(piece) | {"if_match": self.tags[before.name]})
            assert answer["status"] == 200, answer
            self.accept(piece, answer["etag"])
        else:
            self.bring(piece)
        self.look()

    @rule(data=st.data())
    def do_regret(self, data: st.DataObject) -> None:
        """Withdraw a story while webhooks are down, and bring it back before they are asked again."""
        piece = self.plain(self.new_file(), published=self.now - 3 * HOUR)
        self.bring(piece)
        self.publish()
        self.poll_all("acme", "json")
        self.act()
        self.bring(self.again(piece, status="withdrawn"))
        self.tell_partners(data, answers=data.draw(st.sampled_from([503, 200])))
        self.act()
        self.bring(self.again(piece))
        self.tell_partners(data, answers=200)
        self.look()

    @rule(data=st.data())
    def do_take_away(self, data: st.DataObject) -> None:
        """Take rights away of a story that partners received."""
        self.act()
        there = [self.pieces[name] for _, name in self.knows if name in self.pieces]
        held = [one for one in there if one.status == "published" and not one.is_held]
        before = data.draw(st.sampled_from(held)) if held else self.some(data, status="published")
        fields = {"is_held": False, "unsure": frozenset()}
        self.bring(taken_away(self.again(before, **fields), data.draw(st.sampled_from(LESS)), self.now))
        self.look()

    @rule(data=st.data())
    def do_restart(self, data: st.DataObject) -> None:
        """Start the service again with other rights of an agency for partners."""
        self.act()
        self.store.close()
        self.rights = Rights(data.draw(st.sampled_from([one for one in AFP if one != self.rights.afp])))
        self.start()
        self.refresher.scan()
        for name, piece in self.pieces.items():
            if piece.source == "afp":
                self.becomes(self.pieces[name])
        self.look()

    @rule(data=st.data())
    def delete_a_file(self, data: st.DataObject) -> None:
        """Delete a story's file, without a word."""
        self.act()
        piece = self.some(data, "f")
        if len([name for name in self.pieces if name[0] == "f"]) < 2:
            return  # an empty folder is rather a disk that isn't there
        path = self.places[piece.name]
        path.unlink()
        self.note(path, Kind.DELETED)
        self.settle()
        self.gone[piece.name] = self.pieces.pop(piece.name)
        self.acted[piece.name] = self.now
        self.see_what_is_short()
        self.look()

    @rule(data=st.data(), place=st.sampled_from([*PLACES, "drafts"]))
    def move_a_file(self, data: st.DataObject, place: str) -> None:
        """Move a story's file; in a folder of drafts it is held back, and out of it it is what it says."""
        self.act()
        piece = self.some(data, "f", is_held=False)
        old, new = self.places[piece.name], self.content / place / f"{piece.name}.md"
        if old == new or piece.name in self.broken:
            return  # of a file that can't be read nobody knows whose story it is
        new.parent.mkdir(parents=True, exist_ok=True)
        old.replace(new)
        self.places[piece.name] = new
        self.note(old, Kind.MOVED)
        self.note(new, Kind.PLACED)
        self.read_due()
        if place == "drafts" and piece.status == "published":
            self.becomes(replace(piece, is_held=True))
            self.look()
            new.replace(old)
            self.places[piece.name] = old
            self.note(new, Kind.MOVED)
            self.note(old, Kind.PLACED)
            self.act()
            self.read_due()
        self.becomes(piece)
        self.look()

    @rule(
        who=st.sampled_from(PARTNERS), fmt=st.sampled_from(FORMATS), key=st.sampled_from(["all", *EVERY_KEY])
    )
    def poll(self, who: str, fmt: str, key: str) -> None:
        """A partner polls a feed."""
        self.act()
        if key not in feeds_for(who) or (who == "initech" and fmt == "rss"):
            return
        self.publish()
        self.poll_all(who, fmt, key)
        self.look()

    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """Partners are told by their webhooks."""
        self.tell_partners(data)
        self.look()

    @rule(step=st.sampled_from([HOUR / 2, HOUR, 2 * HOUR, timedelta(days=1)]))
    def wait(self, step: timedelta) -> None:
        """Let time pass."""
        self.forward(step)
        self.look()

    # -- partners ---------------------------------------------------------------------------------------

    def poll_all(self, who: str, fmt: str, key: str = "all") -> None:
        """Have a partner get a feed, and note what it holds and knows then."""
        named = self.names_for(who)
        answer = self.client.get(
            f"/partners/{who}/feeds/{key}.{fmt}", headers={"Authorization": f"Bearer {self.good[who]}"}
        )
        self.ledger.write()
        for name, found in found_in(answer.data).items():
            if not any(what == "title" for what, _ in found):
                continue  # a mark that it is gone
            piece = self.pieces[name]
            before = self.knows.get((who, name))
            said = (before.said if before else frozenset()) | {piece.expires}
            level = self.most(name, who)
            if key != "all" and before and is_less(level, before.level):
                level = before.level
            self.knows[who, name] = Knowledge(level, self.now, piece.version, said, named[name])
        if key != "all":
            self.glanced[who] = self.now
        else:
            self.polled[who] = self.now
            for (one, name), known in self.knows.items():
                if one == who:
                    known.level = self.most(name, who)
        self.see_what_is_short()

    def names_for(self, who: str) -> dict[str, tuple[str, str]]:
        """The ids and links of stories, as a partner's feed has them."""
        answer = self.look_up(f"/partners/{who}/feeds/all.json", who)
        named = dict[str, tuple[str, str]]()
        for item in answer.json["items"]:
            (name,) = found_in(json.dumps(item).encode())
            named[name] = item["id"], item["url"]
        return named

    def must_be_told(self, who: str, name: str) -> bool:
        """Whether a partner holds what it may not have now, and nothing told it so yet."""
        known = self.knows.get((who, name))
        since = self.short_since.get((who, name))
        if known is None or since is None or self.glanced.get(who, START) >= since:
            return False
        piece = self.pieces.get(name) or self.gone[name]
        # What ended when it was always said to end needs no word.
        return piece.expires is None or (piece.expires < self.acted[name] and known.said == {None})

    def may_be_told(self, who: str, name: str) -> bool:
        """Whether anything happened to a story that a partner received, since it polled last."""
        known = self.knows.get((who, name))
        if known is None:
            return False
        if (who, name) in self.short_since:
            return True
        # Who received a story is told of what it may have less of now, though it knew of nothing between.
        return self.acted[name] >= self.polled.get(who, START) and self.least(name, who) != "full"

    def check_recalls(self) -> None:
        with self.store.read() as connection:
            listed = [
                (one.partner, one.recall.article_id, one.recall.kind, one.recall.level)
                for one in holdings.unaware(connection, now=self.now)
            ]
        told = {
            (who, article_id.removeprefix("id-").removesuffix("-di")): level
            for who, article_id, kind, level in listed
            if kind != "corrected"
        }
        for who, name in self.knows:
            if self.must_be_told(who, name):
                assert (who, name) in told, f"{who} holds {name}, is untold: {self.describe(name)}"
                level = told[who, name]
                low, high = self.least(name, who), self.most(name, who)
                assert not is_less(level, low), f"{who} is told to lose more of {name} than it does"
                assert not is_less(high, level), (
                    f"{who} is told to keep {level} of {name}: {self.describe(name)}"
                )
        for who, name in told:
            assert self.may_be_told(who, name), f"{who} is told of {name} for nothing: {self.describe(name)}"

    def describe(self, name: str) -> str:
        """What is meant of a story, and what partners know of it, in words."""
        piece = self.pieces.get(name) or self.gone.get(name)
        if piece is None:
            return f"{name}, which was never whole"
        there = {
            field: value for field, value in vars(piece).items() if value not in ("", None, (), {}, False)
        }
        known = {who: self.knows[who, name] for who in PARTNERS if (who, name) in self.knows}
        short = {who: since for (who, one), since in self.short_since.items() if one == name}
        is_there = "there" if name in self.pieces else "deleted"
        partners = f"known {known}, polled {self.polled}, short {short}"
        return f"{there} ({is_there}) at {self.now}; {partners}; {self.rights}"

    def tell_partners(self, data: st.DataObject, answers: int = 0) -> None:
        """Send the notices that are due; webhooks may be down, and are asked again a day later."""
        self.act()
        self.publish()
        self.answers = answers or (200 if self.is_behind else data.draw(st.sampled_from([200, 200, 503])))
        if self.is_behind:
            self.forward(timedelta(days=1))
            self.publish()
        self.sent.clear()
        self.notifier.sweep()
        self.notifier.send_due()
        self.is_behind = self.answers != 200
        for who, notice in self.sent:
            self.check_notice(who, notice)
        for who, name in self.knows:
            since = self.short_since.get((who, name))
            if who not in WEBHOOKS or since is None or not self.must_be_told(who, name) or self.is_behind:
                continue
            told = self.told_at.get((who, name))
            is_old = since < self.now - RETOLD
            assert is_old or (told and told >= since), f"{who} got no notice of {self.describe(name)}"

    def check_notice(self, who: str, notice: dict[str, Any]) -> None:
        name = notice["article"]["key"].removeprefix("id-").removesuffix("-di")
        kind = notice["type"].removeprefix("story.")
        low, high = self.least(name, who), self.most(name, who)
        told = f"{who} was sent {kind} of {self.describe(name)}"
        known = self.knows[who, name]
        assert notice["partner"] == who
        assert (notice["article"]["id"], notice["article"]["url"]) == known.named, told
        titles = {version for what, version in found_in(json.dumps(notice).encode())[name] if what == "title"}
        assert titles <= self.shown[who, name], f"{notice['article']['title']}: {told}"
        if kind in ("withdrawn", "removed"):
            assert low == "none", told
        elif kind == "revoked":
            assert not is_less(notice["level"], low), told
            assert not is_less(high, notice["level"]), told
        else:
            assert high != "none", told
        if kind in ("withdrawn", "removed", "revoked"):
            self.told_at[who, name] = self.now

    # -- looking ----------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Let the refresher do its work, and the workers notice."""
        self.refresher.refresh()
        for follower in self.followers:
            follower.look()

    def look(self) -> None:
        self.publish()
        self.check_recalls()
        for who in sorted(EVERYBODY):
            for key in EVERY_KEY:
                for fmt in FORMATS:
                    self.look_at_feed(who, key, fmt)
            self.look_at_page(f"/partners/{who}/feeds.opml" if who else "/feeds.opml", who)
        for path in EVERY_PAGE:
            self.look_at_page(path)
        for piece in (*self.pieces.values(), *self.gone.values()):
            self.look_at_story_page(piece)

    def look_up(self, path: str, who: str) -> Any:
        fields = {"Authorization": f"Bearer {self.good[who]}"} if who else {}
        return self.glass.get(path, headers=fields)

    def look_at_feed(self, who: str, key: str, fmt: str) -> None:
        path = f"/partners/{who}/feeds/{key}.{fmt}" if who else f"/feeds/{key}.{fmt}"
        answer = self.look_up(path, who)
        found = found_in(answer.data)
        is_given = key in feeds_for(who) and (who != "initech" or fmt != "rss")
        for name in found.keys() - self.pieces.keys():
            self.check_gone(path, name, found[name], who, fmt)
        for name, piece in self.pieces.items():
            told = found.get(name, set())
            is_in = is_given and key in feeds_of(piece, who)
            most = self.most(name, who) if is_in else "none"
            least = self.least(name, who) if is_in else "none"
            self.check(path, name, told, (least, most), who, fmt)
        if is_given and key == "all" and fmt == "atom" and who:
            self.check_tombstones(path, found, who)

    def check(
        self, path: str, name: str, told: set[tuple[str, int]], levels: tuple[str, str], who: str, fmt: str
    ) -> None:
        """What of a story stands in a feed, which is to show between so much and so much of it."""
        piece = self.pieces[name]
        least, most = levels
        if not told and least == "none":
            return
        if most == "none" or told == {("id", -1)}:
            assert least == "none", f"{path} has not {self.describe(name)}"
            self.check_gone(path, name, told, who, fmt)
            return
        parts = {what for what, _ in told}
        versions = {version for what, version in told if what != "id"}
        assert versions == {piece.version}, f"{path} has versions {versions} of {self.describe(name)}"
        may = shown_at(most, piece, fmt) | {"id"} | ({"last"} if most == "full" else set())
        may |= {"correction"} if piece.correction and most in ("summary", "full") else set()
        assert parts <= may, f"{path} tells {parts - may} of {self.describe(name)}"
        must = shown_at(least, piece, fmt) | ({"last"} if least == "full" else set())
        assert must <= parts, f"{path} has no {must - parts} of {self.describe(name)}"

    def check_gone(self, path: str, name: str, told: set[tuple[str, int]], who: str, fmt: str) -> None:
        """A story that is shown no more may be named in Atom, to those who could have had it."""
        parts = {what for what, _ in told}
        may = {"id", "reason"} if fmt == "atom" and who in self.could.get(name, ()) else set[str]()
        piece = self.pieces.get(name) or self.gone.get(name)
        if piece is None or piece.status != "withdrawn":
            may -= {"reason"}
        assert parts <= may, f"{path} tells {parts} of {self.describe(name)}"

    def check_tombstones(self, path: str, found: Found, who: str) -> None:
        for (one, name), known in self.knows.items():
            since = self.short_since.get((who, name))
            if one != who or since is None or not self.must_be_told(who, name) or name in self.gone:
                continue
            if self.most(name, who) == "none" and since > self.now - STANDS and known:
                assert ("id", -1) in found.get(name, set()), f"{path} buries no {self.describe(name)}"

    def look_at_page(self, path: str, who: str = "") -> None:
        for name, told in found_in(self.look_up(path, who).data).items():
            assert self.most(name, who) != "none", f"{path} tells {told} of {self.describe(name)}"
            self.check_versions(path, name, told)

    def check_versions(self, path: str, name: str, told: set[tuple[str, int]]) -> None:
        versions = {version for what, version in told if what != "id"}
        assert versions <= {self.pieces[name].version}, f"{path} has old versions of {self.describe(name)}"

    def look_at_story_page(self, piece: Piece) -> None:
        path = f"/stories/{piece.id}"
        answer = self.look_up(path, "")
        name = piece.name
        found = found_in(answer.data)
        told = {(what, version) for what, version in found.pop(name, set()) if what != "id"}
        parts = {what for what, _ in told}
        for other in found:
            assert self.most(other, "") != "none", f"{path} tells of {self.describe(other)}"
        if self.most(name, "") == "none":
            assert answer.status_code in (404, 410), f"{path} shows {self.describe(name)}"
            may = {"reason"} if piece.status == "withdrawn" and "" in self.could[name] else set[str]()
            assert parts <= may, f"{path} tells {parts} of {self.describe(name)}"
        elif self.least(name, "") != "none":
            assert answer.status_code == 200, f"{path} is not there: {self.describe(name)}"
            self.check_versions(path, name, told)
            assert ("body" in parts) == (self.least(name, "") == "full"), self.describe(name)

    def teardown(self) -> None:
        self.patched.undo()
        self.store.close()
        self.folder.cleanup()


NEVER = "2099-01-01"
AFP = ("full", "headline", "none")


def line_of(piece: Piece) -> dict[str, Any]:
    return {"id": piece.id} | as_document(piece)


def run(examples: int, steps: int, *, shrink: bool = True) -> None:
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]
    run_state_machine_as_test(
        Newsroom,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            database=None,
            derandomize=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_is_meant_to_be_held_back_is_and_holders_are_told() -> None:
    run(examples=3, steps=10, shrink=False)


# -- that it can fail --------------------------------------------------------------------------------------

_stale, _recall, _named = push._stale, apply._recall, webhook_body._named


def _older_only(*given: Any) -> push.Refused | None:
    found = _stale(*given)
    return found if found and found.why == "older" else None


def _withdrawn_only(*given: Any) -> push.Refused | None:
    found = _stale(*given)
    return found if found and found.why == "withdrawn" else None


MUTATIONS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "keys that aren't known are not looked at": lambda m: m.setattr(unknown_keys, "refuse", lambda *_: None),
    "other systems' flags are not asked": lambda m: m.setattr(availability, "holds", lambda *_: []),
    "files are read before they settle": lambda m: m.setattr(
        Settling, "known", lambda *_: Known(placed=True)
    ),
    "broken files keep their last version, whatever they say": lambda m: m.setattr(
        unreadable, "may_hold", lambda *_: False
    ),
    "what is sent again undoes a withdrawal": lambda m: m.setattr(push, "_stale", _older_only),
    "what is older undoes what is newer": lambda m: m.setattr(push, "_stale", _withdrawn_only),
    "rights that an edit takes away are not noted": lambda m: m.setattr(
        revocation, "after_change", lambda _change, _who, _customs, _now, _had, standing: list(standing)
    ),
    "rights that the configuration takes away are not noted": lambda m: m.setattr(
        changed_rights.ChangedRights, "tell", lambda *_: 0
    ),
    "withdrawals are not recalled": lambda m: m.setattr(apply, "_recall", lambda *_: None),
    "notices are not looked at again": lambda m: m.setattr(Notifier, "_is_so", lambda *_: True),
    "notices name stories as nobody else does": lambda m: m.setattr(
        webhook_body, "_named", lambda *given: _named(*given) | {"id": given[0]}
    ),
}


@pytest.mark.parametrize("broken", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_service_that_is_broken_is_found(broken: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        broken(patched)
        with pytest.raises(AssertionError):
            run(examples=20, steps=10, shrink=False)
