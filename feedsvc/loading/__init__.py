"""Story files → articles, or the reason why not.

Knows the files of Hugo, Jekyll, Pelican and others. Must not know the store, feeds, or the configuration.
Open `story_file` first: it reads one file. `walk` finds files, `fields` gives keys their meaning.
"""
