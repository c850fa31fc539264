"""Values and rules of feeds: articles, feed keys, rights, who may see what and when.

Must not know files, databases, HTTP, a clock or the configuration: everything here is pure.
Open `model` first, then `selection` and `gate`.
"""
