"""From a feed's URL to its response: cache, content-codings, conditional requests, invalidation.

Knows nothing of the server that carries requests and responses.
"""
