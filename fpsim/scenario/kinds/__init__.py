"""The kinds of scenario: one module or package each, found by its name, exporting ``KIND``."""
