"""The package's version, read by setup.cfg and written into every output file."""

__version__ = "0.2.0.dev0"
