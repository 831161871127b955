"""Height ``h = ln p`` of a density: its exact equation, and the coefficients recovered from snapshots.

Import from the modules: ``height`` for densities, ``height_ensemble`` for replicas, ``height_regression`` for
coefficients from snapshots, ``cole_hopf`` for an independent solution.
"""
