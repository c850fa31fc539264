"""Handles HTTP/1.1 messages (RFC 9112) and connections: which requests are accepted, and limits on both.

Must not know the response to a feed or page. llhttp parses every byte.
Open `head` first.
"""
