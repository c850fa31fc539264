"""Markdown or HTML from authors → safe HTML and plain text.

Must not know where a text comes from, or which feed it is for.
Open `sanitize` first.
"""
