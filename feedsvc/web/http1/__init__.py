"""HTTP/1.1 messages: what a request may be, and what it says. RFC 9112, read by llhttp.

Knows no connection, no server and no feed.
"""
