"""The Kardar-Parisi-Zhang class: growing surfaces, random environments and the limit laws they are held against.

Import from the modules: ``surface`` grows ensembles; ``roughness``, ``spectrum`` and ``cumulants`` measure them;
``exact`` and ``tracy_widom`` are the truth to compare with; ``random_walk`` is the solvable random environment.
``height`` is ``ln p`` of a density and the equation it obeys, ``height_ensemble`` the same for replicas;
``height_regression`` recovers its coefficients from snapshots, ``cole_hopf`` solves it independently; ``environment``
tells which regime replicas with common batches are in.
"""
