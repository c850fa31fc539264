"""Defines the tables, and the numbered migrations that create them.

Must not know any engine: where engines differ, a statement has a placeholder in braces, which is filled in
when the migration runs.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

TABLES = MetaData()

articles = Table(
    "articles",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("visible_from", BigInteger, nullable=False),
    Column("visible_until", BigInteger),
    Column("places", Text, nullable=False),  # JSON {feed key: position, …}: its rows in memberships
    Column("article", Text, nullable=False),  # the Article as JSON
    Column("published", BigInteger),  # the publication date, if it is earlier than visible_from
)

# `position` is minus the ranking instant, so that the primary key has the order of every feed.
memberships = Table(
    "memberships",
    TABLES,
    Column("feed_key", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("article_id", Text, primary_key=True),
)

dirty = Table(
    "dirty",
    TABLES,
    Column("feed_key", Text, primary_key=True),
    Column("marked_at", BigInteger, nullable=False),  # when it was last marked
    Column("since", BigInteger, nullable=False),  # when it was first marked
    Column("urgent", SmallInteger, nullable=False, default=0),  # bits, see dirty.py
)

representations = Table(
    "representations",
    TABLES,
    Column("partner", Text, primary_key=True),  # whom it is for; "" for everybody
    Column("feed_key", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("max_age", Integer, nullable=False),
    Column("publication", BigInteger, nullable=False),  # number of the commit that wrote it
    Column("valid_until", BigInteger),  # when the first of its stories expires
    Column("contents", Text),  # for a partner's only: JSON [[article id, digest or marker], …]
)

quarantine = Table(
    "quarantine",
    TABLES,
    Column("path", Text, primary_key=True),
    Column("line", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("article_id", Text),  # if the reason is that another file has the same id: that id
    Column("rule", Text, nullable=False),
)

sources_seen = Table(
    "sources_seen",
    TABLES,
    Column("path", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("article_id", Text),  # the story this file owns; NULL if it never loaded
    Column("fingerprint", Text),  # of its bytes; "" if no story could be made of them, NULL if not known yet
    Column("found_at", BigInteger, nullable=False),  # when it was first found with these bytes; 0 is long ago
    Column("missing_since", BigInteger),  # when it was found gone; its story stays until that is confirmed
)

# The stories that were removed within the last minute because their files were gone.
removals = Table(
    "removals",
    TABLES,
    Column("path", Text, primary_key=True),
    Column("article_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Which feeds say that a story was withdrawn, at which instant, and until when.
tombstones = Table(
    "tombstones",
    TABLES,
    Column("feed_key", Text, primary_key=True),
    Column("article_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("url", Text),  # the story's URL, as its author wrote it
    Column("had_by", Text),  # JSON, the audiences that could have had it; NULL is everybody alone
)

# Tokens for partners' feeds, and for the interface for newsrooms: only hashes, no token itself.
tokens = Table(
    "tokens",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False),  # SHA-256, in hex
    Column("name", Text, nullable=False),  # of the partner or newsroom that it was made for
    Column("scope", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# The ledger: which token first received which version of which story, or the marker that it was recalled.
deliveries = Table(
    "deliveries",
    TABLES,
    Column("token_id", Text, primary_key=True),
    Column("article_id", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("partner", Text, nullable=False),
    Column("feed_key", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("publication", BigInteger, nullable=False),
    Column("delivered_at", BigInteger, nullable=False),
)

# What partners that hold a story must know: that it was withdrawn, corrected or removed. A row for each feed.
recalls = Table(
    "recalls",
    TABLES,
    Column("feed_key", Text, primary_key=True),
    Column("article_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("digest", Text, nullable=False),  # the version that was recalled
    Column("publication", BigInteger, nullable=False),  # number of the last one before the recall
    Column("url", Text),  # the story's URL, as its author wrote it
)

# Which audiences may no longer have a story, or only less of it. A row for each feed that they had it in.
revocations = Table(
    "revocations",
    TABLES,
    Column("feed_key", Text, primary_key=True),
    Column("article_id", Text, primary_key=True),
    Column("audience", Text, primary_key=True),  # a partner's name; "" for everybody
    Column("level", Text, primary_key=True),  # how much of it they may still have
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),  # when they get it back by time alone, as after an embargo
    Column("reason", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("digest", Text, nullable=False),  # the version that was there
    Column("publication", BigInteger, nullable=False),  # number of the last one before the revocation
)

# Notices to partners' webhooks, to be sent until they are accepted or given up.
outbox = Table(
    "outbox",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("partner", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # NULL once it was accepted or given up
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text, nullable=False),
    Column("article_id", Text),
    Column("kind", Text),  # of the recall, or "restored"
)

# The stories that no file owns: they were pushed through the interface for newsrooms.
ingested = Table(
    "ingested",
    TABLES,
    Column("article_id", Text, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("token_id", Text, nullable=False),
    Column("stated", BigInteger),  # when it last changed according to its document; NULL if that doesn't say
)

# The dates of removed representations: one that comes back has the date it had, or a later one.
former_dates = Table(
    "former_dates",
    TABLES,
    Column("partner", Text, primary_key=True),
    Column("feed_key", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# What an operator has to see or decide, as long as it lasts.
conditions = Table(
    "conditions",
    TABLES,
    Column("name", Text, primary_key=True),
    Column("detail", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# Sections, tags, authors and agencies that stories have or had: `tags/syria`, `sources/reuters`.
names = Table(
    "names",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("unused_since", BigInteger),  # when no published story was first found to have it; NULL if one has
)

meta = Table("meta", TABLES, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

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
