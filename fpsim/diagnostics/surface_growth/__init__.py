"""Stochastic surfaces in one dimension, and the limit laws of the Kardar-Parisi-Zhang class.

Import from the modules: ``surface`` grows ensembles; ``roughness``, ``spectrum`` and ``cumulants`` measure them;
``exact`` and ``tracy_widom`` are the truth to compare with.
"""
