"""`feedsvc serve`: uvicorn workers and the process that supervises them.

Knows no rule of feeds: what a feed's URL is answered with is decided in `web.feeds`.
"""
