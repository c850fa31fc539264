"""The HTTP API to which newsrooms' systems push stories.

Must not know how a story is stored or published: `changes.push` does.
Open `routes` first.
"""
