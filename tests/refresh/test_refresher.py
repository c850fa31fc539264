"""From files to representations: exactly the feeds concerned change, and nothing is lost on the way."""

import gc
import os
import shutil
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from feedsvc.domain.model import CustomFeed, FeedSettings, Representation
from feedsvc.domain.selection import Rules
from feedsvc.loading import walk as walk_module
from feedsvc.loading.generators import NO_SITE, Site
from feedsvc.loading.rules import LoadRules
from feedsvc.loading.walk import FoundFile
from feedsvc.refresh import prerender, scan
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, dirty, representations, sources, tables
from feedsvc.store.engine import Store
from feedsvc.util.processes import Process
from tests.conftest import Clock
from tests.stories import NOON, write_story

Published = dict[str, Representation]


class Newsroom:
    """A content folder, a store and the refresher between them, on a clock that stands."""

    def __init__(self, store: Store, root: Path, rules: Rules, clock: Clock) -> None:
        self.store, self.root, self.rules, self.clock = store, root, rules, clock
        root.mkdir(exist_ok=True)
        self.refresher = self.restarted()

    def restarted(self, rules: Rules | None = None) -> Refresher:
        self.refresher = Refresher(self.store, self.root, LoadRules(), rules or self.rules, clock=self.clock)
        self.refresher.prepare()
        return self.refresher

    def write(self, path: str, body: str = "Something happened.", **fields: object) -> Path:
        return write_story(self.root, path, body, **fields)

    def run(self) -> Published:
        """A look through the folder and a refresh; returns all that is published, by `key.format`."""
        self.refresher.scan()
        self.refresher.refresh()
        return self.published()

    def published(self) -> Published:
        made: Published = {}
        with self.store.read() as connection:
            assert dirty.backlog(connection)[0] == 0
            for listing in representations.listings(connection):
                for fmt in listing.formats:
                    one = representations.get(connection, listing.key, fmt)
                    assert one is not None
                    made[f"{listing.key}.{fmt}"] = one
        return made

    def quarantine(self) -> dict[str, str]:
        with self.store.read() as connection:
            return {one.path: f"{one.line}: {one.reason}" for one in sources.quarantined(connection)}


@pytest.fixture
def newsroom(store: Store, tmp_path: Path, rules: Rules, clock: Clock) -> Newsroom:
    return Newsroom(store, tmp_path / "content", rules, clock)


def changed(before: Published, after: Published) -> set[str]:
    """The feed keys of which any representation differs, in bytes or date."""
    keys = before.keys() | after.keys()
    return {key.rpartition(".")[0] for key in keys if before.get(key) != after.get(key)}


def holding(published: Published, text: str) -> set[str]:
    return {key.rpartition(".")[0] for key, one in published.items() if text.encode() in one.body}


def test_story_is_in_all_its_feeds_in_every_format(newsroom: Newsroom) -> None:
    newsroom.write("world/europe/a.md", tags="[Rail]", author="Jane Doe", title="Zebra crossing")
    published = newsroom.run()
    keys = {"all", "sections/world", "sections/world/europe", "tags/rail", "authors/jane-doe"}
    assert holding(published, "Zebra crossing") == keys
    assert published.keys() == {f"{key}.{fmt}" for key in keys for fmt in ("rss", "atom", "json")}


def test_unchanged_files_are_not_read_and_a_touched_one_causes_nothing(newsroom: Newsroom) -> None:
    file = newsroom.write("world/a.md")
    before = newsroom.run()
    assert newsroom.refresher.scan().read == 0
    os.utime(file, (1, 1))
    report = newsroom.refresher.scan()
    assert (report.read, report.changed) == (1, 0)
    newsroom.clock.forward(hours=1)
    assert newsroom.refresher.refresh() == 0
    assert newsroom.published() == before


