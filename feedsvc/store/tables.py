"""Defines the tables, and the numbered migrations that create them.

Must not know any engine: where engines differ, a statement has a placeholder in braces, which is filled in
when the migration runs.
"""

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

# The delivery log: which token first received which version of a story, or the marker that it was recalled.
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
