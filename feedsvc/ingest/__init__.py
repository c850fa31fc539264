"""Stories as JSON documents that a newsroom's system pushes → articles.

Must not know files, HTTP or the store. Pure: no I/O, no clock.
Open `document` first; `fields` has what each value may be.
"""
