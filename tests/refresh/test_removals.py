"""Stories whose files are gone: few go at once, many stay until it is confirmed, and a move is no removal."""

import os
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from feedsvc.domain.model import Site
from feedsvc.domain.removals import DEFAULT, NO_LIMIT, RemovalLimit, is_allowed, moves, parsed
from feedsvc.domain.selection import Rules
from feedsvc.loading import generators
from feedsvc.loading.rules import LoadRules
from feedsvc.refresh.refresher import Refresher
from feedsvc.store import articles, conditions, removals, tables
from feedsvc.store.engine import Store
from tests.conftest import Clock
from tests.refresh.test_refresher import Newsroom
from tests.stories import NOON, write_story

pytestmark = pytest.mark.slow

# -- the rule itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("20 and 20%", DEFAULT),
        ("20% and 20", DEFAULT),
        (" 5  and 12.5 % ", RemovalLimit(5, 12.5)),
        (50, RemovalLimit(50, None)),
        ("50", RemovalLimit(50, None)),
        (0, RemovalLimit(0, None)),
        ("10%", RemovalLimit(None, 10)),
        ("all", NO_LIMIT),
    ],
)
def test_limit_is_a_number_a_share_both_or_none(written: object, limit: RemovalLimit) -> None:
    assert parsed(written) == limit


@pytest.mark.parametrize(
    "written",
    ["", "none", "a fifth", "20 and 30", "101%", "-1", -1, 0.2, True, "20 or 20%", "20and20%", None],
)
def test_limit_that_cannot_be_read_is_refused_with_what_is_wanted(written: object) -> None:
    with pytest.raises(ValueError, match='write "20 and 20%"'):
        parsed(written)


@pytest.mark.parametrize(
    ("gone", "before", "published", "is_any_left", "held"),
    [
        (21, 0, 100, True, True),
        (20, 0, 100, True, False),
        (21, 0, 105, True, False),  # a fifth, and not more
        (1, 20, 100, True, True),
        (1, 0, 1, False, False),
        (2, 0, 2, False, True),
        (15, 0, 15, False, True),
        (14, 0, 15, True, False),
        (200, 0, 1000, True, False),
        (201, 0, 1000, True, True),
    ],
)
def test_both_parts_of_the_limit_must_be_exceeded_or_all_be_gone(
    gone: int, before: int, published: int, is_any_left: bool, held: bool
) -> None:
    assert DEFAULT.holds(gone, before=before, published=published, is_any_left=is_any_left) is held
    assert not NO_LIMIT.holds(gone, before=before, published=published, is_any_left=is_any_left)


@given(
    st.builds(RemovalLimit, st.none() | st.integers(0, 30), st.none() | st.just(0.0) | st.floats(1e-6, 100)),
    st.integers(0, 100),
    st.integers(0, 10_000),
)
def test_no_more_is_counted_than_makes_a_difference(
    limit: RemovalLimit, removed: int, published: int
) -> None:
    enough = limit.enough_to_know(removed)
    assert limit.is_exceeded(removed, min(published, enough)) == limit.is_exceeded(removed, published)


_paths = st.sampled_from([f"{folder}/{name}" for folder in "ab" for name in "xyz"])
_bytes_of = st.sampled_from(["", "1", "2"])


@given(st.dictionaries(_paths, _bytes_of), st.dictionaries(_paths, _bytes_of))
def test_each_new_file_stands_for_one_old_file_of_its_bytes(
    gone: dict[str, str], found: dict[str, str]
) -> None:
    pairs = moves(gone, found)
    new = found.keys() - gone.keys()
    assert len(set(pairs.values())) == len(pairs)
    assert all(gone[old] == found[place] != "" and place in new for old, place in pairs.items())
    for fingerprint in ("1", "2"):
        old_ones = [path for path in gone if gone[path] == fingerprint]
        new_ones = [path for path in new if found[path] == fingerprint]
        paired = [path for path in pairs if gone[path] == fingerprint]
        assert len(paired) == min(len(old_ones), len(new_ones))
        for name in "xyz":  # by preference one of the same name
            if f"a/{name}" in old_ones and f"b/{name}" in new_ones:
                assert pairs[f"a/{name}"] == f"b/{name}"


