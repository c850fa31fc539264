"""The store: the only SQL, one implementation for SQLite and PostgreSQL.

Knows nothing of what makes a story eligible; which feeds a change touches is said by the caller.
"""
