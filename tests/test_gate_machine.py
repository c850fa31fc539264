"""What nobody may have is in nothing they can fetch, and what they may have is in all that it should be in.

A state machine over stories, rights, partners, tokens and a moving clock does what newsrooms do, and after
each step fetches everything there is, as everybody and as each partner. What should be there is decided by
the plain model below, which shares no line with the service. That the machine can fail is shown by breaking
the gate in the ways listed in MUTATIONS: each is found.
"""

import gzip
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from werkzeug.test import Client

from feedsvc.changes import apply
from feedsvc.changes.apply import IncomingChange
from feedsvc.config import file, options
from feedsvc.domain import gate, selection
from feedsvc.domain.gate import Rule
from feedsvc.domain.model import Article, Change, Image, Term, versioned
from feedsvc.domain.rights import Audience
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, tokens
from feedsvc.store.engine import Store
from feedsvc.store.tokens import Token, hashed
from feedsvc.web.app import application

pytestmark = pytest.mark.slow

START = datetime(2026, 2, 11, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FORMATS = ("rss", "atom", "json")
SECTIONS = ("world", "sport")
TAGS = ("ports", "local")
SOURCES = (None, "reuters", "dpa", "ap")
CONFIG = """
[site]
name = "The Daily Example"
url = "https://news.example.org"

[custom.top]
exclude = { sections = ["sport"] }

[sources.reuters]
public = "summary"
partners = "none"

[sources.dpa]
public = "none"

[sources.ap]
partners = "headline"

[partners.acme]
feeds = ["all", "sections/*"]
footer = "By {source}: {title}"
link_parameters = "utm_source=acme"

[partners.globex]
feeds = ["*"]
delay = "2h"
exclude = { tags = ["local"], sources = ["ap"] }

[partners.initech]
feeds = ["all", "tags/*"]
content = "summary"
formats = ["atom", "json"]
exclude = { sections = ["sport"] }
"""


# -- the model: who may have what, written plainly --------------------------------------------------------


@dataclass
class Story:
    """A story as the newsroom wrote it. Its name is in its id; marks are in all that can be told of it."""

    name: str
    status: str = "published"
    published: datetime = START
    embargo: datetime | None = None
    expires: datetime | None = None
    source: str | None = None
    section: str = "world"
    tags: tuple[str, ...] = ()
    access: str = "public"
    syndication: dict[str, str] = field(default_factory=dict)
    image_may_syndicate: bool = True
    version: int = 0
    leavers: frozenset[str] = frozenset()
    """Those who could have had it when it was withdrawn."""
    lost: frozenset[str] = frozenset()
    """Those who could have had it, and whose right to it ended by an edit, or is to end sooner by one."""

    def mark(self, what: str) -> str:
        """Text that stands nowhere but in this of the story."""
        return f"q{what}{self.name}v{self.version}z"

    @property
    def id(self) -> str:
        return f"id-{self.name}-di"


WHO = ("", "acme", "globex", "initech")
LEVELS = ["none", "headline", "summary", "full"]


def allowed(story: Story, who: str, now: datetime) -> str:
    """How much of the story `who` may have at `now`: what contracts and editors say, line by line."""
    if story.status != "published" or now < story.published:
        return "none"
    if story.embargo is not None and now < story.embargo:
        return "none"
    if story.expires is not None and now >= story.expires:
        return "none"
    if story.access == "internal" or (story.access == "partners" and who == ""):
        return "none"
    level = "full"
    if who == "":
        level = lower(level, story.syndication.get("public", "full"))
        return lower(level, {"reuters": "summary", "dpa": "none"}.get(story.source or "", "full"))
    level = lower(level, {"reuters": "none", "ap": "headline"}.get(story.source or "", "full"))
    level = lower(level, story.syndication.get(who, story.syndication.get("partners", "full")))
    excluded = "local" in story.tags or story.source == "ap"
    if who == "globex" and (excluded or now < story.published + 2 * HOUR):
        return "none"
    if who == "initech":
        if story.section == "sport":
            return "none"
        level = lower(level, "summary")
    return level


def may_have(story: Story, who: str, now: datetime) -> bool:
    """Whether the story is in any feed of theirs at all."""
    return allowed(story, who, now) != "none" and bool(feeds_of(story, who))


def rank(story: Story) -> tuple[float, str]:
    """Newest first, then by id."""
    return -max(story.published, story.embargo or story.published).timestamp(), story.id


def lower(one: str, other: str) -> str:
    return one if LEVELS.index(one) < LEVELS.index(other) else other


def feeds_of(story: Story, who: str) -> set[str]:
    """The feeds the story is to be in, of those that `who` is given."""
    keys = {"all", f"sections/{story.section}", *(f"tags/{tag}" for tag in story.tags)}
    if story.section != "sport":
        keys.add("custom/top")
    if who == "acme":
        return {key for key in keys if key == "all" or key.startswith("sections/")}
    if who == "initech":
        return {key for key in keys if key == "all" or key.startswith("tags/")}
    return keys


def first_edition() -> list[Story]:
    """A story that nothing keeps back, and for each thing that does, one that nothing else keeps back."""
    kept_back: dict[str, dict[str, Any]] = {
        "plain": {},
        "draft": {"status": "draft"},
        "dated": {"published": START + HOUR},
        "fresh": {"published": START - HOUR},
        "embargoed": {"embargo": START + HOUR},
        "expiring": {"expires": START + HOUR},
        "partners": {"access": "partners"},
        "internal": {"access": "internal"},
        "reuters": {"source": "reuters"},
        "dpa": {"source": "dpa"},
        "ap": {"source": "ap"},
        "local": {"tags": ("local",)},
        "sport": {"section": "sport"},
        "private": {"syndication": {"public": "none"}},
        "unlicensed": {"syndication": {"partners": "headline", "acme": "none"}},
        "unpictured": {"image_may_syndicate": False},
    }
    base = Story("", published=START - 3 * HOUR, tags=("ports",))
    return [replace(base, name=f"first-{name}", **fields) for name, fields in kept_back.items()]


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda packed: zstandard.ZstdDecompressor().decompress(packed),
}
EVERY_KEY = ("all", "custom/top", *(f"sections/{one}" for one in SECTIONS), *(f"tags/{one}" for one in TAGS))
EVERY_PAGE = ("/", "/feeds.opml", "/sitemap-news.xml", "/sections/world", "/sections/sport", "/tags/ports")


