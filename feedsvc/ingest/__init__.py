"""Stories as JSON documents that a newsroom pushes: `fields` are their values, `document` the whole.

Pure: no I/O, no clock, and nothing of HTTP or the store.
"""
