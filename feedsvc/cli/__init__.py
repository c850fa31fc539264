"""The commands of `feedsvc`; the only package that prints.

Must not know how a stage does its work: it wires them from a configuration.
Open `main` first.
"""