def test_path_is_allowed_by_itself_or_a_folder_it_is_in() -> None:
    assert is_allowed("world/a.md", ("",))
    assert is_allowed("world/a.md", ("sport", "world"))
    assert is_allowed("world/a.md", ("world/a.md",))
    assert not is_allowed("world/a.md", ("world/a", "worl"))
    assert not is_allowed("world/a.md", ())


# -- in a newsroom ----------------------------------------------------------------------------------------


@pytest.fixture
def newsroom(store: Store, tmp_path: Path, rules: Rules, clock: Clock) -> Newsroom:
    return Newsroom(store, tmp_path / "content", rules, clock)


def fill(newsroom: Newsroom, number: int, folder: str = "world", **fields: object) -> list[Path]:
    """Publish so many stories, each of other bytes; returns their files."""
    files = [newsroom.write(f"{folder}/{one:03}.md", **fields) for one in range(number)]
    newsroom.run()
    return files


def ids(newsroom: Newsroom) -> set[str]:
    """The ids of the stories that are published."""
    with newsroom.store.read() as connection:
        return {one.id for one in articles.each(connection) if one.status == "published"}


def held(newsroom: Newsroom) -> list[str]:
    """The paths of the stories that are held; the condition says so, if there are any."""
    with newsroom.store.read() as connection:
        found = [one.path for one in removals.held(connection)]
        stands = {one.name: one.detail for one in conditions.current(connection)}
    assert (removals.HELD in stands) == bool(found)
    if found:
        assert f"{len(found):,} stor" in stands[removals.HELD]
        assert "feedsvc refresh --allow-removals" in stands[removals.HELD]
    return found


def look(newsroom: Newsroom, *paths: Path) -> None:
    """A look as the watcher asks for it: at these paths alone."""
    newsroom.refresher.scan_changed(set(paths))
    newsroom.refresher.refresh()


def test_empty_folder_removes_nothing_until_that_is_confirmed(newsroom: Newsroom) -> None:
    fill(newsroom, 30)
    before = newsroom.published()
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    assert len(held(newsroom)) == 30
    newsroom.clock.forward(hours=1)
    newsroom.restarted()
    assert newsroom.run() == before
    assert len(held(newsroom)) == 30
    report = newsroom.refresher.scan(allowed=("",))
    assert (report.removed, held(newsroom), ids(newsroom)) == (30, [], set())


def test_files_one_by_one_are_held_once_their_sum_is_too_large(newsroom: Newsroom) -> None:
    files = fill(newsroom, 30)
    for file in files:
        file.unlink()
        look(newsroom, file)
        newsroom.clock.forward(seconds=1)
    assert len(held(newsroom)) == 10
    assert len(ids(newsroom)) == 10


def test_few_files_a_minute_go_for_as_long_as_it_takes(newsroom: Newsroom) -> None:
    files = fill(newsroom, 60)
    for start in range(0, 60, 20):
        for file in files[start : start + 20]:
            file.unlink()
        if start == 40:
            newsroom.write("sport/stays.md")
        newsroom.run()
        assert held(newsroom) == []
        newsroom.clock.forward(seconds=61)
    assert ids(newsroom) == {"sport/stays"}


def test_single_story_goes_at_once_while_others_are_held(newsroom: Newsroom) -> None:
    fill(newsroom, 50)
    file = newsroom.write("sport/a.md")
    newsroom.run()
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    newsroom.clock.forward(minutes=5)
    file.unlink()
    look(newsroom, file)
    assert "sport/a" not in ids(newsroom)
    assert len(held(newsroom)) == 50


def test_removal_beside_held_ones_counts_with_them_for_a_minute(newsroom: Newsroom) -> None:
    fill(newsroom, 50)
    file = newsroom.write("sport/a.md")
    newsroom.write("sport/b.md")
    newsroom.run()
    shutil.rmtree(newsroom.root / "world")
    look(newsroom, newsroom.root / "world")
    file.unlink()
    look(newsroom, file)
    assert len(held(newsroom)) == 51


