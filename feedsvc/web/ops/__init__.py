"""Endpoints for operators: /healthz, /readyz, /metrics.

Must not know feeds or stories.
Open `health` first.
"""
