"""Random environment of replicas that share their mini-batches, and its regime.

Import from the modules: ``environment`` tells the regime, ``random_walk`` is the solvable case, ``common_batches`` and
``random_features`` are environments whose correlation is known.
"""
