"""For those who run the service: /healthz, /readyz, /metrics.

Must not know feeds or stories.
Open `health` first.
"""
