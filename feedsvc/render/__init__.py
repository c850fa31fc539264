"""Renders a feed as bytes, in RSS, Atom and JSON Feed.

Must not know the store or HTTP. Equal feeds give equal bytes, whatever was rendered before.
Open `feed` first, then the format's module; `story` has the values that all formats share.
"""
