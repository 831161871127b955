"""Parameters of scenarios: typed sections, values by dotted key, and their text as TOML."""