def test_files_that_are_back_are_held_no_more(newsroom: Newsroom, tmp_path: Path) -> None:
    fill(newsroom, 30)
    before = newsroom.published()
    (newsroom.root / "world").rename(tmp_path / "away")
    newsroom.run()
    assert len(held(newsroom)) == 30
    newsroom.clock.forward(minutes=5)
    (newsroom.root / "world").mkdir()
    for number in range(10):
        (tmp_path / f"away/{number:03}.md").rename(newsroom.root / f"world/{number:03}.md")
    assert newsroom.run() == before
    assert len(held(newsroom)) == 20
    for number in range(10, 30):
        (tmp_path / f"away/{number:03}.md").rename(newsroom.root / f"world/{number:03}.md")
    look(newsroom, newsroom.root / "world")
    assert held(newsroom) == []
    assert newsroom.published() == before


def test_held_file_that_is_back_changed_is_loaded(newsroom: Newsroom) -> None:
    fill(newsroom, 30)
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    newsroom.write("world/000.md", title="Better zebra")
    newsroom.write("world/001.md", status="withdrawn")
    newsroom.write("world/002.md", date="yesterday")
    published = newsroom.run()
    assert b"Better zebra" in published["all.rss"].body
    assert "world/001" not in ids(newsroom)
    assert "last good version" in newsroom.quarantine()["world/002.md"]
    assert len(held(newsroom)) == 27


def test_held_stories_are_removed_by_path(newsroom: Newsroom) -> None:
    fill(newsroom, 30)
    fill(newsroom, 30, "sport")
    for folder in ("world", "sport"):
        shutil.rmtree(newsroom.root / folder)
    newsroom.run()
    newsroom.refresher.scan(allowed=("world/000.md",))
    assert len(held(newsroom)) == 59
    newsroom.refresher.scan(allowed=("sport",))
    assert len(held(newsroom)) == 29
    assert ids(newsroom) == {f"world/{number:03}" for number in range(1, 30)}


def test_confirmed_removals_leave_room_for_others(newsroom: Newsroom) -> None:
    fill(newsroom, 30)
    file = fill(newsroom, 30, "sport")[0]
    shutil.rmtree(newsroom.root / "world")
    newsroom.refresher.scan(allowed=("world",))
    file.unlink()
    newsroom.run()
    assert (len(ids(newsroom)), held(newsroom)) == (29, [])


def test_what_files_say_goes_at_once_however_many(newsroom: Newsroom) -> None:
    says: list[dict[str, object]] = [
        {"status": "withdrawn"},
        {"status": "draft"},
        {"embargo": "2030-01-01"},
        {"expires": "2026-11-22T11:00:00Z"},
        {"access": "internal"},
        {"id": "other"},
    ]
    fill(newsroom, 60)
    for number in range(60):
        fields = dict(says[number % 6])
        if "id" in fields:
            fields["id"] = f"other-{number}"
        newsroom.write(f"world/{number:03}.md", "Taken back.", **fields)
    published = newsroom.run()
    assert held(newsroom) == []
    assert published["all.rss"].body.count(b"<item>") == 10
    assert published["all.rss"].body.count(b"other-") >= 10


@pytest.mark.parametrize("order", ["at once", "old first", "new first"])
@pytest.mark.parametrize("fields", [{}, {"section": "news"}])
def test_folder_that_is_renamed_leaves_no_story_twice(
    newsroom: Newsroom, tmp_path: Path, order: str, fields: dict[str, str]
) -> None:
    fill(newsroom, 60, **fields)
    fill(newsroom, 30, "sport")
    old, new = newsroom.root / "world", newsroom.root / "globe"
    if order == "at once":
        old.rename(new)
    elif order == "old first":
        old.rename(tmp_path / "away")
        look(newsroom, old)
        assert len(held(newsroom)) == 60
        newsroom.clock.forward(seconds=3)
        (tmp_path / "away").rename(new)
    else:
        shutil.copytree(old, new)
        look(newsroom, new)
        newsroom.clock.forward(seconds=50)
        shutil.rmtree(old)
    look(newsroom, old, new)
    assert held(newsroom) == []
    wanted = {f"globe/{number:03}" for number in range(60)} | {f"sport/{number:03}" for number in range(30)}
    assert ids(newsroom) == wanted


