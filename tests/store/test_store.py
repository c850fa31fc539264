"""The store keeps its promises on both engines, with the same answers."""

import json
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Connection, inspect, text

from feedsvc.domain import selection
from feedsvc.domain.model import Article, Change, Rejected, Term, versioned
from feedsvc.store import articles, dirty, migrations, names, representations, sources
from feedsvc.store.articles import ArticleCache, ArticleWrite
from feedsvc.store.engine import Store
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.store.migrations import MIGRATIONS
from feedsvc.store.representations import Unpublished
from feedsvc.store.sources import Source
from feedsvc.store.tables import TABLES
from feedsvc.util.errors import StoreError
from tests.stories import NOON, article


def put(tx: Connection, *changes: Change, filling: bool = False) -> None:
    """Apply changes as the refresher would."""
    applications = []
    for change in changes:
        story = change.new or change.old
        assert story is not None
        new = selection.placed(change.new) if change.new else None
        applications.append(ArticleWrite(story.id, new, selection.affected(change)))
    articles.apply(tx, applications, NOON, filling=filling)


def unpublished(key: str = "all", body: bytes = b"one", **fields: object) -> Unpublished:
    values = {"title": "All", "max_age": 300, "content_at": NOON - timedelta(days=1)} | fields
    return Unpublished(key=key, format="rss", body=body, digest=body.decode(), **values)  # type: ignore[arg-type]


def test_article_comes_back_as_it_was(store: Store) -> None:
    story = article(section="World/Middle East", tags=["Сирия"], embargo=NOON, title="R&D <b> “x”")
    with store.write() as tx:
        put(tx, Change(None, story))
    with store.read() as connection:
        assert articles.get(connection, story.id) == story
        assert articles.get(connection, "another") is None


