"""The checks of `feedsvc check`: of story files, of feeds, and of names in the configuration.

Must not know the service's own store: the checks use a temporary one.
Open `check` first.
"""