def test_edit_move_withdrawal_and_deletion_change_exactly_the_feeds_concerned(newsroom: Newsroom) -> None:
    file = newsroom.write("x/a.md", section="world", tags="[Rail]")
    newsroom.write("x/b.md", section="sport", tags="[Cup]")
    newsroom.write("x/c.md", section="culture", tags="[Rail]")
    states = [newsroom.run()]
    edits = [
        (
            {"section": "world", "tags": "[Rail]", "title": "New title"},
            {"all", "sections/world", "tags/rail"},
        ),
        ({"section": "sport", "tags": "[Rail]"}, {"all", "sections/world", "sections/sport", "tags/rail"}),
        (
            {"section": "sport", "tags": "[Rail]", "status": "withdrawn"},
            {"all", "sections/sport", "tags/rail"},
        ),
        ({"section": "sport", "tags": "[Rail]"}, {"all", "sections/sport", "tags/rail"}),
        (None, {"all", "sections/sport", "tags/rail"}),
    ]
    for fields, concerned in edits:
        newsroom.clock.forward(seconds=1)
        if fields is None:
            file.unlink()
        else:
            newsroom.write("x/a.md", **fields)
            os.utime(file, (len(states), len(states)))
        states.append(newsroom.run())
        assert changed(states[-2], states[-1]) == concerned


def test_restart_changes_no_byte_and_no_date(newsroom: Newsroom) -> None:
    newsroom.write("world/a.md", tags="[Rail]")
    before = newsroom.run()
    newsroom.clock.forward(days=1)
    newsroom.restarted()
    assert newsroom.run() == before


def test_store_made_anew_holds_the_same_bytes_and_dates(newsroom: Newsroom, tmp_path: Path) -> None:
    newsroom.write("world/a.md", tags="[Rail]")
    newsroom.write("sport/b.md", updated="2026-11-22T11:00:00Z")
    before = newsroom.run()
    newsroom.clock.forward(days=1)
    other = Newsroom(Store(f"sqlite:///{tmp_path}/other.db"), newsroom.root, newsroom.rules, newsroom.clock)
    assert other.run() == before


def test_embargoed_story_is_in_no_feed_before_its_hour_and_in_all_after(newsroom: Newsroom) -> None:
    embargo = newsroom.clock.now + timedelta(seconds=5)
    newsroom.write("world/a.md", title="Secret zebra", embargo=embargo.isoformat(), tags="[Hush]")
    newsroom.write("world/b.md")
    before = newsroom.run()
    assert holding(before, "zebra") == set()
    assert "tags/hush.rss" not in before
    assert newsroom.refresher.next_transition() == embargo
    newsroom.clock.forward(seconds=4.999999)
    newsroom.refresher.refresh()
    assert newsroom.published() == before
    newsroom.clock.forward(microseconds=1)
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "Secret zebra") == {"all", "sections/world", "tags/hush"}


def test_service_that_was_down_over_a_flip_catches_up(newsroom: Newsroom) -> None:
    now = newsroom.clock.now
    newsroom.write("a.md", title="Rising", embargo=(now + timedelta(hours=1)).isoformat())
    newsroom.write("b.md", title="Falling", expires=(now + timedelta(hours=1)).isoformat())
    assert holding(newsroom.run(), "Falling") == {"all"}
    newsroom.clock.forward(days=1)
    newsroom.restarted()
    newsroom.refresher.refresh()
    published = newsroom.published()
    assert holding(published, "Rising") == {"all"}
    assert holding(published, "Falling") == set()


def test_clock_that_was_wrong_for_a_while_leaks_nothing_for_good(newsroom: Newsroom) -> None:
    newsroom.write("a.md", title="Secret", embargo=(newsroom.clock.now + timedelta(days=30)).isoformat())
    newsroom.write("b.md")
    newsroom.run()
    newsroom.clock.forward(days=60)
    newsroom.refresher.refresh()
    newsroom.clock.forward(days=-60)
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "Secret") == set()
    newsroom.clock.forward(days=30)
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "Secret") == {"all"}