# -- the machine -------------------------------------------------------------------------------------------

offsets = st.sampled_from([-3 * HOUR, -HOUR, timedelta(), HOUR, 3 * HOUR])
levels = st.sampled_from(LEVELS)


class Newsroom(RuleBasedStateMachine):
    """Editors write, move, withdraw and delete stories; tokens come and go; time passes; everybody looks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        root = Path(self.folder.name)
        (root / "config.toml").write_text(CONFIG, "utf-8")
        config = file.load(root / "config.toml", {})
        self.now = START
        self.store = Store(config.store_url)
        self.rules = options.rules(config)
        self.refresher = Refresher(
            self.store, root / "content", options.load_rules(config), self.rules, clock=self.clock
        )
        self.refresher.prepare()
        app = application(config, self.store, clock=self.clock)
        self.follower = app.extensions["feedsvc"]
        self.client = Client(app.wsgi_app)
        self.stories: dict[str, Story] = {}
        self.removed: list[Story] = []
        self.good: dict[str, str] = {}
        self.bad: list[str] = []
        self.seen: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.number = 0

    def clock(self) -> datetime:
        return self.now

    @initialize()
    def open(self) -> None:
        """Let everybody in, and publish a first edition."""
        for who in WHO[1:]:
            self.good[who] = self.token(who)
        for story in first_edition():
            self.bring_in(None, story)
        self.settle()

    def token(self, who: str, expires: datetime | None = None) -> str:
        secret = secrets.token_urlsafe(16)
        with self.store.write() as tx:
            tokens.add(tx, Token(secrets.token_hex(4), hashed(secret), who, "read", "", self.now, expires))
        return secret

    @rule(
        status=st.sampled_from(["published"] * 4 + ["draft"]),
        published=offsets,
        embargo=st.none() | offsets,
        expires=st.none() | st.sampled_from([HOUR, 3 * HOUR]),
        source=st.sampled_from(SOURCES),
        section=st.sampled_from(SECTIONS),
        tags=st.sets(st.sampled_from(TAGS)),
        access=st.sampled_from(["public"] * 4 + ["partners", "internal"]),
        syndication=st.just({})
        | st.dictionaries(st.sampled_from(["public", "partners", "acme"]), levels, max_size=2),
        may_syndicate=st.booleans(),
        which=st.integers(0, 3),
    )
    def write(self, which: int, may_syndicate: bool, **fields: Any) -> None:
        """Write a new story, or an old one anew."""
        name = list(self.stories)[-which] if 0 < which <= len(self.stories) else self.new_name()
        for instant in ("published", "embargo", "expires"):
            if fields[instant] is not None:
                fields[instant] = self.now + fields[instant]
        fields["tags"] = tuple(sorted(fields["tags"]))
        before = self.stories.get(name)
        story = Story(name, image_may_syndicate=may_syndicate, **fields)
        story.version = before.version + 1 if before else 0
        story.lost = self.lost(before, story) if before else frozenset()
        self.put(before, story)

    def lost(self, before: Story, story: Story) -> frozenset[str]:
        """Those who could have had a story, and may have it no longer, or not for as long as was said."""
        ends_sooner = story.expires is not None and (before.expires is None or story.expires < before.expires)
        had = {who for who in WHO if may_have(before, who, self.now)} | before.lost | before.leavers
        return frozenset(
            who
            for who in had
            if not may_have(story, who, self.now)
            or (story.expires is not None and (ends_sooner or who in before.lost))
        )

    def new_name(self) -> str:
        self.number += 1
        return f"s{self.number}"

    def put(self, before: Story | None, story: Story | None) -> None:
        self.bring_in(before, story)
        self.settle()

    def bring_in(self, before: Story | None, story: Story | None) -> None:
        name = (story or before).name  # type: ignore[union-attr]
        with self.store.write() as tx:
            old = articles.get(tx, f"id-{name}-di")
            new = article_of(story, self.now) if story else None
            apply.apply(tx, [IncomingChange(Change(old, new), self.now)], self.rules, self.now)
        if story:
            self.stories[name] = story
        else:
            self.removed.append(self.stories.pop(name))

    @precondition(lambda self: self.stories)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Kill a story, with a reason."""
        story = data.draw(st.sampled_from(list(self.stories.values())))
        if story.status == "published":
            last = story.expires - timedelta(microseconds=1) if story.expires else self.now
            had = frozenset(who for who in WHO if allowed(story, who, min(last, self.now)) != "none")
            self.put(story, replace(story, status="withdrawn", leavers=had | story.lost))

    @precondition(lambda self: self.stories)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a story without a word."""
        self.put(data.draw(st.sampled_from(list(self.stories.values()))), None)

    @rule(step=st.sampled_from([HOUR, timedelta(seconds=1), HOUR / 2, 2 * HOUR, timedelta(days=3)]))
    def wait(self, step: timedelta) -> None:
        """Let time pass."""
        self.now += step
        self.settle()

    @precondition(lambda self: self.stories)
    @rule(data=st.data(), early=st.booleans())
    def wait_for_an_instant(self, data: st.DataObject, early: bool) -> None:
        """Come to the very instant at which something may change, or a microsecond short of it."""
        instants = {
            instant
            for story in self.stories.values()
            for instant in (story.published, story.embargo, story.expires, story.published + 2 * HOUR)
            if instant is not None and instant > self.now + timedelta(microseconds=1)
        }
        if instants:
            self.now = data.draw(st.sampled_from(sorted(instants))) - timedelta(microseconds=int(early))
            self.settle()

    @rule(who=st.sampled_from(WHO[1:]), how=st.sampled_from(["revoked", "expired", "replaced"]))
    def end_a_token(self, who: str, how: str) -> None:
        """Rotate, revoke, or let a token run out."""
        old = self.good[who]
        if how == "expired":
            self.bad.append(self.token(who, self.now))
            self.settle()
            return
        self.good[who] = self.token(who)
        if how == "revoked":
            with self.store.write() as tx:
                ids = [one.id for one in tokens.every(tx) if one.hash == hashed(old)]
                tokens.revoke(tx, ids, self.now)
            self.bad.append(old)
        self.settle()

    # -- looking ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the refresher do its work and the workers notice, then look at everything."""
        self.refresher.refresh()
        self.follower.look()
        self.look()

    def look(self) -> None:
        for who in WHO:
            for key in EVERY_KEY:
                for fmt in FORMATS:
                    self.look_at_feed(who, key, fmt)
        for path in EVERY_PAGE:
            self.look_at_page(path)
        for story in [*self.stories.values(), *self.removed]:
            self.look_at_story_page(story)
        for who in WHO[1:]:
            self.look_at_page(f"/partners/{who}/feeds.opml", who)
        self.knock()

    def path(self, who: str, key: str, fmt: str) -> str:
        return f"/partners/{who}/feeds/{key}.{fmt}" if who else f"/feeds/{key}.{fmt}"

    def get(self, path: str, who: str, **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if who:
            fields["Authorization"] = f"Bearer {self.good[who]}"
        return self.client.get(path, headers=fields)

    def look_at_feed(self, who: str, key: str, fmt: str) -> None:
        path = self.path(who, key, fmt)
        answer = self.get(path, who)
        body = answer.data
        given = key in feeds_for(who) and (who != "initech" or fmt != "rss")
        assert answer.status_code in ((200, 404) if given else (404,)), (path, answer.status_code)
        for story in self.stories.values():
            level = allowed(story, who, self.now)
            should = level != "none" and given and key in feeds_of(story, who)
            self.check(path, story, body, level if should else "none", who, fmt)
        for story in self.removed:
            assert_nothing(path, story, body)
        if who:
            assert answer.status_code == 404 or "private" in answer.headers["Cache-Control"]
        if answer.status_code == 200:
            self.look_at_variants(path, who, answer)

    def look_at_variants(self, path: str, who: str, answer: Any) -> None:
        etag, before = answer.headers["ETag"], self.seen.get((path, who))
        if before is not None and before[0] == etag:
            assert before[1] == answer.data
            return
        for coding, unpack in CODINGS.items():
            packed = self.get(path, who, Accept_Encoding=coding)
            assert packed.headers["Content-Encoding"] == coding
            assert unpack(packed.data) == answer.data
        if before is not None:
            # An answer that is nothing but an ETag says that what was sent before still holds.
            assert self.get(path, who, If_None_Match=before[0]).status_code == 200
        assert self.get(path, who, If_None_Match=etag).status_code == 304
        self.seen[path, who] = (etag, answer.data)

    def check(self, path: str, story: Story, body: bytes, level: str, who: str, fmt: str) -> None:
        told = told_in(story, body)
        if level == "none":
            # An Atom feed says that a story is gone, to those who could have had it, and why if withdrawn.
            mark = {"id", "reason"} if fmt == "atom" and who in story.leavers else set()
            mark |= {"id"} if fmt == "atom" and who in story.lost else set()
            assert told <= mark, f"{path} tells {told - mark} of {story}, at {self.now}"
            return
        expected = {"id", "title"}
        if level in ("summary", "full"):
            expected.add("summary")
        if story.image_may_syndicate and (level == "full" or (level == "summary" and fmt != "atom")):
            expected.add("image")  # in Atom a picture stands in the text
        if level == "full":
            expected.add("body")
        assert told == expected, f"{path} tells {told}, not {expected} of {story}, at {self.now}"

    def look_at_page(self, path: str, who: str = "") -> None:
        answer = self.get(path, who)
        # The home page has room for so many.
        newest = [one.name for one in sorted(self.stories.values(), key=rank) if self.is_public(one)][:10]
        for story in self.stories.values():
            told = told_in(story, answer.data)
            if allowed(story, who, self.now) == "none":
                assert not told, f"{path} tells {told} of {story}, at {self.now}"
            elif path == "/" and story.name in newest:
                assert "title" in told, f"{path} has no {story}, at {self.now}"
        for story in self.removed:
            assert_nothing(path, story, answer.data)

    def is_public(self, story: Story) -> bool:
        return allowed(story, "", self.now) != "none"

    def look_at_story_page(self, story: Story) -> None:
        answer = self.client.get(f"/stories/{story.id}")
        level = allowed(story, "", self.now) if story.name in self.stories else "none"
        told = told_in(story, answer.data) - {"id"}  # who asks knows it
        if level == "none":
            assert answer.status_code in (404, 410)
            assert told <= ({"reason"} if "" in story.leavers else set()), f"{story} at {self.now}"
            if "" not in story.leavers and story.expires is None:
                assert answer.status_code == 404, f"{story} at {self.now}"
        else:
            assert answer.status_code == 200, f"{story} at {self.now}"
            assert ("body" in told) == (level == "full")
            assert ("summary" in told) == (level in ("summary", "full"))

    def knock(self) -> None:
        """A token opens what is its partner's, and nothing else; one that ended opens nothing."""
        for story in list(self.stories.values())[-1:]:
            for who in WHO:  # what newsrooms push is for newsrooms alone
                refused = self.get(f"/api/articles/{story.id}", who)
                assert refused.status_code in (401, 429)
                assert not told_in(story, refused.data)
        for who in WHO[1:]:
            other = WHO[1:][(WHO.index(who)) % 3]
            path = f"/partners/{other}/feeds/all.atom"
            if other != who:
                refused = self.client.get(path, headers={"Authorization": f"Bearer {self.good[who]}"})
                assert refused.status_code in (401, 429)
        for secret in self.bad[-2:]:
            for who in WHO[1:]:
                refused = self.client.get(
                    f"/partners/{who}/feeds/all.atom", headers={"Authorization": f"Bearer {secret}"}
                )
                assert refused.status_code in (401, 429)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


def feeds_for(who: str) -> set[str]:
    if who == "acme":
        return {"all", "sections/world", "sections/sport"}
    if who == "initech":
        return {"all", "tags/ports", "tags/local"}
    return set(EVERY_KEY)


def article_of(story: Story, now: datetime) -> Article:
    """The story as loading would make it."""
    return versioned(
        Article(
            id=story.id,
            title=story.mark("title"),
            published=story.published,
            updated=max(story.published, now),
            section=story.section,
            section_labels=(story.section.title(),),
            tags=tuple(Term(tag.title(), tag) for tag in story.tags),
            source=Term(story.source.upper(), story.source) if story.source else None,
            summary=story.mark("summary"),
            body=f"{story.mark('body')} ![]({picture(story)})",
            embargo=story.embargo,
            expires=story.expires,
            status=story.status,  # type: ignore[arg-type]
            withdrawal=story.mark("reason") if story.status == "withdrawn" else "",
            withdrawn=now if story.status == "withdrawn" else None,
            access=story.access,  # type: ignore[arg-type]
            syndication=tuple(sorted(story.syndication.items())),  # type: ignore[arg-type]
            images=(Image(picture(story), may_syndicate=story.image_may_syndicate),),
        )
    )


def picture(story: Story) -> str:
    return f"https://img.example.org/{story.mark('image')}.jpg"


def told_in(story: Story, body: bytes) -> set[str]:
    """What of the story stands in some bytes."""
    marks = {what: story.mark(what) for what in ("title", "summary", "body", "image", "reason")}
    return {what for what, mark in {**marks, "id": story.id}.items() if mark.encode() in body}


def assert_nothing(path: str, story: Story, body: bytes) -> None:
    allowed_marks = {"id", "reason"} if story.leavers else {"id"} if story.lost else set()
    assert told_in(story, body) <= allowed_marks, f"{path} tells of {story}, which is gone"


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


def test_nobody_learns_what_they_may_not_have_and_all_have_what_they_may() -> None:
    run(examples=12, steps=20)


# -- that it can fail --------------------------------------------------------------------------------------


def _without(name: str) -> tuple[Rule, ...]:
    return tuple(one for one in gate.GATE if one.name != name)


def _with(name: str, holds: Callable[[Article, Audience, datetime], bool]) -> tuple[Rule, ...]:
    return tuple(one._replace(holds=holds) if one.name == name else one for one in gate.GATE)


MUTATIONS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "status is not asked": lambda m: m.setattr(gate, "GATE", _without("status")),
    "a date to come is not waited for": lambda m: m.setattr(gate, "GATE", _without("date")),
    "an embargo is not waited for": lambda m: m.setattr(gate, "GATE", _without("embargo")),
    "an embargo holds at its end, too": lambda m: m.setattr(
        gate, "GATE", _with("embargo", lambda a, _, now: a.embargo is None or a.embargo < now)
    ),
    "a delay is not waited for": lambda m: m.setattr(
        gate, "GATE", _with("date", lambda a, _who, now: a.published <= now)
    ),
    "an expired story is shown a moment more": lambda m: m.setattr(
        gate, "GATE", _with("expiry", lambda a, _, now: a.expires is None or now <= a.expires)
    ),
    "access is not asked": lambda m: m.setattr(gate, "GATE", _without("access")),
    "exclusions are not asked": lambda m: m.setattr(gate, "GATE", _without("exclusion")),
    "the rights of sources are not asked": lambda m: m.setattr(gate, "GATE", _without("source")),
    "a story's own syndication is not asked": lambda m: m.setattr(gate, "GATE", _without("syndication")),
    "partners' stories are for everybody": lambda m: m.setattr(
        gate, "GATE", _with("access", lambda a, _who, _now: a.access != "internal")
    ),
    "all of a story is shown to who may have less": lambda m: m.setattr(
        selection, "as_shown", lambda article, _audience: article
    ),
    "everybody is told of every withdrawal": lambda m: m.setattr(
        selection, "had_by", lambda _article, audiences, _now: tuple(one.name for one in audiences)
    ),
}


@pytest.mark.parametrize("broken", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_gate_that_is_broken_is_found(broken: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        broken(patched)
        with pytest.raises(AssertionError):
            run(examples=60, steps=20, shrink=False)
