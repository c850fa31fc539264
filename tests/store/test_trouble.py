"""What ails the store is said in words that tell what to do, without a library's."""

import errno
import fcntl
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from feedsvc.store import connections, dirty, trouble
from feedsvc.store.connections import Log, Patience
from feedsvc.store.engine import Store
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.util.errors import StoreError
from tests.stories import NOON


def wrapped(error: Exception) -> SQLAlchemyError:
    return OperationalError("SELECT 1", {}, error)


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (wrapped(sqlite3.DatabaseError("database disk image is malformed")), "store-damaged"),
        (wrapped(sqlite3.DatabaseError("file is not a database")), "store-damaged"),
        (sqlite3.OperationalError("database or disk is full"), "store-full"),
        (wrapped(sqlite3.OperationalError("attempt to write a readonly database")), "store-read-only"),
        (wrapped(sqlite3.OperationalError("unable to open database file")), "store-missing"),
        (wrapped(sqlite3.OperationalError("database is locked")), "store-busy"),
        (wrapped(sqlite3.OperationalError("disk I/O error")), "store-unreachable"),
        (wrapped(psycopg.errors.LockNotAvailable("canceling statement")), "store-busy"),
        (wrapped(psycopg.errors.QueryCanceled("canceling statement")), "store-busy"),
        (wrapped(psycopg.errors.IdleInTransactionSessionTimeout("terminating")), "store-busy"),
        (wrapped(psycopg.errors.DiskFull("could not extend file")), "store-full"),
        (wrapped(psycopg.errors.ReadOnlySqlTransaction("cannot execute")), "store-read-only"),
        (wrapped(psycopg.errors.UndefinedTable('relation "meta" does not exist')), "store-missing"),
        (wrapped(psycopg.errors.AdminShutdown("terminating connection")), "store-unreachable"),
        (wrapped(psycopg.errors.DataCorrupted("invalid page in block 3")), "store-damaged"),
        (wrapped(psycopg.OperationalError("connection refused")), "store-unreachable"),
        (wrapped(psycopg.OperationalError('FATAL:  database "news" does not exist')), "store-missing"),
        (wrapped(psycopg.OperationalError("FATAL:  password authentication failed")), "store-unreachable"),
        (PoolTimeoutError("QueuePool limit"), "store-busy"),
        (StoreError("it is of a newer feedsvc", "store-newer"), "store-newer"),
        (OSError(errno.ENOSPC, "No space left on device"), "store-full"),
        (PermissionError(errno.EACCES, "Permission denied"), "store-read-only"),
        (TimeoutError("it does not answer"), "store-unreachable"),
    ],
)
def test_fault_is_told_in_words_that_say_what_to_do(error: Exception, condition: str) -> None:
    found = trouble.of(error)
    assert found.condition == condition
    assert "sqlalche.me" not in found.words
    assert "SELECT" not in found.words


def test_fault_of_what_was_asked_is_told_from_one_of_the_store(store: Store) -> None:
    with store.write() as tx, pytest.raises(DBAPIError) as wrong, tx.begin_nested():
        tx.execute(text("INSERT INTO meta VALUES ('a', NULL)"))
    assert not trouble.is_of_store(wrong.value)
    assert trouble.is_of_store(wrapped(sqlite3.OperationalError("database or disk is full")))


# -- SQLite's file -----------------------------------------------------------------------------------------


def store_at(file: Path, **options: bool) -> Store:
    return Store(f"sqlite:///{file}", **options)


def test_what_is_written_to_a_deleted_file_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "var" / "feedsvc.db"
    store = store_at(file)

    def write() -> None:
        with store.write() as tx:
            write_meta(tx, "a", "1")
            shutil.rmtree(file.parent)

    with pytest.raises(StoreError, match="deleted or replaced"):
        write()
    with pytest.raises(StoreError, match="deleted or replaced"), store.write():
        pytest.fail("a transaction begins on a file that is gone")
    with store.read() as connection:
        assert read_meta(connection, "schema"), "what is open can be read"
    assert not store.is_current()
    store.reopen()
    with store.write() as tx:
        assert read_meta(tx, "a") is None
        write_meta(tx, "a", "2")
    assert store.is_current()
    store.close()