def test_window_is_newest_first_then_by_id_whatever_the_page(store: Store) -> None:
    stories = [
        article(f"{name}", published=NOON - timedelta(hours=n // 3)) for n, name in enumerate("zyxwvuabcÄß")
    ]
    with store.write() as tx:
        put(tx, *(Change(None, story) for story in stories))
        expected = [s.id for s in sorted(stories, key=lambda s: (-s.visible_from.timestamp(), s.id))]
        for page in (1, 2, 64):
            assert [story.id for story in articles.window(tx, "all", page=page)] == expected


def test_window_skips_what_ranks_after_an_instant(store: Store) -> None:
    with store.write() as tx:
        put(tx, Change(None, article("later", published=NOON + timedelta(1))), Change(None, article("now")))
        assert [story.id for story in articles.window(tx, "all", not_above=NOON)] == ["now"]


def test_moved_story_leaves_its_old_feeds_and_touches_both(store: Store) -> None:
    before, after = article(section="world", tags=["x"]), article(section="sport", tags=["x"])
    with store.write() as tx:
        put(tx, Change(None, before))
        dirty.release(tx, dirty.claim(tx, 99))
        put(tx, Change(before, after))
        assert set(dirty.claim(tx, 99)) == {"all", "sections/world", "sections/sport", "tags/x"}
        assert list(articles.window(tx, "sections/world")) == []
        assert list(articles.window(tx, "sections/sport")) == [after]


def test_store_that_is_filled_comes_to_the_same_as_one_that_grew(store: Store) -> None:
    first, moved, gone = (article(name, section="world", tags=["Сирия"]) for name in ("a", "b", "c"))
    elsewhere = article("b", section="sport", published=NOON - timedelta(hours=1))
    with store.write() as tx:
        put(tx, Change(None, first), Change(None, moved), filling=True)
    with store.write() as tx:
        put(tx, Change(None, gone), filling=True)
    with store.write() as tx:  # another process, which fills nothing
        put(tx, Change(moved, elsewhere), Change(gone, None))
    with store.write() as tx:
        articles.place_all(tx)
        found = {key: list(articles.window(tx, key)) for key in ("all", "sections/world", "sections/sport")}
        assert found == {
            "all": [first, elsewhere],
            "sections/world": [first],
            "sections/sport": [elsewhere],
        }
        put(tx, Change(None, moved))  # what is owed no more is written at once
        assert moved in articles.window(tx, "sections/world")


def test_memberships_are_owed_by_none_but_a_store_that_was_empty(store: Store) -> None:
    with store.write() as tx:
        put(tx, Change(None, article("a")))
        put(tx, Change(None, article("b")), filling=True)
        assert [story.id for story in articles.window(tx, "all")] == ["a", "b"]


def test_removed_story_leaves_nothing(store: Store) -> None:
    story = article(section="world")
    with store.write() as tx:
        put(tx, Change(None, story))
        put(tx, Change(story, None))
        assert articles.count(tx) == 0
        assert list(articles.window(tx, "all")) == []


def test_exception_leaves_nothing_of_a_transaction(store: Store) -> None:
    with suppress(RuntimeError), store.write() as tx:
        put(tx, Change(None, article()))
        raise RuntimeError
    with store.read() as connection:
        assert articles.count(connection) == 0
        assert dirty.backlog(connection) == (0, None)


def test_claims_are_released_with_the_transaction_only(store: Store) -> None:
    with store.write() as tx:
        dirty.mark(tx, ["all", "tags/x"], NOON)
    with suppress(RuntimeError), store.write() as tx:
        dirty.release(tx, dirty.claim(tx, 9))
        raise RuntimeError
    with store.read() as connection:
        assert dirty.backlog(connection) == (2, NOON)


def test_urgent_feeds_are_claimed_first_and_stay_urgent_whoever_marks_them(store: Store) -> None:
    with store.write() as tx:
        dirty.mark(tx, ["a", "b", "c"], NOON)
        dirty.mark(tx, ["c", "d"], NOON + timedelta(seconds=1), urgent=True)
        dirty.mark(tx, ["b", "c"], NOON + timedelta(seconds=2))
        assert dirty.claim(tx, 9) == ["c", "d", "a", "b"]  # each in its turn, however often it is marked
        assert dirty.claim(tx, 9, urgent=True) == ["c", "d"]
        assert dirty.backlog(tx) == (4, NOON)
        assert dirty.newest(tx) == (NOON + timedelta(seconds=2), NOON + timedelta(seconds=2))
        dirty.release(tx, ["c", "d"])
        dirty.mark(tx, ["c"], NOON)
        assert dirty.claim(tx, 9, urgent=True) == []
        assert dirty.newest(tx) == (NOON + timedelta(seconds=2), None)


def test_few_changes_are_urgent_and_many_are_not(store: Store) -> None:
    with store.write() as tx:
        put(tx, *(Change(None, article(f"bulk/{n}", section="Bulk")) for n in range(60)))
        assert dirty.claim(tx, 9, urgent=True) == []
        put(tx, Change(None, article("a", section="World")))
        assert set(dirty.claim(tx, 9, urgent=True)) == {"all", "sections/world"}


def test_a_feed_that_a_story_is_to_leave_comes_before_all_others(store: Store) -> None:
    with store.write() as tx:
        put(tx, Change(None, article("gone", section="World")))
        dirty.release(tx, ["all", "sections/world"])
        dirty.mark(tx, ["tags/x", "tags/y"], NOON - timedelta(days=1), urgent=True)
        withdrawn = article("gone", section="World", status="withdrawn")
        put(tx, Change(article("gone", section="World"), withdrawn))
        dirty.mark(tx, ["all"], NOON + timedelta(days=1), urgent=True)  # as others are pushed meanwhile
        assert set(dirty.claim(tx, 2)) == {"all", "sections/world"}


def test_of_many_changes_the_feeds_that_a_story_is_to_leave_come_first(store: Store) -> None:
    gone = article("gone", section="World")
    with store.write() as tx:
        put(tx, Change(None, gone))
        dirty.release(tx, ["all", "sections/world"])
        many = (Change(None, article(f"bulk/{n}", section="Bulk")) for n in range(60))
        put(tx, *many, Change(gone, article("gone", section="World", status="withdrawn")))
        assert dirty.claim(tx, 9) == ["all", "sections/world", "sections/bulk"]
        assert dirty.claim(tx, 9, urgent=True) == []


def test_two_refreshers_share_the_dirty_feeds(postgres_url: str) -> None:
    store, other = Store(postgres_url), Store(postgres_url)
    with store.write() as tx:
        dirty.mark(tx, ["a", "b", "c"], NOON)
    with store.write() as one, other.write() as two:
        assert dirty.claim(one, 2) == ["a", "b"]
        assert dirty.claim(two, 2) == ["c"]
    store.close()
    other.close()


def test_equal_bytes_are_published_once_and_keep_their_date(store: Store) -> None:
    with store.write() as tx:
        assert representations.publish(tx, [unpublished()], NOON) == [unpublished()]
        assert representations.publish(tx, [unpublished()], NOON + timedelta(1)) == []
        made = representations.get(tx, "all", "rss")
        assert made is not None
        assert (made.body, made.changed_at) == (b"one", NOON - timedelta(days=1))


def test_changed_bytes_move_the_date_by_a_second_at_least(store: Store) -> None:
    dates = []
    with store.write() as tx:
        for body in (b"one", b"two", b"three", b"one"):
            representations.publish(tx, [unpublished(body=body)], NOON)
            made = representations.get(tx, "all", "rss")
            assert made is not None
            dates.append(made.changed_at)
    assert dates == [NOON - timedelta(days=1), NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)]


def test_first_date_is_never_in_the_future(store: Store) -> None:
    with store.write() as tx:
        representations.publish(tx, [unpublished(content_at=NOON + timedelta(days=1))], NOON)
        made = representations.get(tx, "all", "rss")
    assert made is not None
    assert made.changed_at == NOON


def test_readers_learn_what_changed_and_that_something_is_gone(store: Store) -> None:
    with store.write() as tx:
        representations.publish(tx, [unpublished(), unpublished("tags/x")], NOON)
        first = representations.publication(tx)
        representations.publish(tx, [unpublished("tags/x", b"two")], NOON)
        assert representations.changed_since(tx, first[0]) == [("", "tags/x", "rss")]
        representations.withdraw(tx, [("", "tags/x", "rss")])
        after = representations.publication(tx)
        assert after[0] > first[0]
        assert after[1] == after[0]
        assert [listing.key for listing in representations.listings(tx)] == ["all"]


def test_next_flip_is_the_first_embargo_or_expiry_of_a_published_story(store: Store) -> None:
    hour = timedelta(hours=1)
    with store.write() as tx:
        assert articles.next_transition(tx, NOON) is None
        put(
            tx,
            Change(None, article("draft", status="draft", embargo=NOON + hour)),
            Change(None, article("embargoed", embargo=NOON + 3 * hour, tags=["later"])),
            Change(None, article("expiring", expires=NOON + 2 * hour, tags=["sooner"])),
        )
        assert articles.next_transition(tx, NOON) == NOON + 2 * hour
        assert articles.next_transition(tx, NOON + 2 * hour) == NOON + 3 * hour
        assert articles.transitioned(tx, NOON, NOON + 2 * hour) == {"all", "tags/sooner"}


def test_sources_under_a_folder_are_its_own_only(store: Store) -> None:
    with store.write() as tx:
        paths = ["a.md", "a/b.md", "a/c/d.md", "a-b/e.md", "a0.md", "ä/f.md"]
        sources.remember(tx, [Source(path, 1, 2, None) for path in paths])
        assert [one.path for one in sources.seen(tx, "a")] == ["a/b.md", "a/c/d.md"]
        assert [one.path for one in sources.seen(tx, "a.md")] == ["a.md"]
        assert [one.path for one in sources.seen(tx)] == sorted(paths)
        assert [one.path for one in sources.seen(tx, "a", after="a/b.md")] == ["a/c/d.md"]
        assert [one.path for one in sources.seen(tx, after="a0.md", limit=1)] == ["ä/f.md"]


def test_quarantine_keeps_line_and_reason_until_release(store: Store) -> None:
    with store.write() as tx:
        sources.put_in_quarantine(tx, [Rejected("a.md", 4, "date: 'x' is not a date", "id")], NOON)
        assert [(q.path, q.line, q.reason) for q in sources.quarantined(tx)] == [
            ("a.md", 4, "date: 'x' is not a date")
        ]
        assert sources.waiting_for(tx, ["id"]) == ["a.md"]
        sources.release(tx, ["a.md"])
        assert sources.quarantined(tx) == []


def test_every_article_is_met_once_whatever_the_page(store: Store) -> None:
    stories: list[Article] = [article(f"story-{n}") for n in range(7)]
    with store.write() as tx:
        put(tx, *(Change(None, story) for story in stories))
        assert [story.id for story in articles.each(tx, page=2)] == [story.id for story in stories]


def test_migrations_make_the_tables_the_queries_are_written_for(store: Store) -> None:
    with store.read() as connection:
        inspector = inspect(connection)
        for name, table in TABLES.tables.items():
            made = {column["name"]: column["nullable"] for column in inspector.get_columns(name)}
            assert made == {column.name: bool(column.nullable) for column in table.c}
            keys = inspector.get_pk_constraint(name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key]


def test_opening_again_changes_nothing_and_a_newer_store_is_refused(store_url: str) -> None:
    Store(store_url).close()
    store = Store(store_url)
    with store.write() as tx:
        write_meta(tx, "schema", "99")
    store.close()
    with pytest.raises(StoreError, match="newer feedsvc"):
        Store(store_url)


def test_places_of_an_older_store_are_those_of_a_new_one(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", MIGRATIONS[:3])
    monkeypatch.setattr(names, "note", lambda _tx, _stories: None)  # there was no table for them
    monkeypatch.setattr(articles, "mark", lambda *_, **_by_name: None)  # nor was any feed urgent
    older = Store(store_url)
    story, draft = article("a", section="World/Middle East"), article("draft", status="draft")
    story = versioned(replace(story, source=Term("Reuters", "reuters")))
    with older.write() as tx:
        put(tx, Change(None, story), Change(None, draft))
        select = text("SELECT id, places FROM articles")
        written = {one: json.loads(places) for one, places in tx.execute(select)}
        for one, places in written.items():
            values = {"places": json.dumps(list(places.items())), "id": one}
            tx.execute(text("UPDATE articles SET places = :places WHERE id = :id"), values)
    older.close()
    monkeypatch.undo()
    store = Store(store_url)
    with store.read() as connection:
        assert {one: json.loads(places) for one, places in connection.execute(select)} == written
        assert names.beginning(connection, "") == {
            "sections/world",
            "sections/world/middle-east",
            "sources/reuters",
        }
    store.close()


@pytest.mark.parametrize("owed", [False, True])
def test_places_that_an_older_process_still_writes_are_read_as_well(store: Store, owed: bool) -> None:
    story, other = article("a", section="World", embargo=NOON), article("b", section="World")
    with store.write() as tx:
        put(tx, Change(None, story), Change(None, other), filling=owed)
        ((places,),) = tx.execute(text("SELECT places FROM articles WHERE id = 'a'"))
        older = json.dumps(list(json.loads(places).items()), separators=(",", ":"))
        tx.execute(text("UPDATE articles SET places = :places WHERE id = 'a'"), {"places": older})
        articles.place_all(tx)
        assert [one.id for one in articles.window(tx, "sections/world")] == ["a", "b"]
        assert articles.transitioned(tx, NOON - timedelta(days=1), NOON) >= {"all", "sections/world"}
        put(tx, Change(story, article("a", section="Sport", embargo=NOON)))
        assert [one.id for one in articles.window(tx, "sections/world")] == ["b"]
        assert [one.id for one in articles.window(tx, "sections/sport")] == ["a"]


def test_story_that_moves_while_places_are_made_leaves_none_behind(postgres_url: str) -> None:
    store = Store(postgres_url)
    before, after = article("a", section="World"), article("a", section="Sport")
    with store.write() as tx:
        put(tx, Change(None, before), filling=True)

    def move() -> None:
        with store.write() as tx:
            put(tx, Change(before, after))

    mover = Thread(target=move)
    with store.write() as tx:
        articles.place_all(tx)
        mover.start()
        time.sleep(0.3)
    mover.join()
    with store.read() as connection:
        held = {row.feed_key for row in connection.execute(text("SELECT feed_key FROM memberships"))}
    assert held == {"all", "sections/sport"}
    store.close()


def test_store_that_cannot_be_opened_says_so_without_the_password() -> None:
    with pytest.raises(StoreError) as refused:
        Store("postgresql+psycopg://somebody:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(refused.value)


def test_window_is_an_index_range_scan(tmp_path: object) -> None:
    store = Store(f"sqlite:///{tmp_path}/plan.db")
    with store.read() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT a.article FROM memberships m"
                " JOIN articles a ON a.id = m.article_id"
                " WHERE m.feed_key = 'all' AND (m.position, m.article_id) > (0, '')"
                " ORDER BY m.position, m.article_id LIMIT 64"
            )
        ).all()
        assert not any("SCAN" in row[3] or "TEMP B-TREE" in row[3] for row in plan)
        assert int(read_meta(connection, "schema") or 0) == len(MIGRATIONS)
    store.close()


def test_articles_kept_in_memory_are_those_of_the_store(store: Store) -> None:
    cache = ArticleCache(1_000_000)
    with store.write() as tx:
        put(tx, Change(None, article("a")), Change(None, article("b")))
        first = list(articles.window(tx, "all", cache=cache))
        put(tx, Change(article("a"), article("a", title="Harbour talks end")))
        assert [one.title for one in articles.window(tx, "all", cache=cache)] == [
            "Harbour talks end",
            first[1].title,
        ]


def test_checkpoint_leaves_nothing_to_do_for_a_commit(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/feedsvc.db")
    with store.write() as tx:
        put(tx, Change(None, article("a")))
    with store.read():  # what somebody still reads is no reason to wait
        store.checkpoint()
    shutil.copy(tmp_path / "feedsvc.db", tmp_path / "without-log.db")
    with Store(f"sqlite:///{tmp_path}/without-log.db").read() as connection:
        assert articles.get(connection, "a") == article("a")


def test_checkpoint_gives_way_to_another(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/feedsvc.db")
    others = [Thread(target=store.checkpoint) for _ in range(8)]
    with store.write() as tx:
        put(tx, Change(None, article("a")))
        for other in others:
            other.start()
        for other in others:
            other.join(timeout=10)
        assert not any(other.is_alive() for other in others)


def test_pulse_tells_of_what_others_commit(tmp_path: Path) -> None:
    store, other = (Store(f"sqlite:///{tmp_path / 'feedsvc.db'}") for _ in range(2))
    before = store.pulse()
    assert store.pulse() == before
    with other.write() as tx:
        write_meta(tx, "x", "1")
    assert store.pulse() != before
    store.close()
    other.close()
