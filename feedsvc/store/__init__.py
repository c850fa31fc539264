"""The store: all SQL is here, in one implementation for SQLite and PostgreSQL.

Must not know what makes a story eligible: the caller says which feeds a change affects.
Open `engine` first, then `articles`, `dirty` and `representations`.
"""
