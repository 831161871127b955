"""The height ``h = ln p`` of a density: the exact equation it obeys, and its coefficients recovered from snapshots.

Import from the modules: ``height`` for densities, ``height_ensemble`` for replicas, ``height_regression`` for
coefficients from snapshots, ``cole_hopf`` for an independent solution.
"""