def test_feed_that_lost_its_last_story_stays_empty_and_valid(newsroom: Newsroom) -> None:
    file = newsroom.write("world/a.md", tags="[Rail]", title="Last train")
    newsroom.run()
    file.unlink()
    published = newsroom.run()
    assert "tags/rail.atom" in published
    assert holding(published, "Last train") == set()


def test_withdrawn_story_leaves_a_tombstone_in_atom_for_thirty_days(newsroom: Newsroom) -> None:
    newsroom.write("world/b.md", title="Stays")
    file = newsroom.write("world/a.md", title="Secret zebra", id="story-1")
    states = [newsroom.run()]
    newsroom.write(
        "world/a.md", title="Secret zebra", id="story-1", status="withdrawn", reason="It was not so"
    )
    withdrawn = newsroom.clock.now - timedelta(seconds=10)
    os.utime(file, (withdrawn.timestamp(), withdrawn.timestamp()))
    states.append(newsroom.run())
    assert holding(states[1], "Secret zebra") == set()
    mark = b'<at:deleted-entry ref="tag:news.example.org,2026:story-1" when="2026-11-22T12:59:50+01:00">'
    for key in ("all", "sections/world"):
        assert mark + b"<at:comment>It was not so</at:comment>" in states[1][f"{key}.atom"].body
        assert b"story-1" not in states[1][f"{key}.rss"].body
    assert newsroom.refresher.next_transition() == withdrawn + timedelta(days=30)
    newsroom.clock.forward(days=30)
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "story-1") == set()
    assert newsroom.published()["all.rss"] == states[1]["all.rss"]