def test_copies_that_stood_there_long_before_make_no_move(newsroom: Newsroom) -> None:
    fill(newsroom, 60)
    shutil.copytree(newsroom.root / "world", newsroom.root / "globe")
    newsroom.run()
    newsroom.clock.forward(seconds=90)
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    assert len(held(newsroom)) == 60


def test_one_new_file_excuses_one_of_many_with_its_bytes(newsroom: Newsroom) -> None:
    for number in range(60):
        newsroom.write(f"world/{number:03}.md", title="The same")
    newsroom.write("sport/stays.md")
    newsroom.run()
    shutil.rmtree(newsroom.root / "world")
    newsroom.write("globe/000.md", title="The same")
    newsroom.run()
    assert len(held(newsroom)) == 59
    newsroom.write("globe/001.md", title="The same")
    newsroom.run()
    assert len(held(newsroom)) == 58
    assert ids(newsroom) >= {"sport/stays", "globe/000", "globe/001"}


def test_new_file_excuses_no_second_one_later(newsroom: Newsroom) -> None:
    """It was new once: 21 that go one by one are 21 although each has the bytes of one new file."""
    for number in range(60):
        newsroom.write(f"world/{number:03}.md", title="The same")
    newsroom.run()
    newsroom.write("globe/000.md", title="The same")
    for number in range(22):
        (newsroom.root / f"world/{number:03}.md").unlink()
        newsroom.run()
    assert held(newsroom) == ["world/021.md"]


def test_share_is_of_what_was_published_before_the_minute(newsroom: Newsroom) -> None:
    files = fill(newsroom, 150)
    for file in files[:31]:
        file.unlink()
        look(newsroom, file)
    assert held(newsroom) == ["world/030.md"]


def test_share_counts_a_story_that_moved_once(newsroom: Newsroom) -> None:
    """With its new place beside its old one there would be 180, of which 31 are not a fifth."""
    files = fill(newsroom, 150)
    for file in files[:31]:
        file.unlink()
    (newsroom.root / "globe").mkdir()
    for file in files[31:61]:
        file.rename(newsroom.root / "globe" / file.name)
    newsroom.run()
    assert len(held(newsroom)) == 31


@pytest.mark.parametrize("order", ["at once", "old first"])
def test_stories_with_ids_are_found_again_by_them(newsroom: Newsroom, order: str) -> None:
    for number in range(60):
        newsroom.write(f"world/{number:03}.md", id=f"story-{number}")
    newsroom.run()
    shutil.rmtree(newsroom.root / "world")
    if order == "old first":
        look(newsroom, newsroom.root / "world")
        assert len(held(newsroom)) == 60
    for number in range(60):
        newsroom.write(f"globe/{number:03}.md", title="Edited on the way", id=f"story-{number}")
    published = newsroom.run()
    assert held(newsroom) == []
    assert ids(newsroom) == {f"story-{number}" for number in range(60)}
    assert published["all.rss"].body.count(b"Edited on the way") >= 50


def test_moves_one_by_one_do_not_add_up(newsroom: Newsroom) -> None:
    files = fill(newsroom, 25)
    (newsroom.root / "globe").mkdir()
    for file in files:
        text = file.read_bytes()
        file.unlink()
        look(newsroom, file)
        assert held(newsroom) == []
        moved = newsroom.root / "globe" / file.name
        moved.write_bytes(text)
        look(newsroom, moved)
    assert len(ids(newsroom)) == 25


