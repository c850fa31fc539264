"""Answers requests for feeds: cache, content-codings, conditional requests, invalidation.

Must not know the server that carries requests and responses.
Open `responder` first: it alone decides the response to a feed's URL.
"""
