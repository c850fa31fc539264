"""The commands of `feedsvc`; the only package that prints.

Builds the parts of the service from a configuration and connects them; must not know how a part does its
work. Open `main` first.
"""