def test_file_of_the_same_id_takes_over_whatever_is_held(newsroom: Newsroom) -> None:
    """It waited in quarantine; the story isn't gone, so it doesn't count."""
    for number in range(30):
        newsroom.write(f"a/{number:03}.md", id=f"story-{number}", title="First")
        newsroom.write(f"b/{number:03}.md", id=f"story-{number}", title="Second")
    newsroom.run()
    shutil.rmtree(newsroom.root / "a")
    published = newsroom.run()
    assert (held(newsroom), newsroom.quarantine()) == ([], {})
    assert published["all.rss"].body.count(b"<title>Second</title>") == 30


def test_drafts_and_expired_stories_that_go_count_for_nothing(newsroom: Newsroom) -> None:
    fill(newsroom, 30, "drafts-of-old", status="draft")
    fill(newsroom, 30, "old", expires="2026-11-22T11:00:00Z")
    fill(newsroom, 10)
    for folder in ("drafts-of-old", "old"):
        shutil.rmtree(newsroom.root / folder)
    newsroom.run()
    assert held(newsroom) == []
    with newsroom.store.read() as connection:
        assert articles.count(connection) == 10


def test_small_site_whose_folder_is_empty_keeps_its_stories(newsroom: Newsroom) -> None:
    fill(newsroom, 3)
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    assert len(held(newsroom)) == 3


def test_without_a_limit_everything_goes_and_what_was_held_too(newsroom: Newsroom) -> None:
    fill(newsroom, 30)
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    assert len(held(newsroom)) == 30
    newsroom.refresher = Refresher(
        newsroom.store,
        newsroom.root,
        LoadRules(),
        newsroom.rules,
        removal_limit=NO_LIMIT,
        clock=newsroom.clock,
    )
    newsroom.run()
    assert (held(newsroom), ids(newsroom)) == ([], set())


def test_held_story_that_is_pushed_is_held_no_more(newsroom: Newsroom) -> None:
    """Whoever pushes it takes it over; its file is forgotten, and the story stays."""
    from feedsvc.changes import push
    from feedsvc.ingest.document import ArticleDocument

    fill(newsroom, 30)
    shutil.rmtree(newsroom.root / "world")
    newsroom.run()
    document = ArticleDocument(title="Pushed", published="2026-11-22T10:00:00Z", body="Text")
    with newsroom.store.write() as tx:
        one = push.put("world/000", document, NOON)
        push.push(tx, [one], newsroom.rules, NOON, "token", force=True)
    newsroom.run()
    assert len(held(newsroom)) == 29
    newsroom.refresher.scan(allowed=("",))
    assert ids(newsroom) == {"world/000"}


def test_folder_that_is_missing_is_told_until_it_is_back(newsroom: Newsroom, tmp_path: Path) -> None:
    fill(newsroom, 30)
    before = newsroom.published()

    def told() -> list[str]:
        with newsroom.store.read() as connection:
            return [one.name for one in conditions.current(connection)]

    newsroom.root.rename(tmp_path / "away")
    newsroom.refresher.scan_changed(set())
    assert told() == ["content-missing"]
    assert newsroom.run() == before
    (tmp_path / "away").rename(newsroom.root)
    newsroom.restarted()
    assert newsroom.run() == before
    assert told() == []


