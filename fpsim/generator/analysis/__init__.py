"""Analyses of a generator: stationary states, first passage, spectra, currents, entropy production, grid errors."""
