"""The store: the only SQL, one implementation for SQLite and PostgreSQL.

Must not know what makes a story eligible: which feeds a change touches is said by the caller.
Open `schema` first, for the store itself, then `articles`, `dirty` and `representations`.
"""