def test_folder_that_vanishes_during_a_look_removes_nothing(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feedsvc.loading import walk as walk_module

    fill(newsroom, 1)
    walk = walk_module.walk

    def vanishing(
        root: Path, under: str = "", site: generators.Site = generators.NO_SITE
    ) -> Iterator[walk_module.FoundFile]:
        if not under:
            shutil.rmtree(root)
        yield from walk(root, under, site)

    monkeypatch.setattr(walk_module, "walk", vanishing)
    newsroom.run()
    assert ids(newsroom) == {"world/000"}


def test_refreshers_that_share_a_store_count_together(
    postgres_url: str, tmp_path: Path, rules: Rules, clock: Clock
) -> None:
    store = Store(postgres_url)
    newsroom = Newsroom(store, tmp_path / "content", rules, clock)
    files = fill(newsroom, 60)
    others = [Store(postgres_url) for _ in range(4)]
    failures: list[Exception] = []

    def remove(number: int) -> None:
        refresher = Refresher(others[number], newsroom.root, LoadRules(), rules, clock=clock)
        try:
            for file in files[number::4]:
                file.unlink()
                refresher.scan_changed({file})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=remove, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(ids(newsroom)) == 40
    assert len(held(newsroom)) == 40
    for one in (*others, store):
        one.close()


def test_store_of_before_the_guard_knows_moves_after_one_look(newsroom: Newsroom) -> None:
    """The migration has every file read once more; none of them is new for that."""
    fill(newsroom, 60)
    shutil.copytree(newsroom.root / "world", newsroom.root / "copies")
    newsroom.run()
    with newsroom.store.write() as tx:
        tx.execute(tables.sources_seen.update().values(fingerprint=None, found_at=0, mtime_ns=-1))
    newsroom.clock.forward(minutes=5)
    newsroom.restarted()
    newsroom.run()
    shutil.rmtree(newsroom.root / "copies")
    newsroom.run()
    assert len(held(newsroom)) == 60
    (newsroom.root / "world").rename(newsroom.root / "globe")
    newsroom.run()
    # What is held had the same bytes: of each pair one is found again, and one is gone.
    assert len(held(newsroom)) == 60


# -- whatever an editor does -------------------------------------------------------------------------------

_LIMIT = RemovalLimit(3, 20)
_MINUTE = timedelta(minutes=1)
_numbers = st.integers(0, 10**6)


class Desk(RuleBasedStateMachine):
    """Files are written, moved, deleted, taken away and brought back; the model knows paths and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name) / "content"
        self.away = Path(self.folder.name) / "away"
        self.root.mkdir()
        self.clock = Clock(NOON)
        self.store = Store(f"sqlite:///{self.folder.name}/feedsvc.db")
        self.number = 0
        self.texts: dict[str, str] = {}  # path on the disk → its text, of which each is another
        self.withheld: set[str] = set()  # the paths whose files say that they are not to be published
        self.gone_at: dict[str, tuple[str, float]] = {}  # path → its text, and when its story was removed
        self.held_at: dict[str, float] = {}
        self.published: dict[str, str] = {}  # as the last look left it: path → text
        self.restart()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def first_edition(self) -> None:
        for _ in range(20):
            self.new("world")
        self.look()
        self.refresher.refresh()  # from now on, files that come are new

    @rule()
    def restart(self) -> None:
        rules = Rules(site=Site("N", "https://news.example.org", "en", "news.example.org,2026"))
        self.refresher = Refresher(
            self.store, self.root, LoadRules(), rules, removal_limit=_LIMIT, clock=self.clock
        )
        self.refresher.prepare()

    def new(self, folder: str) -> None:
        self.number += 1
        self.put(f"{folder}/{self.number}.md", f"text-{self.number}")

    def put(self, path: str, text: str) -> None:
        file = write_story(self.root, path, text, title=text)
        os.utime(file, (self.number, self.number))
        self.texts[path] = text

    def chosen(self, picks: list[int]) -> list[str]:
        paths = sorted(self.texts)
        return sorted({paths[pick % len(paths)] for pick in picks}) if paths else []

    @rule(folder=st.sampled_from(["world", "sport"]))
    def write(self, folder: str) -> None:
        self.new(folder)

    @rule(picks=st.lists(_numbers, min_size=1, max_size=12))
    def delete(self, picks: list[int]) -> None:
        for path in self.chosen(picks):
            (self.root / path).unlink()
            del self.texts[path]
            self.withheld.discard(path)

    @rule(picks=st.lists(_numbers, min_size=1, max_size=12), between=st.booleans())
    def move(self, picks: list[int], between: bool) -> None:
        """Rename files, with a look between their leaving and their coming, or none."""
        moving = {path: self.texts[path] for path in self.chosen(picks) if path not in self.withheld}
        for path in moving:
            (self.root / path).unlink()
            del self.texts[path]
        if between:
            self.look()
        for text in moving.values():
            self.number += 1
            self.put(f"moved/{self.number}.md", text)
        self.look()

    @rule(picks=st.lists(_numbers, min_size=1, max_size=12), status=st.sampled_from(["withdrawn", "draft"]))
    def hold_back(self, picks: list[int], status: str) -> None:
        for path in self.chosen(picks):
            self.number += 1
            file = write_story(self.root, path, self.texts[path], status=status)
            os.utime(file, (self.number, self.number))
            self.withheld.add(path)

    @rule(seconds=st.sampled_from([1, 20, 59, 90]))
    def wait(self, seconds: int) -> None:
        self.clock.forward(seconds=seconds)

    @rule(looks=st.booleans())
    def unmount_and_mount(self, looks: bool) -> None:
        """The folder is empty for a while; then all is as it was."""
        self.look()
        texts, self.texts = self.texts, {}
        withheld, self.withheld = self.withheld, set()
        self.root.rename(self.away)
        self.root.mkdir()
        if looks:
            self.look()
        self.root.rmdir()
        self.away.rename(self.root)
        self.texts, self.withheld = texts, withheld
        self.look()

    @rule()
    def look(self) -> None:
        self.refresher.scan()
        self.check()

    @rule()
    def look_at_folders(self) -> None:
        self.refresher.scan_changed({self.root / "world", self.root / "sport", self.root / "moved"})
        self.check()

    @precondition(lambda self: self.published)
    @rule(pick=_numbers)
    def confirm(self, pick: int) -> None:
        """Confirm the removal of a file, a folder or everything."""
        paths = sorted(self.published)
        folders = ["", "world", "sport", "moved"]
        allowed = [*paths, *folders][pick % (len(paths) + len(folders))]
        self.look()
        self.refresher.scan(allowed=(allowed,))
        for path in [path for path in self.published if is_allowed(path, (allowed,))]:
            if path not in self.texts:
                del self.published[path]
        self.check()
        assert not [path for path in self.published.keys() & self.held_at if is_allowed(path, (allowed,))]

    def check(self) -> None:
        now = self.clock.now.timestamp()
        with self.store.read() as connection:
            stories = [one for one in articles.each(connection) if one.status == "published"]
            held = {one.path for one in removals.held(connection)}
            stands = [one.name for one in conditions.current(connection)]
        published = {f"{one.id}.md": one.title for one in stories}
        on_disk = {path: text for path, text in self.texts.items() if path not in self.withheld}
        assert on_disk.items() <= published.items(), "what has a file is out"
        assert not self.withheld & published.keys(), "what a file says holds"
        assert len(set(published.values())) == len(published), "a story that was moved is out once"
        assert held & published.keys() == published.keys() - on_disk.keys(), "what has no file is held"
        assert (stands == ["removals-held"]) == bool(held)
        self.check_numbers(published, on_disk, now)
        self.held_at = {path: self.held_at.get(path, now) for path in held}
        self.published = published

    def check_numbers(self, published: dict[str, str], on_disk: dict[str, str], now: float) -> None:
        texts = set(self.texts.values())
        missing = {
            path
            for path, text in self.published.items()
            if path not in self.texts and text not in texts and path not in self.held_at
        }
        recent = _MINUTE.total_seconds()
        self.gone_at = {
            path: (text, at)
            for path, (text, at) in self.gone_at.items()
            if now - at < recent and path not in self.texts and text not in texts
        }
        before = set(self.gone_at)
        lately = {path for path, at in self.held_at.items() if now - at < recent}
        removed = missing - published.keys()
        self.gone_at |= {path: (self.published[path], now) for path in removed}
        if removed:
            most = max(3, 0.2 * (len(published) + len(before | removed)))
            assert len(before | removed) <= most, "never more than the limit"
            assert len(removed) == 1 or on_disk, "never everything"
        if len(before | lately | missing) <= 3 and (len(missing) == 1 or on_disk):
            assert removed == missing, "few go at once"


Desk.TestCase.settings = settings(
    # Explaining a failure traces every line, which takes minutes.
    max_examples=20,
    stateful_step_count=25,
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)
test_whatever_an_editor_does_the_guard_holds = Desk.TestCase
