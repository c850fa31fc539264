"""What `feedsvc check` finds: in story files, in feeds, in the configuration's names.

Must not know the store of the service: it makes one of its own.
Open `check` first.
"""
