"""JSON documents of stories, pushed by a newsroom's system → articles.

Must not know files, HTTP or the store. Pure: no I/O, no clock.
Open `document` first; `fields` says which values each field may have.
"""
