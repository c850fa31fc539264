"""HTTP/1.1 messages (RFC 9112) and connections: what a request may be, and how many there may be.

Must not know what a feed or page is answered with. llhttp reads every byte.
Open `head` first.
"""
