"""The refresher: looks for changed files, loads them, and publishes the feeds that they changed.

The only place that sequences stages. Must not know HTTP.
Open `refresher` first, then `scan` and `publish`; `schedule` runs it with APScheduler.
"""
