"""Pure values and rules: what things are, and what they may be.

Knows no I/O, no clock, no configuration object, and nothing of the stages that use it.
"""
