"""The API that newsrooms' systems push stories to.

Must not know how a story is stored or published: `changes.push` does.
Open `routes` first.
"""
