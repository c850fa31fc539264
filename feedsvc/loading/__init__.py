"""Story files → articles, or the reason why a file was rejected.

Knows the file conventions of Hugo, Jekyll, Pelican and others. Must not know the store, feeds, or the
configuration. Open `story_file` first: it reads one file. `walk` finds the files; `fields` turns front matter
keys into the fields of an article.
"""
