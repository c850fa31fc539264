"""Other people's archives → story files: pages saved as text.

Must not know the store or feeds: it makes files that `loading` reads.
Open `saved_page` first.
"""
