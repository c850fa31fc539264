"""Who a client is and how many requests it may make: tokens, rate limits, throttling, client addresses.

Must not know what is asked for.
Open `token_cache` first.
"""
