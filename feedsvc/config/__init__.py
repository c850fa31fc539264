"""The configuration: config.toml → checked settings → the plain values that stages take.

Must not know what a stage does with a value.
Open `schema` first: each setting is declared there, or in the table's module beside it.
"""