def test_log_of_a_deleted_file_is_not_brought_into_the_next(tmp_path: Path) -> None:
    """As where the file alone is deleted, and others have it open."""
    file = tmp_path / "feedsvc.db"
    store, other = store_at(file), store_at(file, create=False)
    with store.write() as tx:
        write_meta(tx, "a", "of the first")
    file.unlink()
    store.reopen()
    with store.read() as connection:
        assert read_meta(connection, "a") is None
    with other.read() as connection:
        assert read_meta(connection, "a") == "of the first"
    other.reopen()
    with store.write() as tx:
        write_meta(tx, "a", "of the second")
    with other.read() as connection:
        assert read_meta(connection, "a") == "of the second"
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
    other.close()


def test_log_is_not_brought_into_a_copy_that_takes_the_file_s_place(tmp_path: Path) -> None:
    file, copy = tmp_path / "feedsvc.db", tmp_path / "copy.db"
    store = store_at(file)
    with store.write() as tx:
        write_meta(tx, "a", "copied")
    with closing(sqlite3.connect(file)) as plain, closing(sqlite3.connect(copy)) as target:
        plain.backup(target)
    with store.write() as tx:
        write_meta(tx, "a", "later")
    copy.replace(file)
    assert store.was_replaced
    store.reopen()
    with store.read() as connection:
        assert read_meta(connection, "a") == "copied"
    store.close()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_nothing_is_lost_with_what_lies_beside_an_open_store(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "feedsvc.db"
    store, other = store_at(file), store_at(file, create=False)
    for name in ("a", "b"):
        with other.write() as tx:
            write_meta(tx, name, "kept")
    (tmp_path / f"feedsvc.db{ending}").unlink()
    for one in (store, other):
        assert not one.is_current()
        with pytest.raises(StoreError, match="deleted or replaced"), one.write():
            pytest.fail("a transaction begins that others would not see")
    assert not other.was_replaced, "there is no other to open yet"
    store.reopen()
    assert other.was_replaced
    other.reopen()
    for one in (store, other):
        with one.write() as tx:
            assert read_meta(tx, "a") == read_meta(tx, "b") == "kept"
            write_meta(tx, "c", "written")
        assert one.is_current()
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
    other.close()


def test_log_is_told_from_every_later_one_in_its_place(tmp_path: Path) -> None:
    """File systems give the inode of a file that is gone to the next one."""
    file = tmp_path / "feedsvc.db"
    place = tmp_path / "feedsvc.db-wal"
    place.touch()
    log = Log(file)
    assert log.is_there()
    for _ in range(50):
        place.unlink()
        place.touch()
        assert not log.is_there()
    log.close()
    assert not log.is_there()


def test_who_writes_again_and_again_lets_others_write_between(tmp_path: Path) -> None:
    """SQLite has who waits ask again after longer and longer pauses, which would miss every gap."""
    store, other = store_at(tmp_path / "feedsvc.db"), store_at(tmp_path / "feedsvc.db")
    ended, done = threading.Event(), [0]

    def write_on() -> None:
        while not ended.is_set():
            with store.write():
                time.sleep(0.03)
            done[0] += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    waited: list[int] = []
    for _ in range(10):
        before = done[0]
        with other.write():
            waited.append(done[0] - before)
    ended.set()
    writer.join()
    store.close()
    other.close()
    assert max(waited) < 8, waited


def test_turn_that_nobody_takes_is_not_waited_for_for_long(tmp_path: Path) -> None:
    """As by a process that was suspended while it waited."""
    store = store_at(tmp_path / "feedsvc.db")
    with (tmp_path / "feedsvc.db-turn").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with store.write() as tx:
            write_meta(tx, "a", "1")
    store.close()


def test_store_that_waits_says_why_it_is_not_open(tmp_path: Path) -> None:
    file = tmp_path / "feedsvc.db"
    store = store_at(file, create=False, wait=True)
    with pytest.raises(StoreError, match="has not been made yet"), store.read():
        pytest.fail("there is none")
    assert not file.exists()
    store_at(file).close()
    store.reopen()
    with store.read() as connection:
        assert read_meta(connection, "schema")
    store.close()


# -- PostgreSQL's limits -----------------------------------------------------------------------------------


def wait_in_transaction(silent: Store, other: Store, keys: Sequence[str]) -> None:
    """Mark feeds, and then wait, in the same transaction, until another one has marked the first of them."""
    with silent.write() as tx:
        dirty.mark(tx, keys, NOON)
        with other.write() as free:
            dirty.mark(free, keys[:1], NOON)
        dirty.backlog(tx)


def test_transaction_that_says_nothing_lets_go_of_its_locks(postgres_url: str) -> None:
    """Also after many statements that were sent in one go."""
    silent = Store(postgres_url, patience=Patience(0.5, 5.0, 3.0))
    other = Store(postgres_url, patience=Patience(0.5, 5.0, 3.0))
    for many in (False, True):
        keys = [f"tags/t{number}" for number in range(100 if many else 1)]
        with pytest.raises(DBAPIError) as ended:
            wait_in_transaction(silent, other, keys)
        assert trouble.is_of_store(ended.value)
        with silent.write() as tx:  # it goes on by itself
            assert dirty.backlog(tx)[0] == 1
    silent.close()
    other.close()


def test_statement_and_lock_have_limits_that_long_transactions_have_not(postgres_url: str) -> None:
    store = Store(postgres_url, patience=Patience(5.0, 0.3, 0.2))
    wait = text("SELECT pg_sleep(0.6)")
    with pytest.raises(DBAPIError) as ended, store.write() as tx:
        tx.execute(wait)
    assert trouble.of(ended.value).condition == "store-busy"
    with store.write(long=True) as tx:
        tx.execute(wait)
    with store.read(long=True) as connection:
        connection.execute(wait)
    with store.write() as tx:
        write_meta(tx, "a", "1")
        with pytest.raises(DBAPIError) as ended, store.write() as blocked:
            write_meta(blocked, "a", "2")
    assert trouble.is_lock_timeout(ended.value)
    store.close()


def test_session_that_stopped_amid_statements_is_ended(postgres_url: str) -> None:
    """PostgreSQL's own limits take it neither for idle nor for running."""
    store = Store(postgres_url, patience=Patience(1.0, 5.0, 5.0))
    stuck = psycopg.connect(postgres_url.replace("+psycopg", ""), application_name="feedsvc")

    def is_there() -> bool:
        pid = stuck.info.backend_pid
        with store.read() as connection:
            found = connection.execute(text(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))
            return found.scalar() is not None

    def stop_amid() -> None:
        with stuck.pipeline():
            stuck.execute("INSERT INTO meta VALUES ('stuck', '1')")
            stuck.pgconn.send_flush_request()
            stuck.pgconn.flush()
            deadline = time.monotonic() + 10
            while is_there():  # there may be sessions of other tests
                store.end_silent()
                assert time.monotonic() < deadline, "it was not ended"
                time.sleep(0.05)

    with pytest.raises(psycopg.OperationalError, match="connection"):
        stop_amid()
    with store.write() as tx:
        write_meta(tx, "stuck", "2")
    store.close()


def test_limits_are_set_on_each_connection(postgres_url: str) -> None:
    engine = connections.postgresql(postgres_url, Patience(1.5, 2.5, 3.5))
    for _ in range(2):
        with engine.connect() as one, engine.connect() as other:
            for connection in (one, other):
                names = ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")
                told = [connection.execute(text(f"SHOW {name}")).scalar() for name in names]
                assert told == ["1500ms", "2500ms", "3500ms"]
        engine.dispose()
