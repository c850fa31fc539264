"""HTML as authors write it: what of it the sanitiser can be given.

Pure: no I/O, and neither stories nor feeds.
"""
