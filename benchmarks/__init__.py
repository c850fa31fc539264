"""What `make bench` runs: feedsvc beside what its users could pick instead, in one run, as ratios.

Nothing here is imported by feedsvc, nor run by its tests as a matter of time.
"""
