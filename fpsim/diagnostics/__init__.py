"""Diagnostics of the dynamics: renormalisation (Callan-Symanzik) and the Kardar-Parisi-Zhang class."""
