"""Feeds for licensed partners: who is let in, and a log of what each of them was sent.

Must not know how a feed is selected or rendered.
Open `routes` first, then `delivery_log`.
"""
