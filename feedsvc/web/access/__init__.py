"""Who a client is and how much it may ask: tokens, rate limits, throttling of wrong tokens, addresses.

Must not know what is asked for.
Open `token_cache` first.
"""
