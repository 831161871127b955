"""Coefficients and start of the joint density of all weights, at points in any number of dimensions."""
