"""Pages for people: the newsroom's feeds, stories, OPML and sitemaps, with their templates and static files.

Must not know about access beyond the public's.
Open `pages` first.
"""