def test_tombstone_is_later_than_what_it_takes_back(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", date="2026-11-22T10:00:00Z", updated="2026-11-22T11:00:00Z", id="story-1")
    newsroom.run()
    newsroom.write(
        "a.md", date="2026-11-22T10:00:00Z", updated="2026-11-22T11:00:00Z", id="story-1", withdrawn="Libel"
    )
    os.utime(file, (1, 1))  # a copy that keeps the times of its source
    assert b'when="2026-11-22T12:00:01+01:00"' in newsroom.run()["all.atom"].body


def test_story_killed_on_its_own_day_by_a_bare_date_leaves_a_tombstone(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", date="2026-11-22T10:00:00Z", id="story-1", withdrawn="2026-11-22")
    killed = newsroom.clock.now.timestamp() - 60
    os.utime(file, (killed, killed))
    assert holding(newsroom.run(), "deleted-entry") == {"all"}


def test_scheduled_story_killed_before_its_hour_is_not_named_by_a_store_made_later(
    newsroom: Newsroom,
) -> None:
    file = newsroom.write("a.md", date="2026-11-22T10:00:00Z", id="story-1", withdrawn="2026-11-22")
    killed = newsroom.clock.now.timestamp() - 3 * 3600
    os.utime(file, (killed, killed))
    newsroom.write("b.md")
    assert holding(newsroom.run(), "story-1") == set()


def test_withdrawn_story_stays_so_when_its_file_goes(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", id="story-1")
    newsroom.run()
    newsroom.write("a.md", id="story-1", status="withdrawn", reason="Libel")
    before = newsroom.run()
    file.unlink()
    assert newsroom.run()["all.atom"] == before["all.atom"]


def test_correction_that_says_not_when_moves_the_date_once(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md")
    newsroom.run()
    newsroom.write("a.md", correction="It was Tuesday.")
    seen = newsroom.clock.now - timedelta(seconds=30)
    os.utime(file, (seen.timestamp(), seen.timestamp()))
    after = newsroom.run()
    assert b"<updated>2026-11-22T12:59:30+01:00</updated>" in after["all.atom"].body
    os.utime(file)
    newsroom.clock.forward(hours=1)
    assert newsroom.run() == after


def test_date_at_the_end_of_time_or_yet_to_come_harms_no_feed(newsroom: Newsroom) -> None:
    newsroom.write("a.md", updated="9999-12-31T23:30:00Z")
    newsroom.write("b.md", expires="9999-12-31")
    published = newsroom.run()
    assert holding(published, "a.md") == {"all"}
    assert b"<lastBuildDate>Sun, 22 Nov 2026 11:00:00 +0100" in published["all.rss"].body


def test_tombstone_keeps_its_instant_when_the_reason_is_written_anew(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", id="story-1")
    newsroom.run()
    for minute, reason in enumerate(("Libel", "Libel, says the court")):
        newsroom.write("a.md", id="story-1", status="withdrawn", reason=reason)
        os.utime(file, (newsroom.clock.now.timestamp(), newsroom.clock.now.timestamp()))
        body = newsroom.run()["all.atom"].body
        newsroom.clock.forward(minutes=minute + 1)
    assert b'when="2026-11-22T13:00:00+01:00"' in body
    assert b"says the court" in body


def test_republished_story_has_no_tombstone(newsroom: Newsroom) -> None:
    file = newsroom.write("world/a.md")
    before = newsroom.run()
    newsroom.write("world/a.md", status="withdrawn")
    assert holding(newsroom.run(), "deleted-entry") == {"all", "sections/world"}
    newsroom.write("world/a.md")
    os.utime(file, (1, 1))
    after = newsroom.run()
    assert {key: one.body for key, one in after.items()} == {key: one.body for key, one in before.items()}


def test_story_withdrawn_before_anybody_could_see_it_is_never_named(newsroom: Newsroom) -> None:
    embargo = newsroom.clock.now + timedelta(days=2)
    newsroom.write("world/a.md", id="story-1", embargo=embargo.isoformat())
    newsroom.write("b.md")
    newsroom.run()
    newsroom.write("world/a.md", id="story-1", embargo=embargo.isoformat(), status="withdrawn", reason="Hush")
    newsroom.run()
    newsroom.clock.forward(days=3)
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "story-1") == set()


def test_bad_story_is_set_aside_with_its_last_good_version_out(newsroom: Newsroom) -> None:
    newsroom.write("world/a.md", title="Good zebra")
    newsroom.write("world/b.md")
    before = newsroom.run()
    file = newsroom.write("world/a.md", title="Bad zebra", date="yesterday")
    newsroom.write("world/new.md", date="tomorrow")
    assert newsroom.run() == before
    waiting = newsroom.quarantine()
    assert waiting.keys() == {"world/a.md", "world/new.md"}
    assert "'yesterday' is not a date" in waiting["world/a.md"]
    assert "last good version" in waiting["world/a.md"]
    assert "last good version" not in waiting["world/new.md"]
    newsroom.write("world/a.md", title="Better zebra")
    os.utime(file, (1, 1))
    assert holding(newsroom.run(), "Better zebra") == {"all", "sections/world"}
    assert newsroom.quarantine().keys() == {"world/new.md"}


def test_story_with_an_id_survives_a_rename(newsroom: Newsroom) -> None:
    file = newsroom.write("world/a.md", id="story-1", section="world")
    before = newsroom.run()
    (newsroom.root / "sport").mkdir()
    file.rename(newsroom.root / "sport" / "z.md")
    assert newsroom.run() == before


def test_second_file_with_an_id_waits_until_the_first_gives_it_up(newsroom: Newsroom) -> None:
    first = newsroom.write("a.md", id="story-1", title="First")
    newsroom.write("b.md", id="story-1", title="Second")
    assert holding(newsroom.run(), "First") == {"all"}
    assert "is the id of a.md" in newsroom.quarantine()["b.md"]
    first.unlink()
    assert holding(newsroom.run(), "Second") == {"all"}
    assert newsroom.quarantine() == {}


def test_id_that_is_edited_away_takes_its_story_along(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", id="story-1", title="First")
    newsroom.write("b.md", id="story-1", title="Second")
    newsroom.run()
    newsroom.write("a.md", id="story-2", title="Firsts")
    os.utime(file, (1, 1))
    published = newsroom.run()
    assert holding(published, "story-2") == {"all"}
    assert holding(published, "Second") == {"all"}


def test_folder_that_is_not_there_empties_no_feed(newsroom: Newsroom) -> None:
    newsroom.write("a.md")
    before = newsroom.run()
    shutil.rmtree(newsroom.root)
    newsroom.refresher.scan()
    newsroom.refresher.scan_changed({newsroom.root / "a.md"})
    newsroom.refresher.refresh()
    assert newsroom.published() == before


def test_folder_that_may_not_be_read_for_a_while_empties_no_feed(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom.write("world/a.md", title="Zebra")
    newsroom.write("b.md")
    before = newsroom.run()
    # What `walk` gives then; the tests may be run by root, whom nothing stops.
    found = [FoundFile("world", 0, 0, unreadable=True), *walk_module.walk(newsroom.root, "b.md")]
    monkeypatch.setattr(walk_module, "walk", lambda _root, _under="", _site=None: iter(found))
    assert newsroom.run() == before


def test_change_reaches_a_story_through_its_links(newsroom: Newsroom) -> None:
    real = newsroom.write("shelf/real.md", title="Zebra")
    (newsroom.root / "sub").mkdir()
    (newsroom.root / "sub" / "alias.md").symlink_to("../shelf/real.md")
    (newsroom.root / "mirror").symlink_to("shelf", target_is_directory=True)
    keys = {"all", "sections/shelf", "sections/sub", "sections/mirror"}
    assert holding(newsroom.run(), "Zebra") == keys
    for number, (changed_path, title) in enumerate([(real, "Okapi"), (real.parent, "Tapir")]):
        newsroom.write("shelf/real.md", title=title)
        os.utime(real, (number, number))
        newsroom.refresher.scan_changed({changed_path})
        newsroom.refresher.refresh()
        assert holding(newsroom.published(), title) == keys
    newsroom.write("shelf/real.md", title="Okapi", status="withdrawn")
    newsroom.refresher.scan_changed({real})
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "Okapi") == set()


def test_named_files_and_folders_are_loaded_and_what_is_gone_removed(newsroom: Newsroom) -> None:
    kept = newsroom.write("a.md", title="Kept")
    newsroom.run()
    newsroom.write("new/b.md", title="In a folder")
    kept.unlink()
    newsroom.refresher.scan_changed({newsroom.root / "new", kept})
    newsroom.refresher.refresh()
    published = newsroom.published()
    assert holding(published, "In a folder") == {"all", "sections/new"}
    assert holding(published, "Kept") == set()
    shutil.rmtree(newsroom.root / "new")
    newsroom.refresher.scan_changed({newsroom.root / "new"})
    newsroom.refresher.refresh()
    assert holding(newsroom.published(), "In a folder") == set()


def test_file_whose_name_is_not_utf8_is_set_aside(newsroom: Newsroom) -> None:
    newsroom.write("a.md")
    name = os.fsencode(newsroom.root) + b"/caf\xe9.md"
    with open(name, "wb") as file:
        file.write(b"---\ntitle: x\ndate: 2026-01-01\n---\nx\n")
    assert holding(newsroom.run(), "a.md") == {"all"}
    assert "not UTF-8" in newsroom.quarantine()["caf\\xe9.md"]


def test_changed_configuration_is_published_and_gone_feeds_are_withdrawn(newsroom: Newsroom) -> None:
    newsroom.write("world/a.md", title="Zebra")
    newsroom.write("sport/b.md")
    top = CustomFeed("top", include_sections=("world",))
    newsroom.restarted(
        replace(newsroom.rules, customs=(top,), by_key={"custom/top": FeedSettings(title="Top")})
    )
    before = newsroom.run()
    assert "custom/top" in holding(before, "Zebra")
    rules = replace(newsroom.rules, by_key={"sections/sport": FeedSettings(title="Sports", formats=("rss",))})
    newsroom.restarted(rules)
    after = newsroom.run()
    assert changed(before, after) == {"custom/top", "sections/sport"}
    assert {key for key in after if key.startswith(("custom", "sections/sport"))} == {"sections/sport.rss"}
    assert b"Sports \xe2\x80\x93 The Daily Example" in after["sections/sport.rss"].body


def test_nothing_is_published_of_a_store_that_is_being_filled(newsroom: Newsroom) -> None:
    for number in range(3):
        newsroom.write(f"world/{number}.md")
    published: list[int] = []
    newsroom.refresher.scan(on_read=lambda _: published.append(newsroom.refresher.refresh()))
    assert published == [0]
    assert newsroom.refresher.refresh() == 6  # all and world, each once in three formats


class CutOffError(Exception):
    """What ends a look in its middle."""


def cut_off(_: int) -> None:
    raise CutOffError


def test_first_load_that_was_cut_off_loses_no_story(newsroom: Newsroom) -> None:
    newsroom.write("world/a.md")
    with pytest.raises(CutOffError):
        newsroom.refresher.scan(on_read=cut_off)
    newsroom.root.rename(newsroom.root.with_name("elsewhere"))  # no look comes after it that could mend it
    newsroom.restarted().refresh()
    assert b"world/a.md" in newsroom.published()["sections/world.rss"].body


def test_story_edited_after_a_first_load_was_cut_off_is_in_no_feed_it_left(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", section="world", date="2026-02-01")
    with pytest.raises(CutOffError):
        newsroom.refresher.scan(on_read=cut_off)
    newsroom.write("a.md", section="sport", date="2026-02-02")
    os.utime(file, (1, 1))
    newsroom.restarted()
    made = newsroom.run()
    assert "sections/world.rss" not in made
    assert [made[key].body.count(b"<item>") for key in ("all.rss", "sections/sport.rss")] == [1, 1]


@pytest.mark.parametrize("dies", ["never", "when asked", "before it answers"])
def test_many_feeds_made_by_two_processes_are_those_of_one(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    for number in range(260):
        newsroom.write(f"world/{number:03}.md", tags=f"[Tag {number}]")
    monkeypatch.setattr(prerender, "processors", lambda: 1)
    alone = newsroom.run()
    asked: list[int] = []

    class Watched(Process[prerender.Wanted, object]):
        def ask(self, wanted: prerender.Wanted) -> None:
            asked.append(len(wanted))
            self._die("when asked")
            super().ask(wanted)

        def answer(self) -> object:
            self._die("before it answers")
            return super().answer()

        def _die(self, when: str) -> None:
            if dies == when and len(asked) > 1:
                self._process.kill()
                self._process.wait()

    monkeypatch.setattr(prerender, "processors", lambda: 2)
    monkeypatch.setattr(prerender, "Process", Watched)
    with newsroom.store.write() as tx:
        tx.execute(delete(tables.representations))
        dirty.mark(tx, {key.rpartition(".")[0] for key in alone}, newsroom.clock())
    newsroom.restarted()
    assert newsroom.run() == alone
    assert sum(asked) > 260 / 2 or dies != "never"


def test_file_that_another_process_loads_during_a_look_is_not_gone(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom.write("a.md")
    newsroom.run()
    walk = walk_module.walk

    def slow(root: Path, under: str = "", site: Site = NO_SITE) -> Iterator[FoundFile]:
        listed = list(walk(root, under, site))
        if not under:  # its folder was listed; now another one is quicker
            newsroom.write("z.md")
            other = Refresher(newsroom.store, root, LoadRules(), newsroom.rules, clock=newsroom.clock)
            other.scan_changed([root / "z.md"])
        yield from listed

    monkeypatch.setattr(walk_module, "walk", slow)
    assert newsroom.run()["all.rss"].body.count(b"<item>") == 2


def test_feed_that_cannot_be_rendered_ahead_harms_no_other(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsroom.write("world/a.md")
    newsroom.run()
    publisher, asked = newsroom.restarted()._publisher, []

    def broken(_connection: object, key: str, _now: object) -> None:
        asked.append(key)
        raise ValueError(key)

    monkeypatch.setattr(publisher, "_feeds_of", broken)
    publisher.warm()
    assert asked == ["all", "sections/world"]


def test_feeds_are_rendered_ahead_after_a_restart_and_nothing_changes(newsroom: Newsroom) -> None:
    newsroom.write("world/a.md")
    before = newsroom.run()
    refresher = newsroom.restarted()
    refresher.warm()
    assert newsroom.run() == before


def test_stopped_refresher_takes_nothing_for_gone(newsroom: Newsroom) -> None:
    newsroom.write("a.md")
    newsroom.write("b.md")
    before = newsroom.run()
    newsroom.write("a.md", title="Changed")
    newsroom.refresher.stop()
    newsroom.refresher.scan()
    newsroom.restarted()
    assert newsroom.run().keys() == before.keys()
    assert holding(newsroom.published(), "b.md") == {"all"}


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a.md", "world/b.md", "world/c.md", "sport/d.md"]),
        st.sampled_from(["write", "write", "write", "delete", "forward"]),
        st.sampled_from(["world", "sport", "world/europe"]),
        st.sampled_from(["[]", "[Rail]", "[rail, Cup]"]),
        st.sampled_from(["", "withdrawn", "draft", "embargo", "expires"]),
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=30)
@given(steps=_STEPS)
def test_incremental_refresh_equals_a_full_rebuild_byte_for_byte(
    steps: list[tuple[str, str, str, str, str]], tmp_path_factory: pytest.TempPathFactory, rules: Rules
) -> None:
    folder = tmp_path_factory.mktemp("newsroom")
    clock = Clock(NOON)
    newsroom = Newsroom(Store(f"sqlite:///{folder}/a.db"), folder / "content", rules, clock)
    for number, (path, step, section, tags, state) in enumerate(steps):
        file = newsroom.root / path
        if step == "forward":
            clock.forward(hours=1)
        elif step == "delete":
            file.unlink(missing_ok=True)
        else:
            later = (clock.now + timedelta(minutes=90)).isoformat()
            extra = (
                {"embargo": later} if state == "embargo" else {"expires": later} if state == "expires" else {}
            )
            status = {"status": state} if state in {"withdrawn", "draft"} else {}
            newsroom.write(path, f"Body {number}", section=section, tags=tags, **extra, **status)
            os.utime(file, (number, number))
        newsroom.run()
    incremental = newsroom.run()
    anew = Newsroom(Store(f"sqlite:///{folder}/b.db"), newsroom.root, rules, clock).run()
    # A tombstone tells when a story went, which only who saw it go knows.
    kept = {key: one.body for key, one in incremental.items() if b"deleted-entry" not in one.body}
    rebuilt = {key: one.body for key, one in anew.items() if key in kept}
    assert {key: kept[key] for key in rebuilt} == rebuilt
    for key in incremental.keys() - anew.keys():
        assert b"Body" not in incremental[key].body  # it lost its last story, and stays


def test_two_files_whose_ids_are_one_in_feeds_are_not_both_published(newsroom: Newsroom) -> None:
    authority = newsroom.rules.site.authority
    newsroom.write("a.md", id="'world/a'")
    newsroom.write("b.md", id=f"'tag:{authority}:world/a'")
    assert newsroom.run()["all.atom"].body.count(b"<entry>") == 1
    (newsroom.root / "a.md").unlink()
    assert newsroom.run()["all.atom"].body.count(b"<entry>") == 1
    newsroom.write("a.md", id="'world/a'")
    assert newsroom.run()["all.atom"].body.count(b"<entry>") == 1
    newsroom.write("b.md", id="'world/a'")  # written otherwise by its own author
    (newsroom.root / "a.md").unlink()
    assert newsroom.run()["all.atom"].body.count(b"<entry>") == 1


def test_story_pushed_while_custom_feeds_are_made_anew_waits(
    postgres_url: str, tmp_path: Path, rules: Rules, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "FILES_A_BATCH", 1)
    store = Store(postgres_url)
    newsroom = Newsroom(store, tmp_path / "content", rules, clock)
    for name in ("a", "b", "c"):
        newsroom.write(f"{name}.md", id=name)
    newsroom.run()
    wider = replace(rules, customs=(CustomFeed("new"),))
    failures: list[Exception] = []

    def restart() -> None:
        try:
            newsroom.restarted(wider)
        except Exception as error:
            failures.append(error)

    restarting = Thread(target=restart)
    with store.write() as tx:
        articles.lock(tx, ["c"])
        tx.execute(text("UPDATE articles SET status = status WHERE id = 'c'"))
        restarting.start()
        time.sleep(0.5)  # it has come as far as it can
        dirty.mark(tx, {"all"}, NOON)
    restarting.join()
    assert not failures
    assert "custom/new.rss" in newsroom.run()
    store.close()


class Knot:
    """What only a search for cycles finds once nobody has it."""

    def __init__(self) -> None:
        self.self = self


@pytest.mark.slow
def test_cycles_are_looked_for_between_stories_and_in_all_there_is_when_asked(newsroom: Newsroom) -> None:
    kept = Knot()
    gc.collect()  # now it is among what has been looked through
    gc.disable()
    try:
        old, new = weakref.ref(kept), weakref.ref(Knot())
        del kept
        newsroom.refresher.maintain()
        assert (old() is None, new() is None) == (False, True)
        newsroom.refresher.maintain(everything=True)
        assert old() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "line",
    [
        "embagro: 2099-01-01",
        "acces: internal",
        "status: withdrawn\ntags: [a",
        "draft: perhaps",
        "access: sometimes",
    ],
)
def test_earlier_version_goes_when_its_file_may_hold_it_back(newsroom: Newsroom, line: str) -> None:
    """Readers are told that it is gone; once the file can be read, the story is as that says."""
    file = newsroom.write("a.md", "Zebra crossing.")
    good = file.read_text("utf-8")
    assert holding(newsroom.run(), "Zebra")
    file.write_text(good.replace("title:", f"{line}\ntitle:", 1), "utf-8")
    published = newsroom.run()
    assert not holding(published, "Zebra")
    assert holding(published, "deleted-entry")
    assert "is held back, too" in newsroom.quarantine()["a.md"]
    file.write_text(good, "utf-8")
    assert holding(newsroom.run(), "Zebra")
    assert not holding(newsroom.run(), "deleted-entry")


def test_earlier_version_stays_when_its_file_is_broken_otherwise(newsroom: Newsroom) -> None:
    file = newsroom.write("a.md", "Zebra crossing.")
    newsroom.run()
    file.write_text(file.read_text("utf-8").replace("title:", "tags: [a\ntitle:", 1), "utf-8")
    assert holding(newsroom.run(), "Zebra")
    assert "stays published" in newsroom.quarantine()["a.md"]


def test_folder_that_says_otherwise_has_its_stories_read_again(newsroom: Newsroom) -> None:
    """Hugo's cascade is written, changed and removed beside stories that stay as they are."""
    newsroom.write("a/b/c.md", "Zebra crossing.")
    newsroom.write("d.md", "Other.")
    index = newsroom.root / "a" / "_index.md"
    assert holding(newsroom.run(), "Zebra")
    index.write_text("---\ncascade: {build: {list: never}}\n---\n", "utf-8")
    newsroom.refresher.scan_changed([index])
    newsroom.refresher.refresh()
    assert not holding(newsroom.published(), "Zebra")
    assert newsroom.refresher.scan().read == 0
    index.write_text("---\ncascade: {build: {list: always}}\n---\n", "utf-8")
    os.utime(index, ns=(index.stat().st_mtime_ns + 10**9,) * 2)
    assert holding(newsroom.run(), "Zebra")
    index.write_text("---\ncascade: {draft: true}\n---\n", "utf-8")
    os.utime(index, ns=(index.stat().st_mtime_ns + 2 * 10**9,) * 2)
    assert not holding(newsroom.run(), "Zebra")
    index.unlink()
    assert holding(newsroom.run(), "Zebra")
