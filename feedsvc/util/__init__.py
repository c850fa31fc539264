"""Helpers that any service could use: child processes, threads, sockets, logs, a bounded cache.

Must not know stories or feeds. Open the module whose name says what you need.
"""
