"""A feed's URL → its response: cache, content-codings, conditional requests, invalidation.

Must not know the server that carries requests and responses.
Open `responder` first: it alone decides what a feed's URL is answered with.
"""
