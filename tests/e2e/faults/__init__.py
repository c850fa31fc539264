"""Fault runs: a whole service is driven, disturbed and watched, all by one seed.

`timeline` knows which part was down when, `reference` what may be seen of each story; `desks` change
stories, `pollers` read the feeds, `faults` disturb, `rebuilding` makes the feeds anew at the end. `run` has
what they share.
Nothing here imports feedsvc: what is right is said a second time, simply.
"""
