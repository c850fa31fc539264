"""Feeds for licensed partners: authentication, and a log of what each partner was sent.

Must not know how a feed is selected or rendered.
Open `routes` first, then `delivery_log`.
"""
