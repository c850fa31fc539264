"""Other people's archives → story files: pages saved as text.

Must not know the store or feeds: what it makes is a file that `loading` reads.
Open `saved_page` first.
"""
