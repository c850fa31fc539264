"""A changed article → the store, with everything that follows: memberships, tombstones, recalls, dirty feeds.

Must not know files, HTTP or rendering.
Open `apply` first; `push` is for stories pushed as documents.
"""
