"""What feedsvc is measured beside: each module makes one peer do the same work, as its documentation advises.

None knows how it is measured.
"""
