"""Pages for people: the newsroom's feeds, stories, OPML and sitemaps, with their templates and static files.

Must not know who may see a story beyond the public.
Open `pages` first.
"""
