"""Story files → articles, or the reason why not.

Knows the files of Hugo, Jekyll and Pelican; must not know the store, feeds, or any configuration object.
"""
