"""Makes the tables, and brings those of an earlier feedsvc up to date.

Must not know how a database is opened. Statements are appended; one that was released is never edited.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, inspect, text

from feedsvc.store import connections
from feedsvc.store.meta import read_meta, write_meta
from feedsvc.util.errors import StoreError

PLACES_BY_KEY = {
    "sqlite": (
        "(SELECT json_group_object(json_extract(value, '$[0]'), json_extract(value, '$[1]'))"
        " FROM json_each(places))"
    ),
    "postgresql": (
        "(SELECT COALESCE(CAST(jsonb_object_agg(place ->> 0, place -> 1) AS TEXT), '{}')"
        " FROM jsonb_array_elements(CAST(places AS JSONB)) AS place)"
    ),
}
"""Makes the present form of `places` out of that before the fourth migration, which older processes write."""

_DIALECTS = {
    "sqlite": {
        "text": "TEXT",
        "bytes": "BLOB",
        "clustered": " WITHOUT ROWID",
        "places_by_key": PLACES_BY_KEY["sqlite"],
        "source_slug": "json_extract(article, '$.source.slug')",
    },
    "postgresql": {
        "text": 'TEXT COLLATE "C"',
        "bytes": "BYTEA",
        "clustered": "",
        "places_by_key": PLACES_BY_KEY["postgresql"],
        "source_slug": "(CAST(article AS JSON) #>> '{source,slug}')",
    },
}
NOT_MADE = "it has not been made yet; `feedsvc serve`, `worker` or `refresh` makes it"
_LOCK = 0x66656564  # any number of our own; PostgreSQL's advisory locks are named by numbers

# Append only: a migration that has run somewhere is never edited. Braces stand for what engines differ in;
# {text} is text that sorts by code point, so that the order of stories is the same on both.
MIGRATIONS: Sequence[Sequence[str]] = (
    (
        "CREATE TABLE articles (id {text} NOT NULL PRIMARY KEY, digest TEXT NOT NULL, status TEXT NOT NULL,"
        " visible_from BIGINT NOT NULL, visible_until BIGINT, places TEXT NOT NULL, article TEXT NOT NULL)",
        "CREATE INDEX articles_visible_from ON articles (visible_from)",
        "CREATE INDEX articles_visible_until ON articles (visible_until) WHERE visible_until IS NOT NULL",
        "CREATE TABLE memberships (feed_key {text} NOT NULL, position BIGINT NOT NULL,"
        " article_id {text} NOT NULL, PRIMARY KEY (feed_key, position, article_id)){clustered}",
        "CREATE TABLE dirty (feed_key {text} NOT NULL PRIMARY KEY, marked_at BIGINT NOT NULL)",
        "CREATE TABLE representations (feed_key {text} NOT NULL, format {text} NOT NULL, title TEXT NOT NULL,"
        " body {bytes} NOT NULL, digest TEXT NOT NULL, changed_at BIGINT NOT NULL, max_age INTEGER NOT NULL,"
        " publication BIGINT NOT NULL, PRIMARY KEY (feed_key, format))",
        "CREATE INDEX representations_publication ON representations (publication)",
        "CREATE TABLE quarantine (path {text} NOT NULL PRIMARY KEY, line INTEGER NOT NULL,"
        " reason TEXT NOT NULL, since BIGINT NOT NULL, article_id {text})",
        "CREATE INDEX quarantine_article_id ON quarantine (article_id) WHERE article_id IS NOT NULL",
        "CREATE TABLE sources_seen (path {text} NOT NULL PRIMARY KEY, size BIGINT NOT NULL,"
        " mtime_ns BIGINT NOT NULL, article_id {text})",
        "CREATE INDEX sources_seen_article_id ON sources_seen (article_id)",
        "INSERT INTO meta VALUES ('publication', '0')",
    ),
    (
        "CREATE TABLE tombstones (feed_key {text} NOT NULL, article_id {text} NOT NULL, at BIGINT NOT NULL,"
        " until BIGINT NOT NULL, reason TEXT NOT NULL, url TEXT,"
        " PRIMARY KEY (feed_key, article_id)){clustered}",
        "CREATE INDEX tombstones_article_id ON tombstones (article_id)",
        "CREATE INDEX tombstones_until ON tombstones (until)",
        "ALTER TABLE representations ADD COLUMN valid_until BIGINT",
        "ALTER TABLE quarantine ADD COLUMN rule TEXT NOT NULL DEFAULT 'story-unreadable'",
    ),
    (
        "CREATE TABLE licensed (partner {text} NOT NULL, feed_key {text} NOT NULL, format {text} NOT NULL,"
        " title TEXT NOT NULL, body {bytes} NOT NULL, digest TEXT NOT NULL, changed_at BIGINT NOT NULL,"
        " max_age INTEGER NOT NULL, publication BIGINT NOT NULL, valid_until BIGINT, contents TEXT,"
        " PRIMARY KEY (partner, feed_key, format))",
        "INSERT INTO licensed SELECT '', feed_key, format, title, body, digest, changed_at, max_age,"
        " publication, valid_until, NULL FROM representations",
        "DROP TABLE representations",
        "ALTER TABLE licensed RENAME TO representations",
        "CREATE INDEX representations_publication ON representations (publication)",
        "ALTER TABLE articles ADD COLUMN published BIGINT",
        # Read all files again: they may have fields about rights that earlier versions ignored.
        "UPDATE sources_seen SET mtime_ns = -1",
        "CREATE INDEX articles_published ON articles (published) WHERE published IS NOT NULL",
        "ALTER TABLE tombstones ADD COLUMN had_by TEXT",
        "CREATE TABLE tokens (id {text} NOT NULL PRIMARY KEY, hash TEXT NOT NULL, name {text} NOT NULL,"
        " scope TEXT NOT NULL, label TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT,"
        " revoked_at BIGINT)",
        "CREATE TABLE deliveries (token_id {text} NOT NULL, article_id {text} NOT NULL,"
        " digest {text} NOT NULL, partner {text} NOT NULL, feed_key {text} NOT NULL, format TEXT NOT NULL,"
        " publication BIGINT NOT NULL, delivered_at BIGINT NOT NULL,"
        " PRIMARY KEY (token_id, article_id, digest)){clustered}",
        "CREATE INDEX deliveries_article_id ON deliveries (article_id)",
        "CREATE INDEX deliveries_delivered_at ON deliveries (delivered_at)",
        "CREATE TABLE recalls (feed_key {text} NOT NULL, article_id {text} NOT NULL, kind TEXT NOT NULL,"
        " at BIGINT NOT NULL, reason TEXT NOT NULL, title TEXT NOT NULL, digest TEXT NOT NULL,"
        " publication BIGINT NOT NULL, PRIMARY KEY (feed_key, article_id)){clustered}",
        "CREATE INDEX recalls_article_id ON recalls (article_id)",
        "CREATE TABLE outbox (id {text} NOT NULL PRIMARY KEY, partner {text} NOT NULL, body TEXT NOT NULL,"
        " created_at BIGINT NOT NULL, due_at BIGINT, attempts INTEGER NOT NULL, sent_at BIGINT,"
        " error TEXT NOT NULL)",
        "CREATE INDEX outbox_due_at ON outbox (due_at) WHERE due_at IS NOT NULL",
        "CREATE TABLE ingested (article_id {text} NOT NULL PRIMARY KEY, received_at BIGINT NOT NULL,"
        " token_id TEXT NOT NULL)",
    ),
    # They were [[feed key, position], …], which takes as long to parse as its rows take to be written.
    ("UPDATE articles SET places = {places_by_key}",),
    (
        "CREATE TABLE conditions (name {text} NOT NULL PRIMARY KEY, detail TEXT NOT NULL,"
        " since BIGINT NOT NULL)",
    ),
    (
        "CREATE TABLE removals (path {text} NOT NULL PRIMARY KEY, article_id {text} NOT NULL,"
        " fingerprint TEXT NOT NULL, at BIGINT NOT NULL)",
        "ALTER TABLE sources_seen ADD COLUMN fingerprint TEXT",
        "ALTER TABLE sources_seen ADD COLUMN found_at BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE sources_seen ADD COLUMN missing_since BIGINT",
        "CREATE INDEX sources_seen_missing ON sources_seen (fingerprint) WHERE missing_since IS NOT NULL",
        # A partial index: most files were found by the first load, and have 0.
        "CREATE INDEX sources_seen_found ON sources_seen (found_at) WHERE found_at > 0",
        # The files are read once more, for the fingerprints of their bytes.
        "UPDATE sources_seen SET mtime_ns = -1",
    ),
    (
        "CREATE TABLE names (key {text} NOT NULL PRIMARY KEY){clustered}",
        "INSERT INTO names SELECT feed_key FROM memberships WHERE feed_key LIKE '%/%' AND feed_key NOT LIKE"
        " 'custom/%' UNION SELECT feed_key FROM tombstones WHERE feed_key LIKE '%/%' AND feed_key NOT LIKE"
        " 'custom/%' UNION SELECT 'sources/' || {source_slug} FROM articles WHERE {source_slug} IS NOT NULL",
    ),
    # For pushed stories: a document that is older than the stored one is refused.
    ("ALTER TABLE ingested ADD COLUMN stated BIGINT",),
    # Partners are told of revoked rights; notices are checked again before they are sent.
    (
        "CREATE TABLE revocations (feed_key {text} NOT NULL, article_id {text} NOT NULL,"
        " audience {text} NOT NULL, level {text} NOT NULL, at BIGINT NOT NULL, until BIGINT,"
        " reason TEXT NOT NULL, title TEXT NOT NULL, url TEXT, digest TEXT NOT NULL,"
        " publication BIGINT NOT NULL, PRIMARY KEY (feed_key, article_id, audience, level)){clustered}",
        "CREATE INDEX revocations_article_id ON revocations (article_id)",
        "CREATE INDEX revocations_at ON revocations (at, article_id)",
        "CREATE INDEX revocations_until ON revocations (until) WHERE until IS NOT NULL",
        "CREATE INDEX revocations_feed_at ON revocations (feed_key, at)",
        "CREATE INDEX recalls_at ON recalls (at, article_id)",
        "ALTER TABLE recalls ADD COLUMN url TEXT",
        "ALTER TABLE outbox ADD COLUMN article_id {text}",
        "ALTER TABLE outbox ADD COLUMN kind TEXT",
        "CREATE INDEX outbox_article_id ON outbox (article_id, partner)",
    ),
    # Retention: rows that are no longer needed are deleted once they are old enough.
    (
        "CREATE TABLE former_dates (partner {text} NOT NULL, feed_key {text} NOT NULL,"
        " format {text} NOT NULL, digest TEXT NOT NULL, changed_at BIGINT NOT NULL,"
        " PRIMARY KEY (partner, feed_key, format)){clustered}",
        "CREATE INDEX outbox_created_at ON outbox (created_at)",
        "ALTER TABLE names ADD COLUMN unused_since BIGINT",
    ),
    # Feeds marked by transactions with few changes are published first, and each kind in order of marking.
    (
        "ALTER TABLE dirty ADD COLUMN urgent SMALLINT NOT NULL DEFAULT 0",
        "ALTER TABLE dirty ADD COLUMN since BIGINT NOT NULL DEFAULT 0",
        "UPDATE dirty SET since = marked_at",
    ),
)


def schema_of(engine: Engine) -> int:
    """How many migrations have run: read without the lock for writing, which a long load may hold."""
    with engine.connect() as connection, connection.begin():
        return int(read_meta(connection, "schema") or 0) if inspect(connection).has_table("meta") else 0


def migrate(engine: Engine, shown: str, *, create: bool) -> None:
    """Run the migrations that have not run yet, in one transaction.

    `shown` is the store's URL for messages. Raises StoreError if the store is of a newer feedsvc, or if there
    is something to do and it is not to `create`.
    """
    done = schema_of(engine)
    if done == len(MIGRATIONS):
        return
    _refuse_newer(done, shown)
    if not create:
        older = f"it is of an older feedsvc (schema {done}); start the refresher of this version first"
        raise StoreError(f"the store ({shown}): {older if done else NOT_MADE}")
    with engine.connect().execution_options(feedsvc_write=True) as tx, tx.begin():
        _run(tx, shown)


def _run(tx: Connection, shown: str) -> None:
    connections.take_time(tx)
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    tx.execute(text("CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"))
    done = int(read_meta(tx, "schema") or 0)
    _refuse_newer(done, shown)
    words = _DIALECTS[tx.dialect.name]
    for migration in MIGRATIONS[done:]:
        for statement in migration:
            tx.execute(text(statement.format(**words)))
    if done < len(MIGRATIONS):
        write_meta(tx, "schema", str(len(MIGRATIONS)))


def _refuse_newer(done: int, shown: str) -> None:
    if done > len(MIGRATIONS):
        raise StoreError(
            f"the store ({shown}): it has schema {done}, of a newer feedsvc; this one knows"
            f" {len(MIGRATIONS)}. Install that version again, or name another store in store.url",
            "store-newer",
        )
